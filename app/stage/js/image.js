// The picture plane: the 2D pose over the joints' heatmap mixtures.

import { fitCanvas, line, markerPath, setFont } from "./canvas.js";
import { footageOf, frameNumber, HEAT, PICTURE } from "./footage.js";
import { PANEL_KINDS } from "./kinds.js";
import { FlatPanel } from "./panel.js";
import { jointLabel, JOINTS, PARENTS, SIDE } from "./skeleton.js";
import { withAlpha } from "./theme.js";

/** The 3D pose over the picture, as a switch of the legend. */
export const RESULT = "3D pose in the picture";
/** The joints' 2D mixtures, as a switch of the legend. */
export const ELLIPSES = "Ellipses (Gaussians)";

/**
 * @param {number} value
 * @param {number} lo
 * @param {number} hi
 */
const clamped = (value, lo, hi) => Math.min(hi, Math.max(lo, value));

/**
 * Where the middle of a view into a picture goes, along one side: to where it shows least beyond the picture's edges.
 * shown: half of what the view shows; needed: half of what the person takes; side: of the picture. All in its pixels.
 * @param {number} middle
 * @param {{ shown: number, needed: number, side: number }} of
 */
export function insidePicture(middle, { shown, needed, side }) {
  const spare = Math.max(0, shown - needed);
  const best = 2 * shown >= side ? side / 2 : clamped(middle, shown, side - shown);
  return clamped(best, middle - spare, middle + spare);
}

