"""Text of our own components against what it stands on, in both themes, by WCAG 2: 4.5 to 1 and more."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest

from benchmarks.browser import ROOT

LEAST = 4.5
THEMES = ("light", "dark")
HEX = r"#[0-9a-f]{6}"


def read(path: str) -> str:
    return (ROOT / "app" / path).read_text(encoding="utf-8")


def rgb(colour: str) -> tuple[float, float, float]:
    digits = colour.removeprefix("#")
    digits = "".join(2 * d for d in digits) if len(digits) == 3 else digits
    red, green, blue = (int(digits[i : i + 2], 16) for i in (0, 2, 4))
    return red, green, blue


def mixed(
    colour: tuple[float, float, float], share: float, below: tuple[float, float, float]
) -> tuple[float, float, float]:
    red, green, blue = (share * c + (1 - share) * b for c, b in zip(colour, below, strict=True))
    return red, green, blue


def luminance(colour: tuple[float, float, float]) -> float:
    linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def rule(css: str, selector: str) -> str:
    """Properties that a style rule sets. selector: as it is written."""
    return css.split(f"{selector} {{")[1].split("}")[0]


def themed(css: str, root: str, theme: str, pattern: str) -> list[str]:
    """Match of a pattern in the rule of a root for a theme, or in the rule for both."""
    special = re.findall(pattern, rule(css, f'{root}[data-theme="dark"]')) if theme == "dark" else []
    return special or re.findall(pattern, rule(css, root))


def shades(name: str, theme: str) -> list[str]:
    """A palette's colours, or those that tell components apart."""
    found = re.search(rf"{name}: {{ light: \[(.*?)\], dark: \[(.*?)\] }}", read("stage/js/theme.js"))
    if found is None:
        found = re.search(rf"{name} = {{\s*light: \[(.*?)\],\s*dark: \[(.*?)\],", read("stage/js/theme.js"))
    assert found is not None, name
    return re.findall(HEX, found[1 + THEMES.index(theme)])


def label(theme: str) -> str:
    """The colour of words on canvases."""
    dark, light = re.findall(rf'label: dark \? "({HEX})" : "({HEX})"', read("stage/js/theme.js"))[0]
    return dark if theme == "dark" else light


def texts(theme: str) -> Iterator[tuple[str, str, str, tuple[tuple[float, float, float], float] | None]]:
    """Name, colour, background, and a veil over the background: its colour and how much of it."""
    stage, board = read("stage/css/stage.css"), read("board/board.css")
    colours = tomllib.loads(read(".streamlit/config.toml"))["theme"][theme]
    page, ink, accent = colours["backgroundColor"], colours["textColor"], colours["primaryColor"]
    panel = ".dps-panel" if theme == "light" else '.dps[data-theme="dark"] .dps-panel'
    panels = re.findall(HEX, rule(stage, panel))
    assert len(panels) == 2, "from top to bottom"
    veil = re.findall(r"--soft: rgba\((\d+), (\d+), (\d+), ([.\d]+)\)", stage)[THEMES.index(theme)]
    red, green, blue, share = map(float, veil)
    soft = (red, green, blue), share
    (muted,) = themed(stage, ".dps", theme, rf"--muted: ({HEX})")
    (of_board,) = themed(board, ".dpb", theme, rf"--muted: ({HEX})")
    for under in (page, *panels):
        yield "text", ink, under, None
        yield "small words", muted, under, None
        yield "small words on a chip", muted, under, soft
        yield "words on a canvas", label(theme), under, None
    yield "small words of Results", of_board, page, None
    yield "a button in the main colour", accent, page, None
    for name in ('.dps-segment button[aria-pressed="true"]', ".dps-play", ".dps-done"):
        css = read("stage/css/player.css") if name == ".dps-play" else stage
        selector = f".dps {name}" if theme == "light" else f'.dps[data-theme="dark"] {name}'
        yield name, re.findall(r"[^-]color: (#\w+)", rule(css, selector))[0], accent, None
    for name in shades("names", theme):
        yield "a joint's name", name, page, None
    terms = re.findall(r'"(\w+)"', read("stage/js/terms.js").split("TERM_COLOURS = {")[1].split("}")[0])
    assert terms
    for term in terms:
        number = term.removeprefix("component")
        colour = shades("SEPARATE", theme)[int(number)] if number.isdigit() else shades(term, theme)[2]
        for under in panels:
            yield f"the equation's {term}", colour, under, None
    for colour in shades("SEPARATE", theme):
        yield "a component's number", page, colour, None


@pytest.mark.parametrize("theme", THEMES)
def test_words_stand_out(theme: str) -> None:
    faint = []
    for name, colour, under, veil in texts(theme):
        below = rgb(under) if veil is None else mixed(*veil, rgb(under))
        found = contrast(rgb(colour), below)
        if found < LEAST:
            faint.append(f"{name}: {colour} on {under} is {found:.2f} to 1")
    assert not faint


def test_the_measure_is_that_of_the_standard() -> None:
    assert contrast(rgb("#000"), rgb("#fff")) == pytest.approx(21)
    assert contrast(rgb("#777777"), rgb("#ffffff")) == pytest.approx(4.48, abs=0.01)
