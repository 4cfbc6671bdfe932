// What the person did, shared by the stages of a page. It survives reruns and page changes.

import { presetCamera } from "./camera.js";

/** @type {Map<string, Memory>} */
export const memories = new Map(); // a stage's id -> what the person did to it
/** @type {Set<Stage>} */
export const live = new Set(); // the stages that are on the page
/** @type {Map<string, { picked: number | null, at: number | null }>} */
export const frames = new Map(); // a clip -> the frame that the person went to last, in whichever stage
/** @type {{ camera: Camera, view: string | null, hovered: Stage | null }} */
export const shared = { camera: presetCamera("3/4"), view: "3/4", hovered: null }; // one angle for all scenes of all stages

const PREFIX = "diffpose-";

/**
 * A choice that outlives the visit; the fallback where there is none, or where the browser keeps nothing.
 * @param {string} name
 * @param {string} fallback
 */
export function recall(name, fallback) {
  try {
    return window.localStorage.getItem(PREFIX + name) ?? fallback;
  } catch {
    return fallback;
  }
}

/**
 * Keeps a choice for the next visit.
 * @param {string} name
 * @param {string} value
 */
export function keep(name, value) {
  try {
    window.localStorage.setItem(PREFIX + name, value);
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}
