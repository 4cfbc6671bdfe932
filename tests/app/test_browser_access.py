"""Every view for a newcomer, a keyboard and a phone, in a real browser."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.views.learn import LESSONS
from benchmarks.browser import AT_REST, ROOT, browser, wait_for

pytest.importorskip("selenium")
pytestmark = [pytest.mark.browser, pytest.mark.slow]

#: Address -> what is there once the view is drawn.
STAGE, CHARTS, DOORS = ".dps[data-ready=true]", ".dpb-chart svg[role=img]", "[class*=st-key-open_] button"
PAGES = {
    **{f"view={view}": STAGE for view in ("Overview", "Uncertainty", "Forward", "Reverse", "Compare")},
    "view=Results": CHARTS,
    "view=Live": ".dps-live-start, .st-key-live_weights button, [data-testid=stAlert]",
    **{f"view=Learn&lesson={n}": STAGE if lesson.picture else DOORS for n, lesson in enumerate(LESSONS, 1)},
}
#: Roles of what a person works with.
CONTROLS = {
    *("button", "checkbox", "combobox", "img", "link", "listbox", "menuitem", "radio", "radiogroup", "searchbox"),
    *("slider", "spinbutton", "switch", "tab", "textbox"),
}
WIDGETS = (
    *("stButton", "stButtonGroup", "stCheckbox", "stDownloadButton", "stFileUploader", "stMultiSelect"),
    *("stNumberInput", "stRadio", "stSelectbox", "stSlider", "stTextInput"),
)
#: A widget brings its help itself, or stands in a row with its name, which brings it; our own controls have a title.
WITHOUT_HELP = """
const tip = ":is([data-testid=stTooltipIcon], [data-testid=stTooltipHoverTarget])";
const shown = (e) => e.checkVisibility() && e.getBoundingClientRect().width > 1;
const widgets = [...document.querySelectorAll(arguments[0])].filter(shown).filter((w) => !w.querySelector(tip)
  && !w.closest("[data-testid=stHorizontalBlock]")
    ?.querySelector(`:scope > [data-testid=stElementContainer] [data-testid=stMarkdown] ${tip}`));
const own = [...document.querySelectorAll(":is(.dps, .dpb) :is(button, input, select)")].filter(shown)
  .filter((c) => !c.title && !c.querySelector("small"));
return [...widgets, ...own].map((e) => e.closest("[class*=st-key-]")?.className + ": " + e.outerHTML.slice(0, 120));
"""
WITHOUT_FOCUS = """
const look = (e) => {
  const s = getComputedStyle(e);
  return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow].join();
};
return [...document.querySelectorAll(":is(.dps, .dpb) :is(button, input, select), .dps")].filter((e) => {
  if (!e.checkVisibility() || e.disabled) return false;
  const before = look(e);
  e.focus({ focusVisible: true, preventScroll: true });
  const seen = document.activeElement === e && look(e) !== before;
  e.blur();
  return !seen;
}).map((e) => e.outerHTML.slice(0, 120));
"""
#: axe-core, of which the licence stands in its first lines.
AXE = (ROOT / "tests" / "js" / "vendor" / "axe.min.js").read_text(encoding="utf-8")
RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run({ resultTypes: ["violations"] }).then((found) => done(found.violations
  .filter((v) => ["serious", "critical"].includes(v.impact))
  .map((v) => `${v.id}: ${v.help}, ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" | ")}`)));
"""
TOO_WIDE = """
const page = document.querySelector("[data-testid=stMain]");
return Math.max(document.documentElement.scrollWidth, page.scrollWidth) - innerWidth;
"""
#: Controls and scenes that can't be brought into sight and used, and by how much the page is too wide.
OUT_OF_REACH = """
const found = [];
const page = document.querySelector("[data-testid=stMain]");
const inSight = (e) => {
  e.scrollIntoView({ block: "center", inline: "center" });
  const { left, top, width, height } = e.getBoundingClientRect();
  const over = document.elementFromPoint(left + width / 2, top + height / 2);
  return [!!over && (e.contains(over) || over.contains(e)), top >= 0 && top + height <= innerHeight];
};
for (const e of page.querySelectorAll("button, input, select, summary")) {
  const { width, height } = e.getBoundingClientRect();
  const shown = e.checkVisibility({ visibilityProperty: true }) && !e.closest("[inert]") && width > 2 && height > 2;
  if (shown && !e.disabled && !inSight(e)[0]) found.push(e.outerHTML.slice(0, 120));
}
for (const body of page.querySelectorAll(".dps-panel:not([hidden]) .dps-body")) {
  if (!inSight(body).every(Boolean)) found.push(body.parentElement.dataset.panel);
}
return [...found, ...(page.scrollWidth > innerWidth ? [`${page.scrollWidth} pixels wide`] : [])];
"""


@pytest.fixture(scope="module")
def driver(address: str) -> Iterator[Any]:
    with browser() as opened:
        yield opened


def without_name(driver: Any) -> list[str]:
    """Controls and pictures that a screen reader has no word for, by the browser's own rules."""
    found = []
    for node in driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]:
        role = node.get("role", {}).get("value")
        if node["ignored"] or role not in CONTROLS or node.get("name", {}).get("value", "").strip():
            continue
        element = driver.execute_cdp_cmd("DOM.describeNode", {"backendNodeId": node["backendDOMNodeId"]})["node"]
        found.append(f"{role}: {element['localName']} {element.get('attributes')}")
    return found


@pytest.mark.parametrize("page", PAGES)
def test_a_view_can_be_understood_reached_and_held_in_a_hand(driver: Any, address: str, page: str) -> None:
    def size(width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    size(1440, 900)
    driver.get(f"{address}/?{page}&steps=1&hypotheses=2")
    wait_for(lambda: driver.find_elements("css selector", PAGES[page]), 120, page)
    wait_for(lambda: driver.execute_script(AT_REST), 120, f"all of {page}")
    assert without_name(driver) == []
    assert driver.execute_script(WITHOUT_HELP, ", ".join(f"[data-testid={name}]" for name in WIDGETS)) == []
    assert driver.execute_script(WITHOUT_FOCUS) == []
    # 1366 x 650 at 200 %.
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 683, "height": 325, "deviceScaleFactor": 2, "mobile": False}
    )
    with contextlib.suppress(TimeoutError):  # scenes take the new window's height a moment later
        wait_for(lambda: driver.execute_script(OUT_OF_REACH) == [], 20, f"all of {page} within reach")
    assert driver.execute_script(OUT_OF_REACH) == []
    size(390, 844)
    wait_for(lambda: driver.execute_script(TOO_WIDE) <= 0, 20, f"{page} to be no wider than a phone")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_no_serious_fault(driver: Any, address: str, page: str, theme: str) -> None:
    metrics = {"width": 1366, "height": 650, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    driver.get(f"{address}/?{page}&steps=1&hypotheses=2")
    wait_for(lambda: driver.find_elements("css selector", PAGES[page]), 120, page)
    wait_for(lambda: driver.execute_script(AT_REST), 120, f"all of {page}")
    time.sleep(0.5)  # colours glide from one theme to the other
    driver.execute_script(AXE)
    assert driver.execute_async_script(RUN_AXE) == []
