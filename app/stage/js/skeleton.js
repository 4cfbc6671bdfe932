// The 17 joints of Human3.6M: names, parents and sides.

export const JOINT_NAMES = ["Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax", "Neck/Nose", "Head",
  "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist"];

export const PARENTS = [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15];

export const SIDE = [1, 2, 2, 2, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 2, 2, 2]; // 0 left, 1 middle, 2 right

export const JOINTS = JOINT_NAMES.length;

/** @type {Record<string, string>} */
const LIMB_NAMES = { L: "left ", R: "right " };

/**
 * A joint's name in plain words: RFoot is "right foot".
 * @param {number} joint
 */
export function jointLabel(joint) {
  const name = JOINT_NAMES[joint];
  const side = /^[LR][A-Z]/.test(name) ? LIMB_NAMES[name[0]] : "";
  return (side + (side ? name.slice(1) : name)).toLowerCase();
}
