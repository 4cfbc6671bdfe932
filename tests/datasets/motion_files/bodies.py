"""A small person who moves, written in the layouts of motion files, and where its joints are by definition."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.transform import Rotation

#: (joint, parent, offset in centimetres): a T pose, y up, facing z, so that the left is x.
BODY: tuple[tuple[str, str | None, tuple[float, float, float]], ...] = (
    ("hips", None, (0, 92, 0)),
    ("spine", "hips", (0, 12, -1)),
    ("chest", "spine", (0, 14, 0)),
    ("upper", "chest", (0, 12, 1)),
    ("neck", "upper", (0, 10, 0)),
    ("head", "neck", (0, 11, 2)),
    ("top", "head", (0, 13, 0)),
    ("l.collar", "upper", (3, 7, 0)),
    ("l.arm", "l.collar", (14, 0, 0)),
    ("l.forearm", "l.arm", (28, 0, 0)),
    ("l.hand", "l.forearm", (25, 0, 0)),
    ("l.fingers", "l.hand", (9, 0, 0)),
    ("r.collar", "upper", (-3, 7, 0)),
    ("r.arm", "r.collar", (-14, 0, 0)),
    ("r.forearm", "r.arm", (-28, 0, 0)),
    ("r.hand", "r.forearm", (-25, 0, 0)),
    ("r.fingers", "r.hand", (-9, 0, 0)),
    ("l.thigh", "hips", (9, -4, 0)),
    ("l.shin", "l.thigh", (0, -42, 0)),
    ("l.foot", "l.shin", (0, -41, 0)),
    ("l.toes", "l.foot", (0, -4, 14)),
    ("r.thigh", "hips", (-9, -4, 0)),
    ("r.shin", "r.thigh", (0, -42, 0)),
    ("r.foot", "r.shin", (0, -41, 0)),
    ("r.toes", "r.foot", (0, -4, 14)),
)
PARENT = {joint: parent for joint, parent, _ in BODY}
OFFSET = {joint: np.array(offset, dtype=float) for joint, _, offset in BODY}
ENDS = ("top", "l.fingers", "r.fingers", "l.toes", "r.toes")
#: The joints of Human3.6M that are joints of the body; Spine (7) lies between chest and spine.
H36M = {
    0: "hips", 1: "r.thigh", 2: "r.shin", 3: "r.foot", 4: "l.thigh", 5: "l.shin", 6: "l.foot", 8: "neck", 9: "head",
    10: "top", 11: "l.arm", 12: "l.forearm", 13: "l.hand", 14: "r.arm", 15: "r.forearm", 16: "r.hand",
}  # fmt: skip

#: Names that families of files give to the joints.
FAMILIES: dict[str, dict[str, str]] = {
    "mixamo": {
        "hips": "Hips", "spine": "Spine", "chest": "Spine1", "upper": "Spine2", "neck": "Neck", "head": "Head",
        "top": "HeadTop_End",
        **{f"{s[0].lower()}.{a}": f"{s}{b}" for s in ("Left", "Right") for a, b in (
            ("collar", "Shoulder"), ("arm", "Arm"), ("forearm", "ForeArm"), ("hand", "Hand"),
            ("fingers", "HandIndex1"), ("thigh", "UpLeg"), ("shin", "Leg"), ("foot", "Foot"), ("toes", "ToeBase"))},
    },
    "bandai": {
        "hips": "Hips", "spine": "Spine", "chest": "Chest", "upper": "Chest2", "neck": "Neck", "head": "Head",
        "l.collar": "Shoulder_L", "l.arm": "UpperArm_L", "l.forearm": "LowerArm_L", "l.hand": "Hand_L",
        "r.collar": "Shoulder_R", "r.arm": "UpperArm_R", "r.forearm": "LowerArm_R", "r.hand": "Hand_R",
        "l.thigh": "UpperLeg_L", "l.shin": "LowerLeg_L", "l.foot": "Foot_L",
        "r.thigh": "UpperLeg_R", "r.shin": "LowerLeg_R", "r.foot": "Foot_R",
    },
    "biped": {
        "hips": "Bip01 Pelvis", "spine": "Bip01 Spine", "chest": "Bip01 Spine1", "upper": "Bip01 Spine2",
        "neck": "Bip01 Neck", "head": "Bip01 Head",
        **{f"{s.lower()}.{a}": f"Bip01 {s} {b}" for s in "LR" for a, b in (
            ("collar", "Clavicle"), ("arm", "UpperArm"), ("forearm", "Forearm"), ("hand", "Hand"), ("thigh", "Thigh"),
            ("shin", "Calf"), ("foot", "Foot"))},
    },
    "biovision": {
        "hips": "Hips", "spine": "Chest", "chest": "Chest2", "upper": "Chest3", "neck": "Neck", "head": "Head",
        **{f"{s[0].lower()}.{a}": f"{s}{b}" for s in ("Left", "Right") for a, b in (
            ("collar", "Collar"), ("arm", "Shoulder"), ("forearm", "Elbow"), ("hand", "Wrist"), ("thigh", "Hip"),
            ("shin", "Knee"), ("foot", "Ankle"))},
    },
    "daz": {
        "hips": "hip", "spine": "abdomen", "chest": "abdomen2", "upper": "chest", "neck": "neck", "head": "head",
        **{f"{s}.{a}": f"{s}{b}" for s in "lr" for a, b in (
            ("collar", "Collar"), ("arm", "Shldr"), ("forearm", "ForeArm"), ("hand", "Hand"), ("thigh", "Thigh"),
            ("shin", "Shin"), ("foot", "Foot"))},
    },
    "unreal": {
        "hips": "pelvis", "spine": "spine_01", "chest": "spine_02", "upper": "spine_03", "neck": "neck_01",
        "head": "head",
        **{f"{s}.{a}": f"{b}_{s}" for s in "lr" for a, b in (
            ("collar", "clavicle"), ("arm", "upperarm"), ("forearm", "lowerarm"), ("hand", "hand"), ("thigh", "thigh"),
            ("shin", "calf"), ("foot", "foot"))},
    },
    "vrm": {
        "hips": "J_Bip_C_Hips", "spine": "J_Bip_C_Spine", "chest": "J_Bip_C_Chest", "upper": "J_Bip_C_UpperChest",
        "neck": "J_Bip_C_Neck", "head": "J_Bip_C_Head",
        **{f"{s.lower()}.{a}": f"J_Bip_{s}_{b}" for s in "LR" for a, b in (
            ("collar", "Shoulder"), ("arm", "UpperArm"), ("forearm", "LowerArm"), ("hand", "Hand"),
            ("thigh", "UpperLeg"), ("shin", "LowerLeg"), ("foot", "Foot"))},
    },
}  # fmt: skip
FAMILIES["mixamo with its prefix"] = {joint: f"mixamorig:{name}" for joint, name in FAMILIES["mixamo"].items()}


def angles(frames: int, fps: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Degrees about x, y and z, (F, 3) a joint: everything sways, knees and elbows bend as they can."""
    generator = np.random.default_rng(seed)
    time = np.arange(frames)[:, None] / fps
    result = {}
    for joint in (j for j, _, _ in BODY if j not in ENDS):
        phase, rate = generator.uniform(0, 6, 3), generator.uniform(1, 3, 3)
        result[joint] = 12 * np.sin(rate * time + phase)
    for side, sign in (("l", -1), ("r", 1)):
        result[f"{side}.shin"] = np.abs(result[f"{side}.shin"]) * [3, 0, 0] + [10, 0, 0]
        result[f"{side}.forearm"] = np.abs(result[f"{side}.forearm"]) * [0, 3 * sign, 0] + [0, 15 * sign, 0]
    return result


