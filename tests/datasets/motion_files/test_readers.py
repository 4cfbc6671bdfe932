"""BVH, ASF/AMC and AMASS: joints are where the formats' definitions put them, and files that lie are refused."""

import io
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.datasets.motion_files.amass import load_body_model, read_amass
from diffpose_core.datasets.motion_files.amc import find_asf, read_amc, read_asf
from diffpose_core.datasets.motion_files.bvh import read_bvh
from diffpose_core.datasets.motion_files.convert import Settings, bending_sides, convert, read_clips, resampled
from diffpose_core.datasets.motion_files.joints import read_joint_file, side_and_part
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.io.exports.bvh import write_bvh
from diffpose_core.skeleton import MIRROR, bone_lengths, constant_bones
from diffpose_core.structures import InvalidInput, LiftResult
from tests.datasets.motion_files import bodies

#: What the files' six decimals and float32 leave.
ATOL_M = 2e-5


def bvh_clip(settings=None, **options):
    """Poses and notes of a BVH text made of options."""
    names = bodies.FAMILIES[options.pop("family", "mixamo")]
    clips, notes = convert(read_bvh(bodies.bvh(names, **options).encode(), "a.bvh"), "a.bvh", settings or Settings())
    return clips[0].poses, notes


def assert_places(poses, expected, without=()):
    for joint, place in expected.items():
        if joint not in without:
            assert np.abs(poses[:, joint] - place).max() < ATOL_M, f"joint {joint}"


@pytest.mark.parametrize("family", bodies.FAMILIES)
def test_joints_are_found_by_the_names_of_the_usual_families(family):
    poses, notes = bvh_clip(family=family, frames=20)
    assert poses.dtype == np.float32 and poses.shape == (20, 17, 3)
    expected = bodies.places(20, 30.0)
    assert_places(poses, bodies.h36m(expected))
    # Halfway between hips and neck, along the joints between: 12.04 + 14 + 12.04 + 10 cm, so 24.04 cm up.
    low, high = (expected[joint] for joint in ("spine", "chest"))
    share = (0.5 * (np.sqrt(145) * 2 + 24) - np.sqrt(145)) / 14
    spine = low + share * (high - low)
    assert np.abs(poses[:, 7] - np.stack([spine[:, 0], -spine[:, 2], spine[:, 1]], 1) / 100).max() < ATOL_M
    assert notes == ["unit taken as cm: stature 1.55 m"]


@pytest.mark.parametrize("order", ["xyz", "xzy", "yxz", "yzx", "zxy", "zyx"])
def test_channels_turn_in_the_order_of_the_file(order):
    poses, _ = bvh_clip(order=order, frames=18)
    assert_places(poses, bodies.h36m(bodies.places(18, 30.0, order)))
    other, _ = bvh_clip(order=order, frames=18, seed=1)
    assert np.abs(other - poses).max() > 0.02


@pytest.mark.parametrize(
    ("unit", "scale"), [("m", 0.01), ("cm", 1.0), ("mm", 10.0), ("inch", 1 / 2.54), ("cmu", 0.45 / 2.54)]
)
def test_the_unit_is_told_by_the_stature_or_given(unit, scale):
    poses, notes = bvh_clip(scale=scale, frames=18)
    assert np.abs(poses - bvh_clip(frames=18)[0]).max() < 1e-4
    assert notes == [f"unit taken as {unit}: stature 1.55 m"]
    given, notes = bvh_clip(Settings(unit=unit), scale=scale, frames=18)
    assert np.array_equal(given, poses) and notes == []


def test_a_unit_that_makes_no_person_is_said():
    with pytest.raises(InvalidInput, match=r"measures 1\.397e-05 of the file's units.*give --unit"):
        bvh_clip(scale=1e-7, frames=18)
    _, notes = bvh_clip(Settings(unit="m"), scale=0.005, frames=18)
    assert notes == ["stature 0.78 m, ankle to top of the head: is the unit right?"]