export class ImagePanel extends FlatPanel {
  /**
   * From pixels of the picture to those of the panel: the person in the middle, and no edge of a video in sight that
   * need not be.
   * @param {number} width
   * @param {number} height
   */
  places(width, height) {
    const { stage, spec } = this;
    const { half_px: half, half_u_px: across = half, image_px: sides } = spec;
    const zoom = Math.min(width / (2 * across), height / (2 * half));
    let [u, v] = stage.arrays[spec.centre].at(stage.frame, stage.step);
    if (footageOf(stage.header.source)) {
      u = insidePicture(u, { shown: width / (2 * zoom), needed: across, side: sides[0] });
      v = insidePicture(v, { shown: height / (2 * zoom), needed: half, side: sides[1] });
    }
    /** @type {Place} */
    const toX = (at) => width / 2 + (at - u) * zoom;
    /** @type {Place} */
    const toY = (at) => height / 2 + (at - v) * zoom;
    return { toX, toY, zoom };
  }
  draw() {
    const { stage, spec } = this;
    const [width, height] = this.size();
    const context = fitCanvas(this.canvas, width, height);
    const { toX, toY, zoom } = this.places(width, height);
    const pictured = !spec.bare && this.drawFootage(context, toX, toY, zoom);
    if (!spec.plain && !pictured) this.drawPlane(context, toX, toY, width, height, zoom);
    this.targets = [];
    const pose = stage.arrays[spec.pose].at(stage.frame, stage.step);
    const confidence = stage.arrays[spec.confidence].at(stage.frame, stage.step);
    const hidden = spec.hidden ? stage.arrays[spec.hidden].at(stage.frame, stage.step) : null;
    const colours = stage.theme.palette("sides");
    /** @param {string} label */
    const shown = (label) => !stage.memory.hidden.has(label);
    const heated = !!spec.mixture && shown(HEAT) && this.drawHeat(context, toX, toY, zoom);
    if (spec.mixture && shown(ELLIPSES)) this.drawMixture(context, toX, toY, zoom, colours, !heated);
    if (!spec.bare) this.drawPose(context, toX, toY, pose, confidence, hidden, colours);
    if (spec.result && !spec.bare && shown(RESULT)) this.drawResult(context, toX, toY, spec.result);
    this.drawReadouts();
    this.canvas.setAttribute("aria-label", `${spec.title}, ${stage.positionText()}`);
  }
  /**
   * The 3D pose, laid over the picture: thin, so that the 2D pose stays to be seen.
   * @param {Canvas2D} context
   * @param {Place} toX
   * @param {Place} toY
   * @param {string} array
   */
  drawResult(context, toX, toY, array) {
    const { stage } = this;
    const pose = stage.arrays[array].at(stage.frame, stage.step);
    const colour = stage.theme.palette("teal")[2];
    for (let j = 1; j < JOINTS; j++) {
      const p = PARENTS[j];
      const it = { x0: toX(pose[2 * p]), y0: toY(pose[2 * p + 1]), x1: toX(pose[2 * j]), y1: toY(pose[2 * j + 1]) };
      context.setLineDash(SIDE[j] === 0 ? [5, 4] : []);
      line(context, it, stage.theme.halo, 4, true);
      line(context, it, colour, 2, true);
    }
    context.setLineDash([]);
  }
  /**
   * Draws the video's picture, where it is here and switched on. Returns whether it is.
   * @param {Canvas2D} context
   * @param {Place} toX
   * @param {Place} toY
   * @param {number} zoom
   */
  drawFootage(context, toX, toY, zoom) {
    const { stage, spec } = this;
    const footage = stage.memory.hidden.has(PICTURE) ? null : footageOf(stage.header.source);
    const picture = footage?.at(frameNumber(stage), () => stage.schedule());
    this.root.toggleAttribute("data-footage", !!picture);
    if (!picture) return false;
    context.globalAlpha = 0.8;
    context.drawImage(picture, toX(0), toY(0), spec.image_px[0] * zoom, spec.image_px[1] * zoom);
    context.globalAlpha = 1;
    return true;
  }
  /**
   * Draws the detector's heatmaps, as far as they came with the video's pictures. Returns whether there are any.
   * @param {Canvas2D} context
   * @param {Place} toX
   * @param {Place} toY
   * @param {number} zoom
   */
  drawHeat(context, toX, toY, zoom) {
    const footage = footageOf(this.stage.header.source);
    const frame = frameNumber(this.stage);
    footage?.at(frame, () => this.stage.schedule());
    const heat = footage?.heatAt(frame) ?? [];
    for (const { u, v, side, turn, bitmap } of heat) {
      if (!bitmap) continue;
      context.save();
      context.translate(toX(u), toY(v));
      context.rotate(turn);
      context.drawImage(bitmap, (-side / 2) * zoom, (-side / 2) * zoom, side * zoom, side * zoom);
      context.restore();
    }
    return heat.length > 0;
  }
  /**
   * @param {Canvas2D} context
   * @param {Place} toX
   * @param {Place} toY
   * @param {Float32Array} pose
   * @param {Float32Array} confidence
   * @param {Float32Array | null} hidden
   * @param {Palette} colours
   */
  drawPose(context, toX, toY, pose, confidence, hidden, colours) {
    const { stage } = this;
    context.lineCap = "round";
    for (let j = 1; j < JOINTS; j++) {
      const p = PARENTS[j];
      const it = { x0: toX(pose[2 * p]), y0: toY(pose[2 * p + 1]), x1: toX(pose[2 * j]), y1: toY(pose[2 * j + 1]) };
      context.setLineDash([]);
      line(context, it, stage.theme.halo, 5.4, true);
      if (SIDE[j] === 0) context.setLineDash([5, 4]);
      context.lineCap = SIDE[j] === 0 ? "butt" : "round";
      line(context, it, colours[SIDE[j]], 3, true);
    }
    context.setLineDash([]);
    for (let j = 0; j < JOINTS; j++) {
      const x = toX(pose[2 * j]), y = toY(pose[2 * j + 1]);
      markerPath(context, x, y, 4, SIDE[j]);
      const isHidden = hidden && hidden[j] > 0.5;
      context.fillStyle = isHidden ? stage.theme.panel : colours[SIDE[j]];
      context.fill();
      context.lineWidth = isHidden ? 2 : 1.4;
      context.strokeStyle = isHidden ? colours[SIDE[j]] : stage.theme.halo;
      context.stroke();
      const state = !isHidden ? "" : confidence[j] > 0 ? ", hidden" : ", guessed";
      this.targets.push({ x, y, text: `${jointLabel(j)}${state}: confidence ${confidence[j].toFixed(2)}` });
    }
  }
  /**
   * @param {Canvas2D} context
   * @param {Place} toX
   * @param {Place} toY
   * @param {number} width
   * @param {number} height
   * @param {number} zoom
   */
  drawPlane(context, toX, toY, width, height, zoom) {
    const { spec } = this;
    const { theme } = this.stage;
    const step = 50 * zoom < 34 ? 100 : 50;
    context.lineWidth = 1;
    setFont(context, "500 10px ui-sans-serif, system-ui, sans-serif");
    context.fillStyle = theme.label;
    context.strokeStyle = theme.dark ? "rgba(174,186,206,0.10)" : "rgba(92,105,128,0.12)";
    context.beginPath();
    for (let u = 0; u <= spec.image_px[0]; u += step) {
      const x = toX(u);
      if (x < 0 || x > width) continue;
      context.moveTo(x, 0); context.lineTo(x, height);
      if (u % 100 === 0 && x > 14 && x < width - 46) context.fillText(`${u}`, x + 3, height - 6);
    }
    for (let v = 0; v <= spec.image_px[1]; v += step) {
      const y = toY(v);
      if (y < 0 || y > height) continue;
      context.moveTo(0, y); context.lineTo(width, y);
      if (v % 100 === 0 && y > 12 && y < height - 18) context.fillText(`${v}`, 5, y - 3);
    }
    context.stroke();
    context.textAlign = "right";
    context.fillText("px", width - 6, height - 6);
    context.textAlign = "left";
  }
  /**
   * Every mode of every joint's mixture: rings at one and two standard deviations, and a glow for the density, where no
   * real heatmap is seen below.
   * @param {Canvas2D} context
   * @param {Place} toX
   * @param {Place} toY
   * @param {number} zoom
   * @param {Palette} colours
   * @param {boolean} glowing
   */
  drawMixture(context, toX, toY, zoom, colours, glowing) {
    const { stage, spec } = this;
    const weights = stage.arrays[spec.mixture.weights].at(stage.frame, stage.step);
    const means = stage.arrays[spec.mixture.means_px].at(stage.frame, stage.step);
    const stds = stage.arrays[spec.mixture.stds_px].at(stage.frame, stage.step);
    const modes = weights.length / JOINTS;
    for (let i = 0; i < weights.length; i++) {
      const w = weights[i];
      if (w < 0.01) continue;
      const joint = Math.floor(i / modes);
      const colour = colours[SIDE[joint]];
      const rx = Math.max(1, stds[2 * i] * zoom), ry = Math.max(1, stds[2 * i + 1] * zoom);
      if (glowing) paintGlow(context, toX(means[2 * i]), toY(means[2 * i + 1]), rx, ry, colour, 0.25 + 0.75 * w);
      context.strokeStyle = withAlpha(colour, 0.25 + 0.55 * w);
      context.lineWidth = 1;
      for (const n of [1, 2]) {
        context.setLineDash(n === 2 ? [2, 3] : []);
        context.beginPath();
        context.ellipse(toX(means[2 * i]), toY(means[2 * i + 1]), rx * n, ry * n, 0, 0, 2 * Math.PI);
        context.stroke();
      }
    }
    context.setLineDash([]);
  }
}

/**
 * A Gaussian's density as a glow.
 * @param {Canvas2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} rx
 * @param {number} ry
 * @param {string} colour
 * @param {number} strength
 */
function paintGlow(context, x, y, rx, ry, colour, strength) {
  context.save();
  context.translate(x, y);
  context.scale(rx, ry);
  const glow = context.createRadialGradient(0, 0, 0, 0, 0, 3);
  for (const [stop, a] of [[0, 0.7], [0.33, 0.42], [0.66, 0.11], [1, 0]]) glow.addColorStop(stop, withAlpha(colour, a * strength));
  context.fillStyle = glow;
  context.fillRect(-3, -3, 6, 6);
  context.restore();
}

PANEL_KINDS.image = ImagePanel;
