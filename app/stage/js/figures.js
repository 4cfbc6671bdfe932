// Draws skeletons, clouds of skeletons and their shadows. Everything is painted on a 2D canvas, sorted by depth: a step
// costs a few milliseconds, also without a graphics card.

import { bodyParts, paintPart, tonesOf } from "./bodies.js";
import { line, markerPath } from "./canvas.js";
import { JOINTS, PARENTS, SIDE } from "./skeleton.js";
import { withAlpha } from "./theme.js";

const SHADOW_WIDTHS = [0.2, 0.165, 0.13, 0.095, 0.06, 0.03]; // metres: many faint strokes on each other have a soft edge

/**
 * The shadow of a pose on the floor, light coming from straight above.
 * @param {Canvas2D} context
 * @param {Numbers} values
 * @param {Projection} projection
 * @param {number} floor
 * @param {Theme} theme
 */
export function drawShadow(context, values, projection, floor, theme) {
  const a = [0, 0, 0], b = [0, 0, 0];
  context.strokeStyle = theme.shadow;
  context.lineCap = "round";
  context.lineJoin = "round";
  context.setLineDash([]);
  const at = projection.point(values[0], values[1], floor, []);
  const metre = projection.focalMetres / Math.max(0.1, at[2]);
  context.beginPath();
  for (let j = 1; j < JOINTS; j++) {
    const p = PARENTS[j];
    projection.point(values[3 * p], values[3 * p + 1], floor, a);
    projection.point(values[3 * j], values[3 * j + 1], floor, b);
    if (a[2] <= 0.05 || b[2] <= 0.05) continue;
    context.moveTo(a[0], a[1]);
    context.lineTo(b[0], b[1]);
  }
  for (const width of SHADOW_WIDTHS) {
    context.lineWidth = width * metre;
    context.stroke();
  }
}

/**
 * One pose as a body, its parts among the things that are sorted by depth.
 * @param {Numbers} screen
 * @param {Palette} colours
 * @param {Look} layer
 * @param {Projection} projection
 * @param {Theme} theme
 * @param {Item[]} items
 */
export function bodyItems(screen, colours, layer, projection, theme, items) {
  const behind = layer.under ? 100 : 0;
  const alpha = (layer.opacity == null ? 1 : layer.opacity) * (layer.under ? 0.55 : 1);
  const tones = colours.map((colour) => tonesOf(colour, theme));
  for (const part of bodyParts(screen, projection)) items.push({ depth: behind + part.depth, part, alpha, tones: tones[part.side] });
}

/**
 * Many samples as faint skeletons: one stroke per sample and side, so that agreement adds up to a darker line.
 * @param {Canvas2D} context
 * @param {Numbers} screen
 * @param {Palette} colours
 * @param {number} opacity
 */
export function drawCloud(context, screen, colours, opacity) {
  const samples = screen.length / (3 * JOINTS);
  const alpha = opacity * Math.min(0.55, Math.max(0.055, 9 / (samples + 8)));
  context.lineCap = "butt";
  context.lineJoin = "bevel";
  context.setLineDash([]);
  context.lineWidth = samples > 40 ? 1 : 1.4;
  const inks = colours.map((c) => withAlpha(c, alpha));
  const dots = colours.map((c) => withAlpha(c, Math.min(0.8, alpha * 2.4)));
  const size = samples > 40 ? 1.8 : 2.6;
  for (let side = 0; side < 3; side++) {
    context.strokeStyle = inks[side];
    context.fillStyle = dots[side];
    for (let s = 0; s < samples; s++) {
      const base = s * JOINTS;
      context.beginPath();
      for (let j = 1; j < JOINTS; j++) {
        if (SIDE[j] !== side) continue;
        const a = 3 * (base + PARENTS[j]), b = 3 * (base + j);
        if (screen[a + 2] <= 0.05 || screen[b + 2] <= 0.05) continue;
        context.moveTo(screen[a], screen[a + 1]);
        context.lineTo(screen[b], screen[b + 1]);
      }
      context.stroke();
      for (let j = 0; j < JOINTS; j++) {
        if (SIDE[j] !== side) continue;
        const a = 3 * (base + j);
        if (screen[a + 2] > 0.05) context.fillRect(screen[a] - size / 2, screen[a + 1] - size / 2, size, size);
      }
    }
  }
}

