// Links that reopen a view where it stands.

import { presetCamera } from "./camera.js";

/**
 * The address of this page with the place of a stage and its angle behind the #.
 * @param {Stage} stage
 */
export function linkTo(stage) {
  const { eye } = stage.camera;
  const { axes, id } = stage.header;
  const place = new URLSearchParams({ stage: id, k: String(axes.step.values[stage.step]), eye: [eye.x, eye.y, eye.z].map((v) => v.toFixed(3)).join(",") });
  if (axes.frame) place.set("at", String(axes.frame.values[stage.frame]));
  const address = new URL(window.location.href);
  address.hash = place.toString();
  return address.href;
}

/**
 * A stage's place from the address: {k, at, camera}; fields that are missing or not valid are left out.
 * @param {string} id
 */
export function linkedPlace(id) {
  const place = new URLSearchParams(window.location.hash.slice(1));
  if (place.get("stage") !== id) return {};
  /** @param {string} key */
  const number = (key) => (place.has(key) && Number.isFinite(Number(place.get(key))) ? Number(place.get(key)) : null);
  const eye = (place.get("eye") || "").split(",").map(Number);
  const usable = eye.length === 3 && eye.every(Number.isFinite) && Math.hypot(...eye) > 0.1 && Math.hypot(...eye) < 20;
  const camera = usable ? { ...presetCamera("3/4"), eye: { x: eye[0], y: eye[1], z: eye[2] } } : null;
  return { k: number("k"), at: number("at"), camera };
}
