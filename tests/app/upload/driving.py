"""Driving uploads in a real browser: files are chosen, buttons clicked, the page's state read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import pose_files as files
from benchmarks.browser import AT_REST, stage_ready, wait_for

REFUSAL = ".st-key-news [role=alert]"
#: Where a person puts a file: the uploader that is to be seen.
BOX = """[...document.querySelectorAll("[data-testid=stFileUploader] input[type=file]")].filter(
  (box) => box.closest("[data-testid=stFileUploader]").offsetParent).at(-1)"""
STAGE = "document.querySelector(\".dps[data-stage='reverse']\")"


def seen(frames: int, layout: str) -> np.ndarray:
    return files.detected(files.walking(frames), layout)


def one(name: str, content: bytes) -> dict[str, bytes]:
    return {name: content}


def all_of(driver: Any, selector: str) -> list[Any]:
    return driver.find_elements("css selector", selector)


def dialog_closed(driver: Any) -> None:
    wait_for(lambda: not all_of(driver, "[role=dialog]"), 90, "the dialog's end")


def click(driver: Any, label: str, within: str = "") -> None:
    """Click the button of that label once it is there and may be clicked, wherever on the page it is."""
    wait_for(
        lambda: driver.execute_script(
            "const b = [...document.querySelectorAll(arguments[1] + ' button, ' + arguments[1] + ' label')]"
            ".find(b => b.innerText.trim().split('\\n').pop() === arguments[0] && !b.disabled);"
            "if (b) b.click(); return Boolean(b);",
            label,
            within,
        ),
        30,
        f"the button {label}",
    )


def send(driver: Any, folder: Path, named: dict[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in named.items():
        (folder / name).write_bytes(content)
    # A person does not choose a file in the very moment in which a window closes.
    wait_for(lambda: driver.execute_script(AT_REST), 120, "the app at rest")
    box = wait_for(lambda: driver.execute_script(f"return {BOX}"), 90, "the uploader")
    driver.execute_script("arguments[0].value = ''", box)  # the driver adds to what it chose before; a person doesn't
    box.send_keys("\n".join(str(folder / name) for name in named))


def state(driver: Any, name: str) -> Any:
    return driver.execute_script(f"return {STAGE}?.dataset.{name}")


def wait_for_new_stage(driver: Any, old: str) -> None:
    wait_for(lambda: state(driver, "hash") not in (None, old), 40, "the new clip's data")
    stage_ready(driver, "reverse", 40)
    # The clip's first frame is shown at once, all of them a moment later.
    wait_for(lambda: not all_of(driver, "[data-testid=stMain] [data-testid=stProgress]"), 40, "all frames")


def painted(driver: Any) -> int:
    return driver.execute_script(
        f"const c = {STAGE}.querySelector('.dps-over');"
        "return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter(v => v).length"
    )


def close(driver: Any) -> None:
    all_of(driver, "[role=dialog] button[aria-label=Close]")[0].click()
    dialog_closed(driver)
