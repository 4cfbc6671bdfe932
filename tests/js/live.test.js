import assert from "node:assert/strict";
import test from "node:test";

import { Rate, sentSize, whyNoCamera } from "../../app/live/camera_live.js";

test("pictures are made small, never larger", () => {
  assert.deepEqual(sentSize(640, 480), [480, 360]);
  assert.deepEqual(sentSize(1080, 1920), [270, 480]);
  assert.deepEqual(sentSize(320, 240), [320, 240]);
  assert.deepEqual(sentSize(4000, 10), [480, 16]);
});

test("the rate is that of the last two seconds", () => {
  const rate = new Rate();
  assert.ok(Number.isNaN(rate.value));
  for (let i = 0; i < 50; i++) rate.add(i * 100);
  assert.equal(rate.value, 10);
  for (let i = 0; i < 50; i++) rate.add(5000 + i * 50);
  assert.equal(rate.value, 20);
  assert.ok(rate.times.length <= 41);
});

test("every reason says what to do", () => {
  for (const name of ["NotAllowedError", "NotFoundError", "NotReadableError", "SecurityError"]) {
    assert.doesNotMatch(whyNoCamera(new DOMException("x", name)), /can't be started/);
  }
  assert.match(whyNoCamera(new Error("odd")), /can't be started: odd\.$/);
});
