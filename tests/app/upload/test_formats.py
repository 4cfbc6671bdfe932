"""Own clips in a real browser: a file of every format is confirmed, seen in 3D, exported and read back."""

from __future__ import annotations

import io
import json
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import pose_files as files
from benchmarks.browser import wait_for
from diffpose_core.io.clips import clip_to_json, save_clip
from diffpose_core.io.formats.layouts import LAYOUTS
from diffpose_core.structures import PoseClip2D

pytest.importorskip("selenium")

from selenium.webdriver import ActionChains, Keys

from tests.app.upload.driving import (
    REFUSAL,
    all_of,
    click,
    dialog_closed,
    one,
    painted,
    seen,
    send,
    state,
    wait_for_new_stage,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def own_clip(frames: int) -> PoseClip2D:
    poses = files.walking(frames).astype(np.float32)
    return PoseClip2D("own", poses, np.ones(poses.shape[:2], dtype=np.float32), 1000, 1000, 25.0)


def own_npz(frames: int) -> bytes:
    file = io.BytesIO()
    save_clip(own_clip(frames), file)
    return file.getvalue()


def pyskl(frames: int) -> bytes:
    poses = seen(frames, "COCO-17")
    annotation = {"frame_dir": "walk", "img_shape": (1000, 1000), "keypoint": poses[None, ..., :2]}
    return pickle.dumps({"annotations": [{**annotation, "keypoint_score": poses[None, ..., 2]}]})


#: What the app calls it, the files for a number of frames, and the joint order to pick where the app asks for it.
FORMATS: dict[str, tuple[str, Callable[[int], dict[str, bytes]], str | None]] = {
    "videopose3d": (
        "VideoPose3D",
        lambda n: one("v.npz", files.videopose3d({"S1": {"Walk": [seen(n, "COCO-17")[..., :2]]}}, None)),
        "COCO-17",
    ),
    "gmm": (
        "DiffPose GMM",
        lambda n: one("g.npz", files.videopose3d({"S9": {"Walk": [files.gmm_poses(files.walking(n))]}})),
        None,
    ),
    "detectron": ("Detectron", lambda n: one("d.npz", files.detectron([seen(n, "COCO-17")])), None),
    "alphapose": ("AlphaPose", lambda n: one("a.json", files.alphapose([seen(n, "Halpe-26")])), None),
    "mmpose": ("MMPose", lambda n: one("m.json", files.mmpose([seen(n, "Human3.6M-17")])), "Human3.6M-17"),
    "openpose zip": (
        "OpenPose",
        lambda n: one("o.zip", files.zipped(files.openpose_frames([seen(n, "BODY_25 (OpenPose)")]))),
        None,
    ),
    "openpose files": ("OpenPose", lambda n: files.openpose_frames([seen(n, "COCO-18 (OpenPose)")]), None),
    "mediapipe json": ("MediaPipe", lambda n: one("p.json", files.mediapipe(seen(n, "MediaPipe-33"), "tasks")), None),
    "mediapipe csv": ("MediaPipe", lambda n: one("p.csv", files.mediapipe(seen(n, "MediaPipe-33"), "wide")), None),
    "deeplabcut": (
        "DeepLabCut",
        lambda n: one("dlc.csv", files.deeplabcut({"": seen(n, "COCO-17")}, LAYOUTS["COCO-17"].names)),
        None,
    ),
    "plain csv": (
        "plain CSV",
        lambda n: one("t.csv", files.plain_csv(seen(n, "COCO-17"), LAYOUTS["COCO-17"].names)),
        None,
    ),
    "deeplabcut hdf5": (
        "DeepLabCut",
        lambda n: one("dlc.h5", files.deeplabcut_hdf5({"": seen(n, "COCO-17")}, LAYOUTS["COCO-17"].names)),
        None,
    ),
    "pyskl": ("PYSKL", lambda n: one("p.pkl", pyskl(n)), "COCO-17"),
    "own npz": ("", lambda n: one("own.npz", own_npz(n)), None),
    "own json": ("", lambda n: one("own.json", clip_to_json(own_clip(n))), None),
}


def frames_in_npz(path: Path) -> int:
    with np.load(path) as content:
        return int(content["pose3d"].shape[0])


def frames_in_c3d(path: Path) -> int:
    import ezc3d

    return int(ezc3d.c3d(str(path))["data"]["points"].shape[2])


#: How many frames a reader finds in what was exported, by the format's label.
READ_BACK: dict[str, Callable[[Path], int]] = {
    "NumPy (.npz)": frames_in_npz,
    "JSON": lambda path: len(json.loads(path.read_text())["pose3d"]),
    "CSV, one row a joint": lambda path: len(pd.read_csv(path)) // 17,
    "CSV, one row a frame": lambda path: len(pd.read_csv(path)),
    "BVH (animation)": lambda path: int(path.read_text().split("Frames:")[1].split()[0]),
    "TRC (OpenSim)": lambda path: len(path.read_text().rstrip().splitlines()) - 6,
    "C3D (motion capture)": frames_in_c3d,
}


def pick_order(driver: Any, order: str) -> None:
    """Pick the picture of a joint order by keyboard or mouse: the picture itself is the button."""
    orders = wait_for(lambda: all_of(driver, "[role=dialog] [role=radio]"), 20, "the pictures of the joint orders")
    names = [button.text.split("\n")[0] for button in orders]
    drawn = driver.execute_script(
        "return [...arguments[0]].map(b => getComputedStyle(b, '::before').backgroundImage.slice(0, 18))", orders
    )
    assert drawn == ['url("data:image/sv'] * 2 and order in names
    use = next(b for b in all_of(driver, "[role=dialog] button") if b.text == "Use this clip")
    if not use.is_enabled():
        assert "First pick the picture" in all_of(driver, "[role=dialog]")[0].text
        driver.execute_script("arguments[0].focus()", orders[names.index(order)])
        ActionChains(driver).send_keys(Keys.SPACE).perform()
    else:
        ActionChains(driver).move_to_element_with_offset(orders[names.index(order)], 0, -30).click().perform()
    picked = (
        "return [...document.querySelectorAll('[role=dialog] [role=radio][aria-checked=true]')].map(b => b.innerText)"
    )
    wait_for(lambda: [t.split("\n")[0] for t in driver.execute_script(picked)] == [order], 20, f"{order} marked")


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_is_uploaded_confirmed_seen_exported_and_read_back(
    driver: Any, downloads: Path, tmp_path: Path, name: str
) -> None:
    kind, make, order = FORMATS[name]
    number = list(FORMATS).index(name)
    frames = 3 + number % 4
    old = state(driver, "hash")
    send(driver, tmp_path / "in", make(frames))
    if kind:
        try:
            words = wait_for(lambda: [d.text for d in all_of(driver, "[role=dialog]")], 120, "the dialog")[0]
        except TimeoutError:
            pytest.fail(f"no dialog; the sidebar says: {all_of(driver, '[data-testid=stSidebar]')[0].text}")
        assert kind in words, words
        pictures = wait_for(lambda: all_of(driver, "[role=dialog] [data-testid=stImage] img"), 20, "the pictures")
        wait_for(lambda: all(p.get_property("naturalWidth") for p in pictures), 10, "pictures that are drawn")
        if order is not None:
            pick_order(driver, order)
        click(driver, "Use this clip", "[role=dialog]")
        dialog_closed(driver)
    wait_for_new_stage(driver, old)
    assert painted(driver) > 0

    label = list(READ_BACK)[number % len(READ_BACK)]
    before = set(downloads.iterdir())
    click(driver, "Download the 3D pose")
    click(driver, "Lift the clip", "[role=dialog]")
    click(driver, label, "[role=dialog]")
    made = wait_for(
        lambda: [p for p in set(downloads.iterdir()) - before if p.suffix != ".crdownload" and p.stat().st_size],
        30,
        f"the file of {label}",
    )
    assert READ_BACK[label](made[0]) == frames
    all_of(driver, "[role=dialog] button[aria-label=Close]")[0].click()
    dialog_closed(driver)


def test_a_refused_file_leaves_the_picture_as_it_is(driver: Any, tmp_path: Path) -> None:
    watched = ("hash", "frame", "step", "camera")
    before = {name: state(driver, name) for name in watched}
    address = driver.current_url
    for name, content in {"broken.json": b'{"people": [1,', "empty.npz": b"", "picture.png": b"\x89PNG\r\n"}.items():
        send(driver, tmp_path / "in", {name: content})
        wait_for(lambda n=name: any(n in alert.text for alert in all_of(driver, REFUSAL)), 90, f"the words on {name}")
        time.sleep(0.5)
        assert {key: state(driver, key) for key in watched} == before
        assert driver.current_url == address and not all_of(driver, "[role=dialog]")


def test_closing_the_window_stops_the_lifting(driver: Any, tmp_path: Path) -> None:
    old = state(driver, "hash")
    send(driver, tmp_path / "in", {"long.npz": own_npz(4000)})
    wait_for_new_stage(driver, old)
    click(driver, "Download the 3D pose")
    click(driver, "Lift the clip", "[role=dialog]")
    wait_for(lambda: any("of 4,000 frames" in d.text for d in all_of(driver, "[role=dialog]")), 90, "progress")
    all_of(driver, "[role=dialog] button[aria-label=Close]")[0].click()
    dialog_closed(driver)
    click(driver, "Download the 3D pose")
    wait_for(lambda: any("Lift the clip" in d.text for d in all_of(driver, "[role=dialog]")), 15, "the question again")
    assert not all_of(driver, "[role=dialog] [data-testid=stDownloadButton]")
    all_of(driver, "[role=dialog] button[aria-label=Close]")[0].click()
    dialog_closed(driver)
