"""Lifting of a whole clip for a download: once for its content and settings, and kept in the session."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.compute import networks
from app.jobs.memory import give_back_memory
from app.session import READS, AppSettings
from diffpose_core.lifting.finish import Finish, finished
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.world.frame import upright_of
from diffpose_core.structures import LiftResult, PoseClip2D

_LIFTED = "lifted_clips"
#: Results of all people of a file.
PEOPLE = "lifted_people"
_FINISHED = "finished_clip"
#: Results that a browser session keeps.
_MOST = 2
#: Poses of hypotheses in a result at most: these take 50 MB.
MOST_HYPOTHESES = 250_000


def keeps_hypotheses(clip: PoseClip2D, settings: AppSettings) -> bool:
    """True where the result of a clip holds every hypothesis beside their mean."""
    return len(clip) * settings.hypotheses <= MOST_HYPOTHESES


def lifted(source: str, settings: AppSettings) -> LiftResult | None:
    """The whole clip in 3D, or None where it was not lifted with these settings. source: the clip's hash."""
    found: LiftResult | None = st.session_state.setdefault(_LIFTED, {}).get((source, settings.of_reverse()))
    return found


def forget_lifted(source: str) -> None:
    """Drop the results of a clip."""
    for name in (_LIFTED, PEOPLE):
        results = st.session_state.get(name, {})
        st.session_state[name] = {key: result for key, result in results.items() if key[0] != source}
    st.session_state.pop(_FINISHED, None)


def finished_clip(
    source: str, clip: PoseClip2D, settings: AppSettings, result: LiftResult, finish: Finish
) -> LiftResult:
    """The whole clip as a person wants it; the last one is kept.

    Args:
        source: the clip's hash.
        clip: in 2D.
        settings: that it was lifted with.
        result: of `lift_whole`.
        finish: what is wanted.

    Raises:
        InvalidInput: as `lifting.finish.finished`.
    """
    key, models = (source, settings.of_reverse(), finish), networks.models(READS[settings.setting])
    last = st.session_state.get(_FINISHED)
    if last is not None and last[0] == key and last[1] is result:
        kept: LiftResult = last[2]
        return kept
    made = finished(result, clip, finish, lambda: upright_of(result, clip, models))
    st.session_state[_FINISHED] = (key, result, made)
    return made


def lift_whole(
    source: str, clip: PoseClip2D, settings: AppSettings, progress: Callable[[int, int], bool | None]
) -> LiftResult:
    """Lift all frames of a clip and keep the result. progress: called with the frames done and the frames in all.

    Raises InvalidInput as `lift`.
    """
    s = settings.of_reverse()
    try:
        result = lift(
            clip,
            networks.models(READS[s.setting]),
            s.lift_settings(),
            keep_hypotheses=keeps_hypotheses(clip, s),
            progress=progress,
        )
    finally:
        give_back_memory()
    kept = {(source, s): result, **st.session_state.get(_LIFTED, {})}
    st.session_state[_LIFTED] = dict(list(kept.items())[:_MOST])
    return result
