"""The app in a real browser: cameras that follow and stay, steps that never ask the server, no console error."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app import services
from benchmarks.browser import browser, console_errors, missing_browser, serve, stage_ready, wait_for
from diffpose_core.structures import InvalidInput

pytest.importorskip("selenium")
pytestmark = [pytest.mark.browser, pytest.mark.slow]

STAGE = "document.querySelector(\".dps[data-stage='{0}']\")"


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    reason = missing_browser()
    if reason:
        pytest.skip(reason)
    try:
        services.models()
    except InvalidInput as error:
        pytest.skip(f"no trained weights: {error}")
    with serve() as url, browser() as opened:
        opened.get(f"{url}/?view=Reverse&hypotheses=2")  # few, for speed
        stage_ready(opened, "reverse", 60)
        yield opened


def js(driver: Any, code: str, *args: Any) -> Any:
    return driver.execute_script(code.replace("$STAGE", STAGE.format("reverse")), *args)


def step(driver: Any) -> int:
    return int(js(driver, "return $STAGE.dataset.step"))


def frame(driver: Any) -> int:
    return int(js(driver, "return $STAGE.dataset.frame"))


def cameras(driver: Any) -> list[list[float]]:
    """Eye of every scene as Plotly has it."""
    return js(
        driver,
        "return [...$STAGE.querySelectorAll('.dps-plot')].map(p => p._fullLayout.scene._scene.getCamera().eye)"
        ".map(e => [e.x, e.y, e.z])",
    )


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    js(driver, "$STAGE.focus()")
    chain = ActionChains(driver)
    for key in keys:
        chain.send_keys(key)
    chain.perform()
    time.sleep(0.3)


def turn_first_scene(driver: Any) -> None:
    from selenium.webdriver import ActionChains

    plot = js(driver, "return $STAGE.querySelector('.dps-plot')")
    chain = ActionChains(driver, duration=40).move_to_element(plot).click_and_hold()
    for _ in range(6):
        chain.move_by_offset(18, 3)
    chain.release().perform()
    time.sleep(0.8)


def close(a: Any, b: Any) -> bool:
    return all(abs(x - y) < 0.02 for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True))


def painted(driver: Any) -> list[int]:
    """A sum over the pixels that are painted over every scene: another picture, another sum."""
    return js(
        driver,
        "return [...$STAGE.querySelectorAll('.dps-over')].map(c => {"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let s = 0;"
        "for (let i = 0; i < d.length; i += 4) s += d[i + 3] * ((i / 4) % 8191); return s; })",
    )


def test_steps_by_keyboard_and_slider_without_a_message(driver: Any) -> None:
    from selenium.webdriver import Keys

    last = int(js(driver, "return $STAGE.querySelector('input[data-axis=step]').max"))
    time.sleep(1.0)
    before = js(driver, "return window.__sent")
    press(driver, Keys.HOME)
    assert step(driver) == 0
    first = painted(driver)
    assert min(first) > 0, "both scenes are painted"
    press(driver, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert step(driver) == 2
    assert all(a != b for a, b in zip(painted(driver), first, strict=True))
    press(driver, Keys.ARROW_LEFT)
    assert step(driver) == 1
    press(driver, Keys.END)
    assert step(driver) == last
    at = frame(driver)
    press(driver, Keys.ARROW_UP)
    assert frame(driver) == at + 1
    js(
        driver,
        "const s = $STAGE.querySelector('input[data-axis=step]'); s.value = 1;"
        "s.dispatchEvent(new Event('input', {bubbles: true}))",
    )
    time.sleep(0.2)
    assert step(driver) == 1
    press(driver, Keys.HOME, " ")
    wait_for(lambda: step(driver) == last, 20, "the animation's end")
    assert js(driver, "return window.__sent") == before, "stepping and playing send nothing to the server"


def test_the_linked_scene_follows_and_the_camera_stays(driver: Any) -> None:
    from selenium.webdriver import Keys

    before = cameras(driver)
    assert len(before) == 2
    turn_first_scene(driver)
    turned = cameras(driver)
    assert not close(turned[:1], before[:1]), "dragging turns the scene"
    assert close(turned[:1], turned[1:]), "the other scene follows"
    press(driver, Keys.HOME, Keys.ARROW_RIGHT, Keys.END)
    assert close(cameras(driver), turned), "stepping keeps the camera"
    press(driver, Keys.HOME, " ")
    time.sleep(1.5)
    press(driver, " ")
    assert close(cameras(driver), turned), "playing keeps the camera"


def test_the_camera_survives_a_change_in_the_sidebar(driver: Any) -> None:
    turned = cameras(driver)
    old = js(driver, "return $STAGE.dataset.hash")
    seed = driver.find_element("css selector", "[data-testid=stNumberInputStepUp]")
    seed.click()
    wait_for(lambda: js(driver, "return $STAGE.dataset.hash") != old, 40, "the new data")
    time.sleep(1.0)
    assert close(cameras(driver), turned)
    stored = json.loads(js(driver, "return $STAGE.dataset.camera"))["eye"]
    assert close([[stored["x"], stored["y"], stored["z"]]], turned[:1])


def test_the_painted_figures_lie_where_plotly_projects(driver: Any) -> None:
    """Our projection against Plotly's own matrices, for the camera as the tests before have turned it."""
    worst = js(
        driver,
        """
        const plot = $STAGE.querySelector('.dps-plot');
        const scene = plot._fullLayout.scene._scene, scale = scene.dataScale, p = scene.glplot.cameraParams;
        const mul = (m, v) => [0, 1, 2, 3].map(i => m[i] * v[0] + m[4 + i] * v[1] + m[8 + i] * v[2] + m[12 + i] * v[3]);
        const box = plot.getBoundingClientRect();
        let worst = 0;
        for (const x of [-0.5, 0.1, 0.6]) for (const y of [-0.6, 0.2, 0.5]) for (const z of [-0.8, 0, 0.6]) {
          const c = mul(p.projection, mul(p.view, mul(p.model, [x * scale[0], y * scale[1], z * scale[2], 1])));
          const u = (c[0] / c[3] + 1) / 2 * box.width, v = (1 - c[1] / c[3]) / 2 * box.height;
          const q = plot.__project(x, y, z);
          worst = Math.max(worst, Math.hypot(q[0] - u, q[1] - v));
        }
        return worst;
        """,
    )
    assert worst < 1.0, "pixels"


def test_no_console_error(driver: Any) -> None:
    assert console_errors(driver) == []
    assert driver.find_elements("css selector", "[data-testid=stException]") == []