def test_position_channels_of_all_joints_stand_in_place_of_offsets_or_on_top_of_them():
    poses, notes = bvh_clip(everywhere=True, frames=18)
    assert_places(poses, bodies.h36m(bodies.places(18, 30.0)))
    assert len(notes) == 1
    lines = bodies.bvh(bodies.FAMILIES["mixamo"], 18, everywhere=True).splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("Frame Time"))
    table = np.array([[float(x) for x in line.split()] for line in lines[begin + 1 :]])
    for first in range(6, table.shape[1], 6):
        table[:, first : first + 3] = 0.0
    text = "\n".join([*lines[: begin + 1], *(" ".join(f"{x:.6f}" for x in row) for row in table)])
    clips, notes = convert(read_bvh(text.encode(), "a.bvh"), "a.bvh", Settings())
    assert np.abs(clips[0].poses - poses).max() < ATOL_M
    assert any("on top of their offsets" in note for note in notes)


@pytest.mark.parametrize("order", ["x", "zx", "yz", "zxy"])
def test_bvh_joints_turn_about_as_many_axes_as_they_have(order):
    channels = " ".join(f"{axis.upper()}rotation" for axis in order)
    degrees = np.array([[10.0, 20.0, -30.0], [40.0, -50.0, 60.0]])[:, : len(order)]
    lines = ["HIERARCHY", "ROOT a", "{", "OFFSET 0 0 0", f"CHANNELS {len(order)} {channels}", "JOINT b", "{",
             "OFFSET 1 2 3", "CHANNELS 0", "End Site", "{", "OFFSET 0 0 0", "}", "}", "}", "MOTION", "Frames: 2",
             "Frame Time: 0.1"]  # fmt: skip
    rows = [" ".join(f"{angle:g}" for angle in row) for row in degrees]
    rig = read_bvh("\n".join([*lines, *rows]).encode(), "a.bvh")
    for frame, angles in enumerate(degrees):
        matrix = np.eye(3)
        for axis, angle in zip(order, angles, strict=True):
            matrix = matrix @ bodies.turn(axis, angle)
        assert np.allclose(rig.positions([1])[frame, 0], matrix @ [1, 2, 3])


def test_a_head_without_an_end_gets_the_proportions_of_the_training_set():
    poses, notes = bvh_clip(family="bandai", top=False, frames=18)
    whole, _ = bvh_clip(family="bandai", frames=18)
    assert np.array_equal(poses[:, :9], whole[:, :9]) and np.array_equal(poses[:, 11:], whole[:, 11:])
    lengths = bone_lengths(poses)
    assert np.allclose(lengths[:, 8], 0.143 * 0.83, atol=1e-4) and np.allclose(lengths[:, 9], 0.1436 * 0.83, atol=1e-4)
    # It leans as the head does.
    angle = (poses[:, 10] - poses[:, 9]) * (whole[:, 10] - whole[:, 9])
    cosine = angle.sum(-1) / lengths[:, 9] / np.linalg.norm(whole[:, 10] - whole[:, 9], axis=-1)
    assert cosine.min() > 0.95
    assert any("no top of the head" in note for note in notes)


def test_our_own_export_comes_back_to_a_tenth_of_a_millimetre():
    motion = constant_bones(procedural_motion("walk", 3, 2.0).astype(np.float64))
    # Camera frame: x right, y down, z away; the world's z up becomes y down.
    cam = np.stack([motion[..., 0], -motion[..., 2], motion[..., 1]], axis=-1)
    root, pose = cam[:, 0].copy(), cam - cam[:, :1]
    still = np.zeros(pose.shape[:2])
    result = LiftResult(pose, pose[:, None], still, still.astype(bool), pose, 30.0, {}, root_cam=root)
    clips, notes = convert(read_bvh(write_bvh(result), "own.bvh"), "own.bvh", Settings(min_seconds=0))
    assert np.abs(clips[0].poses - motion).max() < 1e-4
    assert [note for note in notes if "unit" not in note] == []


