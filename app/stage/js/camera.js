// The camera: preset views and turning.

export const PRESETS = {
  "3/4": "From the front and the side",
  Camera: "As the clip's camera sees it",
  Front: "From the front of the person in this frame",
  Side: "From the person's left in this frame",
  Top: "From above",
};

const EYE_DISTANCE = 1.62;

const HEIGHT_OF_CENTRE = -0.05;

const STEEPEST = 1.5; // radians: a view from straight above has no upright

/**
 * Directions from the person to the eye, in plot axes. heading: the way that the person faces, [x, y].
 * @param {string} name
 * @param {number[]} heading
 */
function presetDirection(name, heading) {
  const [x, y] = heading;
  return { Camera: [0, -1, 0], Front: [x, y, 0.12], Side: [-y, x, 0.12], Top: [0, -0.02, 1] }[name] || [0.62, -0.9, 0.3];
}

/** @param {string} name */
export function presetCamera(name, distance = EYE_DISTANCE, heading = [0, -1]) {
  const d = presetDirection(name, heading);
  const n = distance / Math.hypot(...d);
  return {
    eye: { x: d[0] * n, y: d[1] * n, z: d[2] * n + HEIGHT_OF_CENTRE },
    center: { x: 0, y: 0, z: HEIGHT_OF_CENTRE },
    up: { x: 0, y: 0, z: 1 },
  };
}

/**
 * The way that a pose (17 x 3, plot axes) faces: across the line from its right to its left hip and shoulder.
 * @param {Numbers} pose
 */
export function headingOf(pose) {
  /** @param {number} axis */
  const across = (axis) => pose[3 * 1 + axis] - pose[3 * 4 + axis] + pose[3 * 14 + axis] - pose[3 * 11 + axis];
  const x = -across(1), y = across(0);
  const n = Math.hypot(x, y);
  return n > 1e-6 ? [x / n, y / n] : [0, -1];
}

/** @param {Camera} c */
const copyCamera = (c) => ({ eye: { ...c.eye }, center: { ...c.center }, up: { ...c.up } });

/**
 * A camera turned around its centre by angles in radians and brought nearer or further by a factor.
 * @param {Camera} camera
 * @param {number} turn
 * @param {number} tilt
 */
export function orbit(camera, turn, tilt, factor = 1) {
  const { eye, center } = camera;
  const [x, y, z] = [eye.x - center.x, eye.y - center.y, eye.z - center.z];
  const flat = Math.hypot(x, y);
  const distance = Math.min(6, Math.max(0.35, Math.hypot(flat, z) * factor));
  const azimuth = Math.atan2(y, x) + turn;
  const elevation = Math.min(STEEPEST, Math.max(-STEEPEST, Math.atan2(z, flat) + tilt));
  const turned = copyCamera(camera);
  turned.eye = {
    x: center.x + distance * Math.cos(elevation) * Math.cos(azimuth),
    y: center.y + distance * Math.cos(elevation) * Math.sin(azimuth),
    z: center.z + distance * Math.sin(elevation),
  };
  turned.up = { x: 0, y: 0, z: 1 };
  return turned;
}
