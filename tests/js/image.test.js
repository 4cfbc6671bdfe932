import assert from "node:assert/strict";
import test from "node:test";

import { insidePicture } from "../../app/stage/js/image.js";

test("what is shown of a video stays within its edges, as far as the person leaves room", () => {
  const of = { shown: 300, needed: 100, side: 1000 };
  assert.equal(insidePicture(500, of), 500, "in the middle");
  assert.equal(insidePicture(250, of), 300, "the left edge of the picture is that of the panel");
  assert.equal(insidePicture(900, of), 700);
  assert.equal(insidePicture(20, of), 220, "the person's other half is outside of the picture");
  assert.equal(insidePicture(350, { ...of, shown: 600 }), 500, "wider than the picture: as much on both sides");
});