@pytest.mark.parametrize("hinges", [False, True], ids=["three axes", "one and two axes"])
def test_asf_and_amc_are_read_as_the_format_defines_them(hinges):
    asf, amc = bodies.asf_amc(24, hinges=hinges)
    assert (" dof rx\n" in asf) == hinges
    rig = read_amc(amc.encode(), "01_01.amc", read_asf(asf.encode(), "01.asf"))
    expected = bodies.asf_places(24, 120.0, hinges=hinges)
    assert rig.fps == 120.0 and rig.frames == 24 and rig.unit_m == pytest.approx(0.0254 / 0.45)
    for name, place in expected.items():
        if name in rig.names:
            found = rig.positions([rig.names.index(name)])[:, 0] * rig.unit_m * 100
            assert np.abs(found - place).max() < 1e-4, name
    clips, notes = convert(rig, "01_01.amc", Settings(min_seconds=0.1))
    bones = {1: "rfemur", 2: "rtibia", 3: "rfoot", 4: "lfemur", 5: "ltibia", 6: "lfoot", 8: "lowerneck", 9: "head",
             10: "head_end", 11: "lhumerus", 12: "lradius", 13: "lwrist", 14: "rhumerus", 15: "rradius",
             16: "rwrist"}  # fmt: skip
    for joint, bone in bones.items():
        place = expected[bone][::4]
        place = np.stack([place[:, 0], -place[:, 2], place[:, 1]], axis=1) / 100
        assert np.abs(clips[0].poses[:, joint] - place).max() < ATOL_M, bone
    assert notes == ["frame rate taken as 120 (AMC files don't say it; --fps)"]


def test_the_skeleton_of_an_amc_is_the_one_whose_name_it_begins_with(tmp_path):
    motion = tmp_path / "motions" / "01_02.amc"
    motion.parent.mkdir()
    with pytest.raises(InvalidInput, match=r"no skeleton; expected an \.asf file beside it"):
        find_asf(motion)
    (tmp_path / "only.asf").write_text("")
    assert find_asf(motion).name == "only.asf"
    (tmp_path / "other.asf").write_text("")
    with pytest.raises(InvalidInput, match=r"which of only.asf, other.asf is its skeleton"):
        find_asf(motion)
    for name in ("0.asf", "01.ASF", "02.asf"):
        (motion.parent / name).write_text("")
    assert find_asf(motion).name == "01.ASF"


