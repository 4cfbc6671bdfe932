import assert from "node:assert/strict";
import test from "node:test";

import { legible } from "../../app/stage/js/floor.js";

test("labels that an edge cuts off, or that touch one before them, are left out", () => {
  const at = (x, y, text = "0.5") => ({ x, y, text });
  const kept = legible([at(100, 50, "x (m)"), at(110, 55), at(150, 50), at(150, 96), at(2, 50), at(199, 20), at(60, 3)], 200, 100);
  assert.deepEqual(kept.map(({ x, y }) => [x, y]), [[100, 50], [150, 50]]);
});
