import assert from "node:assert/strict";
import test from "node:test";

import { unpack } from "../../app/stage/js/data.js";
import { richParts } from "../../app/stage/js/dom.js";
import { jointLabel } from "../../app/stage/js/skeleton.js";

function packed(header, floats) {
  let text = JSON.stringify(header);
  text += " ".repeat((4 - ((8 + text.length) % 4)) % 4);
  const bytes = new Uint8Array(8 + text.length + 4 * floats.length);
  bytes.set(new TextEncoder().encode("DPS1"), 0);
  new DataView(bytes.buffer).setUint32(4, text.length, true);
  bytes.set(new TextEncoder().encode(text), 8);
  bytes.set(new Uint8Array(new Float32Array(floats).buffer), 8 + text.length);
  return bytes;
}

test("an array is cut at the frame and the step, whichever of them it has", () => {
  const arrays = {
    both: { offset: 0, shape: [2, 3, 1], axes: ["frame", "step", "xyz"] },
    step: { offset: 6, shape: [3], axes: ["step"] },
    none: { offset: 9, shape: [2], axes: ["joint"] },
  };
  const { arrays: found } = unpack(packed({ arrays }, [0, 1, 2, 10, 11, 12, 7, 8, 9, 5, 6]));
  assert.deepEqual([...found.both.at(1, 2)], [12]);
  assert.deepEqual([...found.step.at(1, 0)], [7]);
  assert.deepEqual([...found.none.at(1, 2)], [5, 6]);
  assert.deepEqual([...found.both.at(9, 9)], [12], "a place behind the end is the end");
  assert.equal(found.both.length("step"), 3);
  assert.equal(found.none.length("step"), 1);
});

test("states are mixed by Eq. 1", () => {
  const one = (offset) => ({ offset, shape: [2], axes: ["xyz"] });
  const factor = (offset) => ({ offset, shape: [2], axes: ["step"] });
  const arrays = {
    start: one(0), mean: one(2), noise: one(4), keep: factor(6), spread: factor(8),
    h: { shape: [2, 2], axes: ["step", "xyz"], mix: { start: "start", mean: "mean", noise: "noise", keep: "keep", spread: "spread" } },
  };
  const { arrays: found } = unpack(packed({ arrays }, [4, 6, 2, 2, 1, -1, 1, 0.5, 0, 0.25]));
  assert.deepEqual([...found.h.at(0, 0)], [4, 6]);
  assert.deepEqual([...found.h.at(0, 1)], [2 + 0.5 * 2 + 0.25, 2 + 0.5 * 4 - 0.25]);
});

test("other bytes are refused in words", () => {
  assert.throws(() => unpack(new Uint8Array(16)), /starts with DPS1/);
});

test("subscripts are found in words", () => {
  assert.deepEqual(richParts("with f_ST and h_0"), [["with f", false], ["ST", true], [" and h", false], ["0", true]]);
  assert.deepEqual(richParts("plain"), [["plain", false]]);
});

test("joints have plain names", () => {
  assert.equal(jointLabel(3), "right foot");
  assert.equal(jointLabel(9), "neck/nose");
});
