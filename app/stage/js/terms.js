// The terms of Eq. 1 as arrows in a scene.

import { line, setFont } from "./canvas.js";
import { LAYER_KINDS } from "./kinds.js";

export const TERM_COLOURS = { mean: "violet", kept: "teal", noise: "component1" };

/**
 * One joint's terms of Eq. 1 at the stage's step, in plot axes: mean, what is kept of h_0's offset, noise, and their sum.
 * @param {Stage} stage
 * @param {Terms} spec
 */
export function termsOf(stage, spec) {
  const schedules = Object.keys(spec.alphas);
  const schedule = schedules.find((name) => name === stage.memory.schedule) ?? schedules[0];
  const alpha = stage.arrays[spec.alphas[schedule]].at(stage.frame, stage.step)[0];
  /** @param {"mean" | "h_0" | "noise"} name */
  const of = (name) => Array.from(stage.arrays[spec[name]].at(stage.frame, stage.step).subarray(3 * spec.joint, 3 * spec.joint + 3));
  const mean = of("mean"), h_0 = of("h_0"), eps = of("noise");
  const keep = Math.sqrt(alpha), spread = Math.sqrt(1 - alpha);
  const kept = mean.map((m, i) => keep * (h_0[i] - m)), noise = eps.map((e) => spread * e);
  return { schedule, alpha, keep, spread, mean, h_0, kept, noise, sum: mean.map((m, i) => m + kept[i] + noise[i]) };
}

/**
 * @param {Owner} panel
 * @param {Canvas2D} context
 * @param {LayerSpec} layer
 * @param {Projection} projection
 */
LAYER_KINDS.terms = (panel, context, layer, projection) => {
  const { stage } = panel;
  const { theme } = stage;
  const t = termsOf(stage, layer);
  /** @param {Numbers} p */
  const at = (p) => projection.point(p[0], p[1], p[2], [0, 0, 0]);
  const between = t.mean.map((m, i) => m + t.kept[i]);
  const mean = at(t.mean), middle = at(between), end = at(t.sum), start = at(t.h_0);
  return () => {
    /** @param {keyof typeof TERM_COLOURS} name */
    const colour = (name) => theme.palette(TERM_COLOURS[name])[2];
    arrow(context, mean, middle, colour("kept"), theme);
    arrow(context, middle, end, colour("noise"), theme);
    /** @type {number[][]} */
    const taken = [];
    /** @type {[number[], string, string][]} */
    const points = [[end, theme.text, "h_k"], [mean, colour("mean"), "μ"], [start, theme.label, "h_0"]];
    for (const [p, ink, text] of points) {
      context.beginPath();
      context.arc(p[0], p[1], 6, 0, 2 * Math.PI);
      context.fillStyle = ink;
      context.fill();
      context.lineWidth = 2;
      context.strokeStyle = theme.halo;
      context.stroke();
      // Names of points that lie on each other go below one another.
      let y = p[1] - 14;
      while (taken.some(([u, v]) => Math.abs(u - p[0]) < 34 && Math.abs(v - y) < 16)) y -= 16;
      taken.push([p[0], y]);
      termName(context, text, p[0] + 9, y, ink, theme);
    }
  };
};

/**
 * @param {Canvas2D} context
 * @param {number[]} from
 * @param {number[]} to
 * @param {string} colour
 * @param {Theme} theme
 */
function arrow(context, from, to, colour, theme) {
  const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
  if (length < 2) return;
  const ux = (to[0] - from[0]) / length, uy = (to[1] - from[1]) / length, head = Math.min(12, length * 0.6);
  context.lineCap = "butt";
  context.setLineDash([]);
  for (const [ink, width, grow] of /** @type {[string, number, number][]} */ ([[theme.halo, 8, 2], [colour, 4, 0]])) {
    const bx = to[0] - ux * head, by = to[1] - uy * head;
    line(context, { x0: from[0], y0: from[1], x1: bx, y1: by }, ink, width, true);
    context.fillStyle = ink;
    context.beginPath();
    context.moveTo(to[0] + ux * grow, to[1] + uy * grow);
    context.lineTo(bx - uy * (7 + grow), by + ux * (7 + grow));
    context.lineTo(bx + uy * (7 + grow), by - ux * (7 + grow));
    context.fill();
  }
}

/**
 * @param {Canvas2D} context
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {string} colour
 * @param {Theme} theme
 */
function termName(context, text, x, y, colour, theme) {
  const [letter, low] = text.split("_");
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  context.lineJoin = "round";
  context.strokeStyle = theme.halo;
  context.lineWidth = 4;
  context.fillStyle = colour;
  setFont(context, "italic 600 16px Georgia, 'Times New Roman', serif");
  context.strokeText(letter, x, y);
  context.fillText(letter, x, y);
  if (!low) return;
  const w = context.measureText(letter).width;
  setFont(context, "italic 600 11px Georgia, 'Times New Roman', serif");
  context.strokeText(low, x + w + 1, y + 4);
  context.fillText(low, x + w + 1, y + 4);
}
