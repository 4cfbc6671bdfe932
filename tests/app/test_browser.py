"""The stage in a real browser: cameras that follow and stay, steps that never ask the server, touch."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.compute import clips, networks, stages
from app.session import AppSettings
from app.stage.payload import to_plot_axes
from benchmarks.browser import ROOT, browser, open_sidebar, stage_ready, wait_for
from diffpose_core.io.clips import load_clip
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.forward import forward_traces
from diffpose_core.lifting.settings import LiftSettings
from tests.app.stage_driver import (
    SETTINGS,
    cameras,
    close,
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
