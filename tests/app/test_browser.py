"""The app in a real browser: cameras that follow and stay, steps that never ask the server, downloads, touch."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.compute import clips, networks, stages
from app.session import AppSettings
from app.stage.payload import to_plot_axes, unpack
from app.views.learn import LESSONS
from benchmarks.browser import ROOT, browser, open_sidebar, stage_ready, wait_for
from diffpose_core.io.clips import load_clip
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.forward import forward_traces
from diffpose_core.lifting.settings import LiftSettings

pytest.importorskip("selenium")
pytestmark = [pytest.mark.browser, pytest.mark.slow]

SETTINGS = "hypotheses=2"  # few, for speed


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def driver(address: str, downloads: Path) -> Iterator[Any]:
    with browser(downloads=downloads) as opened:
        opened.get(f"{address}/?view=Reverse&{SETTINGS}")
        stage_ready(opened, "reverse", 60)
        yield opened


@contextlib.contextmanager
def new_tab(driver: Any) -> Iterator[None]:
    """Another page of the same browser, closed at the end."""
    first = driver.current_window_handle
    driver.switch_to.new_window("tab")
    try:
        yield
    finally:
        driver.close()
        driver.switch_to.window(first)


def js(driver: Any, code: str, *args: Any, stage: str = "reverse") -> Any:
    """Run code in the page; $STAGE stands for a stage's element."""
    return driver.execute_script(
        code.replace("$STAGE", f"document.querySelector(\".dps[data-stage='{stage}']\")"), *args
    )


def position(driver: Any, axis: str, stage: str = "reverse") -> int:
    return int(js(driver, f"return $STAGE.dataset.{axis}", stage=stage))


def cameras(driver: Any, stage: str = "reverse") -> list[list[float]]:
    """Eye of every scene that is shown, as it was painted."""
    return js(
        driver,
        "return [...$STAGE.querySelectorAll('.dps-scene:not([hidden])')]"
        ".map(p => p.dataset.eye.split(' ').map(Number))",
        stage=stage,
    )


def drawn(driver: Any) -> None:
    """Wait until everything that was asked for is on the screen."""
    time.sleep(0.2)
    driver.execute_async_script("const [done] = arguments; requestAnimationFrame(() => requestAnimationFrame(done))")


def press(driver: Any, *keys: str, stage: str = "reverse") -> None:
    from selenium.webdriver import ActionChains

    js(driver, "$STAGE.focus()", stage=stage)
    chain = ActionChains(driver)
    for key in keys:
        chain.send_keys(key)
    chain.perform()
    drawn(driver)


def turn_first_scene(driver: Any, stage: str = "reverse") -> None:
    from selenium.webdriver import ActionChains

    plot = js(driver, "return $STAGE.querySelector('.dps-scene:not([hidden]) .dps-body')", stage=stage)
    chain = ActionChains(driver, duration=40).move_to_element(plot).click_and_hold()
    for _ in range(6):
        chain.move_by_offset(18, 3)
    chain.release().perform()
    time.sleep(0.8)


def close(a: Any, b: Any) -> bool:
    return all(abs(x - y) < 0.02 for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True))


def together(eyes: list[list[float]]) -> bool:
    """Whether all scenes are seen from the same place."""
    return len(eyes) > 0 and all(close([eye], eyes[:1]) for eye in eyes)


def painted(driver: Any, stage: str = "reverse") -> list[int]:
    """A sum over the pixels that are painted over every scene: another picture, another sum."""
    drawn(driver)
    return js(
        driver,
        "return [...$STAGE.querySelectorAll('.dps-over')].map(c => {"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let s = 0;"
        "for (let i = 0; i < d.length; i += 4) s += d[i + 3] * ((i / 4) % 8191); return s; })",
        stage=stage,
    )


def download(driver: Any, folder: Path, kind: str, stage: str = "reverse", seconds: float = 60) -> Path:
    """The file that an entry of the stage's menu makes."""
    for old in folder.glob(f"*.{kind}"):
        old.unlink()
    js(driver, "$STAGE.querySelector('.dps-download-button').click()", stage=stage)
    js(driver, "$STAGE.querySelector(`[data-kind=${arguments[0]}]`).click()", kind, stage=stage)

    def arrived() -> Path | None:
        return next((p for p in folder.glob(f"*.{kind}") if p.stat().st_size), None)

    try:
        return wait_for(arrived, seconds, f"a download of {kind}")
    except TimeoutError:
        words = js(driver, "return $STAGE.querySelector('.dps-download-status').textContent", stage=stage)
        raise AssertionError(f"no {kind}; the menu says: {words}") from None


