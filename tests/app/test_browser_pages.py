"""Uncertainty, Results and Learn in a real browser: what moves without the server, and what stays where it was put."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.browser import browser, stage_ready, wait_for

pytest.importorskip("selenium")
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def driver(address: str) -> Iterator[Any]:
    with browser() as opened:
        yield opened


def ask(driver: Any, stage: str, code: str, *args: Any) -> Any:
    """Runs code with `stage` as the stage's element."""
    return driver.execute_script(f"const stage = document.querySelector(\".dps[data-stage='{stage}']\"); {code}", *args)


def go_to_step(driver: Any, stage: str, step: int) -> None:
    ask(
        driver,
        stage,
        "const s = stage.querySelector('input[data-axis=step]'); s.value = arguments[0];"
        "s.dispatchEvent(new Event('input', {bubbles: true}))",
        step,
    )
    time.sleep(0.4)


def camera(driver: Any, stage: str) -> list[float]:
    return ask(driver, stage, "const e = JSON.parse(stage.dataset.camera).eye; return [e.x, e.y, e.z]")


def text(driver: Any, stage: str, selector: str) -> str:
    return str(ask(driver, stage, "return stage.querySelector(arguments[0]).textContent", selector))


def test_a_joints_confidence_falls_without_the_server_and_another_joint_keeps_the_camera(driver: Any, address: str):
    driver.get(f"{address}/?view=Uncertainty&hypotheses=2")
    stage_ready(driver, "uncertainty", 90)
    time.sleep(1.0)
    sent = driver.execute_script("return window.__sent")
    before = text(driver, "uncertainty", "[data-panel=cloud] .dps-readouts")
    go_to_step(driver, "uncertainty", 7)
    assert text(driver, "uncertainty", ".dps-value") == "hidden"
    assert text(driver, "uncertainty", "[data-panel=cloud] .dps-readouts") != before
    assert driver.execute_script("return window.__sent") == sent, "the slider asks nobody"

    ask(driver, "uncertainty", "stage.querySelector('[data-view=Side]').click()")
    time.sleep(0.5)
    turned = camera(driver, "uncertainty")
    old = ask(driver, "uncertainty", "return stage.dataset.hash")
    # A click on another joint's row of the depth chart: the left wrist's.
    ask(
        driver,
        "uncertainty",
        "const c = stage.querySelector('[data-chart=depths] canvas'), b = c.getBoundingClientRect();"
        "const row = (b.height - 32) / 17;"
        "const at = {bubbles: true, clientX: b.left + 150, clientY: b.top + 10 + 13.5 * row};"
        "c.dispatchEvent(new MouseEvent('click', at))",
    )
    wait_for(lambda: ask(driver, "uncertainty", "return stage.dataset.hash") != old, 40, "the other joint")
    time.sleep(1.0)
    assert "left wrist" in text(driver, "uncertainty", ".dps-row-name")
    assert camera(driver, "uncertainty") == pytest.approx(turned, abs=1e-6)
    assert text(driver, "uncertainty", ".dps-value") == "hidden", "the level stays as well"


def test_a_click_on_a_weight_shows_its_component_without_the_server(driver: Any, address: str):
    driver.get(f"{address}/?view=Uncertainty&part=Mixture&hypotheses=2")
    stage_ready(driver, "mixture", 90)
    time.sleep(1.0)
    sent = driver.execute_script("return window.__sent")
    ask(driver, "mixture", "stage.querySelectorAll('.dps-weight')[2].click()")
    wait_for(lambda: text(driver, "mixture", ".dps-value").startswith("2 of "), 20, "the second component alone")
    assert driver.execute_script("return window.__sent") == sent, "the weights ask nobody"


def test_the_numbers_of_the_equation_move_in_the_browser_and_add_up(driver: Any, address: str):
    driver.get(f"{address}/?view=Learn&lesson=3")
    stage_ready(driver, "learn-equation", 60)
    time.sleep(1.0)
    sent = driver.execute_script("return window.__sent")

    def terms() -> list[list[float]]:
        return ask(
            driver,
            "learn-equation",
            "return [...stage.querySelectorAll('.dps-terms tbody tr')].map(r => [...r.querySelectorAll('td')]"
            ".map(c => Number(c.textContent.replace('\\u2212', '-'))))",
        )

    seen = []
    for step in (0, 20, 50):
        go_to_step(driver, "learn-equation", step)
        mean, kept, noise, total = terms()
        for parts in zip(mean, kept, noise, total, strict=True):
            assert sum(parts[:3]) == pytest.approx(parts[3], abs=0.0021), "three rounded numbers"
        seen.append(noise)
    assert seen[0] == [0, 0, 0] and seen[1] != seen[2]
    ask(driver, "learn-equation", "stage.querySelectorAll('.dps-schedules button')[1].click()")
    time.sleep(0.4)
    assert terms()[2] != seen[2], "the other schedule adds another share of the noise"
    assert driver.execute_script("return window.__sent") == sent


def test_the_charts_of_results_are_drawn_and_methods_can_be_hidden(driver: Any, address: str):
    driver.get(f"{address}/?view=Results")
    wait_for(lambda: len(driver.find_elements("css selector", ".dpb-chart svg[role=img]")) >= 3, 60, "the charts")
    marks = "return document.querySelector('.dpb-chart[data-chart=dots] svg[role=img]').querySelectorAll('path').length"
    before = driver.execute_script(marks)
    driver.execute_script("document.querySelector('.dpb-key button').click()")
    assert driver.execute_script(marks) == before - 16, "one mark an action and one for the average"
    driver.execute_script("document.querySelector('.dpb-key button').click()")
    assert driver.execute_script(marks) == before
