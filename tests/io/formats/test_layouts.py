"""Joint orders and their way to Human3.6M's."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.pose_files import detected, walking
from diffpose_core.io.clips import load_clip
from diffpose_core.io.formats import LAYOUTS, FileClip, PoseTrack
from diffpose_core.io.formats.detections import Notes
from diffpose_core.io.formats.joint_names import canonical_name
from diffpose_core.io.formats.layouts import layout_of_names, layouts_of, to_human36m
from diffpose_core.io.formats.recognise import coordinates_of, layout_by_count, layout_by_geometry
from diffpose_core.skeleton import JOINT_NAMES, LEFT_JOINTS, RIGHT_JOINTS
from diffpose_core.structures import InvalidInput

ROOT = Path(__file__).resolve().parents[3]
POSES = walking(6)


def as_clip(points):
    known = np.where(np.isnan(points[..., 0]), 0.0, 0.9)
    return FileClip("", len(points), (PoseTrack("1", np.arange(len(points)), points, known),))


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_every_order_puts_every_joint_where_it_belongs(name):
    found = detected(POSES, name)
    points, sure = to_human36m(LAYOUTS[name], found[..., :2], found[..., 2])
    placed = [joint for joint in range(17) if LAYOUTS[name].sources[joint]]
    assert set(range(17)) - set(placed) <= ({9} if len(LAYOUTS[name]) < 16 else set()), "some orders have no nose"
    assert np.isfinite(points[:, placed]).all() and np.allclose(sure[:, placed], 0.9)
    exact = [*range(1, 7), *range(11, 17)]
    assert np.allclose(points[:, exact], POSES[:, exact], atol=1e-3)
    # Joints that are made of others: hip, spine, thorax, nose and head lie above each other, in that order.
    column = points[:, [joint for joint in (0, 7, 8, 9, 10) if joint in placed], 1]
    assert (np.diff(column, axis=1) < 0).all()
    assert (np.abs(points[:, [0, 7, 8], 0] - POSES[:, [0, 7, 8], 0]) < 25).all()


@pytest.mark.parametrize("name", [n for n in LAYOUTS if n != "Human3.6M-17"])
def test_sides_come_from_joints_of_the_same_side(name):
    layout = LAYOUTS[name]
    for joints, side, other in ((LEFT_JOINTS, "left", "right"), (RIGHT_JOINTS, "right", "left")):
        for joint in joints:
            (source,) = layout.sources[joint]
            assert side in layout.names[source] and other not in layout.names[source], JOINT_NAMES[joint]
    for joint in (0, 7, 8, 9, 10):
        parts = [layout.names[part] for part in layout.sources[joint]]
        assert sum("left" in part for part in parts) == sum("right" in part for part in parts), (
            "the middle is the middle"
        )


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_bones_are_drawn_between_joints_that_are_there(name):
    layout = LAYOUTS[name]
    assert all(0 <= a < len(layout) and 0 <= b < len(layout) and a != b for a, b in layout.bones)
    assert len(set(layout.bones)) == len(layout.bones) >= 12


def test_half_a_hip_is_no_hip_but_one_eye_is_a_head():
    found = detected(POSES, "COCO-17")
    found[:, [11, 1], :2] = np.nan
    points, sure = to_human36m(LAYOUTS["COCO-17"], found[..., :2], found[..., 2])
    assert np.isnan(points[:, [0, 4, 7]]).all() and (sure[:, [0, 4, 7]] == 0).all()
    assert np.isfinite(points[:, 10]).all() and np.allclose(sure[:, 10], 0.45)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("LShoulder", "left_shoulder"), ("l_shoulder", "left_shoulder"), ("LEFT SHOULDER", "left_shoulder"),
        ("shoulder.L", "left_shoulder"), ("leftShoulder", "left_shoulder"), ("Left-Shoulder", "left_shoulder"),
        ("lsho", "left_shoulder"), ("rightfoot", "right_foot"), ("R_Ankle", "right_ankle"), ("RHip", "right_hip"),
        ("Pelvis", "hip"), ("MidHip", "hip"), ("root", "hip"), ("Neck/Nose", "nose"), ("Head_top", "head"),
        ("left_right_hip", ""), ("tail", ""), ("", ""), ("l", ""), ("é" * 500, ""),
    ],
)  # fmt: skip
def test_names_as_people_write_them(written, meant):
    assert canonical_name(written) == meant


@pytest.mark.parametrize("name", ["Human3.6M-17", "COCO-17", "COCO-18 (OpenPose)", "BODY_25 (OpenPose)", "Halpe-26",
                                  "MediaPipe-33"])  # fmt: skip
def test_known_orders_are_known_by_their_names(name):
    layout = LAYOUTS[name]
    assert layout_of_names(layout.names) is layout
    assert layout_of_names([joint.upper().replace("_", " ") for joint in layout.names]) is layout
    order = np.random.default_rng(0).permutation(len(layout))
    mixed = layout_of_names([layout.names[joint] for joint in order])
    found = detected(POSES, name)
    straight, _ = to_human36m(layout, found[..., :2], found[..., 2])
    again, _ = to_human36m(mixed, found[:, order, :2], found[:, order, 2])
    assert np.allclose(straight, again) and len(mixed.bones) == len(layout.bones)


def test_names_of_no_known_order_are_put_together():
    names = ["Pelvis", "R Hip", "L Hip", "R Knee", "L Knee", "R Ankle", "L Ankle", "Neck", "R Shoulder", "L Shoulder",
             "Head", "Tail"]  # fmt: skip
    layout = layout_of_names(names)
    assert layout.sources[0] == (0,) and layout.sources[8] == (7,) and set(layout.sources[7]) == {0, 7}
    assert layout.sources[12] == () and layout.sources[10] == (10,)


@pytest.mark.parametrize("name", ["Human3.6M-17", "COCO-17"])
def test_geometry_tells_the_two_orders_of_seventeen_joints_apart(name):
    points = detected(POSES, name)[..., :2]
    for seen in (points, 0.01 * points, points[:1]):
        guesses = layout_by_geometry([as_clip(seen)])
        assert guesses[0].layout.name == name and guesses[0].reason != guesses[1].reason
    fitting, confirm = layout_by_count(17, [as_clip(detected(POSES, name)[..., :2])], "x")
    assert fitting[0].layout.name == name and confirm, "never without asking"


@pytest.mark.parametrize("path", sorted((ROOT / "assets" / "clips").glob("*.npz")), ids=lambda path: path.stem)
def test_geometry_of_people_who_sit_jump_and_kick(path):
    points = load_clip(path).keypoints_px
    assert layout_by_geometry([as_clip(points)])[0].layout.name == "Human3.6M-17"
    coco = np.empty_like(points)
    coco[:, :5] = points[:, [9, 10, 10, 10, 10]] + np.array([[0, 0], [4, 2], [-4, 2], [9, 3], [-9, 3]])
    coco[:, 5:] = points[:, [11, 14, 12, 15, 13, 16, 4, 1, 5, 2, 6, 3]]
    assert layout_by_geometry([as_clip(coco)])[0].layout.name == "COCO-17"


def test_geometry_that_says_nothing_says_so():
    nothing = np.full((4, 17, 2), np.nan)
    nothing[:, 3] = 5.0
    guesses = layout_by_geometry([as_clip(nothing)])
    assert guesses[0].reason == guesses[1].reason == "17 joints, and too little is seen to tell their order"


def test_counts_that_no_order_has():
    assert [layout.name for layout in layouts_of(26)] == ["Halpe-26"]
    with pytest.raises(InvalidInput, match="x: 21 joints a person; known are"):
        layout_by_count(21, [], "x")


@pytest.mark.parametrize(
    ("points", "unit"),
    [
        (POSES, "pixels"), (POSES / 1000, "unit"), (POSES / 1000 - 0.03, "unit"), (POSES / 400 - 1.2, "symmetric"),
        (POSES - 400, "pixels"), (np.full((3, 17, 2), 0.5), "unit"),
    ],
)  # fmt: skip
def test_units_of_coordinates(points, unit):
    assert coordinates_of([as_clip(points)], "symmetric", Notes(), LAYOUTS["Human3.6M-17"], "x") == unit
