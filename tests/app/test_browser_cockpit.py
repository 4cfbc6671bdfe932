"""The scenes fill the first screen, on a laptop and on a phone, in every view and for every bundled clip."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app import page
from app.compute import clips
from app.views.learn import LESSONS
from benchmarks.browser import AT_REST, browser, wait_for

pytest.importorskip("selenium")
pytestmark = [pytest.mark.browser, pytest.mark.slow]

#: Inner size of the window -> least share of its height that the scenes take together.
SIZES = {(1366, 650): 0.6, (1440, 757): 0.6, (1920, 950): 0.6, (390, 700): 0.5}
VIEWS = {
    "overview": "view=Overview",
    "uncertainty": "view=Uncertainty",
    "mixture": "view=Uncertainty&part=Mixture",
    "forward": "view=Forward",
    "reverse": "view=Reverse",
    "compare": "view=Compare",
    "overlaid": "view=Compare&layout=Overlaid",
    **{f"learn {n}": f"view=Learn&lesson={n}" for n, lesson in enumerate(LESSONS, 1) if lesson.picture is not None},
}
#: Where every scene stands, what lies over it that is not its own, and figures whose head or feet are outside of it;
#: also how far the page is too wide, and too long though nothing stands below.
LOOK = """
const stage = document.querySelector(".dps");
const scenes = [...stage.querySelectorAll(".dps-panel:not([hidden])")].map((panel) => {
  const body = panel.querySelector(".dps-body"), box = body.getBoundingClientRect();
  const covered = [];
  for (const x of [0.03, 0.3, 0.5, 0.7, 0.97]) for (const y of [0.03, 0.3, 0.5, 0.7, 0.97]) {
    const over = document.elementFromPoint(box.left + x * box.width, box.top + y * box.height);
    if (!panel.contains(over)) covered.push(`${x} ${y}: ${over?.className || over?.tagName}`);
  }
  const outside = (body.joints || []).filter((j) => [3, 6, 10].includes(j.joint) && !j.text.startsWith("One sample"))
    .filter((j) => !(j.x >= 0 && j.x <= box.width && j.y >= 0 && j.y <= box.height)).map((j) => j.text);
  const { top, bottom, left, right } = box;
  return { id: panel.dataset.panel, top, bottom, left, right, covered, outside };
});
const page = document.querySelector("[data-testid=stMain]"), whole = document.documentElement;
const below = [...document.querySelectorAll(".dps-chart, [data-testid=stExpander], .st-key-lesson_row p")]
  .some((node) => node.offsetParent && node.getBoundingClientRect().bottom > innerHeight);