def test_steps_by_keyboard_and_slider_without_a_message(driver: Any) -> None:
    from selenium.webdriver import Keys

    last = int(js(driver, "return $STAGE.querySelector('input[data-axis=step]').max"))
    time.sleep(1.0)
    before = js(driver, "return window.__sent")
    press(driver, Keys.HOME)
    assert position(driver, "step") == 0
    first = painted(driver)
    assert min(first) > 0, "both scenes are painted"
    press(driver, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert position(driver, "step") == 2
    assert all(a != b for a, b in zip(painted(driver), first, strict=True))
    press(driver, Keys.ARROW_LEFT)
    assert position(driver, "step") == 1
    press(driver, Keys.END)
    assert position(driver, "step") == last
    at = position(driver, "frame")
    press(driver, Keys.ARROW_UP)
    assert position(driver, "frame") == at + 1
    js(
        driver,
        "const s = $STAGE.querySelector('input[data-axis=step]'); s.value = 1;"
        "s.dispatchEvent(new Event('input', {bubbles: true}))",
    )
    time.sleep(0.2)
    assert position(driver, "step") == 1
    press(driver, Keys.HOME, " ")
    wait_for(lambda: position(driver, "step") == last, 20, "the animation's end")
    assert js(driver, "return window.__sent") == before, "stepping and playing send nothing to the server"


def test_the_linked_scene_follows_and_the_camera_stays(driver: Any) -> None:
    from selenium.webdriver import Keys

    before = cameras(driver)
    assert len(before) == 2
    turn_first_scene(driver)
    turned = cameras(driver)
    assert not close(turned[:1], before[:1]), "dragging turns the scene"
    assert together(turned), "the other scene follows"
    press(driver, Keys.HOME, Keys.ARROW_RIGHT, Keys.END)
    assert close(cameras(driver), turned), "stepping keeps the camera"
    press(driver, Keys.HOME, " ")
    time.sleep(1.5)
    press(driver, " ")
    assert close(cameras(driver), turned), "playing keeps the camera"


def test_presets_keys_and_buttons_turn_all_scenes(driver: Any) -> None:
    from selenium.webdriver import ActionChains, Keys

    seen = []
    for name in ("Camera", "Front", "Side", "Top", "3/4"):
        js(driver, "$STAGE.querySelector(`[data-view='${arguments[0]}']`).click()", name)
        wait_for(lambda: all(not close(cameras(driver)[:1], [old]) for old in seen), 20, f"another side from {name}")
        one, other = cameras(driver)
        assert together([one, other])
        assert js(driver, "return $STAGE.querySelector('[data-view][aria-pressed=true]').dataset.view") == name
        seen.append(one)
    front, side = np.array(seen[1][:2]), np.array(seen[2][:2])
    assert abs(front @ side) < 0.05 * np.linalg.norm(front) * np.linalg.norm(side), "the side is a quarter turn away"
    js(driver, "$STAGE.focus()")
    ActionChains(driver).key_down(Keys.SHIFT).send_keys(Keys.ARROW_LEFT).key_up(Keys.SHIFT).perform()
    time.sleep(0.4)
    turned = cameras(driver)
    assert not close(turned[:1], seen[-1:])
    assert together(turned)
    js(driver, "$STAGE.querySelector(\"[data-view='3/4']\").click()")


def test_earlier_steps_and_a_joints_path_are_painted(driver: Any) -> None:
    from selenium.webdriver import Keys

    press(driver, Keys.END)
    plain = painted(driver)
    js(driver, "$STAGE.querySelector('.dps-ghosts').click()")
    ghosts = painted(driver)
    assert all(a != b for a, b in zip(ghosts, plain, strict=True))
    pick = "const s = $STAGE.querySelector('.dps-joint'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))"
    js(driver, pick, "13")
    assert all(a != b for a, b in zip(painted(driver), ghosts, strict=True))
    js(driver, pick, "")
    js(driver, "$STAGE.querySelector('.dps-ghosts').click()")
    assert painted(driver) == plain


def test_the_camera_survives_a_change_in_the_sidebar(driver: Any) -> None:
    from selenium.webdriver import Keys

    turn_first_scene(driver)
    turned = cameras(driver)
    old = js(driver, "return $STAGE.dataset.hash")
    open_sidebar(driver)
    seed = driver.find_element("css selector", ".st-key-seed input")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", seed)
    seed.send_keys(Keys.ARROW_UP, Keys.ENTER)
    wait_for(lambda: js(driver, "return $STAGE.dataset.hash") != old, 40, "the new data")
    time.sleep(1.0)
    assert close(cameras(driver), turned)
    stored = json.loads(js(driver, "return $STAGE.dataset.camera"))["eye"]
    assert close([[stored["x"], stored["y"], stored["z"]]], turned[:1])


def test_no_layout_moves_a_camera(driver: Any) -> None:
    """The hand has let go of a scene, which has glided on, and rests on it while the page is laid out anew."""

    def places() -> list[tuple[float, float]]:
        code = (
            "return [...$STAGE.querySelectorAll('.dps-scene .dps-body')]"
            ".map(p => p.getBoundingClientRect()).map(r => [r.x, r.y])"
        )
        return [tuple(place) for place in js(driver, code)]

    def arrange(name: str) -> None:
        js(driver, "$STAGE.querySelector(`[data-arrangement=${arguments[0]}]`).click()", name)

    def resize(width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def colour(scheme: str) -> None:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        wait_for(lambda: js(driver, "return $STAGE.dataset.theme") == scheme, 20, f"the {scheme} colours")

    (left, top), (right, level) = places()
    assert left < right and top == level, "without f_ST beside with it"
    sent = js(driver, "return window.__sent")
    changes = (
        lambda: arrange("stacked"),
        lambda: resize(1200, 800),
        lambda: resize(640, 900),  # as narrow as a phone: whatever fits best in any arrangement
        lambda: resize(1440, 900),
        lambda: colour("dark"),
        lambda: colour("light"),
        lambda: arrange("beside"),
    )
    for number, change in enumerate(changes):
        js(driver, "$STAGE.querySelector(\"[data-view='3/4']\").click()")
        turn_first_scene(driver)
        turned = cameras(driver)
        assert together(turned)
        change()
        time.sleep(1.0)
        np.testing.assert_allclose(cameras(driver), turned, atol=1e-6, err_msg=f"change {number}")
        if number == 0:
            (left, top), (right, below) = places()
            assert left == right and top < below
            assert js(driver, "return window.__sent") == sent, "the arrangement asks nobody"
    turn_first_scene(driver)
    assert not close(cameras(driver), turned) and together(cameras(driver)), "the linked scene still follows"


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


def test_curves_stand_beside_the_scenes_where_there_is_room(driver: Any) -> None:
    def where(name: str) -> list[str]:
        inside = f"return [...$STAGE.querySelectorAll('.{name} .dps-chart')].map(e => e.dataset.chart)"
        return js(driver, inside)

    def boxes() -> list[list[float]]:
        found = "return ['grid', 'side'].map(n => $STAGE.querySelector(`.dps-${n}`).getBoundingClientRect())"
        return js(driver, f"{found}.map(b => [b.left, b.top, b.right, b.bottom])")

    def resize(width: int) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        beside = "beside" if width > 1000 else "below"
        wait_for(lambda: js(driver, "return $STAGE.dataset.curves") == beside, 20, f"curves {beside}")
        time.sleep(0.6)

    curves, others = ["error", "spread", "bones"], ["settle_no_context", "settle_context"]
    assert (where("dps-side"), where("dps-charts:not(.dps-side)")) == (curves, others)
    grid, side = boxes()
    assert side[0] > grid[2] and side[1::2] == pytest.approx(grid[1::2], abs=1), "beside the scenes, as high as they"
    resize(900)
    assert (where("dps-side"), where("dps-charts:not(.dps-side)")) == ([], curves + others)
    resize(1440)
    assert where("dps-side") == curves
    for chart in curves:
        ink = "const c = $STAGE.querySelector(`[data-chart=${arguments[0]}] canvas`);"
        ink += "return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)"
        assert js(driver, ink, chart), "drawn"


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


def test_the_browser_mixes_the_states_that_python_computes(driver: Any) -> None:
    """Eq. 1 as data.js mixes it, against the core's forward process."""
    clip = load_clip(clips.bundled_clips()[clips.FIRST_CLIP])
    packed = stages.forward_stage("mixed", clip, 30, AppSettings())
    ready = encode_clip(clip, networks.models("frame"), [30], LiftSettings(up=None, body=None))
    states = {name: forward_traces(ready, 0, name) for name in ("supplement", "converging")}
    expected = {
        "standard": states["supplement"]["standard"],
        "gmm": states["supplement"]["gmm"],
        "other": states["converging"]["gmm"],
    }
    code = (
        (ROOT / "app" / "stage" / "js" / "data.js").read_text(encoding="utf-8").replace("export ", "")
        + """
        const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
        const mixed = unpack(bytes).arrays[arguments[1]];
        return arguments[2].map((k) => Array.from(mixed.at(0, k)));
    """
    )
    steps = [0, 1, 25, 50, 25]
    data = base64.b64encode(packed).decode()
    for name, trace in expected.items():
        mixed = np.array(driver.execute_script(code, data, name, steps)).reshape(len(steps), 200, 17, 3)
        np.testing.assert_allclose(mixed, to_plot_axes(trace.samples[0, steps]), atol=2e-6, err_msg=name)


def test_a_link_opens_the_same_place(driver: Any, address: str) -> None:
    with new_tab(driver):
        driver.get(f"{address}/?view=Reverse&{SETTINGS}#stage=reverse&k=20&at=0&eye=1,-1,0.5")
        stage_ready(driver, "reverse", 60)
        assert js(driver, "return $STAGE.querySelector('.dps-value').textContent") == "k = 20"
        assert position(driver, "frame") == 0
        assert close(cameras(driver), [[1, -1, 0.5]] * 2)


def test_one_finger_scrolls_and_two_turn(address: str) -> None:
    # A browser of its own: what other tests left in storage and emulation decides how touches are taken.
    with browser() as driver:
        size = {"width": 390, "height": 420, "deviceScaleFactor": 1, "mobile": True}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
        driver.get(f"{address}/?view=Reverse&{SETTINGS}")
        stage_ready(driver, "reverse", 60)
        body = "$STAGE.querySelector('.dps-scene .dps-body')"
        # How long the page is depends on the machine's fonts: give it room to scroll in both directions.
        js(driver, "document.querySelector('[data-testid=stMain]').firstElementChild.style.paddingBlock = '400px'")
        js(driver, f"{body}.scrollIntoView({{block: 'center'}})")
        time.sleep(0.5)

        def swipe(fingers: tuple[float, ...], dx: float, dy: float) -> None:
            x, y = js(
                driver, f"const b = {body}.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]"
            )
            for step in range(8):
                points = [{"x": x + f + dx * step / 7, "y": y + dy * step / 7, "id": i} for i, f in enumerate(fingers)]
                kind = "touchStart" if step == 0 else "touchMove"
                driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
                time.sleep(0.03)
            driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
            time.sleep(0.7)

        def swipe_until(done: Callable[[], bool], *fingers_and_way: Any) -> bool:
            """Swipe, and again as a person would where a busy page took no notice."""
            for _ in range(4):
                swipe(*fingers_and_way)
                for _ in range(10):
                    if done():
                        return True
                    time.sleep(0.2)
            return False

        def scrolled() -> float:
            return js(driver, "return document.querySelector('[data-testid=stMain]').scrollTop")

        top, camera = scrolled(), cameras(driver)
        assert swipe_until(lambda: scrolled() > top + 20, (0,), 0, -60), "one finger scrolls the page"
        assert close(cameras(driver), camera), "and turns nothing"
        top = scrolled()
        assert swipe_until(lambda: not close(cameras(driver), camera), (-30, 30), 60, 20), "two fingers turn"
        assert scrolled() == top, "and scroll nothing"
        turned = cameras(driver)
        assert together(turned)
        assert js(driver, f"return {body}.dataset.touch") != "true"
        # A tap.
        assert swipe_until(lambda: js(driver, f"return {body}.dataset.touch") == "true", (0,), 0, 0)
        assert swipe_until(lambda: not close(cameras(driver), turned), (0,), 70, 10), "one finger turns a tapped scene"
        assert scrolled() == top
        js(driver, "$STAGE.querySelector('.dps-done:not([hidden])').click()")
        turned = cameras(driver)
        assert swipe_until(lambda: scrolled() < top, (0,), 0, 50)
        assert close(cameras(driver), turned)


def test_a_visit_of_all_views_keeps_the_camera(driver: Any, address: str, downloads: Path) -> None:
    """As a new visitor would: open, play, turn, step, go on, switch f_ST, move to another frame, compare, download."""
    from selenium.webdriver import ActionChains, Keys

    def go_to(view: str) -> None:
        button = driver.find_element("xpath", f"//*[contains(@class, 'st-key-view')]//button[contains(., '{view}')]")
        driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()
        stage_ready(driver, view.lower(), 60)
        time.sleep(1.0)

    driver.get(f"{address}/?{SETTINGS}")
    stage_ready(driver, "overview", 60)
    go_to("Forward")
    press(driver, Keys.HOME, " ", stage="forward")
    wait_for(lambda: position(driver, "step", "forward") > 3, 20, "the animation")
    press(driver, " ", stage="forward")
    before = cameras(driver, "forward")
    turn_first_scene(driver, "forward")
    turned = cameras(driver, "forward")
    assert not together([turned[0], before[0]])
    assert len(turned) > 1 and together(turned), "the linked scene follows"
    sent = js(driver, "return window.__sent")
    press(driver, Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, stage="forward")
    assert position(driver, "step", "forward") == 2
    assert js(driver, "return window.__sent") == sent, "stepping sends nothing to the server"

    go_to("Reverse")
    assert together([turned[0], *cameras(driver)]), "the angle stays from view to view"
    sent = js(driver, "return window.__sent")
    for only, shown in (("context", 1), ("", 2), ("no_context", 1), ("", 2)):
        js(driver, "$STAGE.querySelector(`.dps-panel:not([hidden]) [data-only='${arguments[0]}']`).click()", only)
        time.sleep(0.5)
        assert len(cameras(driver)) == shown
        assert together([turned[0], *cameras(driver)])
    frame = position(driver, "frame")
    press(driver, Keys.ARROW_UP)
    assert position(driver, "frame") == frame + 1
    assert together([turned[0], *cameras(driver)])
    assert js(driver, "return window.__sent") == sent, "f_ST and frames are in the browser"
    open_sidebar(driver)
    old = js(driver, "return $STAGE.dataset.hash")
    slider = driver.find_element("css selector", ".st-key-frame [role=slider], .st-key-frame input[type=range]")
    driver.execute_script("arguments[0].focus()", slider)
    ActionChains(driver).send_keys(Keys.ARROW_RIGHT).perform()
    wait_for(lambda: js(driver, "return $STAGE.dataset.hash") != old, 40, "the frame that was asked for")
    time.sleep(0.5)
    assert together([turned[0], *cameras(driver)])

    go_to("Compare")
    assert together([turned[0], *cameras(driver, "compare")])
    path = download(driver, downloads, "html", "compare")
    assert path.name == f"{clips.FIRST_CLIP}_compare.html"
    assert together([turned[0], *cameras(driver, "compare")]), "a download leaves the camera"


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


def frame_words(driver: Any, stage: str) -> str:
    return js(
        driver, "return $STAGE.querySelector('input[data-axis=frame]').getAttribute('aria-valuetext')", stage=stage
    )


def test_a_part_of_the_overview_leads_to_its_view_at_the_frame_that_it_shows(driver: Any, address: str) -> None:
    from selenium.webdriver import Keys

    driver.get(f"{address}/?{SETTINGS}")
    stage_ready(driver, "overview", 60)
    before = frame_words(driver, "overview")
    press(driver, Keys.ARROW_UP, Keys.ARROW_UP, stage="overview")
    shown = frame_words(driver, "overview")
    assert shown != before
    js(driver, "$STAGE.querySelector('[data-panel=steps]').click()", stage="overview")
    stage_ready(driver, "reverse", 60)
    assert frame_words(driver, "reverse") == shown
    assert "view=Reverse" in driver.current_url


def test_curves_buttons_and_the_gallery_move_the_timeline_without_a_message(driver: Any, address: str) -> None:
    from selenium.webdriver import ActionChains

    driver.get(f"{address}/?view=Compare&steps=1&{SETTINGS}")
    stage_ready(driver, "compare", 120)
    # The charts over the clip come when all of it is lifted.
    wait_for(lambda: driver.find_elements("css selector", "[data-chart=error] canvas"), 60, "the whole clip")
    time.sleep(1.0)
    sent = js(driver, "return window.__sent")

    def error() -> float:
        drawn(driver)
        words = "return $STAGE.querySelector('[data-panel=diffpose] .dps-chip b').textContent"
        return float(js(driver, words, stage="compare").split()[0])

    def click(chart: str, along: float) -> None:
        canvas = driver.find_element("css selector", f"[data-chart={chart}] canvas")
        driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
        across = canvas.size["width"] - 56
        aside = round(44 + along * across - canvas.size["width"] / 2)
        ActionChains(driver).move_to_element_with_offset(canvas, aside, 0).click().perform()
        drawn(driver)

    last = int(js(driver, "return $STAGE.querySelector('input[data-axis=frame]').max", stage="compare"))
    click("error", 1.0)
    assert position(driver, "frame", "compare") == last
    click("error", 0.0)
    assert position(driver, "frame", "compare") == 0
    js(driver, "$STAGE.querySelector('.dps-jump').click()", stage="compare")
    worst = error()
    tiles = int(js(driver, "return $STAGE.querySelectorAll('.dps-moment').length", stage="compare"))
    assert tiles >= 2
    places = set()
    for tile in range(tiles):
        js(driver, "$STAGE.querySelectorAll('.dps-moment')[arguments[0]].click()", tile, stage="compare")
        assert error() <= worst
        places.add(position(driver, "frame", "compare"))
    assert len(places) == tiles, "every picture leads to a frame of its own"
    assert js(driver, "return window.__sent") == sent


#: Runs before the page: remembers the address of every script that Streamlit makes of a component's code.
KEEP_SCRIPTS = """
window.__scripts = [];
const address = URL.createObjectURL;
URL.createObjectURL = (blob) => {
  const url = address.call(URL, blob);
  if (blob.type === "text/javascript") window.__scripts.push(url);
  return url;
};
"""
#: Finds a component's script among them by what stands in it.
FIND_SCRIPT = """
const script = async (words) => {
  const texts = await Promise.all(window.__scripts.map(async (url) => [url, await (await fetch(url)).text()]));
  return (await import(texts.find(([, text]) => text.includes(words))[0])).default;
};
"""
#: Calls the stage's script as Streamlit does, with other data.
CALL_STAGE = """
const [packed, stamp, done] = arguments, stage = document.querySelector(".dps");
const data = new Uint8Array([...atob(packed)].map((c) => c.charCodeAt(0)).concat(new Array(8).fill(0)));
new DataView(data.buffer).setFloat64(data.length - 8, stamp, true);
(async () => {
  const mount = await script("export default function mountStage");
  mount({ data, parentElement: stage.parentElement, setTriggerValue: () => {} });
})().then(() => done(stage.dataset.hash), (error) => done(String(error)));
"""
#: The same for the first board of charts, with no charts.
CALL_BOARD = """
const [shown, done] = arguments, board = document.querySelector(".dpb");
(async () => (await script("class Board"))({ data: { charts: [], shown }, parentElement: board.parentElement }))()
  .then(() => done(board.querySelectorAll(".dpb-chart").length), (error) => done(String(error)));
"""


def test_a_stage_keeps_the_later_data_whichever_arrives_last(driver: Any, address: str) -> None:
    clip = load_clip(clips.bundled_clips()[clips.FIRST_CLIP])
    packed = stages.forward_stage("late", clip, 3, AppSettings())
    other = unpack(packed)[0]["hash"]
    with new_tab(driver):
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": KEEP_SCRIPTS})
        driver.get(f"{address}/?view=Forward&{SETTINGS}")
        shown = stage_ready(driver, "forward", 60).get_attribute("data-hash")
        assert shown != other
        late = base64.b64encode(packed).decode()
        assert driver.execute_async_script(FIND_SCRIPT + CALL_STAGE, late, time.time() - 3600) == shown
        assert driver.execute_async_script(FIND_SCRIPT + CALL_STAGE, late, time.time() + 3600) == other


def test_a_board_keeps_the_later_charts(driver: Any, address: str) -> None:
    with new_tab(driver):
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": KEEP_SCRIPTS})
        driver.get(f"{address}/?view=Results")
        charts = "return document.querySelector('.dpb')?.querySelectorAll('.dpb-chart').length"
        shown = wait_for(lambda: driver.execute_script(charts), 60, "the charts")
        assert driver.execute_async_script(FIND_SCRIPT + CALL_BOARD, time.time() - 3600) == shown
        assert driver.execute_async_script(FIND_SCRIPT + CALL_BOARD, time.time() + 3600) == 0