def saved(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.fixture
def body_model(tmp_path):
    path = tmp_path / "models" / "model.npz"
    path.parent.mkdir()
    np.savez(path, **bodies.body_model())
    return path


def test_amass_with_a_body_model_has_the_joints_of_that_body(body_model):
    rig = read_amass(saved(bodies.amass(48)), "a_poses.npz", body_model)
    clips, notes = convert(rig, "a_poses.npz", Settings(min_seconds=0.1))
    expected = {joint: place[::4] for joint, place in bodies.h36m(bodies.places(48, 120.0)).items()}
    assert_places(clips[0].poses, expected)
    assert notes == []
    newer = bodies.amass(48, poses=None, mocap_framerate=None, mocap_frame_rate=np.array(120.0))
    poses = bodies.amass(48)["poses"]
    newer |= {"root_orient": poses[:, :3], "pose_body": poses[:, 3:66]}
    clips2, _ = convert(read_amass(saved(newer), "a.npz", body_model), "a.npz", Settings(min_seconds=0.1))
    assert np.array_equal(clips2[0].poses, clips[0].poses)


def test_shape_and_gender_choose_the_body(tmp_path):
    for gender, joints in (("male", 24), ("neutral", 55)):
        (tmp_path / gender).mkdir()
        model = bodies.body_model(joints)
        model["v_template"] = model["v_template"] * (1.1 if gender == "male" else 1.0)
        np.savez(tmp_path / gender / "model.npz", **model)

    def thigh(**changes):
        rig = read_amass(saved(bodies.amass(12, **changes)), "a.npz", tmp_path)
        clips, notes = convert(rig, "a.npz", Settings(min_seconds=0))
        return bone_lengths(clips[0].poses)[:, 1].mean(), notes

    neutral = thigh(gender=np.array("neutral"))
    assert neutral[0] == pytest.approx(0.42, abs=1e-4) and neutral[1] == []
    assert thigh(gender=np.array(b"male"))[0] == pytest.approx(0.42 * 1.1, abs=1e-4)
    tall = thigh(gender=np.array("neutral"), betas=np.array([2.0, *[0.0] * 9]))
    assert tall[0] == pytest.approx(0.42 * 1.1, abs=1e-4)
    unknown = thigh(gender=np.array("someone"))
    assert unknown[0] == neutral[0] and "neutral body model" in unknown[1][0]
    with pytest.raises(InvalidInput, match=r"no body model for 'female'; expected female/model.npz"):
        thigh(gender=np.array("female"))


def test_amass_without_a_body_model_says_what_is_needed():
    with pytest.raises(InvalidInput, match=r"places of joints\. Give the model.*--body-model.*SMPL-H"):
        read_amass(saved(bodies.amass(12)), "a.npz", None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(trans=None), "trans must be an array of numbers"),
        (dict(poses=np.zeros((120, 63))), r"expected poses \(F, 66 or more\)"),
        (dict(trans=np.zeros((119, 3))), r"found \(120, 156\) and \(119, 3\)"),
        (dict(poses=np.full((120, 156), np.nan)), "poses are not finite"),
        (dict(trans=np.full((120, 3), 1e12)), "trans are not finite, plausible numbers"),
        (dict(poses=np.array([{}], dtype=object)), "pickled objects"),
        (dict(gender=np.array(None, dtype=object)), "pickled objects"),
        (dict(mocap_framerate=None), "no mocap_framerate; give --fps"),
        (dict(mocap_framerate=np.array(0.0)), "0 frames a second"),
        (dict(mocap_framerate=np.array(np.nan)), "nan frames a second"),
        (dict(betas=np.full(16, 1e6)), "betas"),
        (dict(poses=np.zeros((0, 156)), trans=np.zeros((0, 3))), "0 frames"),
    ],
)
def test_what_is_wrong_with_a_clip_of_amass_is_said(body_model, changes, message):
    with pytest.raises(InvalidInput, match=message):
        read_amass(saved(bodies.amass(**changes)), "a.npz", body_model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(J_regressor=None), "not a body model; missing: J_regressor"),
        (dict(shapedirs=np.zeros((5, 3, 10))), "don't fit together"),
        (dict(kintree_table=np.zeros((2, 52), np.int64)), "joints in another order"),
        (dict(v_template=np.full((23, 3), np.inf)), "not finite"),
        (dict(J_regressor=np.array(["x"])), "J_regressor must hold numbers"),
        (dict(J_regressor=np.array([{}], dtype=object)), "pickled objects"),
    ],
)
def test_what_is_wrong_with_a_body_model_is_said(tmp_path, changes, message):
    arrays = {key: value for key, value in {**bodies.body_model(), **changes}.items() if value is not None}
    path = tmp_path / "model.npz"
    np.savez(path, **arrays)
    with pytest.raises(InvalidInput, match=message):
        load_body_model(path, "neutral")


def test_frames_are_taken_or_interpolated():
    def motion(fps, seconds=2.0):
        time = np.arange(int(fps * seconds))[:, None, None] / fps
        return np.sin(3 * time + np.arange(17)[:, None] + np.arange(3))

    for fps in (30.0, 60.0, 120.0, 1 / 0.0083333, 1 / 0.0333333):
        poses, notes = resampled(motion(fps), fps)
        assert notes == [] and np.allclose(poses, motion(30.0)[: len(poses)], atol=1e-3) and len(poses) >= 59
    for fps in (25.0, 50.0, 100.0, 24.0, 29.97, 240.0 / 7):
        poses, notes = resampled(motion(fps), fps)
        assert "interpolated" in notes[0] or fps == 29.97
        assert 57 <= len(poses) <= 60
        assert np.allclose(poses, motion(30.0)[: len(poses)], atol=2e-3)
    assert resampled(motion(30.0)[:1], 7.0)[0].shape == (1, 17, 3)


def test_a_file_that_stands_along_another_axis_is_refused_with_the_right_one():
    rig = read_bvh(bodies.bvh(bodies.FAMILIES["mixamo"], 40).encode(), "a.bvh")
    for up in ("x", "z"):
        with pytest.raises(InvalidInput, match=f"stands along y, not along {up}.*Give --up y"):
            convert(replace(rig, up=up), "a.bvh", Settings())
        right, _ = convert(replace(rig, up=up), "a.bvh", Settings(up="y"))
        assert np.array_equal(right[0].poses, convert(rig, "a.bvh", Settings())[0][0].poses)
    fallen = replace(rig, rotations={**rig.rotations, 0: Rotation.from_euler("x", 180, True) * rig.rotations[0]})
    with pytest.raises(InvalidInput, match="hangs upside down along y"):
        convert(fallen, "a.bvh", Settings())


