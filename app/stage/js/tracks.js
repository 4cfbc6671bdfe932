// The way through the steps: poses of earlier steps, and the path of one joint.

import { markerPath } from "./canvas.js";
import { skeletonItems } from "./figures.js";
import { projectPoses } from "./projection.js";
import { JOINTS, SIDE } from "./skeleton.js";
import { withAlpha } from "./theme.js";

const GHOSTS = [0.34, 0.24, 0.17, 0.11]; // opacity, from the last step back

const MOST_PATHS = 40; // of a cloud's samples: more is a smear

/**
 * Earlier poses of a skeleton as things to paint below all others. Many steps: not every one, or they cover each other.
 * @param {Stage} stage
 * @param {LayerSpec} layer
 * @param {Projection} projection
 * @param {Palette} colours
 * @param {Item[]} items
 */
export function ghostItems(stage, layer, projection, colours, items) {
  const array = stage.arrays[layer.array];
  if (!array.axes.includes("step")) return;
  const stride = Math.max(1, Math.round(stage.count("step") / 12));
  GHOSTS.forEach((opacity, i) => {
    const step = stage.step - (i + 1) * stride;
    if (step < 0) return;
    const screen = projectPoses(array.at(stage.frame, step), projection);
    skeletonItems(screen, colours, { width: 0.55 * (layer.width || 1), opacity, under: true, halo: false }, projection, items);
  });
}

/**
 * A joint's path through all steps, for every sample of a layer: what lies ahead is dotted, a dot marks every step.
 * @param {Canvas2D} context
 * @param {Stage} stage
 * @param {LayerSpec} layer
 * @param {number} joint
 * @param {Projection} projection
 * @param {Palette} colours
 */
export function drawPath(context, stage, layer, joint, projection, colours) {
  const array = stage.arrays[layer.array];
  if (!array.axes.includes("step")) return;
  const samples = array.length("sample");
  const stride = Math.ceil(samples / MOST_PATHS);
  const one = samples === 1;
  const last = array.length("step") - 1;
  const p = [0, 0, 0];
  /**
   * @param {number} step
   * @param {number} sample
   */
  const point = (step, sample) => {
    const at = 3 * (JOINTS * sample + joint);
    const values = array.at(stage.frame, step);
    return projection.point(values[at], values[at + 1], values[at + 2], p);
  };
  /**
   * @param {number} from
   * @param {number} to
   * @param {number} sample
   * @param {number[]} dashes
   * @param {number} opacity
   */
  const line = (from, to, sample, dashes, opacity) => {
    context.setLineDash(dashes);
    context.strokeStyle = withAlpha(colours[SIDE[joint]], opacity);
    context.beginPath();
    for (let s = from; s <= to; s++) {
      const [x, y] = point(s, sample);
      if (s === from) context.moveTo(x, y); else context.lineTo(x, y);
    }
    context.stroke();
  };
  context.lineCap = "round";
  context.lineJoin = "round";
  context.lineWidth = one ? 2.4 : 1;
  for (let sample = 0; sample < samples; sample += stride) {
    line(0, stage.step, sample, [], one ? 0.95 : 0.3);
    line(stage.step, last, sample, [2, 4], one ? 0.7 : 0.18);
  }
  context.setLineDash([]);
  if (!one) return;
  context.fillStyle = colours[SIDE[joint]];
  for (let s = 0; s <= last; s++) {
    const [x, y] = point(s, 0);
    markerPath(context, x, y, s === stage.step ? 5 : 2.6, SIDE[joint]);
    context.fill();
  }
}