def path(frames: int, fps: float) -> np.ndarray:
    """Where the hips are, centimetres, (F, 3)."""
    time = np.arange(frames) / fps
    return np.stack([30 * np.sin(time), 92 + 2 * np.sin(3 * time), 40 * time], axis=1)


def turn(axis: str, degrees: float) -> np.ndarray:
    """The rotation about one axis, written out."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array(
        {"x": [[1, 0, 0], [0, c, -s], [0, s, c]], "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
         "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]]}[axis]
    )  # fmt: skip


def local_turn(angles_deg: np.ndarray, order: str) -> np.ndarray:
    """A joint's matrix: about the axes in order, each in the frame that the one before has turned."""
    matrix = np.eye(3)
    for axis in order:
        matrix = matrix @ turn(axis, angles_deg["xyz".index(axis)])
    return matrix


def places(frames: int, fps: float, order: str = "zxy", seed: int = 0) -> dict[str, np.ndarray]:
    """Forward kinematics joint by joint and frame by frame: centimetres, y up, (F, 3) a joint."""
    moved, walked = angles(frames, fps, seed), path(frames, fps)
    result = {joint: np.zeros((frames, 3)) for joint, _, _ in BODY}
    for frame in range(frames):
        turned: dict[str, np.ndarray] = {}
        for joint, parent, _ in BODY:
            local = local_turn(moved[joint][frame], order) if joint in moved else np.eye(3)
            if parent is None:
                result[joint][frame], turned[joint] = walked[frame], local
            else:
                result[joint][frame] = result[parent][frame] + turned[parent] @ OFFSET[joint]
                turned[joint] = turned[parent] @ local
    return result


