"""Own clips in a real browser: a file of every format is confirmed, seen in 3D, exported and read back."""

from __future__ import annotations

import io
import json
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import pose_files as files
from benchmarks.browser import AT_REST, browser, missing_browser, open_sidebar, serve, stage_ready, wait_for
from diffpose_core.io.clips import clip_to_json, save_clip
from diffpose_core.io.formats.layouts import LAYOUTS
from diffpose_core.structures import PoseClip2D

pytest.importorskip("selenium")

from selenium.webdriver import ActionChains, Keys

pytestmark = [pytest.mark.browser, pytest.mark.slow]

REFUSAL = ".st-key-news [role=alert]"
#: Where a person puts a file: the uploader that is to be seen.
BOX = """[...document.querySelectorAll("[data-testid=stFileUploader] input[type=file]")].filter(
  (box) => box.closest("[data-testid=stFileUploader]").offsetParent).at(-1)"""
STAGE = "document.querySelector(\".dps[data-stage='reverse']\")"


def seen(frames: int, layout: str) -> np.ndarray:
    return files.detected(files.walking(frames), layout)


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


def one(name: str, content: bytes) -> dict[str, bytes]:
    return {name: content}


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


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def detector_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the app looks for RTMPose's weights."""
    return tmp_path_factory.mktemp("rtmpose")


@pytest.fixture(scope="module")
def driver(tiny_weights: Path, downloads: Path, detector_weights: Path) -> Iterator[Any]:
    reason = missing_browser()
    if reason:
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFPOSE_CHECKPOINTS", str(tiny_weights))
        patch.setenv("DIFFPOSE_RTMPOSE", str(detector_weights))
        patch.setenv("DIFFPOSE_BLAZEPOSE", str(detector_weights / "absent"))
        with serve(120) as url, browser() as opened:
            place = {"behavior": "allow", "downloadPath": str(downloads)}
            opened.execute_cdp_cmd("Browser.setDownloadBehavior", place)
            opened.get(f"{url}/?view=Reverse&steps=1&hypotheses=1")
            stage_ready(opened, "reverse", 120)
            open_sidebar(opened)
            opened.refresh()  # it stays open, and its widgets have their full width from the start
            stage_ready(opened, "reverse", 120)
            yield opened


def all_of(driver: Any, selector: str) -> list[Any]:
    return driver.find_elements("css selector", selector)


def dialog_closed(driver: Any) -> None:
    wait_for(lambda: not all_of(driver, "[role=dialog]"), 90, "the dialog's end")


def click(driver: Any, label: str, within: str = "") -> None:
    """Click the button of that label once it is there and may be clicked, wherever on the page it is."""
    wait_for(
        lambda: driver.execute_script(
            "const b = [...document.querySelectorAll(arguments[1] + ' button, ' + arguments[1] + ' label')]"
            ".find(b => b.innerText.trim().split('\\n').pop() === arguments[0] && !b.disabled);"
            "if (b) b.click(); return Boolean(b);",
            label,
            within,
        ),
        30,
        f"the button {label}",
    )


