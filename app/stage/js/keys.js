// The keyboard: steps, frames, playing and turning.

import { orbit } from "./camera.js";

const TURN = Math.PI / 24;

/** @param {KeyboardEvent} event */
const targetOf = (event) => /** @type {HTMLElement} */ (event.target);

/** What the keys do, for the help. */
export const KEYS = [
  ["Space", "Play or pause"],
  ["← →", "One diffusion step back or forward"],
  ["↑ ↓", "One frame of the clip forward or back"],
  ["Home, End", "First and last step"],
  ["Shift + arrows", "Turn all scenes"],
  ["F", "Full screen"],
  ["L", "Show or hide the legend"],
  ["B", "Bodies or stick figures"],
  ["?", "This help"],
];

/**
 * @param {Stage} stage
 * @param {KeyboardEvent} event
 */
function turnByKey(stage, event) {
  /** @type {Record<string, number[]>} */
  const turns = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const turn = turns[event.key];
  if (!turn || targetOf(event).tagName === "INPUT") return null;
  return () => stage.setCamera(orbit(stage.camera, turn[0] * TURN, turn[1] * TURN));
}

/**
 * @param {Stage} stage
 * @param {KeyboardEvent} event
 */
function actionOf(stage, event) {
  const { timeline } = stage;
  if (event.key === "?") return () => stage.tools.help();
  if (event.shiftKey) return turnByKey(stage, event);
  const slider = targetOf(event).tagName === "INPUT" && targetOf(event).dataset.axis;
  const axis = /** @type {Axis} */ (slider || "step");
  /** @type {Record<string, () => void>} */
  const actions = {
    ArrowRight: () => timeline.nudge(1, axis), ArrowLeft: () => timeline.nudge(-1, axis),
    Home: () => timeline.jump(0, axis), End: () => timeline.jump(-1, axis),
    " ": () => timeline.toggle(),
    f: () => stage.tools.fullScreen(), l: () => stage.legend.toggle(), b: () => stage.tools.switchFigures(),
  };
  if (stage.header.axes.frame) {
    actions.ArrowUp = () => timeline.nudge(1, "frame");
    actions.ArrowDown = () => timeline.nudge(-1, "frame");
  }
  if (event.key === " " && targetOf(event).tagName === "BUTTON") return null;
  return actions[event.key];
}

/**
 * Does what a key stands for, if anything.
 * @param {Stage} stage
 * @param {KeyboardEvent} event
 */
export function handleKey(stage, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || targetOf(event).tagName === "SELECT") return;
  const action = actionOf(stage, event);
  if (!action) return;
  event.preventDefault();
  event.stopPropagation();
  action();
}
