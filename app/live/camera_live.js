// The size of a camera's pictures, their rate, and words on a camera that can't be had.

const LONGER_SIDE = 480; // pixels of the pictures that are sent
const RATE_OVER_MS = 2000; // frames a second are counted over this time

/** What the person can do about a camera that can't be had. @type {Record<string, string>} */
const REFUSALS = {
  NotAllowedError: "The browser may not use the camera. Allow it for this page (the camera symbol beside the address), then start again.",
  NotFoundError: "No camera was found. Connect one, then start again.",
  NotReadableError: "The camera can't be read: another program may be using it. Close that, then start again.",
  OverconstrainedError: "No camera gives pictures of a usual size.",
  SecurityError: "This page may not use a camera: browsers allow it on localhost and on https only.",
};

/** @param {unknown} error */
export function whyNoCamera(error) {
  const { name, message } = /** @type {Error} */ (error);
  return REFUSALS[name] || `The camera can't be started: ${message}.`;
}

/**
 * Width and height of a picture whose longer side is at most LONGER_SIDE.
 * @param {number} width
 * @param {number} height
 */
export function sentSize(width, height) {
  const shrink = Math.min(1, LONGER_SIDE / Math.max(width, height));
  return [Math.max(16, Math.round(width * shrink)), Math.max(16, Math.round(height * shrink))];
}

/** Frames a second, of the times at which the last ones were drawn. */
export class Rate {
  constructor() {
    /** @type {number[]} */
    this.times = [];
  }
  /** @param {number} now */
  add(now) {
    this.times.push(now);
    while (now - this.times[0] > RATE_OVER_MS) this.times.shift();
  }
  /** Frames a second, or NaN before there are two. */
  get value() {
    const { times } = this;
    return times.length > 1 ? (1000 * (times.length - 1)) / (times[times.length - 1] - times[0]) : NaN;
  }
}
