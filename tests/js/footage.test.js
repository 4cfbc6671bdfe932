import assert from "node:assert/strict";
import test from "node:test";

import { Footage, footageOf, frameNumber } from "../../app/stage/js/footage.js";

function packed(frames, source = "abc") {
  const text = new TextEncoder().encode(JSON.stringify({ source, size: [64, 48], frames, bytes: frames.map((_, i) => i + 1) }));
  const bytes = new Uint8Array(4 + text.length + (frames.length * (frames.length + 1)) / 2);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  let at = 4 + text.length;
  frames.forEach((_, i) => { bytes.fill(i + 1, at, at + i + 1); at += i + 1; });
  return bytes;
}

/** Lets a promise that is under way end. */
const settled = () => new Promise((done) => setTimeout(done, 0));

test("every picture has its own bytes", () => {
  const footage = new Footage(packed([0, 2, 4]));
  assert.deepEqual(footage.jpegs.map((jpeg) => [...jpeg]), [[1], [2, 2], [3, 3, 3]]);
  assert.deepEqual([footage.source, footage.size], ["abc", [64, 48]]);
});

test("a frame has its own picture, or the last one before it", () => {
  const footage = new Footage(packed([1, 4, 8]));
  assert.deepEqual([0, 1, 3, 4, 7, 8, 99].map((frame) => footage.index(frame)), [-1, 0, 0, 1, 1, 2, 2]);
});

test("pictures are decoded once, some of them ahead, and a few are kept", async () => {
  const made = [];
  globalThis.createImageBitmap = async (blob) => {
    const bitmap = { size: blob.size, close() { this.closed = true; } };
    made.push(bitmap);
    return bitmap;
  };
  const footage = new Footage(packed(Array.from({ length: 60 }, (_, i) => i)));
  let ready = 0;
  assert.equal(footage.at(0, () => ready++), null, "nothing is there at first");
  await settled();
  assert.equal(ready, 1);
  assert.equal(footage.at(0).size, 1);
  assert.equal(made.length, 5, "the next four are decoded before they are asked for");
  for (let frame = 0; frame < 60; frame++) {
    footage.at(frame);
    await settled();
    assert.equal(footage.at(frame).size, frame + 1);
    assert.ok(!footage.shown.closed);
  }
  assert.equal(made.length, 60);
  assert.ok(made.filter((bitmap) => !bitmap.closed).length <= 25);
});

test("a film waits for the picture of each frame", async () => {
  globalThis.createImageBitmap = async (blob) => {
    await settled();
    return { size: blob.size, close() {} };
  };
  const footage = new Footage(packed(Array.from({ length: 60 }, (_, i) => i)));
  for (let frame = 0; frame < 60; frame++) {
    await footage.whenReady(frame);
    assert.equal(footage.at(frame).size, frame + 1);
  }
  await new Footage(packed([5])).whenReady(0);
});

test("the number of a frame is that of the timeline, or of the only one", () => {
  const axes = { frame: { values: [0, 5, 10] } };
  const stage = { frame: 1, header: { axes } };
  assert.deepEqual([frameNumber(stage), frameNumber(stage, 2)], [5, 10]);
  assert.equal(frameNumber({ frame: 0, header: { axes: {}, shows_frame: 7 } }), 7);
});

test("a picture that can't be read is left out", async () => {
  globalThis.createImageBitmap = async () => { throw new Error("no JPEG"); };
  const footage = new Footage(packed([0]));
  footage.at(0, () => assert.fail("there is nothing to draw"));
  await settled();
  assert.equal(footage.at(0), null);
});

test("pictures belong to one clip, and several may be on the page", () => {
  const footage = new Footage(packed([0])), other = { source: "other" };
  globalThis.document = { querySelectorAll: () => [{}, { footage: other }, { footage }] };
  assert.equal(footageOf("abc"), footage);
  assert.equal(footageOf("other"), other);
  assert.equal(footageOf("another"), null);
  globalThis.document = { querySelectorAll: () => [] };
  assert.equal(footageOf("abc"), null);
});

test("heatmaps are those of the very frame, and go with its picture", async () => {
  globalThis.createImageBitmap = async (blob) => ({ size: blob.size, type: blob.type, close() { this.closed = true; } });
  const header = { source: "abc", size: [64, 48], frames: [0, 4], bytes: [2, 3], glows: [[[30, 20, 50, 0.25, 4]], []] };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(4 + text.length + 9);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  const footage = new Footage(bytes);
  assert.deepEqual(footage.heatAt(0), [], "not decoded yet");
  await footage.whenReady(0);
  const [{ u, v, side, turn, bitmap }] = footage.heatAt(0);
  assert.deepEqual([u, v, side, turn, bitmap.size, bitmap.type], [30, 20, 50, 0.25, 4, "image/png"]);
  assert.deepEqual([footage.heatAt(1), footage.heatAt(4)], [[], []]);
});