def test_people_who_lie_are_taken_where_the_axis_is_given():
    rig = read_bvh(bodies.bvh(bodies.FAMILIES["mixamo"], 40).encode(), "a.bvh")
    lying = replace(rig, rotations={**rig.rotations, 0: Rotation.from_euler("x", 90, True) * rig.rotations[0]})
    with pytest.raises(InvalidInput, match=r"stands along z.* or --up y if they really lie"):
        convert(lying, "a.bvh", Settings())
    clips, notes = convert(lying, "a.bvh", Settings(up="y"))
    assert len(clips) == 1 and any("the person lies or bends" in note for note in notes)


def test_a_mirrored_file_is_refused():
    with pytest.raises(InvalidInput, match=r"knees bend backwards.*left and right are exchanged"):
        bvh_clip(mirrored=True)
    poses, _ = bvh_clip()
    mirrored = poses[:, list(MIRROR)]
    assert bending_sides(poses) > 0.02 and bending_sides(mirrored) == pytest.approx(-bending_sides(poses))


def test_left_and_right_are_told_in_real_motion(data_dir):
    motions = load_mocap17(data_dir / "mocap17_val.npz")
    evidence = np.array([bending_sides(motions.clip_world(clip).astype(np.float64)) for clip in range(len(motions))])
    assert (evidence > 0).all() and (evidence > 0.01).mean() > 0.95


def test_the_skeleton_at_rest_before_the_motion_is_left_out():
    text = bodies.bvh(bodies.FAMILIES["mixamo"], 40, fps=120.0)
    lines = text.replace("Frames: 40", "Frames: 41").splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("Frame Time"))
    rest = ["0", "92", "0"] + ["0"] * (len(lines[begin + 1].split()) - 3)
    both = "\n".join([*lines[: begin + 1], " ".join(rest), *lines[begin + 1 :]])
    settings = Settings(min_seconds=0.1)
    clips, notes = convert(read_bvh(both.encode(), "a.bvh"), "a.bvh", settings)
    plain, others = convert(read_bvh(text.encode(), "a.bvh"), "a.bvh", settings)
    assert np.array_equal(clips[0].poses, plain[0].poses)
    assert set(notes) - set(others) == {"the first frame, the skeleton at rest, was left out"}


def test_names_are_understood_in_any_spelling():
    for name, expected in {
        "LeftUpLeg": ("L", "upleg"), "mixamorig:RightArm": ("R", "arm"), "Bip001 L Thigh": ("L", "thigh"),
        "upper_arm.R": ("R", "upperarm"), "DEF-thigh.L": ("L", "thigh"), "l_hip": ("L", "hip"),
        "RFEMUR": ("R", "femur"), "lfemur": ("L", "femur"), "lowerback": ("", "lowerback"), "root": ("", "root"),
        "LowerBack": ("", "lowerback"), "ROOT": ("", "root"), "leg_left": ("L", "leg"),
        "Character1_LeftFoot": ("L", "foot"), "rShldr": ("R", "shldr"),
        "J_Bip_L_Foot": ("L", "foot"), "RHip": ("R", "hip"), "Hips": ("", "hips"), "Left ankle": ("L", "ankle"),
    }.items():  # fmt: skip
        assert side_and_part(name) == expected, name


STRANGE = {joint: f"b{number:02d}" for number, joint in enumerate(bodies.FAMILIES["mixamo"])}


def test_joints_with_other_names_are_asked_for_and_can_be_given():
    text = bodies.bvh(STRANGE, 20).encode()
    with pytest.raises(InvalidInput, match=r"not found among its joints: Hip, RHip, .*Its joints are b00, .*--joints"):
        convert(read_bvh(text, "a.bvh"), "a.bvh", Settings())
    names = ("Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "", "Thorax", "Neck/Nose", "Head", "LShoulder",
             "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist")  # fmt: skip
    words = [f'"{names[joint]}": "{STRANGE[own]}"' for joint, own in bodies.H36M.items()]
    given = read_joint_file(("{" + ", ".join(words) + "}").encode(), "map.json")
    clips, _ = convert(read_bvh(text, "a.bvh"), "a.bvh", Settings(joints=given))
    assert_places(clips[0].poses, bodies.h36m(bodies.places(20, 30.0)))
    spine = {**given, "Spine": (STRANGE["spine"], STRANGE["chest"])}
    clips, _ = convert(read_bvh(text, "a.bvh"), "a.bvh", Settings(joints=spine))
    place = (bodies.places(20, 30.0)["spine"] + bodies.places(20, 30.0)["chest"]) / 200
    assert np.abs(clips[0].poses[:, 7, 2] - place[:, 1]).max() < ATOL_M
    with pytest.raises(InvalidInput, match="--joints names 'nothing'"):
        convert(read_bvh(text, "a.bvh"), "a.bvh", Settings(joints={**given, "Hip": ("nothing",)}))


