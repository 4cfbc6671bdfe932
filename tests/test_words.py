"""Foreign text in messages is short, stays on its line, and obeys nobody."""

import numpy as np
import pytest

from diffpose_core.io.formats import read_pose_file
from diffpose_core.io.formats.detections import Detections
from diffpose_core.structures import InvalidInput
from diffpose_core.words import printable, quoted, short, without_name


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("walk", "walk"),
        ("a\x1b]0;title\x07b", "a\\x1b]0;title\\x07b"),
        ("two\nlines\u2028and \u202eturned", "two\\nlines\\u2028and \\u202eturned"),
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 37 + "..."),
        (ValueError("bad\n"), "bad"),
        (3.5, "3.5"),
        (None, "None"),
        ([1, "a\x1b"], "[1, 'a\\x1b']"),
        (10**5000, "a very large number"),
        ([10**5000], "a list"),
        ("\ud800", "\\ud800"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_becomes_a_short_text_of_one_line(value, expected):
    assert short(value) == expected and short(value).isprintable()


def test_in_quotation_marks():
    assert quoted("a'b\n") == repr("a'b\n") and quoted("x" * 50, 10) == "'xxxxxxx...'"


def test_lines_of_a_text_stay_lines():
    assert printable("a\x1b]0;title\x07b\nc\r") == "a\\x1b]0;title\\x07b\nc\\r"


def test_the_beginning_of_a_huge_value_is_looked_at_and_no_more():
    class Rest:
        def __repr__(self):
            raise AssertionError("it is not shown")

    assert short([0] * 1000 + [Rest()]).endswith("...")


def test_control_characters_of_a_file_do_not_reach_its_message():
    with pytest.raises(InvalidInput) as refused:
        read_pose_file(b'{"\\u001b[2J": 1, "\\u202e": [2]}', "x.json")
    assert str(refused.value).isprintable() and "\\x1b[2J" in str(refused.value)


def test_a_clip_that_gets_too_large_is_named():

    with pytest.raises(InvalidInput, match=r"^walk\.json: more than 20,000,000 numbers in one clip;"):
        Detections("walk.json").add(0, np.broadcast_to(0.0, (20_000_001,)))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("a.bvh: no BVH file", "no BVH file"),
        ("walks/a.bvh: no BVH file: empty", "no BVH file: empty"),
        ("/home/me/walks/a.bvh: no: a.bvh: twice", "no: a.bvh: twice"),
        ("ba.bvh: another file", "ba.bvh: another file"),
        ("cut off: see walks/a.bvh: there", "cut off: see walks/a.bvh: there"),
        ("nothing to say", "nothing to say"),
    ],
)
def test_a_file_is_named_once(message, expected):
    assert without_name(message, "walks/a.bvh") == expected
    assert without_name("x: y.bvh: bad", "x: y.bvh") == "bad", "names may hold a colon"
