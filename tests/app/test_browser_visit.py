"""A visit of several views in a real browser: what stays, what leads where, and data that come late."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import pytest

from app.compute import clips, stages
from app.session import AppSettings
from app.stage.payload import unpack
from benchmarks.browser import open_sidebar, stage_ready, wait_for
from diffpose_core.io.clips import load_clip
from tests.app.stage_driver import (
    SETTINGS,
    cameras,
    download,
    drawn,
    js,
    new_tab,
    position,
    press,
    together,
    turn_first_scene,
)

pytest.importorskip("selenium")
pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
