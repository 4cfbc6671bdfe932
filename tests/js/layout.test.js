import assert from "node:assert/strict";
import test from "node:test";

import { bestColumns, chartsBeside, filledSpans, roomFor } from "../../app/stage/js/layout.js";
import { niceCeiling, number, shortNumber } from "../../app/stage/js/numbers.js";
import { knownRuns, trackWords } from "../../app/stage/js/track.js";

test("scenes stand beside each other on a laptop and two by two on a phone", () => {
  assert.equal(bestColumns(3, 1040, 490), 3);
  assert.equal(bestColumns(2, 1040, 490), 2);
  assert.equal(bestColumns(3, 374, 480), 2);
  assert.equal(bestColumns(2, 374, 480), 2);
  assert.equal(bestColumns(1, 374, 480), 1);
  assert.equal(bestColumns(3, 300, 1200), 1, "a tall room");
});

test("a stage takes what the window leaves, and a stage further down a screen of its own", () => {
  assert.equal(roomFor({ window: 650, top: 44, around: 120 }), 486);
  assert.equal(roomFor({ window: 650, top: 800, around: 120 }), 522);
  assert.equal(roomFor({ window: 300, top: 100, around: 120 }), 240, "never too low to see anything");
});

test("curves over the steps stand beside the scenes, or else the joints' bars", () => {
  const line = (id, axis = "step") => ({ id, kind: "line", axis });
  const ids = (specs) => chartsBeside(specs).map((s) => s.id);
  assert.deepEqual(ids([line("a"), line("b"), { id: "s", kind: "strip" }, line("c"), line("d")]), ["a", "b", "c"]);
  assert.deepEqual(ids([line("clip", "frame"), { id: "bars", kind: "bars" }]), ["bars"]);
  assert.deepEqual(ids([]), []);
});

test("numbers are round, short and have a real minus sign", () => {
  assert.equal(niceCeiling(97), 100);
  assert.equal(niceCeiling(101), 120);
  assert.deepEqual([466.4, 12.34, 0, 0.5].map(shortNumber), ["466", "12.3", "0", "0.50"]);
  assert.equal(number(-0.5), "\u22120.5");
});

test("a track says what it shows", () => {
  assert.equal(trackWords({ curve: { label: "error, mm" }, guessed: "guessed", jumps: [3] }),
    "height: error, mm; orange: guessed joints; lines: jumps of the 2D pose");
  assert.equal(trackWords({ others: [4, 5] }), "grey: somebody else");
  assert.equal(trackWords({}), "");
});

test("where an error is not known the track's curve has a gap", () => {
  assert.deepEqual(knownRuns([NaN, 1, 2, NaN, NaN, 0, NaN]), [[1, 2], [5, 5]]);
  assert.deepEqual(knownRuns([NaN]), []);
});

test("a row of charts has no hole at its end", () => {
  assert.deepEqual(filledSpans([7, 12]), [12, 12]);
  assert.deepEqual(filledSpans([7, 5, 12]), [7, 5, 12]);
  assert.deepEqual(filledSpans([4, 4, 6, 6]), [4, 8, 6, 6]);
  assert.deepEqual(filledSpans([]), []);
});
