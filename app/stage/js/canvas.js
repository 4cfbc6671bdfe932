// Small helpers for drawing on a canvas.

export function fitCanvas(canvas, width, height) {
  const ratio = fitCanvas.ratio || Math.min(window.devicePixelRatio || 1, 2); // a picture to keep has a ratio of its own
  const w = Math.round(width * ratio), h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  // Kept in main memory: thousands of short lines are faster drawn there than handed to a graphics process, above all to a
  // software one.
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

export function line(context, it, colour, width, wanted) {
  if (!wanted) return;
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(it.x0, it.y0);
  context.lineTo(it.x1, it.y1);
  context.stroke();
}

/** Left: diamond. Middle and right: circle. Shape says what colour says. */
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
