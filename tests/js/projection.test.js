import assert from "node:assert/strict";
import test from "node:test";

import { headingOf, orbit, presetCamera, PRESETS } from "../../app/stage/js/camera.js";
import { fittingLens, makeProjection, ringsOf } from "../../app/stage/js/projection.js";

const BOUNDS = { lo: [-0.75, -0.75, -1.1], hi: [0.75, 0.75, 0.9], floor: -0.96 };
const MARGINS = { top: 8, bottom: 12, side: 8 };

/** The usual way of computer graphics: a look-at matrix and a perspective divide. */
function reference(camera, bounds, width, height, [x, y, z]) {
  const tall = bounds.hi[2] - bounds.lo[2];
  const p = [x, y, z].map((v, i) => (v - (bounds.lo[i] + bounds.hi[i]) / 2) / tall);
  const vec = (o) => [o.x, o.y, o.z];
  const sub = (a, b) => a.map((v, i) => v - b[i]);
  const dot = (a, b) => a.reduce((s, v, i) => s + v * b[i], 0);
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const unit = (a) => a.map((v) => v / Math.hypot(...a));
  const back = unit(sub(vec(camera.eye), vec(camera.center)));
  const right = unit(cross(vec(camera.up), back));
  const up = cross(back, right);
  const eye = sub(p, vec(camera.eye));
  const [cx, cy, cz] = [dot(eye, right), dot(eye, up), dot(eye, back)];
  const f = 1 / Math.tan((45 * Math.PI) / 360);
  return [width / 2 + ((f / (width / height)) * cx / -cz) * (width / 2), height / 2 - ((f * cy) / -cz) * (height / 2)];
}

test("points lie where a look-at matrix and a perspective divide put them", () => {
  for (const camera of [presetCamera("3/4"), orbit(presetCamera("Side"), 0.7, 0.4, 1.3)]) {
    const projection = makeProjection(camera, BOUNDS, 640, 480);
    for (const point of [[0, 0, 0], [0.6, -0.5, 0.7], [-0.7, 0.3, -1]]) {
      const found = projection.point(...point, []);
      reference(camera, BOUNDS, 640, 480, point).forEach((v, i) => assert.ok(Math.abs(found[i] - v) < 1e-6, `${point}`));
    }
  }
});

/** One pose: everything at the root but head, feet and hands. */
function pose({ head = [0, 0, 0.7], feet = 0.4, hands = 0.5 } = {}) {
  const values = new Float32Array(51);
  values.set(head, 30);
  values.set([feet, 0, -0.96], 9);
  values.set([-feet, 0.1, -0.93], 18);
  values.set([hands, 0, 0.1], 39);
  values.set([-hands, 0, 0.1], 48);
  return values;
}

test("heads and feet are inside a scene of any shape, from every preset view", () => {
  const poses = [pose(), pose({ feet: 0.7 }), pose({ head: [0.5, 0.2, 0.2] })];
  const rings = ringsOf(poses, BOUNDS);
  for (const [width, height] of [[345, 460], [660, 280], [185, 200], [900, 500]]) {
    for (const name of Object.keys(PRESETS)) {
      const camera = presetCamera(name);
      const projection = makeProjection(camera, BOUNDS, width, height, fittingLens(camera, BOUNDS, rings, width, height, MARGINS));
      for (const values of poses) {
        for (const j of [3, 6, 10]) {
          const [u, v] = projection.point(...values.subarray(3 * j, 3 * j + 3), []);
          assert.ok(u >= 0 && u <= width && v >= 0 && v <= height, `${name} ${width} x ${height}, joint ${j}: ${u} ${v}`);
        }
      }
    }
  }
});

test("turning a scene around its upright keeps its size, and being closer makes it larger", () => {
  const rings = ringsOf([pose()], BOUNDS);
  const size = (camera) => fittingLens(camera, BOUNDS, rings, 400, 500, MARGINS).focal;
  const camera = presetCamera("3/4");
  for (const turn of [0.4, 1.5, 3]) assert.ok(Math.abs(size(orbit(camera, turn, 0)) / size(camera) - 1) < 0.01);
  assert.ok(Math.abs(size(orbit(camera, 0, 0, 0.5)) / size(camera) - 1) < 1e-9, "the lens stays");
  const high = (c) => {
    const p = makeProjection(c, BOUNDS, 400, 500, fittingLens(c, BOUNDS, rings, 400, 500, MARGINS));
    return p.point(0, 0, -0.9, [])[1] - p.point(0, 0, 0.7, [])[1];
  };
  assert.ok(high(orbit(camera, 0, 0, 0.5)) > 1.5 * high(camera));
});

test("a box that stands elsewhere is shown whole", () => {
  const bounds = { lo: [0.2, 0.1, 0.3], hi: [0.5, 0.4, 0.6], floor: -1 };
  const rings = ringsOf([pose()], bounds);
  assert.deepEqual(rings.map((r) => +r.radius.toFixed(3)), [0.15, 0.15]);
});

test("the corners of a floor with several people, and their heads, stay in sight from all sides", () => {
  const bounds = { lo: [-1, 2, -0.7], hi: [1.1, 8, 2.5], floor: 0 };
  const rings = ringsOf([], bounds);
  for (const [width, height] of [[1300, 420], [370, 480]]) {
    for (const turn of [0, 0.8, 1.6, 2.9]) {
      const camera = orbit(presetCamera("3/4"), turn, 0);
      const projection = makeProjection(camera, bounds, width, height, fittingLens(camera, bounds, rings, width, height, MARGINS));
      for (const corner of [[-1, 2, 0], [1.1, 2, 0], [-1, 8, 0], [1.1, 8, 0], [-0.5, 2.5, 1.8], [0.6, 7.5, 1.8]]) {
        const [u, v] = projection.point(...corner, []);
        assert.ok(u >= 0 && u <= width && v >= 0 && v <= height, `${width} x ${height}, ${turn}, ${corner}: ${u} ${v}`);
      }
    }
  }
});

test("a pose that looks along the y axis has that heading", () => {
  const values = new Float32Array(51);
  values.set([0.2, 0, 0], 3 * 1); values.set([-0.2, 0, 0], 3 * 4);
  values.set([0.2, 0, 0.5], 3 * 14); values.set([-0.2, 0, 0.5], 3 * 11);
  const [x, y] = headingOf(values);
  assert.ok(Math.abs(x) < 1e-6 && Math.abs(y) > 0.99);
});
