// Perspective projection of plot axes (metres) onto a panel (CSS pixels), and how large a scene is drawn so that it fits.

const HALF_FIELD = Math.tan(Math.PI / 8); // of view: 45 degrees from top to bottom
const RING = Array.from({ length: 16 }, (_, i) => [Math.cos((i * Math.PI) / 8), Math.sin((i * Math.PI) / 8)]);
const REFERENCE_DISTANCE = 1.62; // of the eye, in heights of the box: where a scene is made to fit

/**
 * @param {number[]} a
 * @param {number[]} b
 */
const sub = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
/**
 * @param {number[]} a
 * @param {number[]} b
 */
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
/** @param {number[]} a */
const unit = (a) => { const n = Math.hypot(...a) || 1; return [a[0] / n, a[1] / n, a[2] / n]; };
/** @param {XYZ} o */
const vector = (o) => [o.x, o.y, o.z];

/**
 * Focal length and principal point that show the whole height of a panel, without fitting anything.
 * @param {number} width
 * @param {number} height
 */
export const plainLens = (width, height) => ({ focal: height / 2 / HALF_FIELD, u: width / 2, v: height / 2 });

/**
 * The projection of a camera in units of the box's height.
 * lens: {focal, u, v} in pixels. bounds: {lo, hi, floor} in metres.
 * @param {Camera} camera
 * @param {Bounds} bounds
 * @param {number} width
 * @param {number} height
 */
export function makeProjection(camera, bounds, width, height, lens = plainLens(width, height)) {
  const eye = vector(camera.eye);
  const forward = unit(sub(vector(camera.center), eye));
  const right = unit(cross(forward, vector(camera.up)));
  const up = cross(right, forward);
  const middle = bounds.lo.map((lo, i) => (lo + bounds.hi[i]) / 2);
  const scale = 1 / (bounds.hi[2] - bounds.lo[2]);
  const { focal, u, v } = lens;
  return {
    focalMetres: focal * scale,
    /**
     * Point in plot axes (metres) -> [u, v, depth] in pixels; depth is 0 or less behind the eye.
     * @param {number} x
     * @param {number} y
     * @param {number} z
     * @param {number[]} out
     */
    point(x, y, z, out) {
      const p0 = (x - middle[0]) * scale - eye[0];
      const p1 = (y - middle[1]) * scale - eye[1];
      const p2 = (z - middle[2]) * scale - eye[2];
      const depth = forward[0] * p0 + forward[1] * p1 + forward[2] * p2;
      const factor = focal / Math.max(depth, 1e-3);
      out[0] = u + factor * (right[0] * p0 + right[1] * p1 + right[2] * p2);
      out[1] = v - factor * (up[0] * p0 + up[1] * p1 + up[2] * p2);
      out[2] = depth;
      return out;
    },
  };
}

/**
 * The same direction of view from the distance at which a scene is made to fit.
 * @param {Camera} camera
 */
function atReference(camera) {
  const centre = vector(camera.center);
  const d = unit(sub(vector(camera.eye), centre)).map((x) => x * REFERENCE_DISTANCE);
  return { ...camera, eye: { x: centre[0] + d[0], y: centre[1] + d[1], z: centre[2] + d[2] } };
}

/**
 * The lens that fits the people into a panel, whichever way they are seen.
 * rings: [{x, y, z, radius}], level circles around the people in metres. They look the same from all sides, so that
 * turning a scene never changes its size. margins: free pixels {top, bottom, side}.
 * @param {Camera} camera
 * @param {Bounds} bounds
 * @param {Ring[]} rings
 * @param {number} width
 * @param {number} height
 * @param {{ top: number, bottom: number, side: number }} margins
 */
