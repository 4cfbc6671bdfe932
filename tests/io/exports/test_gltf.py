"""glTF files are read back by a reader of their own: bones, animation and skin."""

import json
import re
import struct

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diffpose_core.io.exports import export_bytes
from diffpose_core.io.exports.rig import MIXAMO_NAMES
from diffpose_core.io.frame import FILE_JOINT_NAMES, positions_y_up
from diffpose_core.skeleton import NUM_JOINTS, constant_bones
from diffpose_core.structures import LiftResult

MM = 1e-3
TYPES = {5126: "<f4", 5123: "<u2", 5125: "<u4"}
COUNTS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def made(poses: np.ndarray) -> LiftResult:
    empty = np.zeros((len(poses), 0, NUM_JOINTS, 3), np.float32)
    joints = np.zeros(poses.shape[:2], np.float32)
    nobody, about = np.zeros(len(poses), bool), {"clip": "walk"}
    return LiftResult(poses, empty, joints, joints > 0, nobody, poses, 29.97, about, root_cam=poses[:, 0] + 3)


@pytest.fixture(scope="module")
def result(walking_clip) -> LiftResult:
    return made(constant_bones(walking_clip.pose3d_cam.astype(np.float32)))


def read_glb(content: bytes) -> tuple[dict, list[np.ndarray]]:
    """The JSON of a file, and the arrays of its accessors."""
    magic, version, size = struct.unpack("<4sII", content[:12])
    assert (magic, version, size) == (b"glTF", 2, len(content))
    length, kind = struct.unpack("<I4s", content[12:20])
    assert kind == b"JSON" and length % 4 == 0
    head = json.loads(content[20 : 20 + length])
    size, kind = struct.unpack("<I4s", content[20 + length : 28 + length])
    binary = content[28 + length :]
    assert kind == b"BIN\0" and size == len(binary) == head["buffers"][0]["byteLength"]
    arrays = []
    for accessor in head["accessors"]:
        view = head["bufferViews"][accessor["bufferView"]]
        assert view["byteOffset"] % 4 == 0 and view["byteOffset"] + view["byteLength"] <= size
        flat = np.frombuffer(binary[view["byteOffset"] :][: view["byteLength"]], TYPES[accessor["componentType"]])
        array = flat.reshape(accessor["count"], COUNTS[accessor["type"]])
        if "min" in accessor:
            assert np.allclose(array.min(0), accessor["min"]) and np.allclose(array.max(0), accessor["max"])
        arrays.append(array)
    return head, arrays


def global_motion(head: dict, arrays: list[np.ndarray]) -> tuple[list[Rotation], np.ndarray]:
    """Rotations of every bone, and their places (F, N, 3), by the animation."""
    (animation,) = head["animations"]
    frames = len(arrays[animation["samplers"][0]["input"]])
    bones = head["skins"][0]["joints"]
    turns = {bone: Rotation.identity(frames) for bone in bones}
    moves = {bone: np.tile(head["nodes"][bone]["translation"], (frames, 1)) for bone in bones}
    for channel in animation["channels"]:
        values = arrays[animation["samplers"][channel["sampler"]]["output"]]
        if channel["target"]["path"] == "rotation":
            turns[channel["target"]["node"]] = Rotation.from_quat(values)
        else:
            moves[channel["target"]["node"]] = values
    parents = {child: bone for bone in bones for child in head["nodes"][bone].get("children", ())}
    places = np.zeros((frames, len(bones), 3))
    whole: list[Rotation] = []
    for bone in bones:
        if bone not in parents:
            whole.append(turns[bone])
            places[:, bone] = moves[bone]
        else:
            whole.append(whole[parents[bone]] * turns[bone])
            places[:, bone] = places[:, parents[bone]] + whole[parents[bone]].apply(moves[bone])
    return whole, places