def test_names_that_are_misleading_are_noticed():
    names = bodies.FAMILIES["mixamo"] | {"l.shin": "RightLeg", "r.shin": "LeftLeg"}
    with pytest.raises(InvalidInput, match="RKnee was taken to be 'RightLeg', but it does not hang from RHip"):
        convert(read_bvh(bodies.bvh(names, 20).encode(), "a.bvh"), "a.bvh", Settings())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "expected an object"),
        (b"{}", "expected an object"),
        (b'{"Tail": "x"}', "'Tail' is no joint of Hip, RHip"),
        (b'{"Hip": 3}', "Hip: expected a joint's name"),
        (b'{"Hip": null}', "Hip: expected a joint's name"),
        (b'{"Hip": []}', "Hip: expected a joint's name"),
        (b"{" * 200, "nested"),
        (b'{"Hip": "' + b"x" * 200_000 + b'"}', "more than 100 kB"),
    ],
)
def test_what_is_wrong_with_a_joint_file_is_said(content, message):
    with pytest.raises(InvalidInput, match=message):
        read_joint_file(content, "map.json")


GOOD = bodies.bvh(bodies.FAMILIES["mixamo"], 20)


def deep(levels):
    lines = ["HIERARCHY", "ROOT a", "{", "OFFSET 0 0 0", "CHANNELS 3 Zrotation Xrotation Yrotation"]
    lines += [line for n in range(levels) for line in (f"JOINT j{n}", "{", "OFFSET 0 1 0")]
    return "\n".join([*lines, *["}"] * (levels + 1), "MOTION", "Frames: 1", "Frame Time: 0.1", "0 0 0"])


