// Bodies: limbs as shaded, tapered capsules in place of lines.

import { recall } from "./memory.js";
import { SIDE } from "./skeleton.js";
import { mixColours, withAlpha } from "./theme.js";

/** Parts of a body: two joints, and the radius at each in metres. */
const PARTS = [
  [0, 7, 0.1, 0.1], [7, 8, 0.102, 0.112], [1, 4, 0.088, 0.088], [14, 11, 0.062, 0.062], [8, 9, 0.05, 0.046],
  [1, 2, 0.076, 0.056], [2, 3, 0.054, 0.036], [4, 5, 0.076, 0.056], [5, 6, 0.054, 0.036],
  [11, 12, 0.048, 0.038], [12, 13, 0.037, 0.026], [14, 15, 0.048, 0.038], [15, 16, 0.037, 0.026],
];
const HEAD_RADIUS = 0.088;
export const MOST_BODIES = 12; // hypotheses that are drawn as bodies: more hide each other

/** Whether people are drawn as bodies. */
export const asBodies = () => recall("figures", "bodies") === "bodies";

/**
 * The parts of one pose in pixels, as things that can be sorted by depth.
 * @param {Numbers} screen
 * @param {Projection} projection
 */
export function bodyParts(screen, projection) {
  /**
   * @param {number} j
   * @param {number} metres
   */
  const radius = (j, metres) => (metres * projection.focalMetres) / screen[3 * j + 2];
  /** @param {number} j */
  const seen = (j) => screen[3 * j + 2] > 0.05;
  const parts = PARTS.filter(([a, b]) => seen(a) && seen(b)).map(([a, b, ra, rb]) => ({
    depth: (screen[3 * a + 2] + screen[3 * b + 2]) / 2, side: SIDE[a] === SIDE[b] ? SIDE[b] : 1,
    x0: screen[3 * a], y0: screen[3 * a + 1], r0: radius(a, ra), x1: screen[3 * b], y1: screen[3 * b + 1], r1: radius(b, rb),
  }));
  if (seen(9) && seen(10)) {
    const r = radius(10, HEAD_RADIUS);
    /**
     * @param {number} share
     * @param {number} axis
     */
    const between = (share, axis) => screen[27 + axis] + share * (screen[30 + axis] - screen[27 + axis]);
    parts.push({ depth: screen[32], side: 1, x0: between(0.4, 0), y0: between(0.4, 1), r0: 0.84 * r, x1: between(0.78, 0), y1: between(0.78, 1), r1: r });
  }
  return parts;
}

/**
 * The outline of a capsule whose ends have different radii.
 * @param {Canvas2D} context
 * @param {Capsule} of
 */
export function capsulePath(context, { x0, y0, r0, x1, y1, r1 }) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (length <= Math.abs(r1 - r0) + 0.5) { // one end covers the other
    const [x, y, r] = r1 > r0 ? [x1, y1, r1] : [x0, y0, r0];
    context.moveTo(x + r, y);
    context.arc(x, y, r, 0, 2 * Math.PI);
    return;
  }
  const angle = Math.atan2(y1 - y0, x1 - x0);
  const spread = Math.acos((r0 - r1) / length); // where the straight edges touch the round ends
  context.moveTo(x0 + r0 * Math.cos(angle + spread), y0 + r0 * Math.sin(angle + spread));
  context.arc(x0, y0, r0, angle + spread, angle - spread);
  context.arc(x1, y1, r1, angle - spread, angle + spread);
  context.closePath();
}

/**
 * Colour across a capsule: light comes from the upper left.
 * @param {Canvas2D} context
 * @param {Capsule} part
 * @param {Tones} tones
 */
function shading(context, part, tones) {
  const { x0, y0, x1, y1 } = part;
  const r = Math.max(part.r0, part.r1);
  const length = Math.hypot(x1 - x0, y1 - y0) || 1;
  let [nx, ny] = [(y1 - y0) / length, -(x1 - x0) / length];
  if (nx + ny > 0) [nx, ny] = [-nx, -ny];
  const [mx, my] = [(x0 + x1) / 2, (y0 + y1) / 2];
  const gradient = context.createLinearGradient(mx + nx * r, my + ny * r, mx - nx * r, my - ny * r);
  gradient.addColorStop(0, tones.base);
  gradient.addColorStop(0.28, tones.light);
  gradient.addColorStop(0.62, tones.base);
  gradient.addColorStop(1, tones.dark);
  return gradient;
}

/**
 * Light, base and dark tone of a colour.
 * @param {string} colour
 * @param {Theme} theme
 */
export function tonesOf(colour, theme) {
  return {
    base: colour, light: mixColours(colour, "#ffffff", theme.dark ? 0.4 : 0.46), dark: mixColours(colour, "#0b1020", 0.42),
    edge: withAlpha(mixColours(colour, "#0b1020", 0.6), 0.55),
  };
}

/**
 * Paints one part. Limbs of the left side carry a dashed line, so that colour is not all that tells sides apart.
 * @param {Canvas2D} context
 * @param {BodyPart} part
 * @param {Tones} tones
 */
export function paintPart(context, part, tones) {
  context.setLineDash([]);
  context.beginPath();
  capsulePath(context, part);
  context.fillStyle = shading(context, part, tones);
  context.fill();
  context.lineWidth = 0.8;
  context.strokeStyle = tones.edge;
  context.stroke();
  if (part.side !== 0) return;
  context.setLineDash([4, 4]);
  context.lineWidth = Math.max(1, part.r1 * 0.3);
  context.strokeStyle = withAlpha("#ffffff", 0.75);
  context.beginPath();
  context.moveTo(part.x0, part.y0);
  context.lineTo(part.x1, part.y1);
  context.stroke();
  context.setLineDash([]);
}

/**
 * A few hypotheses as translucent bodies: agreement adds up to a solid one.
 * @param {Canvas2D} context
 * @param {Float32Array[]} screens
 * @param {Palette} colours
 * @param {Projection} projection
 * @param {number} opacity
 */
export function paintFaintBodies(context, screens, colours, projection, opacity) {
  const alpha = Math.min(0.34, (0.62 * opacity) / Math.sqrt(screens.length + 1));
  for (const screen of screens) {
    const parts = bodyParts(screen, projection);
    for (const side of [1, 0, 2]) {
      context.beginPath();
      for (const part of parts) if (part.side === side) capsulePath(context, part);
      context.fillStyle = withAlpha(colours[side], alpha);
      context.fill();
      context.lineWidth = 0.7;
      context.strokeStyle = withAlpha(colours[side], Math.min(0.6, 1.6 * alpha));
      context.stroke();
    }
  }
}
