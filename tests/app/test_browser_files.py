"""Views taken away from a real browser: pictures, films, numbers, pages that play without a network."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.compute import clips
from app.views.learn import LESSONS
from benchmarks.browser import stage_ready, wait_for
from tests.app.stage_driver import (
    SETTINGS,
    cameras,
    close,
    download,
    js,
    new_tab,
    painted,
    position,
    press,
    together,
    turn_first_scene,
)

pytest.importorskip("selenium")
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_picture_shows_the_view_as_it_stands(driver: Any, downloads: Path) -> None:
    from PIL import Image

    camera = cameras(driver)
    path = download(driver, downloads, "png")
    assert path.name.startswith(f"{clips.FIRST_CLIP}_reverse_frame")
    assert "_k" in path.stem
    picture = Image.open(path)
    width, height, scene = js(
        driver,
        "const g = $STAGE.querySelector('.dps-work').getBoundingClientRect(), b = $STAGE.querySelector('.dps-body')"
        ".getBoundingClientRect(); return [g.width, g.height, [b.left - g.left, b.width, b.height]]",
    )
    assert picture.width == pytest.approx(2 * (width + 32), abs=2)
    assert picture.height > 2 * height, "the legend and the charts are on it too"
    left, wide, _ = scene
    middle = picture.convert("RGB").crop((int(2 * (left + 16)), 300, int(2 * (left + 16 + wide)), 900))
    assert len(middle.getcolors(1_000_000) or []) > 200, "a figure, in many shades"
    assert close(cameras(driver), camera)


def test_animations_have_a_picture_for_every_step(driver: Any, downloads: Path) -> None:
    import av
    from PIL import Image

    js(driver, "$STAGE.querySelector('[data-axis=step]').click()")
    count = int(js(driver, "return $STAGE.querySelector('input[data-axis=step]').max")) + 1
    at = position(driver, "step")
    js(driver, "$STAGE.querySelector('[data-kind=mp4]').click()")
    status = "return $STAGE.querySelector('.dps-download-status')"
    wait_for(lambda: js(driver, f"{status}.innerText.startsWith('Putting')"), 120, "the server's turn")
    js(driver, f"{status}.querySelector('button').click()")
    assert js(driver, f"{status}.hidden"), "one that was cancelled is in nobody's way"
    path = download(driver, downloads, "mp4")
    assert path.name == f"{path.name.rpartition('_')[0]}_steps.mp4"
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.codec_context.name == "h264"
    shown_s = min(0.65, max(0.055, 3.0 / (count - 1)))  # as play shows it
    expected_s = shown_s * (count - 1) + max(1.0, shown_s)
    assert len(frames) / 30 == pytest.approx(expected_s, abs=0.1)
    height, width, _ = frames[0].shape
    assert (width % 2, height % 2) == (0, 0)
    assert 600 < width <= 1280
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 0.1, "it moves"

    path = download(driver, downloads, "gif")
    with Image.open(path) as animation:
        assert animation.n_frames == count
        assert animation.size == (width, height)
        durations = []
        for index in range(count):
            animation.seek(index)
            durations.append(animation.info["duration"] / 1000)
    assert sum(durations) == pytest.approx(expected_s, abs=0.1)
    assert position(driver, "step") == at, "the view is left as it was"


def test_the_numbers_name_their_units_and_are_those_on_the_screen(driver: Any, downloads: Path) -> None:
    path = download(driver, downloads, "npz")
    with np.load(io.BytesIO(path.read_bytes())) as file:
        readme = str(file["readme"])
        pose, truth = file["context_mean"], file["truth"]
        error = file["context_error"]
        assert pose.shape == (len(file["frame_numbers"]), len(file["step_values"]), 17, 3)
    assert "metres" in readme
    assert "x right, y down, z away from the camera" in readme
    assert f"context_mean: (frame, step, joint, xyz) {list(pose.shape)}, m, camera frame" in readme
    assert "context_error: (frame, step)" in readme and "mm" in readme
    np.testing.assert_allclose(np.linalg.norm(pose - truth[:, None], axis=-1).mean(-1) * 1000, error, rtol=1e-3)
    assert pose[:, -1, 10, 1].mean() < pose[:, -1, 3, 1].mean(), "y points down: the head is above the foot"


def test_the_saved_page_plays_without_a_network(driver: Any, downloads: Path) -> None:
    from selenium.webdriver import Keys

    press(driver, Keys.HOME, Keys.ARROW_RIGHT)
    camera = cameras(driver)
    k = js(driver, "return $STAGE.querySelector('.dps-value').textContent")
    path = download(driver, downloads, "html")
    with new_tab(driver):
        driver.execute_cdp_cmd("Network.enable", {})
        off = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        driver.execute_cdp_cmd("Network.emulateNetworkConditions", off)
        driver.get(path.as_uri())
        stage_ready(driver, "reverse", 40)
        assert js(driver, "return performance.getEntriesByType('resource').length") == 0, "it fetches nothing"
        assert close(cameras(driver), camera), "the angle that it was saved at"
        assert js(driver, "return $STAGE.querySelector('.dps-value').textContent") == k
        first = painted(driver)
        press(driver, Keys.END)
        last = painted(driver)
        assert all(a != b for a, b in zip(first, last, strict=True))
        press(driver, Keys.HOME, " ")
        wait_for(lambda: painted(driver) == last, 20, "the animation's end")
        turn_first_scene(driver)
        turned = cameras(driver)
        assert not close(turned, camera)
        assert together(turned)
        assert download(driver, downloads, "png").stat().st_size > 10_000


#: Stage -> the address that shows it. What the reverse view can be taken away as is tested above, in more detail.
STAGES = {
    "overview": "view=Overview",
    "uncertainty": "view=Uncertainty",
    "mixture": "view=Uncertainty&part=Mixture&components=5",
    "forward": "view=Forward",
    "compare": "view=Compare",
    **{
        f"learn-{lesson.id}": f"view=Learn&lesson={number}"
        for number, lesson in enumerate(LESSONS, 1)
        if lesson.picture is not None
    },
}
#: Films are made of as many pictures as there are steps, which takes long where there are many.
MOST_STEPS = 12


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_can_be_taken_away(driver: Any, address: str, downloads: Path, stage: str) -> None:
    import av
    from PIL import Image
    from selenium.webdriver import Keys

    with new_tab(driver):
        driver.get(f"{address}/?{STAGES[stage]}&steps=2&{SETTINGS}")
        stage_ready(driver, stage, 120)
        steps = int(js(driver, "return $STAGE.querySelector('input[data-axis=step]').max", stage=stage)) + 1

        picture = Image.open(download(driver, downloads, "png", stage)).convert("RGB")
        width = js(driver, "return $STAGE.querySelector('.dps-work').getBoundingClientRect().width", stage=stage)
        assert picture.width == pytest.approx(2 * (width + 32), abs=2)
        bars = js(
            driver,
            "const g = $STAGE.querySelector('.dps-grid').getBoundingClientRect();"
            "return [...$STAGE.querySelectorAll('.dps-weight-list .dps-weight-track i')].map(e => {"
            "const b = e.getBoundingClientRect();"
            "const ink = getComputedStyle(e).backgroundColor;"
            "return [b.left + b.width / 2 - g.left, g.bottom - b.top - b.height / 2, ink]; })",
            stage=stage,
        )
        assert bool(bars) == ("mixture" in stage)
        for from_left, from_below, ink in bars:  # panels stand at the lower end of a picture without charts
            at = round(2 * (16 + from_left)), round(picture.height - 2 * (16 + from_below))
            assert f"rgb{picture.getpixel(at)}" == ink

        roots = js(
            driver,
            "const g = $STAGE.querySelector('.dps-grid').getBoundingClientRect();"
            "return [...$STAGE.querySelectorAll('msqrt')].map(e => e.getBoundingClientRect())"
            ".map(b => [b.left + b.width / 2 - g.left, g.bottom - b.top])",
            stage=stage,
        )
        assert bool(roots) == (stage == "learn-equation")
        for from_left, from_below in roots:
            x, y = round(2 * (16 + from_left)), round(picture.height - 2 * (16 + from_below))
            column = [sum(picture.getpixel((x, y + row))) for row in range(-8, 6)]
            assert min(column) < max(column) - 100, "a line above what is under the root"

        with np.load(download(driver, downloads, "npz", stage)) as file:
            readme = str(file["readme"])
            for name in set(file.files) - {"readme", "frame_numbers", "step_values"}:
                assert f"{name}: (" in readme
                assert np.isfinite(file[name]).all(), name
            assert len(file["step_values"]) == steps

        if steps <= MOST_STEPS:
            js(driver, "$STAGE.querySelector('[data-axis=step]').click()", stage=stage)
            kind = "mp4" if stage.startswith("learn") else "gif"  # both are put together from the same pictures
            with av.open(str(download(driver, downloads, kind, stage, 120))) as container:
                frames = [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)]
            assert len(frames) >= steps
            assert np.abs(frames[0] - frames[-1]).mean() > 0.01, "it moves"

        if cameras(driver, stage):
            # A scene that was turned is painted anew at the next step.
            press(driver, Keys.HOME, stage=stage)
            turn_first_scene(driver, stage)
            before = painted(driver, stage)
            press(driver, Keys.END, stage=stage)
            assert painted(driver, stage) != before

        page = download(driver, downloads, "html", stage)
        driver.execute_cdp_cmd("Network.enable", {})
        off = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        driver.execute_cdp_cmd("Network.emulateNetworkConditions", off)
        driver.get(page.as_uri())
        stage_ready(driver, stage, 60)
        assert js(driver, "return performance.getEntriesByType('resource').length") == 0, "it fetches nothing"
        press(driver, Keys.HOME, stage=stage)
        assert position(driver, "step", stage) == 0
        press(driver, Keys.END, stage=stage)
        assert position(driver, "step", stage) == steps - 1
        assert driver.find_elements("css selector", ".dps-error") == []