def wide(joints):
    lines = ["HIERARCHY", "ROOT a", "{", "CHANNELS 1 Zrotation"]
    lines += [line for n in range(joints) for line in (f"JOINT j{n}", "{", "}")]
    return "\n".join([*lines, "}", "MOTION", "Frames: 1", "Frame Time: 0.1", "0"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a BVH file"),
        ("HIERARCHY\nROOT a\n{\n}\n", "expected HIERARCHY and MOTION"),
        ("HIERARCHY\nMOTION\nFrames: 1\nFrame Time: 1\n1", "it has no ROOT"),
        (GOOD.replace("Frames: 20", "Frames: 21"), "21 frames of 78 numbers are announced, 20.0 found"),
        (GOOD[:-200], "20 frames of 78 numbers are announced, 19"),
        (GOOD.replace("Frames: 20", "Frames: 19"), "19 frames of 78 numbers are announced"),
        (GOOD.replace("Frames: 20", "Frames: 999999999999"), "999999999999 frames; expected 1 to 300,000"),
        (GOOD.replace("Frames: 20", "Frames: 299999"), "299999 frames of 78 numbers; the limit is 20,000,000"),
        (GOOD.replace("Frames: 20", "Frames: 0"), "0 frames"),
        (GOOD.replace("Frames: 20", "Frames: -3"), "after MOTION, Frames:"),
        (GOOD.replace("Frame Time: 0.0333333", "Frame Time: 0"), "Frame Time is 0; expected seconds above 0"),
        (GOOD.replace("Frame Time: 0.0333333", "Frame Time: nan"), "Frame Time is nan"),
        (GOOD.replace("Frame Time: 0.0333333", "Frame Time: 1e-9"), "1e[+]09 frames a second"),
        (GOOD.replace("Frame Time: 0.0333333", "Frame Time: -0.1"), "Frame Time is -0.1"),
        (GOOD + "nan\n", "numbers are announced"),
        (re.sub(r"(Frame Time.*\n)\S+", r"\1nan", GOOD), "not finite, plausible numbers .first in frame 0."),
        (re.sub(r"(Frame Time.*\n)\S+", r"\1inf", GOOD), "not finite"),
        (re.sub(r"(Frame Time.*\n)\S+", r"\g<1>1e300", GOOD), "not finite"),
        (re.sub(r"(Frame Time.*\n)\S+", r"\1 one", GOOD), "something other than numbers"),
        (GOOD.replace("OFFSET 0.000000 92.000000 0.000000", "OFFSET 0 nan 0"), "expected 3 numbers, found '0 nan 0'"),
        (GOOD.replace("OFFSET 0.000000 92.000000 0.000000", "OFFSET 0 9"), "expected 3 numbers"),
        (GOOD.replace("CHANNELS 6", "CHANNELS 5"), "the count does not fit the names"),
        (GOOD.replace("Xposition", "Xpostion"), "an unknown channel 'Xpostion'"),
        (GOOD.replace("Xposition Yposition", "Xposition Xposition"), "channel 'Xposition' twice"),
        (GOOD.replace("}\nMOTION", "MOTION"), "it ends within a joint"),
        (GOOD.replace("}\nMOTION", "}\n}\nMOTION"), "more } than {"),
        (GOOD.replace("}\nMOTION", "}\nROOT b\n{\n}\nMOTION"), "several ROOTs"),
        (GOOD.replace("ROOT Hips", "JOINT Hips"), "stands in the wrong place"),
        (GOOD.replace("\tOFFSET", "\tOFSET", 1), "is not understood"),
        (deep(400), "joints hang deeper than 200"),
        (wide(2000), "more than 1000 joints"),
    ],
)
def test_what_is_wrong_with_a_bvh_is_said(text, message):
    assert text != GOOD
    with pytest.raises(InvalidInput, match=message) as caught:
        read_bvh(text.encode(), "bad.bvh")
    assert str(caught.value).startswith("bad.bvh: ")


def test_spelling_and_spaces_of_a_bvh_do_not_matter():
    expected = read_bvh(GOOD.encode(), "a.bvh")
    compact = re.sub(r"\n\s*\{", " {", GOOD).replace("\n", "\r\n").replace("Zrotation", "ZROTATION")
    for text in (
        compact,
        GOOD.replace("\t", "  "),
        GOOD.replace("Frame Time: ", "Frame Time:\t").replace("ROOT", "Root"),
    ):
        rig = read_bvh(text.encode(), "a.bvh")
        joints = list(range(len(expected.names)))
        assert rig.names == expected.names and np.array_equal(rig.positions(joints), expected.positions(joints))


ASF, AMC = bodies.asf_amc(3)


