"""Driving the stage in a real browser: its position, its cameras, keys, the mouse and downloads."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.browser import wait_for

SETTINGS = "hypotheses=2"  # few, for speed


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