def send(driver: Any, folder: Path, named: dict[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in named.items():
        (folder / name).write_bytes(content)
    # A person does not choose a file in the very moment in which a window closes.
    wait_for(lambda: driver.execute_script(AT_REST), 120, "the app at rest")
    box = wait_for(lambda: driver.execute_script(f"return {BOX}"), 90, "the uploader")
    driver.execute_script("arguments[0].value = ''", box)  # the driver adds to what it chose before; a person doesn't
    box.send_keys("\n".join(str(folder / name) for name in named))


def state(driver: Any, name: str) -> Any:
    return driver.execute_script(f"return {STAGE}?.dataset.{name}")


def wait_for_new_stage(driver: Any, old: str) -> None:
    wait_for(lambda: state(driver, "hash") not in (None, old), 40, "the new clip's data")
    stage_ready(driver, "reverse", 40)
    # The clip's first frame is shown at once, all of them a moment later.
    wait_for(lambda: not all_of(driver, "[data-testid=stMain] [data-testid=stProgress]"), 40, "all frames")


def painted(driver: Any) -> int:
    return driver.execute_script(
        f"const c = {STAGE}.querySelector('.dps-over');"
        "return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter(v => v).length"
    )


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


@pytest.fixture
def painted_people(detector_weights: Path) -> Any:
    """The module that paints people whom the networks that are put in RTMPose's place can find."""
    for name in ("av", "onnxruntime", "rtmlib"):
        pytest.importorskip(name, reason="needs what the extra `video` installs")
    pytest.importorskip("onnx", reason="needs onnx, which makes small networks")
    from tests import tiny_rtmpose

    tiny_rtmpose.put_into(detector_weights)
    return tiny_rtmpose


def video(painted_people: Any, frames: int) -> bytes:
    """A person who moves, at 30 frames a second."""
    from tests.io.test_video import encoded

    images = [painted_people.painted([painted_people.standing(110 + n, 140)], 480, 300) for n in range(10)]
    return encoded([images[n % 10] for n in range(frames)], fps=30)


def dialog_says(driver: Any, words: str, seconds: float = 180) -> None:
    def said() -> list[str]:
        return driver.execute_script("return [...document.querySelectorAll('[role=dialog]')].map(d => d.innerText)")

    try:
        wait_for(lambda: any(words in text for text in said()), seconds, f"a dialog that says {words!r}")
    except TimeoutError as error:
        raise TimeoutError(f"{error}; the dialogs say {said()}") from None


def test_a_video_is_searched_confirmed_and_seen_in_3d(driver: Any, tmp_path: Path, painted_people: Any) -> None:
    old = state(driver, "hash")
    send(driver, tmp_path / "in", one("walk.mp4", video(painted_people, 30)))
    dialog_says(driver, "480 x 300 px, 30 frames, 30 frames a second")
    click(driver, "Find the people", "[role=dialog]")
    dialog_says(driver, "recognised as video, by RTMPose", 240)
    dialog_says(driver, "seen in 30 of 30 frames")
    dialog_says(driver, "COCO-17")
    click(driver, "Use this clip", "[role=dialog]")
    dialog_closed(driver)
    wait_for_new_stage(driver, old)
    assert painted(driver) > 0
    assert "30 frames, 480 x 300 px, 30 frames a second" in all_of(driver, "[data-testid=stSidebar]")[0].text


def test_a_search_that_is_cancelled_loses_nothing(driver: Any, tmp_path: Path, painted_people: Any) -> None:
    watched = ("hash", "frame", "step", "camera")
    before = {name: state(driver, name) for name in watched}
    content = one("long.mp4", video(painted_people, 1500))
    for way_out in ("Cancel", "Close"):
        send(driver, tmp_path / "in", content)
        click(driver, "Find the people", "[role=dialog]")
        dialog_says(driver, "of 1,500, about")
        if way_out == "Cancel":
            click(driver, "Cancel", "[role=dialog]")
        else:
            all_of(driver, "[role=dialog] button[aria-label=Close]")[0].click()
        dialog_closed(driver)
        wait_for(lambda: driver.execute_script(AT_REST), 90, "the app at rest")
        time.sleep(1)
        assert {name: state(driver, name) for name in watched} == before
        assert not all_of(driver, "[role=dialog]") and not all_of(driver, REFUSAL)


#: Puts a file of that name and content into the uploader, as soon as there is one to be seen.
CHOOSE = f"""
const choose = (name, content, then = () => {{}}) => {{
  const file = new DataTransfer(), box = {BOX};
  if (!box) {{ setTimeout(() => choose(name, content, then), 5); return; }}
  file.items.add(new File([content], name));
  box.files = file.files;
  box.dispatchEvent(new Event("change", {{ bubbles: true }}));
  then();
}};
"""
#: Turns the seed up again and again, so that the page is drawn anew many times, and uploads a file meanwhile.
WHILE_THE_PAGE_IS_DRAWN = """
const [name, content, done] = arguments;
const up = document.querySelector(".st-key-seed [data-testid=stNumberInputStepUp]");
let clicks = 0;
const timer = setInterval(() => {
  up.click();
  clicks += 1;
  if (clicks === 12) choose(name, content);
  if (clicks === 30) { clearInterval(timer); done(); }
}, 12);
"""
#: Presses a button of the dialog and uploads a file some milliseconds later.
AS_THE_WINDOW_CLOSES = """
const [name, content, label, wait, done] = arguments;
[...document.querySelectorAll("[role=dialog] button")].find(
  (button) => label === (button.getAttribute("aria-label") || button.innerText.trim())).click();
setTimeout(() => choose(name, content, done), wait);
"""


def alphapose() -> str:
    return files.alphapose([seen(3, "COCO-17")]).decode()


def dialog_is_about(driver: Any, name: str) -> None:
    wait_for(lambda: any(name in dialog.text for dialog in all_of(driver, "[role=dialog]")), 90, f"what {name} shows")


def empty_boxes(driver: Any) -> list[bool]:
    """Whether each uploader that is to be seen is empty."""
    return [".json" not in box.text for box in all_of(driver, "[data-testid=stFileUploader]") if box.is_displayed()]


def close(driver: Any) -> None:
    all_of(driver, "[role=dialog] button[aria-label=Close]")[0].click()
    dialog_closed(driver)


def test_a_file_that_comes_while_the_page_is_drawn_anew_is_not_lost(driver: Any) -> None:
    for number in range(4):
        name = f"quick{number}.json"
        driver.execute_async_script(CHOOSE + WHILE_THE_PAGE_IS_DRAWN, name, alphapose())
        dialog_is_about(driver, name)
        close(driver)


@pytest.mark.parametrize("label", ["Cancel", "Use this clip", "Close"])
def test_a_file_that_comes_while_a_window_closes_is_not_lost(driver: Any, tmp_path: Path, label: str) -> None:
    for wait in (0, 5, 15, 40, 100, 250):
        send(driver, tmp_path / "in", one(f"first{wait}.json", alphapose().encode()))
        dialog_is_about(driver, f"first{wait}.json")
        driver.execute_async_script(CHOOSE + AS_THE_WINDOW_CLOSES, f"next{wait}.json", alphapose(), label, wait)
        dialog_is_about(driver, f"next{wait}.json")
        close(driver)
        wait_for(lambda: empty_boxes(driver) == [True], 90, "one uploader to be seen, without a file in it")


def real_video(frames: int) -> bytes:
    """The first frames of the demo video, at half its size."""
    import io

    import av

    from tests.demo_video import demo_video
    from tests.io.test_video import encoded

    with av.open(io.BytesIO(demo_video())) as container:
        pictures = [
            frame.to_ndarray(format="bgr24", width=540, height=960)
            for frame, _ in zip(container.decode(video=0), range(frames), strict=False)
        ]
    return encoded(pictures, fps=60)


def test_a_real_video_becomes_3d_in_two_clicks(driver: Any, tmp_path: Path, detector_weights: Path) -> None:
    for name in ("av", "ai_edge_litert"):
        pytest.importorskip(name, reason="needs what the extra `video` installs")
    from tests.demo_video import real_weights

    content = real_video(12)
    with pytest.MonkeyPatch.context() as patch:
        # Whether they can be had at all: the app gets its own.
        patch.setenv("DIFFPOSE_BLAZEPOSE", str(tmp_path / "tried"))
        real_weights()
    old = state(driver, "hash")
    send(driver, tmp_path / "in", one("real.mp4", content))
    dialog_says(driver, "540 x 960 px, 12 frames, 60 frames a second")
    for label in all_of(driver, "[role=dialog] [role=radiogroup] label"):
        if label.text.startswith("BlazePose"):
            label.click()
    dialog_says(driver, "34 MiB from the package index")
    click(driver, "Download and find the people", "[role=dialog]")
    dialog_says(driver, "recognised as video, by BlazePose", 240)
    dialog_says(driver, "seen in 12 of 12 frames")
    click(driver, "Use this clip", "[role=dialog]")
    dialog_closed(driver)
    wait_for_new_stage(driver, old)
    assert painted(driver) > 0
    footage = "const f = document.querySelector('.dps-footage')?.footage; return f ? f.frames.length : 0"
    wait_for(lambda: driver.execute_script(footage) == 12, 90, "a picture of every frame")
    here = sorted(path.name for path in (detector_weights / "absent").iterdir())
    assert here == ["pose_detection.tflite", "pose_landmark_full.tflite"]
