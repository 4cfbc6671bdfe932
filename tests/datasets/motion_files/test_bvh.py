"""BVH: joints are where the format's definition puts them, and files that lie are refused."""

import re

import numpy as np
import pytest

from diffpose_core.datasets.motion_files.bvh import read_bvh
from diffpose_core.datasets.motion_files.convert import Settings, convert
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.io.exports.bvh import write_bvh
from diffpose_core.skeleton import bone_lengths, constant_bones
from diffpose_core.structures import InvalidInput, LiftResult
from tests.datasets.motion_files import bodies
from tests.datasets.motion_files.reading import ATOL_M, GOOD, assert_places, bvh_clip


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


def test_a_skeleton_without_lengths_is_refused_before_it_is_divided_by_them():
    with np.errstate(all="raise"), pytest.raises(InvalidInput, match="the head's joint lies on the thorax"):
        bvh_clip(Settings(unit="m"), family="bandai", top=False, scale=0.0, frames=18)


def test_our_own_export_comes_back_to_a_tenth_of_a_millimetre():
    motion = constant_bones(procedural_motion("walk", 3, 2.0).astype(np.float64))
    # Camera frame: x right, y down, z away; the world's z up becomes y down.
    cam = np.stack([motion[..., 0], -motion[..., 2], motion[..., 1]], axis=-1)
    root, pose = cam[:, 0].copy(), cam - cam[:, :1]
    still, nobody = np.zeros(pose.shape[:2]), np.zeros(len(pose), bool)
    result = LiftResult(pose, pose[:, None], still, still.astype(bool), nobody, pose, 30.0, {}, root_cam=root)
    clips, notes = convert(read_bvh(write_bvh(result), "own.bvh"), "own.bvh", Settings(min_seconds=0))
    assert np.abs(clips[0].poses - motion).max() < 1e-4
    assert [note for note in notes if "unit" not in note] == []


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
