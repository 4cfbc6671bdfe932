"""Options that take a number within bounds, checked while the command line is read."""

from __future__ import annotations

import argparse
from typing import Any

from diffpose_core.structures import InvalidInput
from diffpose_core.words import quoted, short

#: Bounds of options that count something in general: far above any use, low enough to end.
MOST_CLIPS = 1_000_000
MOST_FRAMES = 1_000_000
MOST_PROCESSES = 1024
#: NumPy, torch and Lightning all take seeds of 32 bits.
LARGEST_SEED = 2**32 - 1
#: Frames a second of 2D poses: from a time lapse to the fastest cameras.
MIN_FPS, MAX_FPS = 0.1, 10_000


class Number(argparse.Action):
    """Stores one number, or several with `nargs`, after a check of its bounds.

    An action rather than a type, since argparse tells an action the option's name, which the message needs.

    Args:
        kind: int or float.
        low: Smallest value.
        high: Largest value.
        above: True leaves out `low` itself.
        unit: Text after the bounds in a message, such as " m".
    """

    def __init__(self, *words: Any, kind: type[int] | type[float], low: float, high: float, above: bool = False,
                 unit: str = "", **more: Any):  # fmt: skip
        super().__init__(*words, **more)
        self.kind, self.low, self.high, self.above, self.unit = kind, low, high, above, unit

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        name = option or self.dest
        read = [self._read(word, name) for word in values] if isinstance(values, list) else self._read(values, name)
        setattr(namespace, self.dest, read)

    def _read(self, word: str, name: str) -> int | float:
        try:
            value = self.kind(word)
        except ValueError:
            kind = "a whole number" if self.kind is int else "a number"
            raise InvalidInput(f"{name} must be {kind}, found {quoted(word)}") from None
        # Comparisons with NaN are false.
        if not self.low <= value <= self.high or (self.above and value == self.low):
            bounds = f"be above {self.low:,.10g} and at most" if self.above else f"lie between {self.low:,.10g} and"
            raise InvalidInput(f"{name} must {bounds} {self.high:,.10g}{self.unit}, found {short(word)}")
        return value


def add_whole(
    parser: argparse._ActionsContainer, option: str, low: int, high: int, default: int | None = None, *, help: str
) -> None:
    """Add an option that takes a whole number from `low` to `high`."""
    parser.add_argument(option, action=Number, kind=int, low=low, high=high, default=default, help=help)


def add_real(
    parser: argparse._ActionsContainer,
    option: str,
    low: float,
    high: float,
    default: float | None = None,
    *,
    help: str,
    **more: Any,
) -> None:
    """Add an option that takes a finite number from `low` to `high`. For more arguments see `Number`."""
    parser.add_argument(option, action=Number, kind=float, low=low, high=high, default=default, help=help, **more)