@pytest.mark.parametrize(
    ("asf", "amc", "message"),
    [
        ("", AMC, "not an ASF skeleton; missing: :root, :bonedata, :hierarchy"),
        (ASF[: len(ASF) // 2], AMC, "missing: :hierarchy|it ends within a bone"),
        (ASF.replace("length 0.45", "length much"), AMC, "expected a number, found 'much'"),
        (ASF.replace("    dof rx ry rz", "    dof rx ry rx", 1), AMC, "degrees of freedom 'rx ry rx'"),
        (ASF.replace("name lfemur", "name ltibia"), AMC, "'ltibia' twice"),
        (ASF.replace("    ltibia lfoot", "    ltibia lfoot nothing"), AMC, "names 'nothing', which is no bone"),
        (ASF.replace("    ltibia lfoot", "    ltibia lfoot lfemur"), AMC, "hangs 'lfemur' from two bones"),
        (ASF.replace("     axis ", "     axis nan ", 1), AMC, "expected a number|an order of axes"),
        (ASF, "", "0 frames"),
        (ASF, AMC[:-40], "does not fit the skeleton|has no|something other"),
        (ASF, "\n".join(AMC.splitlines()[:-3]), "frame 3 has no"),
        (ASF, AMC.replace("lfemur ", "lfemurs ", 1), "'lfemurs .*does not fit the skeleton"),
        (ASF, AMC.replace("lfemur ", "lfemur nan 0 0\nx ", 1), "does not fit the skeleton"),
        (ASF, re.sub(r"lfemur \S+", "lfemur nan", AMC, count=1), "not finite, plausible numbers"),
        (ASF, re.sub(r"lfemur \S+", "lfemur one", AMC, count=1), "something other than numbers"),
        (ASF, re.sub(r"lfemur \S+", "lfemur", AMC, count=1), "does not fit the skeleton"),
        (ASF, "1\n" * 400_000, "has no 'root'"),
        (ASF, "root 0 0 0 0 0 0\n", "expected a frame's number"),
    ],
)
def test_what_is_wrong_with_asf_or_amc_is_said(asf, amc, message):
    with pytest.raises(InvalidInput, match=message):
        read_amc(amc.encode(), "01_01.amc", read_asf(asf.encode(), "01.asf"))


@pytest.mark.parametrize("kind", ["bvh", "amc", "asf", "npz"])
def test_damaged_files_are_read_or_refused_and_nothing_else(kind, tmp_path):
    generator = np.random.default_rng(7)
    model = tmp_path / "models" / "model.npz"
    model.parent.mkdir()
    np.savez(model, **bodies.body_model())
    content = {"bvh": GOOD.encode(), "amc": AMC.encode(), "asf": ASF.encode(), "npz": saved(bodies.amass(8))}
    settings = Settings(body_model=model, min_seconds=0)
    for number in range(60):
        damaged = bytearray(content[kind])
        for _ in range(generator.integers(1, 5)):
            at = int(generator.integers(len(damaged)))
            how = generator.integers(4)
            if how == 0:
                damaged[at] = int(generator.integers(256))
            elif how == 1:
                del damaged[at : at + int(generator.integers(1, 200))]
            elif how == 2:
                damaged[at:at] = damaged[max(0, at - 50) : at]
            else:
                damaged[at:at] = generator.choice([b"-", b"nan", b"{", b"}", b"1e99 ", b"\n", b"\0", b"999999999"])
            if not damaged:
                damaged = bytearray(b"x")
        for ending, plain in (("asf", content["asf"]), ("amc", content["amc"])):
            (tmp_path / f"01.{ending}").write_bytes(plain)
        path = Path(tmp_path, f"01.{kind}")
        path.write_bytes(bytes(damaged))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                clips, _ = read_clips(tmp_path / "01.amc" if kind == "asf" else path, settings)
            except InvalidInput as error:
                assert str(error), number
            else:
                assert all(np.isfinite(clip.poses).all() for clip in clips)


def test_files_that_are_too_large_or_are_something_else_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    path.write_bytes(saved({"x": np.zeros(3)}))
    with pytest.raises(InvalidInput, match=r"neither AMASS .* nor Mocap-17 .*; its arrays are x"):
        read_clips(path, Settings())
    with pytest.raises(InvalidInput, match="no such file"):
        read_clips(tmp_path / "absent.bvh", Settings())
    monkeypatch.setattr("diffpose_core.datasets.motion_files.convert.MAX_BYTES", 100)
    with pytest.raises(InvalidInput, match="the limit is"):
        read_clips(path, Settings())


def test_what_no_body_does_is_said():
    text = bodies.bvh(bodies.FAMILIES["mixamo"], 40, everywhere=True)
    lines = text.splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("Frame Time")) + 1
    numbers = lines[begin + 20].split()
    numbers[0] = "500"
    at = next(n for n in range(6, len(numbers), 6) if numbers[n : n + 3] == ["0.000000", "-42.000000", "0.000000"])
    numbers[at + 1] = "-50"
    lines[begin + 20] = " ".join(numbers)
    _, notes = convert(read_bvh("\n".join(lines).encode(), "a.bvh"), "a.bvh", Settings())
    assert any("bones stretch by up to 19 %" in note for note in notes)
    assert any("the pelvis jumps" in note for note in notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [(dict(unit="furlong"), "unit 'furlong'"), (dict(fps=0.0), "0 frames"), (dict(min_seconds=-1.0), "-1"),
     (dict(min_seconds=float("nan")), "nan")],
)  # fmt: skip
def test_settings_are_checked(options, message):
    with pytest.raises(InvalidInput, match=message):
        Settings(**options)