export function fittingLens(camera, bounds, rings, width, height, margins) {
  const projection = makeProjection(atReference(camera), bounds, width, height, { focal: 1, u: 0, v: 0 });
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  const p = [0, 0, 0];
  for (const { x, y, z, radius } of rings) {
    for (const [cos, sin] of RING) {
      projection.point(x + radius * cos, y + radius * sin, z, p);
      left = Math.min(left, p[0]); right = Math.max(right, p[0]);
      top = Math.min(top, p[1]); bottom = Math.max(bottom, p[1]);
    }
  }
  const room = [Math.max(20, width - 2 * margins.side), Math.max(20, height - margins.top - margins.bottom)];
  const focal = Math.min(room[0] / (right - left), room[1] / (bottom - top));
  return {
    focal,
    u: width / 2 - (focal * (left + right)) / 2,
    v: margins.top + room[1] / 2 - (focal * (top + bottom)) / 2,
  };
}

/**
 * @param {Numbers} values
 * @param {Projection} projection
 */
export function projectPoses(values, projection) {
  const count = values.length / 3;
  const out = new Float32Array(count * 3);
  const p = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    projection.point(values[3 * i], values[3 * i + 1], values[3 * i + 2], p);
    out[3 * i] = p[0]; out[3 * i + 1] = p[1]; out[3 * i + 2] = p[2];
  }
  return out;
}

const AROUND = 0.5; // metres of floor around the places of several people

/**
 * The rings of a box that does not stand around the root: a look at a part of a body, or several people on one floor,
 * whose corners stay in sight from all sides.
 * @param {Bounds} of
 */
function ringsOfBox({ lo, hi, floor }) {
  const [x, y] = [(lo[0] + hi[0]) / 2, (lo[1] + hi[1]) / 2];
  if (floor < lo[2]) {
    const radius = (hi[0] - lo[0]) / 2;
    return [{ x, y, z: lo[2], radius }, { x, y, z: hi[2], radius }];
  }
  const corner = Math.hypot(hi[0] - lo[0], hi[1] - lo[1]) / 2;
  const tallest = lo[2] + hi[2] - floor; // the box's middle is at half of it
  return [{ x, y, z: floor, radius: corner }, { x, y, z: tallest, radius: Math.max(0.3, corner - AROUND) }];
}

const FEET = [3, 6], HEAD = [10], HANDS = [13, 16];
const SHARE_OF_HANDS = 0.95;

/**
 * Rings that hold people over a stage's poses: all heads and feet are between them, and most hands.
 * poses: flat arrays of 17 x 3 points in plot axes, the root at the origin.
 * @param {Float32Array[]} poses
 * @param {Bounds} bounds
 */
export function ringsOf(poses, bounds) {
  if (Math.abs(bounds.lo[0] + bounds.hi[0]) > 1e-3) return ringsOfBox(bounds);
  let low = bounds.floor, high = bounds.floor + 0.6;
  const reach = { feet: 0.25, head: 0.12 };
  /** @type {[number, number][]} */
  const hands = [];
  /**
   * @param {number[]} joints
   * @param {(reach: number, height: number) => void} action
   */
  const each = (joints, action) => {
    for (const values of poses) {
      for (let at = 0; at < values.length; at += 51) {
        for (const j of joints) {
          const [x, y, z] = values.subarray(at + 3 * j, at + 3 * j + 3);
          if (Number.isFinite(x + y + z)) action(Math.hypot(x, y), z);
        }
      }
    }
  };
  each(FEET, (r, z) => { reach.feet = Math.max(reach.feet, r); low = Math.min(low, z); high = Math.max(high, z); });
  each(HEAD, (r, z) => { reach.head = Math.max(reach.head, r); high = Math.max(high, z); low = Math.min(low, z); });
  each(HANDS, (r, z) => hands.push([r, z]));
  /** @param {number} i */
  const usual = (i) => hands.map((h) => h[i]).sort((a, b) => a - b)[Math.floor(SHARE_OF_HANDS * (hands.length - 1))] ?? 0;
  /**
   * @param {number} z
   * @param {number} radius
   */
  const ring = (z, radius) => ({ x: 0, y: 0, z, radius: Math.min(1.3, radius) });
  return [
    ring(Math.max(low, bounds.floor - 0.5) - 0.03, reach.feet + 0.05), ring(high + 0.1, reach.head + 0.1),
    ring(Math.max(0, usual(1)), usual(0) + 0.04),
  ];
}
