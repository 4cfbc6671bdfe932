"""Pictures of what a file shows: drawn from what is there, with nothing of the file's text left to do harm."""

from __future__ import annotations

from base64 import b64encode
from xml.etree import ElementTree

import numpy as np
import pytest

from app.figures import pose_preview
from benchmarks.pose_files import detected, walking
from diffpose_core.io.formats import LAYOUTS, Layout

POSES = walking(8)


def drawn(svg: str) -> ElementTree.Element:
    assert "nan" not in svg
    return ElementTree.fromstring(svg)


def count(svg: str, tag: str) -> int:
    return len(drawn(svg).findall(f".//{{http://www.w3.org/2000/svg}}{tag}"))


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in drawn(svg).iter() if node.tag.endswith("text")]


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_joints_are_named_as_the_order_has_them(layout):
    order = LAYOUTS[layout]
    pose = detected(POSES, "COCO-17" if len(order) > 100 else layout)[0, :, :2]
    if len(order) > 100:
        pose = np.concatenate([pose, np.repeat(pose[:1], len(order) - 17, axis=0)])
    svg = pose_preview.close_up(pose, order, dark=False)
    used = {part for parts in order.sources for part in parts}
    assert sorted(texts(svg)) == sorted(order.names[joint].replace("_", " ") for joint in used)
    assert count(svg, "circle") == len(order)


def test_another_order_gives_another_picture():
    pose = detected(POSES, "COCO-17")[0, :, :2]
    one, other = (pose_preview.close_up(pose, LAYOUTS[n], False) for n in ("COCO-17", "Human3.6M-17"))
    assert one != other and "Thorax" in other and "Thorax" not in one


def test_missing_joints_are_left_out_with_their_bones_and_names():
    pose = detected(POSES, "COCO-17")[0, :, :2]
    whole = pose_preview.close_up(pose, LAYOUTS["COCO-17"], False)
    pose[9] = np.nan
    less = pose_preview.close_up(pose, LAYOUTS["COCO-17"], False)
    assert count(less, "circle") == count(whole, "circle") - 1
    assert set(texts(whole)) - set(texts(less)) == {"left wrist"}


@pytest.mark.parametrize("pose", [np.full((17, 2), np.nan), np.zeros((17, 2)), np.full((17, 2), 1e30)])
def test_poses_without_a_size_can_be_drawn(pose):
    for svg in (
        pose_preview.close_up(pose, LAYOUTS["COCO-17"], False),
        pose_preview.thumbnail(pose, LAYOUTS["COCO-17"], True),
        pose_preview.in_image(pose[None], [pose], LAYOUTS["COCO-17"], (1, 1_000_000), True),
    ):
        drawn(svg)


def test_names_of_a_file_stay_text():
    evil = '</text><script>alert("1")</script>'
    layout = Layout("x", (evil, *LAYOUTS["COCO-17"].names[1:]), (), LAYOUTS["COCO-17"].sources)
    svg = pose_preview.close_up(detected(POSES, "COCO-17")[0, :, :2], layout, False)
    assert "<script" not in svg and "</text><script>al…" in texts(svg)


def test_the_image_has_the_size_s_proportions_and_the_others_in_it():
    poses = detected(POSES, "COCO-17")[:, :, :2]
    for size in ((1920, 1080), (480, 640)):
        alone = pose_preview.in_image(poses[:3], [], LAYOUTS["COCO-17"], size, False)
        rectangle = drawn(alone).find("{http://www.w3.org/2000/svg}rect")
        assert rectangle is not None
        width, height = float(rectangle.attrib["width"]), float(rectangle.attrib["height"])
        assert abs(width / height - size[0] / size[1]) < 0.01
        assert any(f"{size[0]} x {size[1]} px" in text for text in texts(alone))
        more = pose_preview.in_image(poses[:3], [poses[0] + 100], LAYOUTS["COCO-17"], size, False)
        assert count(more, "line") > count(alone, "line")


def test_a_video_s_picture_lies_under_the_pose():
    pose, size = detected(POSES, "COCO-17")[:1, :, :2], (480, 640)
    svg = pose_preview.in_image(pose, [], LAYOUTS["COCO-17"], size, False, b"a JPEG")
    assert svg.index("<image") < svg.index("<line") and b64encode(b"a JPEG").decode() in svg
    assert "<image" not in pose_preview.in_image(pose, [], LAYOUTS["COCO-17"], size, False)


def test_the_frame_that_shows_most_is_taken():
    keypoints = np.full((200, 17, 2), 1.0)
    keypoints[:4, 3:9] = np.nan
    keypoints[6, 1] = np.nan
    assert pose_preview.good_frame(keypoints) == 4
    keypoints[:150] = np.nan
    assert pose_preview.good_frame(keypoints) == 0, "only the first ones are looked at"


def test_the_strip_shows_which_joints_of_which_frames_were_guessed():
    confidence = np.full((50, 17), 0.9)
    assert pose_preview.guessed_words(confidence) == ""
    nothing = count(pose_preview.guessed_strip(confidence, 0, False), "rect")
    confidence[10:20, 13] = 0
    confidence[30:33, 13] = 0
    confidence[5, 16] = 0.1
    svg = pose_preview.guessed_strip(confidence, 3, False)
    assert count(svg, "rect") == nothing + 3
    words = pose_preview.guessed_words(confidence)
    assert words.startswith("2 % of all joints guessed, most often the left wrist (13 of 50 frames).")
    assert "Less than 1 % of all joints hardly seen, most often the right wrist (1 of 50 frames)." in words


def test_a_single_guess_in_a_long_clip_is_seen():
    confidence = np.full((100_000, 17), 0.9, dtype=np.float32)
    before = pose_preview.guessed_strip(confidence, 99_999, True)
    confidence[54_321, 2] = 0
    after = pose_preview.guessed_strip(confidence, 99_999, True)
    assert count(after, "rect") == count(before, "rect") + 1
    assert len(after) < 100_000


def test_the_way_of_the_hip_is_to_scale_and_seen_from_above():
    corners = np.array([(0.0, 0.3, 4.0), (1.0, 0.3, 4.0), (1.0, 0.3, 6.0)])
    svg = pose_preview.path_from_above(corners, dark=False)
    (line,) = (node for node in drawn(svg).iter() if node.tag.endswith("polyline"))
    u, v = np.array([pair.split(",") for pair in line.attrib["points"].split()], dtype=float).T
    first, second = np.hypot(np.diff(u), np.diff(v))
    assert np.isclose(second, 2 * first, rtol=0.01)
    assert np.isclose(u[0], u[1]) and v[1] > v[0] and u[2] > u[1], "the camera's right is below, further away is right"
    metres = [text for text in texts(svg) if text.endswith(" m")]
    assert metres == [f"{number} m" for number in range(7)]


def test_a_person_who_stands_still_far_away_is_drawn():
    svg = pose_preview.path_from_above(np.full((5, 3), [0.0, 0.0, 70.0], dtype=np.float32), dark=True)
    assert count(svg, "circle") == 2 and "10 m" in texts(svg)
