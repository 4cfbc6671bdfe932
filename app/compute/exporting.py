"""Lifting of a whole clip for a download: once for its content and settings, and kept in the session."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.compute import networks
from app.jobs.memory import give_back_memory
from app.session import READS, AppSettings
from diffpose_core.lifting.lift import lift
from diffpose_core.structures import LiftResult, PoseClip2D

_LIFTED = "lifted_clips"
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
    results = st.session_state.get(_LIFTED, {})
    st.session_state[_LIFTED] = {key: result for key, result in results.items() if key[0] != source}


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
