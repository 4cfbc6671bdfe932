// Gaussians in a scene: an ellipsoid for every joint, and the components of a mixture.

import { line } from "./canvas.js";
import { drawCloud } from "./figures.js";
import { LAYER_KINDS } from "./kinds.js";
import { projectPoses } from "./projection.js";
import { jointLabel, JOINTS, PARENTS, SIDE } from "./skeleton.js";
import { withAlpha } from "./theme.js";

/**
 * The outline of a Gaussian at `sigma` standard deviations as the camera sees it: centre, half axes and angle in pixels.
 * The projection is taken as linear over the ellipsoid, which is right to a few percent at arm's length.
 * @param {Projection} projection
 * @param {Numbers} mean
 * @param {Float32Array} covariance
 * @param {number} sigma
 */
function projectEllipsoid(projection, mean, covariance, sigma) {
  const p = projection.point(mean[0], mean[1], mean[2], [0, 0, 0]);
  if (p[2] <= 0.05) return null;
  const h = 0.01, rows = [[0, 0, 0], [0, 0, 0]];
  for (let i = 0; i < 3; i++) {
    const q = projection.point(mean[0] + (i === 0 ? h : 0), mean[1] + (i === 1 ? h : 0), mean[2] + (i === 2 ? h : 0), [0, 0, 0]);
    rows[0][i] = (q[0] - p[0]) / h;
    rows[1][i] = (q[1] - p[1]) / h;
  }
  const [xx, xy, xz, yy, yz, zz] = covariance;
  /** @param {number[]} v */
  const times = (v) => [xx * v[0] + xy * v[1] + xz * v[2], xy * v[0] + yy * v[1] + yz * v[2], xz * v[0] + yz * v[1] + zz * v[2]];
  /**
   * @param {number[]} a
   * @param {number[]} b
   */
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const left = times(rows[0]);
  const a = dot(left, rows[0]), b = dot(left, rows[1]), c = dot(times(rows[1]), rows[1]);
  const middle = (a + c) / 2, apart = Math.hypot((a - c) / 2, b);
  return {
    x: p[0], y: p[1], depth: p[2], angle: 0.5 * Math.atan2(2 * b, a - c),
    long: sigma * Math.sqrt(Math.max(middle + apart, 0)), short: sigma * Math.sqrt(Math.max(middle - apart, 0)),
  };
}

/**
 * @param {Canvas2D} context
 * @param {Ellipse | null} e
 * @param {string} colour
 * @param {{ fill?: number, stroke?: number, width?: number, dash?: number[] }} of
 */
function paintEllipsoid(context, e, colour, { fill = 0.2, stroke = 0.75, width = 1.2, dash = [] } = {}) {
  if (!e || e.long < 1.2) return;
  const rx = Math.max(e.long, 0.8), ry = Math.max(e.short, 0.8);
  if (fill > 0) {
    context.save();
    context.translate(e.x, e.y);
    context.rotate(e.angle);
    context.scale(rx, ry);
    const glow = context.createRadialGradient(0, 0, 0, 0, 0, 1);
    glow.addColorStop(0, withAlpha(colour, fill * 1.7));
    glow.addColorStop(0.75, withAlpha(colour, fill));
    glow.addColorStop(1, withAlpha(colour, fill * 0.55));
    context.fillStyle = glow;
    context.beginPath();
    context.arc(0, 0, 1, 0, 2 * Math.PI);
    context.fill();
    context.restore();
  }
  context.setLineDash(dash);
  context.lineWidth = width;
  context.strokeStyle = withAlpha(colour, stroke);
  context.beginPath();
  context.ellipse(e.x, e.y, rx, ry, e.angle, 0, 2 * Math.PI);
  context.stroke();
  context.setLineDash([]);
}

/**
 * @param {Owner} panel
 * @param {LayerSpec} layer
 * @param {Projection} projection
 * @param {number} step
 * @param {number} sigma
 */
function ellipsoidsOf(panel, layer, projection, step, sigma) {
  const { stage } = panel;
  const means = stage.arrays[layer.array].at(stage.frame, step);
  const covariances = stage.arrays[layer.covariances].at(stage.frame, step);
  return Array.from({ length: JOINTS }, (_, j) =>
    projectEllipsoid(projection, means.subarray(3 * j, 3 * j + 3), covariances.subarray(6 * j, 6 * j + 6), sigma));
}

/**
 * An ellipsoid for every joint; the one that is studied stands out, with a grey outline of how it was at the first step.
 * @param {Owner} panel
 * @param {Canvas2D} context
 * @param {LayerSpec} layer
 * @param {Projection} projection
 * @param {Palette} colours
 */
