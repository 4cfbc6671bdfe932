"""Videos in a real browser: searched by a made-up detector and by the real one, cancelled, seen in 3D."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.browser import AT_REST, wait_for

pytest.importorskip("selenium")

from tests.app.upload.driving import (
    REFUSAL,
    all_of,
    click,
    dialog_closed,
    one,
    painted,
    send,
    state,
    wait_for_new_stage,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
    dialog_says(driver, "RTMPose looked for people in walk.mp4", 240)
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
    dialog_says(driver, "BlazePose looked for people in real.mp4", 240)
    dialog_says(driver, "seen in 12 of 12 frames")
    click(driver, "Use this clip", "[role=dialog]")
    dialog_closed(driver)
    wait_for_new_stage(driver, old)
    assert painted(driver) > 0
    footage = "const f = document.querySelector('.dps-footage')?.footage; return f ? f.frames.length : 0"
    wait_for(lambda: driver.execute_script(footage) == 12, 90, "a picture of every frame")
    here = sorted(path.name for path in (detector_weights / "absent").iterdir())
    assert here == ["pose_detection.tflite", "pose_landmark_full.tflite"]
