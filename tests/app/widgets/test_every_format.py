"""Every format of docs/formats.md in the app: uploaded, confirmed, lifted, exported and read back.

A real browser does the same with a few of them (tests/app/upload/test_formats.py); here the page runs without one.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("streamlit")

from streamlit.testing.v1 import AppTest

from app.compute import exporting
from app.widgets.uploads import Pending
from benchmarks.fuzz_seeds import seeds
from diffpose_core.io.exports import export_bytes
from tests.app.conftest import ROOT
from tests.app.widgets.uploading import own, press, send, state

pytestmark = pytest.mark.slow

#: Files of each row of the table, by their names among the fuzzer's seeds.
ROWS = {
    "VideoPose3D .npz": ("videopose3d", "videopose3d video"),
    "DiffPose GMM .npz": ("diffpose gmm",),
    "Detectron, Detectron2 .npz": ("detectron", "detectron2"),
    "arrays: .npy, .npz with `keypoints`, `reconstruction`, `poses_2d` and the like": ("npy", "npz array"),
    "PYSKL, MMAction2 .pkl": ("pyskl",),
    "AlphaPose .json, COCO results or annotations, PoseTrack": (
        "alphapose", "alphapose halpe", "alphapose open", "alphapose cmu", "coco annotations",
    ),
    "MMPose .json": ("mmpose", "mmpose names", "mmpose bare"),
    "one .json a frame, as .zip, many files or a folder": ("openpose zip", "openpose one", "pifpaf zip"),
    "Ultralytics YOLO .txt, YOLOv7 .txt": ("yolo zip", "yolov7 zip"),
    "Ultralytics .json": ("ultralytics", "ultralytics as text"),
    "easy_ViTPose .json": ("vitpose",),
    "MediaPipe .json, .csv; MoveNet, PoseNet, Apple's Vision .json": (
        "mediapipe tasks", "mediapipe messages", "mediapipe wide", "mediapipe long", "named points",
    ),
    "DeepLabCut .csv": ("deeplabcut", "deeplabcut people"),
    "DeepLabCut .h5": ("deeplabcut hdf5", "deeplabcut hdf5 people"),
    "SLEAP .h5 (analysis export)": ("sleap", "sleap standard"),
    "plain .csv": ("csv", "csv numbered"),
    "our own .npz, .json": ("own npz", "own json"),
}  # fmt: skip
CASES = [(row, name) for row, names in ROWS.items() for name in names]


def frames_in(content: bytes, form: str) -> int:
    """Frames of an export, by a reader of its own."""
    if form == "npz":
        with np.load(io.BytesIO(content)) as found:
            return len(found["pose3d"])
    if form == "json":
        return len(json.loads(content)["pose3d"])
    if form == "csv-wide":
        return len(pd.read_csv(io.BytesIO(content)))
    return int(content.decode().split("Frames:")[1].split()[0])


@pytest.fixture(scope="module")
def app(tiny_weights: Path) -> Iterator[AppTest]:
    """One app for all formats, with small random networks, at a page that lifts nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFPOSE_CHECKPOINTS", str(tiny_weights))
        test = AppTest.from_file(str(ROOT / "app" / "streamlit_app.py"), default_timeout=120)
        for key, value in {"view": "Results", "steps": 1, "hypotheses": 1}.items():
            test.session_state[key] = value
        yield test.run()


def test_every_row_of_the_table_is_here() -> None:
    table = (ROOT / "docs" / "formats.md").read_text().split("## Formats")[1].split("\n\n")[2]
    assert [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]] == list(ROWS)


@pytest.mark.parametrize(("row", "name"), CASES, ids=[name for _, name in CASES])
def test_a_file_becomes_3d_and_comes_back(app: AppTest, row: str, name: str) -> None:
    before = set(own(app)) if "uploads" in app.session_state else set()
    send(app, (name.replace(" ", "-"), seeds()[name]))
    assert state(app).refused is None
    if isinstance(state(app).pending, Pending):
        orders = [found for found in app.segmented_control if found.label == "Joint order"]
        if orders and orders[0].value is None:
            orders[0].set_value(state(app).pending.poses.layouts[0].layout.name).run()
        press(app, "Use this clip")
    (opened,) = set(own(app)) - before
    clip = own(app)[opened].clip
    assert np.isfinite(clip.keypoints_px).all() and not clip.guessed.all()
    press(app, "Download the 3D pose")
    press(app, "Lift the clip")
    results = app.session_state[exporting._LIFTED]
    result = next(found for (source, _), found in results.items() if source == own(app)[opened].source)
    assert len(result) == len(clip) and np.isfinite(result.pose3d).all()
    form = ("npz", "json", "csv-wide", "bvh")[CASES.index((row, name)) % 4]
    assert frames_in(export_bytes(result, form)[0], form) == len(clip)
