import assert from "node:assert/strict";
import test from "node:test";

import { bodyParts, capsulePath, tonesOf } from "../../app/stage/js/bodies.js";
import { mixColours, withAlpha } from "../../app/stage/js/theme.js";

/** A context that keeps the arcs that are drawn. */
function recorder() {
  const arcs = [];
  return { arcs, moveTo() {}, closePath() {}, arc: (...of) => arcs.push(of) };
}

test("a capsule has two round ends whose tangents meet", () => {
  const context = recorder();
  capsulePath(context, { x0: 0, y0: 0, r0: 10, x1: 30, y1: 0, r1: 4 });
  const [[, , r0, from0, to0], [x1, , r1, from1, to1]] = context.arcs;
  assert.deepEqual([r0, x1, r1], [10, 30, 4]);
  assert.ok(Math.abs(from0 - to1) < 1e-9 && Math.abs(to0 - from1) < 1e-9, "edges leave both ends in one direction");
  assert.ok(Math.abs(Math.cos(from0) - (10 - 4) / 30) < 1e-9);
});

test("a capsule that one end covers is a circle", () => {
  const context = recorder();
  capsulePath(context, { x0: 0, y0: 0, r0: 3, x1: 1, y1: 0, r1: 9 });
  assert.equal(context.arcs.length, 1);
  assert.deepEqual(context.arcs[0].slice(0, 3), [1, 0, 9]);
});

test("a body has a head and twelve parts and more, each of its side, larger when nearer", () => {
  const screen = new Float32Array(51).map((_, i) => (i % 3 === 2 ? 2 : 10 * i));
  const parts = bodyParts(screen, { focalMetres: 400 });
  assert.equal(parts.length, 14);
  assert.deepEqual(new Set(parts.map((p) => p.side)), new Set([0, 1, 2]));
  const near = bodyParts(screen.map((v, i) => (i % 3 === 2 ? 1 : v)), { focalMetres: 400 });
  assert.ok(Math.abs(near[0].r0 / parts[0].r0 - 2) < 1e-6);
  assert.equal(bodyParts(screen.map((v, i) => (i % 3 === 2 ? -1 : v)), { focalMetres: 400 }).length, 0, "behind the eye");
});

test("colours are mixed and seen through", () => {
  assert.equal(mixColours("#000000", "#ffffff", 0.5), "#808080");
  assert.equal(withAlpha("#102030", 0.5), "rgba(16,32,48,0.5)");
  assert.equal(tonesOf("#0b7a6b", { dark: false }).base, "#0b7a6b");
});
