// Small helpers for drawing on a canvas.

/** Pixels of a canvas for every pixel of the page, where a picture to keep wants its own. @type {{ ratio: number | null }} */
export const drawing = { ratio: null };

/** Fonts that contexts have. @type {WeakMap<Canvas2D, string>} */
const fonts = new WeakMap();

/**
 * Sets a context's font where it has another one: the browser lays the page out whenever one is set, even the same.
 * @param {Canvas2D} context
 * @param {string} font
 */
export function setFont(context, font) {
  if (fonts.get(context) === font) return;
  fonts.set(context, font);
  context.font = font;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function fitCanvas(canvas, width, height) {
  const ratio = drawing.ratio || Math.min(window.devicePixelRatio || 1, 2);
  const w = Math.round(width * ratio), h = Math.round(height * ratio);
  const resized = canvas.width !== w || canvas.height !== h;
  if (resized) {
    canvas.width = w;
    canvas.height = h;
  }
  // Kept in main memory: thousands of short lines are faster drawn there than handed to a graphics process, above all to a
  // software one.
  const context = /** @type {Canvas2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  if (resized) fonts.delete(context);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/**
 * @param {Canvas2D} context
 * @param {Line} it
 * @param {string} colour
 * @param {number} width
 * @param {boolean} wanted
 */
export function line(context, it, colour, width, wanted) {
  if (!wanted) return;
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(it.x0, it.y0);
  context.lineTo(it.x1, it.y1);
  context.stroke();
}

/**
 * Left: diamond. Middle and right: circle. Shape says what colour says.
 * @param {Canvas2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 * @param {number} side
 */
export function markerPath(context, x, y, radius, side) {
  context.beginPath();
  if (side === 0) {
    const r = radius * 1.3;
    context.moveTo(x, y - r);
    context.lineTo(x + r, y);
    context.lineTo(x, y + r);
    context.lineTo(x - r, y);
    context.closePath();
  } else {
    context.arc(x, y, radius, 0, 2 * Math.PI);
  }
}