def h36m(by_joint: dict[str, np.ndarray]) -> dict[int, np.ndarray]:
    """The joints of Human3.6M, metres, z up."""
    return {
        j: np.stack([by_joint[own][:, 0], -by_joint[own][:, 2], by_joint[own][:, 1]], axis=1) / 100
        for j, own in H36M.items()
    }


def bvh(
    names: dict[str, str], frames: int = 60, fps: float = 30.0, order: str = "zxy", scale: float = 1.0, seed: int = 0,
    top: bool = True, everywhere: bool = False, mirrored: bool = False,
) -> str:  # fmt: skip
    """The motion as BVH. everywhere: position channels in all joints, as Bandai-Namco has them. top: whether the head
    has an end. mirrored: x negated in everything, as a mirror does.
    """
    sign = np.array([-1.0, 1.0, 1.0]) if mirrored else np.ones(3)
    turned = np.array([1.0, -1.0, -1.0]) if mirrored else np.ones(3)
    rotations = " ".join(f"{axis.upper()}rotation" for axis in order)
    six = f"CHANNELS 6 Xposition Yposition Zposition {rotations}"
    children: dict[str | None, list[str]] = {}
    for joint, parent, _ in BODY:
        if joint in names or joint in ENDS:
            children.setdefault(parent, []).append(joint)
    lines, columns = ["HIERARCHY"], []

    def offset(joint: str) -> str:
        shift = OFFSET[joint] * scale * sign
        if joint == "top" and not top:
            shift = np.zeros(3)
        return "OFFSET " + " ".join(f"{x:.6f}" for x in shift)

    def write(joint: str, depth: int) -> None:
        tab = "\t" * depth
        if joint in ENDS and joint not in names:
            lines.extend([f"{tab}End Site", f"{tab}{{", f"{tab}\t{offset(joint)}", f"{tab}}}"])
            return
        lines.extend([f"{tab}{'JOINT' if depth else 'ROOT'} {names[joint]}", f"{tab}{{", f"{tab}\t{offset(joint)}"])
        if depth == 0 or everywhere:
            lines.append(f"{tab}\t{six}")
            place = path(frames, fps) if depth == 0 else np.tile(OFFSET[joint], (frames, 1))
            columns.append(place * scale * sign)
        else:
            lines.append(f"{tab}\tCHANNELS 3 {rotations}")
        moved = angles(frames, fps, seed).get(joint, np.zeros((frames, 3))) * turned
        columns.append(moved[:, ["xyz".index(axis) for axis in order]])
        for child in children.get(joint, []):
            write(child, depth + 1)
        if joint not in children:
            lines.extend([f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\tOFFSET 0 0 0", f"{tab}\t}}"])
        lines.append(f"{tab}}}")

    write("hips", 0)
    table = np.concatenate(columns, axis=1)
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {1 / fps:.7f}"]
    return "\n".join([*lines, *(" ".join(f"{x:.6f}" for x in row) for row in table)]) + "\n"


#: The bones of CMU's skeletons: the joint where each begins, the one where it ends.
BONES = {
    "lowerback": ("hips", "spine"), "upperback": ("spine", "chest"), "thorax": ("chest", "upper"),
    "lowerneck": ("neck", "neck"), "upperneck": ("neck", "head"), "head": ("head", "top"),
    "lclavicle": ("l.collar", "l.arm"), "lhumerus": ("l.arm", "l.forearm"), "lradius": ("l.forearm", "l.hand"),
    "lwrist": ("l.hand", "l.fingers"), "rclavicle": ("r.collar", "r.arm"), "rhumerus": ("r.arm", "r.forearm"),
    "rradius": ("r.forearm", "r.hand"), "rwrist": ("r.hand", "r.fingers"), "lhipjoint": ("hips", "l.thigh"),
    "lfemur": ("l.thigh", "l.shin"), "ltibia": ("l.shin", "l.foot"), "lfoot": ("l.foot", "l.toes"),
    "rhipjoint": ("hips", "r.thigh"), "rfemur": ("r.thigh", "r.shin"), "rtibia": ("r.shin", "r.foot"),
    "rfoot": ("r.foot", "r.toes"),
}  # fmt: skip
UNIT_CM = 2.54 / 0.45
#: Bones that turn about one or two of their own axes only, in the order of the file, as knees, elbows and feet do in
#: CMU's and HDM05's files.
HINGES = {"lradius": "x", "rradius": "z", "ltibia": "x", "rtibia": "y", "lfoot": "xz", "rwrist": "yx"}


