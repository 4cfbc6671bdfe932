"""Files that come at a bad moment in a real browser: while the page is drawn, while a window closes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import pose_files as files
from benchmarks.browser import wait_for

pytest.importorskip("selenium")

from tests.app.upload.driving import BOX, all_of, close, one, seen, send

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
