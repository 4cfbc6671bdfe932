// The floor's grid, a quarter of a metre a square, and a pole with a tick every half metre.

import { setFont } from "./canvas.js";
import { number } from "./numbers.js";

/** Numbers along a side of the floor, at most one more. */
const MOST_NUMBERS = 8;
const LABEL_FONT = "500 11px ui-sans-serif, system-ui, sans-serif";
/** Half the width of a letter of a label, and half its height, in pixels. */
const LETTER = { across: 3.2, up: 7 };

/**
 * Segments in plot axes (metres) and labels of what stands still in a scene.
 * @param {Bounds} of
 */
export function furnitureOf({ lo, hi, floor }) {
  /** @type {number[][][]} */
  const minor = [];
  /** @type {number[][][]} */
  const major = [];
  /** @type {number[][][]} */
  const pole = [];
  // Quarters of a metre inside the box. Halves are drawn stronger and have a number; of a large floor, whole metres.
  const x0 = Math.ceil(lo[0] * 4 - 1e-6), x1 = Math.floor(hi[0] * 4 + 1e-6);
  const y0 = Math.ceil(lo[1] * 4 - 1e-6), y1 = Math.floor(hi[1] * 4 + 1e-6);
  const [left, right, front, back] = [x0 / 4, x1 / 4, y0 / 4, y1 / 4];
  const long = Math.max(x1 - x0, y1 - y0);
  const strong = [2, 4, 8, 20, 40, 80].find((step) => long / step <= MOST_NUMBERS) ?? 400;
  for (let i = x0; i <= x1; i++) {
    if (i % (strong / 2) === 0 || i === x0 || i === x1) (i % strong ? minor : major).push([[i / 4, front, floor], [i / 4, back, floor]]);
  }
  for (let i = y0; i <= y1; i++) {
    if (i % (strong / 2) === 0 || i === y0 || i === y1) (i % strong ? minor : major).push([[left, i / 4, floor], [right, i / 4, floor]]);
  }
  const top = Math.min(2, Math.floor((hi[2] - floor) * 2) / 2);
  const corner = [left, 0.25];
  pole.push([[...corner, floor], [...corner, floor + top]]);
  // Where two labels would touch, the first one stays: the names of the axes rather than a number.
  const away = strong === 2 ? 0.24 : 0.6;
  /** @type {[number, number, number, string][]} */
  const labels = [[(left + right) / 2, front - away, floor, "x (m)"], [right + away, (front + back) / 2, floor, "z (m)"]];
  for (let h = 0.5; h <= top; h += 0.5) {
    pole.push([[...corner, floor + h], [corner[0], corner[1] + 0.06, floor + h]]);
    labels.push([corner[0] - 0.12, corner[1], floor + h, `${number(h)} m`]);
  }
  for (let i = x0; i <= x1; i++) if (i % strong === 0) labels.push([i / 4, front - 0.09, floor, number(i / 4)]);
  for (let i = y0; i <= y1; i++) if (i % strong === 0) labels.push([right + 0.09, i / 4, floor, number(i / 4)]);
  return { minor, major, pole, labels };
}

/**
 * The labels that are not cut off by an edge of the picture and touch none before them.
 * @param {{ x: number, y: number, text: string }[]} labels
 * @param {number} width
 * @param {number} height
 */
export function legible(labels, width, height) {
  /** @type {{ x: number, y: number, half: number, text: string }[]} */
  const kept = [];
  for (const { x, y, text } of labels) {
    const half = LETTER.across * text.length;
    const inside = x >= half && x <= width - half && y >= LETTER.up && y <= height - LETTER.up;
    if (inside && kept.every((k) => Math.abs(k.x - x) >= k.half + half || Math.abs(k.y - y) >= 2 * LETTER.up)) {
      kept.push({ x, y, half, text });
    }
  }
  return kept;
}

/**
 * @param {Canvas2D} context
 * @param {number[][][]} segments
 * @param {Projection} projection
 * @param {string} colour
 * @param {number} width
 */
function strokeSegments(context, segments, projection, colour, width) {
  const a = [0, 0, 0], b = [0, 0, 0];
  context.setLineDash([]);
  context.lineCap = "butt";
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  for (const [from, to] of segments) {
    projection.point(from[0], from[1], from[2], a);
    projection.point(to[0], to[1], to[2], b);
    if (a[2] <= 0.05 || b[2] <= 0.05) continue;
    context.moveTo(a[0], a[1]);
    context.lineTo(b[0], b[1]);
  }
  context.stroke();
}

/**
 * Paints the floor. small: without the pole, the fine squares and the numbers.
 * @param {Canvas2D} context
 * @param {Projection} projection
 * @param {Stage} stage
 * @param {{ width: number, height: number, small: boolean }} of
 */
export function paintFloor(context, projection, stage, { width, height, small }) {
  const { theme } = stage;
  const { minor, major, pole, labels } = (stage.furniture ??= furnitureOf(stage.header.bounds));
  if (!small) strokeSegments(context, minor, projection, theme.floor, 0.7);
  strokeSegments(context, major, projection, small ? theme.floor : theme.floorStrong, small ? 1 : 0.9);
  if (small || stage.closeUp) return;
  strokeSegments(context, pole, projection, theme.floorStrong, 1.2);
  setFont(context, LABEL_FONT);
  context.fillStyle = theme.label;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const seen = labels.flatMap(([along, into, up, text]) => {
    const [x, y, depth] = projection.point(along, into, up, [0, 0, 0]);
    return depth > 0.05 ? [{ x, y, text }] : [];
  });
  for (const { x, y, text } of legible(seen, width, height)) context.fillText(text, x, y);
}
