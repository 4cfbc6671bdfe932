"""The chart of joint angles."""

from xml.etree import ElementTree

import numpy as np
import pytest

from app.figures.angle_chart import angle_chart, choices, label, meaning
from diffpose_core.joint_angles import MEANINGS


def made(frames: int) -> dict[str, np.ndarray]:
    return {name: 30 * np.sin(np.arange(frames) / 5 + place) for place, name in enumerate(MEANINGS)}


def of_kind(svg: str, tag: str) -> list[ElementTree.Element]:
    return [node for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("}" + tag)]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("choice", choices())
def test_every_choice_has_a_line_a_side_and_words(choice, dark):
    svg = angle_chart(made(60), choice, 30.0, dark)
    assert len(of_kind(svg, "polyline")) == (1 if choice in MEANINGS else 2)
    assert label(choice)[0].isupper() and meaning(choice)


def test_gaps_stay_gaps_and_higher_is_larger():
    angles = made(90)
    angles["right_knee_flexion"] = np.linspace(10.0, 70.0, 90)
    angles["left_knee_flexion"] = np.full(90, 20.0)
    angles["left_knee_flexion"][30:40] = np.nan
    left, after, right = of_kind(angle_chart(angles, "knee_flexion", 30.0, False), "polyline")
    y = [float(pair.split(",")[1]) for pair in right.attrib["points"].split()]
    assert y == sorted(y, reverse=True)
    assert len(left.attrib["points"].split()) == 30 and len(after.attrib["points"].split()) == 50


def test_nothing_known_is_said_and_one_frame_is_drawn():
    angles = {name: np.full(4, np.nan) for name in MEANINGS}
    assert "not known" in angle_chart(angles, "hip_rotation", 30.0, True)
    assert len(of_kind(angle_chart(made(1), "trunk_twist", 30.0, True), "polyline")) == 1


def test_a_long_clip_is_a_small_picture():
    assert len(angle_chart(made(100_000), "elbow_flexion", 30.0, False)) < 60_000
