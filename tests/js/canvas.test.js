import assert from "node:assert/strict";
import test from "node:test";

import { fitCanvas, setFont } from "../../app/stage/js/canvas.js";

/** A canvas whose context counts how often a font is set. */
function countingCanvas() {
  const context = { set: 0, setTransform() {}, clearRect() {}, set font(/** @type {string} */ _) { this.set += 1; } };
  return { width: 0, height: 0, context, getContext: () => context };
}

test("a font is set once, and again on a canvas that has forgotten it because its size changed", () => {
  globalThis.window = /** @type {any} */ ({ devicePixelRatio: 1 });
  const canvas = /** @type {any} */ (countingCanvas());
  const paint = (/** @type {number} */ width, /** @type {string} */ font) => setFont(fitCanvas(canvas, width, 50), font);
  paint(100, "11px a");
  paint(100, "11px a");
  assert.equal(canvas.context.set, 1);
  paint(100, "12px a");
  assert.equal(canvas.context.set, 2);
  paint(120, "12px a");
  assert.equal(canvas.context.set, 3);
});
