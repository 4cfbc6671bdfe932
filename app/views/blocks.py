"""Stages whose frames are lifted block by block while the page shows the first one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from app.jobs.lifting import Blocks
from app.jobs.prefetch import Prefetcher
from app.session import Session
from app.stage.component import Asked, stage
from app.widgets.common import dialog_is_open


def prefetcher() -> Prefetcher:
    """The jobs that run ahead for this visitor."""
    found: Prefetcher = st.session_state.setdefault("prefetcher", Prefetcher())
    return found


def plan_neighbours(session: Session, pack: Callable[[int], bytes]) -> None:
    """Have a view's data ready for the frames beside the picked one. pack: makes and caches the data of a frame."""
    beside = (f for f in (session.frame + 1, session.frame - 1) if 0 <= f < len(session.clip))
    prefetcher().plan([partial(pack, frame) for frame in beside])


def stage_by_blocks(
    key: str,
    session: Session,
    jobs: Sequence[Blocks],
    pack: Callable[[int, Sequence[Blocks]], bytes],
    asked: Asked | None = None,
) -> None:
    """A stage that shows the picked frame at once, and all frames when they are lifted.

    pack: the stage's data, called with the picked frame and the jobs, or none of them as long as one is unfinished.
    While a dialog is open the other frames wait: the page behind it would keep it from answering.
    """
    complete = all(job.complete for job in jobs)
    with st.spinner("Lifting this frame from 2D to 3D", show_time=True):
        data = pack(session.frame, jobs if complete else ())
    stage(data, key, asked)
    if dialog_is_open():
        return
    if complete:
        plan_neighbours(session, lambda frame: pack(frame, jobs))
        return
    total = sum(len(job.frames) for job in jobs)
    bar = st.progress(0.0)
    for job in jobs:
        while not job.complete:
            done = sum(other.done for other in jobs)
            bar.progress(done / total, f"This frame is ready. Lifting the others: {done} of {total}")
            job.advance()
    st.rerun()
