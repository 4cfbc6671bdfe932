"""Lifting of all people of a file, one after the other, kept in the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from app.compute import networks
from app.compute.exporting import PEOPLE
from app.figures.everybody import Placed
from app.jobs.memory import give_back_memory
from app.session import READS, AppSettings
from diffpose_core.io.formats import ChosenClip
from diffpose_core.lifting.finish import Finish, finished
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.world.frame import upright_of
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short


def lift_everybody(
    source: str, people: Mapping[str, ChosenClip], settings: AppSettings, progress: Callable[[float, str], object]
) -> tuple[dict[str, Placed], Sequence[str]]:
    """Everybody in the world frame of the first; those who were lifted before are not lifted again.

    Args:
        source: The clip's hash.
        people: Clips by the people's keys.
        settings: The visitor's.
        progress: Called with the share that is done and a sentence.

    Returns:
        The people, and sentences on those who can't be placed.

    Raises:
        InvalidInput: Nobody can be placed.
    """
    asked = settings.of_reverse()
    kept: dict[str, Placed | str] = st.session_state.setdefault(PEOPLE, {}).setdefault((source, asked), {})
    total = sum(len(one.clip) for one in people.values())
    before = 0
    for key, chosen in people.items():
        if key not in kept:
            beside = next((one for one in kept.values() if isinstance(one, Placed)), None)
            kept[key] = _placed(chosen, asked, beside, _telling(progress, key, before, total))
        before += len(chosen.clip)
    placed = {key: one for key, one in kept.items() if isinstance(one, Placed)}
    refused = [f"Person {short(key, 24)} is left out: {one}." for key, one in kept.items() if isinstance(one, str)]
    if not placed:
        raise InvalidInput(" ".join(refused))
    return placed, refused


def _telling(progress: Callable[[float, str], object], key: str, before: int, total: int) -> Callable[[int, int], None]:
    """Tells the progress of one person as that of all. before: frames of those who are done. total: frames of all."""

    def tell(done: int, count: int) -> None:
        progress((before + done) / total, f"Lifting person {short(key, 24)}: {done:,} of {count:,} frames")

    return tell


def _placed(
    chosen: ChosenClip, settings: AppSettings, beside: Placed | None, progress: Callable[[int, int], None]
) -> Placed | str:
    """One person on the floor, or the reason why that can't be."""
    models = networks.models(READS[settings.setting])
    try:
        result = lift(chosen.clip, models, settings.lift_settings(), keep_hypotheses=False, progress=progress)
        made = finished(
            result, chosen.clip, Finish(world=True), lambda: upright_of(result, chosen.clip, models),
            None if beside is None else beside.result,
        )  # fmt: skip
    except InvalidInput as error:
        return str(error)
    finally:
        give_back_memory()
    return Placed(made, chosen.first_frame)