/**
 * The bones and joints of one pose as things that can be sorted by depth with those of other poses.
 * @param {Numbers} screen
 * @param {Palette} colours
 * @param {Look} layer
 * @param {Projection} projection
 * @param {Item[]} items
 */
export function skeletonItems(screen, colours, layer, projection, items) {
  const thick = layer.width || 1;
  const behind = layer.under ? 100 : 0; // drawn before everything else, so that the figure above it stays whole
  const alpha = layer.opacity == null ? 1 : layer.opacity;
  for (let j = 0; j < JOINTS; j++) {
    const b = 3 * j;
    if (screen[b + 2] <= 0.05) continue;
    const metre = projection.focalMetres / screen[b + 2];
    const p = PARENTS[j];
    if (p >= 0 && screen[3 * p + 2] > 0.05) {
      items.push({
        depth: behind + (screen[b + 2] + screen[3 * p + 2]) / 2, bone: true, alpha, colour: colours[SIDE[j]], left: SIDE[j] === 0,
        x0: screen[3 * p], y0: screen[3 * p + 1], x1: screen[b], y1: screen[b + 1],
        width: Math.min(7, Math.max(1.8, 0.026 * metre * thick)), halo: layer.halo !== false,
      });
    }
    const head = j === 10;
    items.push({
      depth: behind + screen[b + 2] - 0.012, bone: false, alpha, colour: colours[SIDE[j]], side: SIDE[j], head,
      x: screen[b], y: screen[b + 1],
      radius: head ? Math.max(3.5, 0.05 * metre * Math.sqrt(thick)) : Math.min(6, Math.max(2, 0.021 * metre * thick)),
    });
  }
}

/**
 * @param {Canvas2D} context
 * @param {Item[]} items
 * @param {Theme} theme
 */
export function paintItems(context, items, theme) {
  items.sort((a, b) => b.depth - a.depth);
  for (const it of items) {
    context.globalAlpha = it.alpha;
    if (it.part) paintPart(context, it.part, it.tones);
    else if (it.bone) {
      context.setLineDash([]);
      context.lineCap = "round";
      line(context, it, theme.halo, it.width + 2.4, it.halo);
      if (it.left) {
        context.lineCap = "butt";
        line(context, it, withAlpha(it.colour, 0.3), it.width, true);
        context.setLineDash([it.width * 1.15 + 2, it.width * 0.7 + 1.6]);
      }
      line(context, it, it.colour, it.width, true);
    } else {
      context.setLineDash([]);
      markerPath(context, it.x, it.y, it.radius, it.head ? 1 : it.side);
      context.fillStyle = it.colour;
      context.fill();
      context.lineWidth = 1.4;
      context.strokeStyle = theme.halo;
      context.stroke();
    }
  }
  context.globalAlpha = 1;
  context.setLineDash([]);
}

/**
 * Circles around the joints where two methods differ most, in the colour of the one that is nearer to the truth.
 * @param {Canvas2D} context
 * @param {Numbers} screen
 * @param {Float32Array} by
 * @param {LayerSpec} layer
 * @param {Theme} theme
 */
export function drawRings(context, screen, by, layer, theme) {
  const order = Array.from(by, (v, j) => [Math.abs(v), j]).sort((a, b) => b[0] - a[0]).slice(0, layer.count);
  for (const [difference, j] of order) {
    if (difference < layer.least || screen[3 * j + 2] <= 0.05) continue;
    const colour = theme.palette(by[j] > 0 ? layer.palette : layer.palette_less)[2];
    for (const [ink, width] of /** @type {[string, number][]} */ ([[theme.halo, 5], [colour, 2.2]])) {
      context.strokeStyle = ink;
      context.lineWidth = width;
      context.setLineDash(by[j] > 0 ? [] : [4, 3]);
      context.beginPath();
      context.arc(screen[3 * j], screen[3 * j + 1], 15, 0, 2 * Math.PI);
      context.stroke();
    }
  }
  context.setLineDash([]);
}
