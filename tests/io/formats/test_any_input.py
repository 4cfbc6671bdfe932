"""Whatever is in a file, it is read or refused with a reason."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz_readers import check

KEYS = st.sampled_from(
    ["image_id", "keypoints", "people", "bodies", "joints", "instances", "instance_info", "keypoint_scores", "frame_id",
     "pose_keypoints_2d", "landmarks", "frames", "x", "y", "visibility", "meta_info", "keypoint_id2name", "idx",
     "score", "schema", "left_hip", "fps", "width"]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=8),
    st.sampled_from([[1.0, 2.0, 0.5] * 17, [[1.0, 2.0]] * 17, [{"x": 0.1, "y": 0.2}] * 33, "diffpose-clip/1", "7.jpg"]),
)  # fmt: skip


def _containers(inner):
    return st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4))


TREES = st.recursive(SCALARS, _containers, max_leaves=20)
CELLS = st.one_of(st.floats().map(str), st.integers().map(str), st.text(st.characters(codec="utf-8"), max_size=6))
ROWS = st.lists(st.lists(CELLS, max_size=13), max_size=5)
NAMES = st.sampled_from(
    ["frame", "person", "time", "landmark", "x", "y", "visibility", "left_hip_x", "left_hip_y", "RHip.x", "RHip.y",
     "x0", "y0", "v0", "left_shoulder_x", "left_shoulder_y", "right_shoulder_x", "right_shoulder_y", "scorer",
     "bodyparts"]
)  # fmt: skip
MODERATE = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@MODERATE
@given(TREES)
def test_any_json(tree):
    check(json.dumps(tree).encode())


@MODERATE
@given(
    st.lists(NAMES, min_size=1, max_size=12),
    st.lists(st.lists(CELLS, max_size=13), max_size=5),
    st.sampled_from(",;\t"),
)
def test_any_table(names, rows, separator):
    check("\n".join(separator.join(row) for row in [names, *rows]).encode())


@MODERATE
@given(st.binary(max_size=400))
def test_any_bytes(content):
    check(content)
    check(b"PK\x03\x04" + content)
    check(b"[" + content)


def test_any_first_byte():
    for first in range(256):
        check(bytes([first]))