const long = Math.max(whole.scrollHeight - innerHeight, below ? 0 : page.scrollHeight - page.clientHeight);
return { scenes, scrolled: page.scrollTop, wide: whole.scrollWidth - innerWidth, long };
"""
#: Gives a clip the switches of a video: pictures and heatmaps.
FOOTAGE = """
const holder = document.querySelector(".st-key-page").appendChild(document.createElement("span"));
holder.className = "dps-footage";
holder.footage = { source: arguments[0], glows: [[{}]], at: () => null, heatAt: () => [], whenReady: async () => {} };
document.querySelector(".dps").dispatchEvent(new CustomEvent("dps-footage"));
"""
#: Entries of the legend that are out of sight even when they are scrolled to; whether left and right are always in
#: sight, and whether the legend keeps within its scene.
LEGEND = """
const legend = document.querySelector(".dps-legend"), button = document.querySelector(".dps-legend-button");
if (legend.dataset.open === "false") button.click();
const seen = (node) => {
  const { left, top, width, height } = node.getBoundingClientRect();
  return node.contains(document.elementFromPoint(left + width / 2, top + height / 2));
};
legend.scrollTop = 0;
const entries = [...legend.children], sides = seen(entries.at(-1));
const lost = entries.filter((node) => { node.scrollIntoView({ block: "center" }); return !seen(node); });
const box = legend.getBoundingClientRect(), room = legend.parentElement.getBoundingClientRect();
const inside = box.top >= room.top && box.bottom <= room.bottom && box.left >= room.left && box.right <= room.right;
return { names: entries.map((n) => n.textContent), lost: lost.map((n) => n.textContent), sides, inside };
"""


@pytest.fixture(scope="module")
def driver(address: str) -> Iterator[Any]:
    with browser(1366, 650) as opened:
        yield opened


def resize(driver: Any, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_script("document.querySelector('[data-testid=stMain]')?.scrollTo(0, 0)")
    time.sleep(0.3)


def open_view(driver: Any, url: str) -> None:
    driver.get(url)
    ready = "return document.querySelector('.dps')?.dataset.ready === 'true'"
    wait_for(lambda: driver.execute_script(ready), 120, url)
    wait_for(lambda: driver.execute_script(AT_REST), 120, f"all of {url}")


def go_to_frame(driver: Any, share: float) -> None:
    driver.execute_script(
        "const s = document.querySelector('.dps input[data-axis=frame]'); if (!s) return;"
        "s.value = Math.round(arguments[0] * s.max); s.dispatchEvent(new Event('input', {bubbles: true}))",
        share,
    )
    time.sleep(0.3)


def faults(driver: Any, width: int, height: int) -> list[str]:
    """Faults of the first screen at a size, in words."""
    with contextlib.suppress(TimeoutError):  # a busy machine lays out late
        wait_for(lambda: not _faults(driver, width, height), 6, "the layout")
    return _faults(driver, width, height)


def _faults(driver: Any, width: int, height: int) -> list[str]:
    look = driver.execute_script(LOOK)
    found = []
    if look["wide"] > 0 or look["scrolled"] > 0:
        found.append(f"{look['wide']} pixels too wide, scrolled by {look['scrolled']}")
    if look["long"] > 0:
        found.append(f"a scroll bar that leads to nothing: {look['long']} pixels too long")
    for scene in look["scenes"]:
        if scene["top"] < 0 or scene["bottom"] > height or scene["left"] < 0 or scene["right"] > width:
            found.append(f"{scene['id']} is cut off: {scene}")
        found += [f"{scene['id']} is covered at {place}" for place in scene["covered"][:2]]
        found += [f"{scene['id']} cuts off {figure}" for figure in scene["outside"][:2]]
    together = max(s["bottom"] for s in look["scenes"]) - min(s["top"] for s in look["scenes"])
    if together < SIZES[width, height] * height:
        found.append(f"the scenes take {together:.0f} of {height} pixels")
    return [f"{width} x {height}: {fault}" for fault in found]


@pytest.mark.parametrize("view", VIEWS)
def test_the_scenes_fill_the_first_screen(driver: Any, address: str, view: str) -> None:
    resize(driver, 1366, 650)
    open_view(driver, f"{address}/?{VIEWS[view]}&steps=1&hypotheses=2")
    found = []
    for width, height in SIZES:
        resize(driver, width, height)
        found += faults(driver, width, height)
    if view == "learn 3":  # its scene looks at a single joint
        found = [fault for fault in found if "cuts off" not in fault]
    assert found == []


@pytest.mark.parametrize("clip", sorted(clips.bundled_clips()))
def test_heads_and_feet_stay_inside_in_every_clip(driver: Any, address: str, clip: str) -> None:
    label = clip.replace("_", " ").replace("-", " ").capitalize().replace(" ", "+")
    frames = len(clips.open_bundled(str(clips.bundled_clips()[clip]), 0.0))
    found = []
    for view in ("overview", "reverse", "compare"):
        resize(driver, 1366, 650)
        open_view(driver, f"{address}/?{VIEWS[view]}&clip={label}&steps=1&hypotheses=2")
        for width, height in SIZES:
            resize(driver, width, height)
            for share in (0.1, 0.5, 0.9):
                go_to_frame(driver, share)
                found += [f"{view}, {share}: {fault}" for fault in faults(driver, width, height)]
    for frame in (frames // 10, frames // 2, frames - 1):
        open_view(driver, f"{address}/?{VIEWS['forward']}&clip={label}&frame={frame}")
        for width, height in SIZES:
            resize(driver, width, height)
            found += [f"forward, {frame}: {fault}" for fault in faults(driver, width, height)]
    assert found == []


def test_every_view_is_a_place_of_the_browsers_history_with_a_title_of_its_own(driver: Any, address: str) -> None:
    """Clicks, back, forward and bookmarks lead to every view, and none of them but a bookmark loads the page."""
    state = """
    const view = [...document.querySelectorAll(".st-key-view button")].find((b) => b.ariaChecked === "true");
    return [view?.textContent, document.title, new URL(location.href).searchParams.get("view"), window.stayed];
    """

    def shows(view: str, stayed: bool = True) -> bool:
        name, title, wanted, same = driver.execute_script(state)
        assert same is (True if stayed else None), "the page was loaded again"
        # The first view needs no name in the address.
        return name == view == (wanted or names[0]) and title == f"{view} \u00b7 DiffPose Studio"

    resize(driver, 1366, 650)
    open_view(driver, f"{address}/?steps=1&hypotheses=2")
    driver.execute_script("window.stayed = true")
    names = list(page.VIEWS)
    for view in names[1:]:
        button = f"//*[contains(@class, 'st-key-view')]//button[normalize-space(.)='{view}']"
        driver.find_element("xpath", button).click()
        wait_for(lambda view=view: shows(view), 90, view)
    for view in reversed(names[:-1]):
        driver.back()
        wait_for(lambda view=view: shows(view), 90, f"{view} again")
    for view in names[1:3]:
        driver.forward()
        wait_for(lambda view=view: shows(view), 90, f"{view} after that")
    for view in names:
        driver.get(f"{address}/?view={view}&steps=1&hypotheses=2")
        wait_for(lambda view=view: shows(view, stayed=False), 90, f"the bookmark of {view}")


def test_every_entry_of_the_legend_of_a_video_can_be_reached(driver: Any, address: str) -> None:
    resize(driver, 1366, 650)
    open_view(driver, f"{address}/?view=Overview&steps=1&hypotheses=2")
    first = clips.open_bundled(str(clips.bundled_clips()[clips.FIRST_CLIP]), 0.0)
    driver.execute_script(FOOTAGE, clips.clip_hash(first))
    for width, height in ((1366, 650), (1440, 757), (390, 700)):
        resize(driver, width, height)
        legend = driver.execute_script(LEGEND)
        assert {"Video picture", "Heatmaps (as detected)", "Ellipses (Gaussians)", "leftright"} <= {*legend["names"]}
        assert (legend["lost"], legend["sides"], legend["inside"]) == ([], True, True), (width, height)
    driver.execute_script("localStorage.clear()")


def test_hints_lead_a_newcomer_once_and_can_be_dismissed_for_good(driver: Any, address: str) -> None:
    driver.execute_script("localStorage.clear()")
    open_view(driver, f"{address}/?view=Forward&steps=1&hypotheses=2")
    line = "return document.querySelector('.dps-tour')?.textContent || ''"
    assert driver.execute_script(line).startswith("1 of 5")
    driver.execute_script("document.querySelector('.dps-tour button').click()")
    assert driver.execute_script(line).startswith("2 of 5")
    assert driver.execute_script("return document.querySelector('.dps-pointed').className").startswith("dps-play")
    driver.execute_script("document.querySelector('.dps-tour-close').click()")
    assert driver.execute_script(line) == ""
    open_view(driver, f"{address}/?view=Forward&steps=1&hypotheses=2")
    assert driver.execute_script(line) == ""


def test_the_explanation_stays_as_it_was_left_in_every_view(driver: Any, address: str) -> None:
    resize(driver, 1366, 650)
    open_view(driver, f"{address}/?view=Forward&steps=1&hypotheses=2")
    drawer = "return getComputedStyle(document.querySelector('.st-key-explanation')).display !== 'none'"
    assert not driver.execute_script(drawer)
    driver.execute_script("document.querySelector('.dps-explain-button').click()")
    assert driver.execute_script(drawer)
    time.sleep(0.5)
    assert [f for f in faults(driver, 1366, 650) if "pixels" not in f] == [], "it stands beside the scenes"
    open_view(driver, f"{address}/?view=Reverse&steps=1&hypotheses=2")
    assert driver.execute_script(drawer)
    driver.execute_script("document.querySelector('.dps-explain-button').click()")
    assert not driver.execute_script(drawer)


def test_a_question_mark_lists_the_keys(driver: Any, address: str) -> None:
    from selenium.webdriver import ActionChains, Keys

    open_view(driver, f"{address}/?view=Forward&steps=1&hypotheses=2")
    driver.execute_script("document.querySelector('.dps').focus()")
    ActionChains(driver).send_keys("?").perform()
    opened = "return document.querySelector('.dps-help')?.open || false"
    wait_for(lambda: driver.execute_script(opened), 10, "the help")
    assert "Full screen" in driver.execute_script("return document.querySelector('.dps-help').textContent")
    ActionChains(driver).send_keys(Keys.ESCAPE).perform()
    wait_for(lambda: not driver.execute_script(opened), 10, "the page without it")