def test_bones_are_where_the_pose_has_its_joints(result):
    content, name = export_bytes(result, "glb")
    head, arrays = read_glb(content)
    _, places = global_motion(head, arrays)
    names = [node["name"] for node in head["nodes"]]
    found = places[:, [names.index(joint) for joint in FILE_JOINT_NAMES]]
    assert name == "walk.glb" and np.abs(found - positions_y_up(result)).max() < 0.1 * MM
    times = arrays[head["animations"][0]["samplers"][0]["input"]][:, 0]
    assert np.allclose(times, np.arange(len(result)) / 29.97, atol=1e-5)
    assert len(set(names)) == len(names) and head["asset"]["version"] == "2.0"
    assert any("Axes: x right, y up" in line for line in head["scenes"][0]["extras"]["about"])


def test_the_body_follows_its_bones(result):
    head, arrays = read_glb(export_bytes(result, "glb")[0])
    turns, places = global_motion(head, arrays)
    (primitive,) = head["meshes"][0]["primitives"]
    part = {name: arrays[number] for name, number in primitive["attributes"].items()}
    assert np.array_equal(part["WEIGHTS_0"].sum(1), np.ones(len(part["WEIGHTS_0"])))
    assert np.allclose(np.linalg.norm(part["NORMAL"], axis=1), 1, atol=1e-5)
    inverse = arrays[head["skins"][0]["inverseBindMatrices"]].reshape(-1, 4, 4).transpose(0, 2, 1)
    frame, owner = 40, part["JOINTS_0"][:, 0]
    names = [node["name"] for node in head["nodes"]]
    moved = np.empty((len(owner), 3))
    for bone in np.unique(owner):
        rows = owner == bone
        local = part["POSITION"][rows] + inverse[bone, :3, 3]
        moved[rows] = turns[bone][frame].apply(local) + places[frame, bone]
    pose = positions_y_up(result)[frame]
    for bone, ends in (("RKnee", (2, 3)), ("LElbow", (12, 13)), ("Hip_to_LHip", (0, 4)), ("Neck_Nose", (9, 10))):
        capsule = moved[owner == names.index(bone)]
        middle = (pose[ends[0]] + pose[ends[1]]) / 2
        assert np.abs(capsule.mean(0) - middle).max() < 1 * MM, "a capsule lies around its bone"
    # Triangles look outwards: the middle of a capsule is behind each of its triangles.
    corners = part["POSITION"][arrays[primitive["indices"]].reshape(-1, 3)].astype(float)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    own = part["NORMAL"][arrays[primitive["indices"]].reshape(-1, 3)].mean(1)
    wide = np.linalg.norm(normal, axis=1) > 1e-9
    assert ((normal * own).sum(1)[wide] > 0).all()


def test_rotations_take_the_short_way(walking_clip):
    turned = np.stack([
        Rotation.from_euler("y", 8 * f, degrees=True).apply(walking_clip.pose3d_cam[0]) for f in range(100)
    ]).astype(np.float32)  # fmt: skip
    head, arrays = read_glb(export_bytes(made(turned), "glb")[0])
    for sampler in head["animations"][0]["samplers"][1:]:
        quaternions = arrays[sampler["output"]]
        assert ((quaternions[1:] * quaternions[:-1]).sum(1) > 0).all()


@pytest.mark.parametrize("frames", [1, 2])
def test_bodies_without_extent_are_written(frames):
    head, arrays = read_glb(export_bytes(made(np.zeros((frames, 17, 3), np.float32)), "glb")[0])
    assert all(np.isfinite(array).all() for array in arrays) and len(head["skins"][0]["joints"]) == 23


def test_mixamo_names_are_whole_and_in_the_place_of_ours(result):
    ours, theirs = (export_bytes(result, name)[0].decode() for name in ("bvh", "bvh-mixamo"))
    assert re.sub(r"(?<=JOINT |\sROOT )\w+", lambda found: MIXAMO_NAMES[found[0]], ours) == theirs
    needed = ("Hips", "Spine", "Spine1", "Spine2", "Neck", "Head", *(
        side + part for side in ("Left", "Right")
        for part in ("UpLeg", "Leg", "Foot", "Shoulder", "Arm", "ForeArm", "Hand")))  # fmt: skip
    assert all(f" {name}\n" in theirs for name in needed) and "_to_" not in theirs
    assert export_bytes(result, "bvh-mixamo")[1] == "walk_mixamo.bvh"