LAYER_KINDS.ellipsoids = (panel, context, layer, projection, colours) => {
  const { stage } = panel;
  const now = ellipsoidsOf(panel, layer, projection, stage.step, 2);
  const order = now.map((_, j) => j).sort((a, b) => (now[b]?.depth || 0) - (now[a]?.depth || 0));
  for (const j of order) {
    if (j !== layer.joint) paintEllipsoid(context, now[j], colours[SIDE[j]], { fill: 0.07, stroke: 0.4, width: 1 });
  }
  const values = stage.arrays[layer.array].at(stage.frame, stage.step);
  for (let j = 0; j < JOINTS; j++) {
    const e = now[j];
    if (e) panel.targets.push({ x: e.x, y: e.y, text: `${jointLabel(j)}: ${stdText(panel, layer, j)}` });
  }
  if (layer.joint == null || !values) return;
  const before = ellipsoidsOf(panel, layer, projection, 0, 2)[layer.joint];
  paintEllipsoid(context, now[layer.joint], colours[SIDE[layer.joint]], { fill: 0.2, stroke: 0.95, width: 2 });
  if (stage.step > 0) paintEllipsoid(context, before, stage.theme.label, { fill: 0, stroke: 0.9, width: 1.6, dash: [4, 3] });
};

/**
 * @param {Owner} panel
 * @param {LayerSpec} layer
 * @param {number} j
 */
function stdText(panel, layer, j) {
  const { stage } = panel;
  const c = stage.arrays[layer.covariances].at(stage.frame, stage.step).subarray(6 * j, 6 * j + 6);
  /** @param {number} v */
  const mm = (v) => Math.round(1000 * Math.sqrt(Math.max(v, 0)));
  return `std x ${mm(c[0])}, y ${mm(c[5])}, depth ${mm(c[3])} mm`; // plot axes are (x, z, -y) of the camera frame
}

/**
 * One component of a mixture: the draws that belong to it, an ellipsoid a joint, and its mean as a thin skeleton.
 * @param {Owner} panel
 * @param {Canvas2D} context
 * @param {LayerSpec} layer
 * @param {Projection} projection
 * @param {Palette} colours
 */
LAYER_KINDS.component = (panel, context, layer, projection, colours) => {
  const { stage } = panel;
  const alone = stage.step === layer.number;
  if (stage.step !== 0 && !alone) return;
  const colour = colours[0];
  const draws = stage.arrays[layer.draws].at(stage.frame, stage.step);
  if (alone) drawCloud(context, projectPoses(draws, projection), colours, 0.7);
  else drawDots(context, projectPoses(draws, projection), colour);
  const ellipsoids = ellipsoidsOf(panel, layer, projection, stage.step, 2);
  for (const e of ellipsoids) paintEllipsoid(context, e, colour, alone ? { fill: 0.12, stroke: 0.8, width: 1.3 } : { fill: 0.03, stroke: 0.3, width: 1 });
  const screen = projectPoses(stage.arrays[layer.array].at(stage.frame, stage.step), projection);
  const width = alone ? 4 : 2;
  for (const [ink, w] of /** @type {[string, number][]} */ ([[stage.theme.halo, width + 2], [colour, width]])) {
    for (let j = 1; j < JOINTS; j++) {
      const a = 3 * PARENTS[j], b = 3 * j;
      context.setLineDash(SIDE[j] === 0 && ink === colour ? [5, 4] : []);
      context.lineCap = SIDE[j] === 0 ? "butt" : "round";
      line(context, { x0: screen[a], y0: screen[a + 1], x1: screen[b], y1: screen[b + 1] }, ink, w, true);
    }
  }
  context.setLineDash([]);
  const means = stage.arrays[layer.array].at(stage.frame, stage.step);
  for (let j = 0; j < JOINTS; j++) {
    /** @param {number} i */
    const at = (i) => means[3 * j + i].toFixed(2);
    panel.targets.push({
      x: screen[3 * j], y: screen[3 * j + 1],
      text: `Component ${layer.number}, ${jointLabel(j)}  x ${at(0)}  y ${(-means[3 * j + 2]).toFixed(2)}  z ${at(1)} m`,
    });
  }
};

/**
 * @param {Canvas2D} context
 * @param {Numbers} screen
 * @param {string} colour
 */
function drawDots(context, screen, colour) {
  context.fillStyle = withAlpha(colour, 0.45);
  for (let i = 0; i < screen.length; i += 3) if (screen[i + 2] > 0.05) context.fillRect(screen[i] - 1, screen[i + 1] - 1, 2, 2);
}

// ---- the picture plane, with what it was before ----
