// The clip's track behind the player's frame slider: error over the frames, guessed joints, jumps, and other people.

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
  if (track.others?.length) words.push("grey: somebody else");
  return words.join("; ");
}

/**
 * First and last index of every run of numbers.
 * @param {number[]} values
 */
export function knownRuns(values) {
  /** @type {[number, number][]} */
  const runs = [];
  values.forEach((v, i) => {
    if (!Number.isFinite(v)) return;
    if (runs.at(-1)?.[1] === i - 1) runs[runs.length - 1][1] = i;
    else runs.push([i, i]);
  });
  return runs;
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
    if (spec.others) this.drawOthers(context, X, spec.others);
    if (spec.guessed) this.drawGuessed(context, X, n, spec.guessed);
    if (spec.curve) this.drawCurve(context, X, n, spec.curve);
    context.fillStyle = stage.theme.palette("red")[2];
    for (const i of spec.jumps || []) context.fillRect(X(i) - 0.75, 0, 1.5, height);
  }
  /**
   * @param {Canvas2D} context
   * @param {Place} X
   * @param {number[]} others
   */
  drawOthers(context, X, others) {
    context.fillStyle = withAlpha(this.stage.theme.palette("grey")[2], 0.45);
    for (const i of others) {
      const from = Math.round(X(i - 0.5)); // whole pixels: neighbours neither overlap nor leave a line between them
      context.fillRect(from, 0, Math.max(1, Math.round(X(i + 0.5)) - from), this.height);
    }
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
   * An area as high as the error: the largest fills the track. Where the error is not known there is a gap.
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
    const Y = (v) => bottom - (bottom - 2) * Math.min(1, v / top);
    const ink = stage.theme.palette(curve.palette)[2];
    context.fillStyle = withAlpha(ink, 0.16);
    context.strokeStyle = withAlpha(ink, 0.75);
    context.lineWidth = 1.4;
    for (const [first, last] of knownRuns(values)) {
      const line = new Path2D();
      for (let i = first; i <= last; i++) line.lineTo(X(i), Y(values[i]));
      const area = new Path2D(line);
      area.lineTo(X(last), bottom);
      area.lineTo(X(first), bottom);
      context.fill(area);
      context.stroke(line);
    }
  }
}