def asf_amc(frames: int = 60, fps: float = 120.0, seed: int = 0, hinges: bool = False) -> tuple[str, str]:
    """Skeleton and motion as the CMU database has them. Bones turn about axes of their own, which are drawn.

    hinges: whether the bones of `HINGES` turn about those axes only.

    Upper chest to neck and collars is no bone there: lowerneck and clavicles begin where the thorax ends. So these
    joints are put there: see `asf_places`.
    """
    own = asf_axes(seed)
    moved, walked = asf_angles(frames, fps, seed), path(frames, fps)
    asf = [
        "# AST/ASF file", ":version 1.10", ":name VICON", ":units", "  mass 1.0", "  length 0.45", "  angle deg",
        ":documentation", "   made for a test", ":root", "   order TX TY TZ RX RY RZ", "   axis XYZ",
        "   position 0 0 0", "   orientation 0 0 0", ":bonedata",
    ]  # fmt: skip
    for number, (bone, vector) in enumerate(asf_vectors().items(), start=1):
        length = np.linalg.norm(vector)
        direction = vector / length if length else np.array([0.0, 1.0, 0.0])
        asf += [
            "  begin", f"     id {number}", f"     name {bone}",
            "     direction " + " ".join(f"{x:.9f}" for x in direction), f"     length {length / UNIT_CM:.9f}",
            "     axis " + " ".join(f"{x:.6f}" for x in own[bone]) + "  XYZ",
        ]  # fmt: skip
        if bone in moved:
            dof = [f"r{axis}" for axis in (HINGES.get(bone, "xyz") if hinges else "xyz")]
            limits = ["           (-180.0 180.0)"] * (len(dof) - 1)
            asf += [f"    dof {' '.join(dof)}", "    limits (-180.0 180.0)", *limits]
        asf.append("  end")
    asf += [":hierarchy", "  begin"]
    below: dict[str, list[str]] = {}
    for bone in BONES:
        below.setdefault(asf_parent(bone), []).append(bone)
    asf += [f"    {parent} {' '.join(found)}" for parent, found in below.items()] + ["  end"]
    amc = ["#!OML:ASF F:\\VICON\\USERDATA\\x", ":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(frames):
        root = Rotation.from_matrix(local_turn(moved["root"][frame], "zxy")).as_euler("xyz", degrees=True)
        amc += [str(frame + 1), "root " + " ".join(f"{x:.7f}" for x in (*walked[frame] / UNIT_CM, *root))]
        for bone in (b for b in BONES if b in moved):
            if hinges and bone in HINGES:
                degrees = moved[bone][frame][["xyz".index(axis) for axis in HINGES[bone]]]
                amc.append(f"{bone} " + " ".join(f"{x:.7f}" for x in degrees))
                continue
            axis = Rotation.from_euler("xyz", own[bone], degrees=True)
            local = Rotation.from_matrix(local_turn(moved[bone][frame], "zxy"))
            inside = (axis.inv() * local * axis).as_euler("xyz", degrees=True)
            amc.append(f"{bone} " + " ".join(f"{x:.7f}" for x in inside))
    return "\n".join(asf) + "\n", "\n".join(amc) + "\n"


def asf_axes(seed: int) -> dict[str, np.ndarray]:
    """The axes of every bone: three angles in degrees about the fixed axes x, y and z."""
    generator = np.random.default_rng(seed + 100)
    return {bone: generator.uniform(-90, 90, 3) for bone in BONES}


def asf_hinge(bone: str, degrees: np.ndarray, seed: int) -> np.ndarray:
    """The matrix of a bone of HINGES: C R C^-1, R about fixed axes one after the other."""
    x, y, z = asf_axes(seed)[bone]
    axes = turn("z", z) @ turn("y", y) @ turn("x", x)
    inside = np.eye(3)
    for axis in HINGES[bone]:
        inside = turn(axis, degrees["xyz".index(axis)]) @ inside
    return axes @ inside @ axes.T


def asf_parent(bone: str) -> str:
    fixed = {"lowerneck": "thorax", "lclavicle": "thorax", "rclavicle": "thorax"}
    begin = BONES[bone][0]
    return fixed.get(bone) or next((b for b, (_, end) in BONES.items() if end == begin and b != bone), "root")


def asf_vectors() -> dict[str, np.ndarray]:
    """Every bone from its beginning to its end, centimetres; a neck of two bones."""
    vectors = {bone: OFFSET[end] for bone, (_, end) in BONES.items()}
    return vectors | {"lowerneck": np.array([0.0, 6.0, 1.0])}


def asf_angles(frames: int, fps: float, seed: int) -> dict[str, np.ndarray]:
    moved = angles(frames, fps, seed)
    still = ("lhipjoint", "rhipjoint")
    result = {bone: moved[begin] for bone, (begin, _) in BONES.items() if bone not in still}
    result |= {"lowerback": 0.5 * moved["spine"], "lowerneck": 0.3 * moved["upper"]}
    return {"root": moved["hips"], **result}


def asf_places(frames: int, fps: float, seed: int = 0, hinges: bool = False) -> dict[str, np.ndarray]:
    """Where every bone begins, and ends ("BONE_end"): centimetres, y up, (F, 3)."""
    moved, walked, vectors = asf_angles(frames, fps, seed), path(frames, fps), asf_vectors()
    result = {key: np.zeros((frames, 3)) for bone in BONES for key in (bone, f"{bone}_end")}
    for frame in range(frames):
        turned = {"root": local_turn(moved["root"][frame], "zxy")}
        ends = {"root": walked[frame]}
        waiting = list(BONES)
        while waiting:
            bone = waiting.pop(0)
            parent = asf_parent(bone)
            if parent not in turned:
                waiting.append(bone)
                continue
            local = local_turn(moved[bone][frame], "zxy") if bone in moved else np.eye(3)
            if hinges and bone in HINGES:
                local = asf_hinge(bone, moved[bone][frame], seed)
            turned[bone] = turned[parent] @ local
            result[bone][frame] = ends[parent]
            ends[bone] = result[f"{bone}_end"][frame] = ends[parent] + turned[bone] @ vectors[bone]
    return result


#: The joint of the body that each of SMPL's is; its feet are the toes.
SMPL = (
    "hips", "l.thigh", "r.thigh", "spine", "l.shin", "r.shin", "chest", "l.foot", "r.foot", "upper", "l.toes", "r.toes",
    "neck", "l.collar", "r.collar", "head", "l.arm", "r.arm", "l.forearm", "r.forearm", "l.hand", "r.hand",
)  # fmt: skip


def body_model(joints: int = 52, betas: int = 16) -> dict[str, np.ndarray]:
    """A body model with a vertex for each joint and one at the crown, whose first shape parameter makes it taller."""
    rest: dict[str, np.ndarray] = {}
    for joint, parent, _ in BODY:
        rest[joint] = OFFSET[joint] / 100 + (rest[parent] if parent is not None else np.array([0.0, -1.2, 0.0]))
    template = np.array([rest[joint] for joint in SMPL] + [rest["top"]])
    regressor = np.zeros((joints, len(template)))
    regressor[:22, :22] = np.eye(22)
    regressor[22:, 21] = 1
    shapes = np.zeros((len(template), 3, betas))
    shapes[:, :, 0] = 0.05 * (template - template[0])
    parents = [SMPL.index(PARENT[joint]) if PARENT[joint] else -1 for joint in SMPL] + [20] * (joints - 22)
    tree = np.array([parents, range(joints)], dtype=np.int64)
    tree[0, 0] = 2**32 - 1
    return {"J_regressor": regressor, "v_template": template, "shapedirs": shapes, "kintree_table": tree}


def amass(frames: int = 120, fps: float = 120.0, seed: int = 0, **changes: object) -> dict[str, object]:
    """The arrays of a clip of AMASS: the same motion, z up (turned by a quarter about x)."""
    moved = angles(frames, fps, seed)
    poses = np.zeros((frames, 52, 3))
    for number, joint in enumerate(SMPL):
        if joint in moved:
            matrices = np.stack([local_turn(moved[joint][frame], "zxy") for frame in range(frames)])
            if joint == "hips":
                matrices = turn("x", 90) @ matrices
            poses[:, number] = Rotation.from_matrix(matrices).as_rotvec()
    walked = path(frames, fps) / 100
    rest = body_model()["v_template"][0]
    trans = np.stack([walked[:, 0], -walked[:, 2], walked[:, 1]], axis=1) - rest
    arrays: dict[str, object] = {
        "poses": poses.reshape(frames, 156), "trans": trans, "betas": np.zeros(16), "gender": np.array("female"),
        "mocap_framerate": np.array(fps), "dmpls": np.zeros((frames, 8)), "marker_labels": np.array(["A", "B"]),
    }  # fmt: skip
    return {key: value for key, value in {**arrays, **changes}.items() if value is not None}
