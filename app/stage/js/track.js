// The clip's track behind the player's frame slider: error over the frames, guessed joints, and jumps.

import { fitCanvas } from "./canvas.js";
import { element } from "./dom.js";
import { largest } from "./numbers.js";
import { withAlpha } from "./theme.js";

const THUMB = 9; // pixels: half of the slider's thumb, which a range input keeps inside its ends

/**
 * The words of a track: what its bands and curve mean.
 * @param {TrackSpec} track
 */
export function trackWords(track) {
  const words = [];
  if (track.curve) words.push(`height: ${track.curve.label}`);
  if (track.guessed) words.push("orange: guessed joints");
  if (track.jumps?.length) words.push("lines: jumps of the 2D pose");
  return words.join("; ");
}

export class Track {
  /**
   * @param {Stage} stage
   * @param {HTMLElement} host
   */
  constructor(stage, host) {
    this.stage = stage;
    this.slot = host;
    this.width = 0;
    this.height = 0;
    this.look = "";
    /** @type {TrackSpec | null} */
    this.spec = null;
    this.canvas = element("canvas", "dps-track", host);
    this.canvas.setAttribute("aria-hidden", "true");
    this.watcher = new ResizeObserver(() => { this.width = 0; stage.schedule(); });
    this.watcher.observe(this.canvas);
  }
  update() {
    this.spec = this.stage.header.track || null;
    this.canvas.hidden = !this.spec;
    this.look = "";
    if (this.spec) this.slot.title = trackWords(this.spec);
  }
  draw() {
    if (!this.spec) return;
    if (!this.width) { this.width = this.canvas.clientWidth; this.height = this.canvas.clientHeight; }
    const { stage, spec, width, height } = this;
    if (width < 30) return;
    const look = [width, height, stage.step, stage.themeKey, stage.header.hash].join();
    if (look === this.look) return;
    this.look = look;
    const context = fitCanvas(this.canvas, width, height);
    const n = stage.count("frame");
    /** @param {number} i */
    const X = (i) => THUMB + ((width - 2 * THUMB) * i) / Math.max(1, n - 1);
    if (spec.guessed) this.drawGuessed(context, X, n, spec.guessed);
    if (spec.curve) this.drawCurve(context, X, n, spec.curve);
    context.fillStyle = stage.theme.palette("red")[2];
    for (const i of spec.jumps || []) context.fillRect(X(i) - 0.75, 0, 1.5, height);
  }
  /**
   * @param {Canvas2D} context
   * @param {Place} X
   * @param {number} n
   * @param {string} array
   */
  drawGuessed(context, X, n, array) {
    const { stage, height } = this;
    const ink = stage.theme.palette("heat")[2];
    const wide = Math.max(1, X(1) - X(0));
    for (let i = 0; i < n; i++) {
      const share = stage.arrays[array].at(i, 0)[0];
      if (!(share > 0)) continue;
      context.fillStyle = withAlpha(ink, 0.25 + 0.75 * Math.min(1, share / 6));
      context.fillRect(X(i) - wide / 2, height - 4, wide + 0.5, 4);
    }
  }
  /**
   * An area as high as the error: the largest fills the track.
   * @param {Canvas2D} context
   * @param {Place} X
   * @param {number} n
   * @param {NonNullable<TrackSpec["curve"]>} curve
   */
  drawCurve(context, X, n, curve) {
    const { stage, height } = this;
    const values = Array.from({ length: n }, (_, i) => stage.arrays[curve.array].at(i, stage.step)[0]);
    const top = largest(values) * 1.05;
    const bottom = height - 4;
    /** @param {number} v */
    const Y = (v) => bottom - (bottom - 2) * Math.min(1, (Number.isFinite(v) ? v : 0) / top);
    const ink = stage.theme.palette(curve.palette)[2];
    context.beginPath();
    context.moveTo(X(0), bottom);
    values.forEach((v, i) => context.lineTo(X(i), Y(v)));
    context.lineTo(X(n - 1), bottom);
    context.closePath();
    context.fillStyle = withAlpha(ink, 0.16);
    context.fill();
    context.beginPath();
    values.forEach((v, i) => (i ? context.lineTo(X(i), Y(v)) : context.moveTo(X(i), Y(v))));
    context.strokeStyle = withAlpha(ink, 0.75);
    context.lineWidth = 1.4;
    context.stroke();
  }
}
