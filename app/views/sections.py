"""The parts of the story; the overview shows all of them, each page one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import streamlit as st

from app import services
from app.lifting import Blocks
from app.stage import stage
from app.state import READS, SCHEDULES
from app.views.common import Session, dialog_is_open, kept, plan_neighbours, section

# Equations of several lines fit on a phone too.
EQ_FORWARD = r"""\begin{aligned} \hat h_k &= \mu^G + \sqrt{\alpha_k}\,(h_0 - \mu^G) + \sqrt{1-\alpha_k}\;\epsilon^G \\
    \epsilon^G &\sim \mathcal N(0, \Sigma_m) \end{aligned}"""
EQ_REVERSE = {
    "previous": r"h_{k-1} = g\big(h_k,\; f_{ST},\; f_D^k\big)\qquad k = K, \dots, 1",
    "x_start": r"""\begin{aligned} \hat h_0 &= g\big(h_k,\; f_{ST},\; f_D^k\big) \\
        h_{k-1} &= \mu^G + \sqrt{\alpha_{k-1}}\,(\hat h_0 - \mu^G) \\
        &\quad + \sqrt{1-\alpha_{k-1}}\;\hat\epsilon \end{aligned}""",
    "noise": r"\hat\epsilon = g\big(h_k,\; f_{ST},\; f_D^k\big)\qquad h_{k-1} \text{ from Eq. 1}",
}
EQ_MEAN = r"\text{prediction} = \tfrac1N \textstyle\sum_{n=1}^{N} h_0^{(n)}"


LAYOUTS = ("Side by side", "Overlaid")
NOISES = {"eq1": "One draw (Eq. 1)", "eq2": "New every step (Eq. 2)"}

Option = TypeVar("Option", bound=str)

_MM = "%.1f mm"
TABLE_COLUMNS = {
    **{
        name: st.column_config.NumberColumn(format=_MM, help=f"Mean distance to the exact joint, {name}")
        for name in ("Graformer", "MixSTE", "DiffPose")
    },
    "Gain": st.column_config.NumberColumn(format=_MM, help="How much nearer DiffPose is; below 0: further away"),
    "Hidden": st.column_config.NumberColumn(format="%.0f %%", help="Share of the frames in which something hides it"),
}


def _choice(
    label: str, options: Sequence[Option], key: str, help_: str, words: Callable[[Option], str] = str
) -> Option:
    """One of a few options in a row with its name, remembered in the address."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
        st.markdown(f":small[{label}]", help=help_, width="content")
        picked: Option = st.segmented_control(
            label,
            options,
            default=options[0],
            required=True,
            format_func=words,
            key=key,
            bind="query-params",
            label_visibility="collapsed",
        )
    return picked


def _pick_frame(frame: int) -> None:
    st.session_state["frame"] = frame


def _open_view(view: str, frame: int) -> None:
    st.session_state["view"] = view
    st.session_state["frame"] = frame


def overview(session: Session, views: Sequence[str]) -> None:
    """The whole way as a strip; views: the names of those that its parts may lead to."""
    clip, source, settings = session.clip, session.source, session.settings.of_reverse()
    lifted = kept(services.spaced, session, settings, True)
    _stage_by_blocks(
        "overview",
        session,
        [lifted],
        lambda frame, blocks: services.overview_stage(source, clip, frame, settings, tuple(views), *blocks),
        on_open=_open_view,
    )


def _stage_by_blocks(
    key: str,
    session: Session,
    jobs: Sequence[Blocks],
    pack: Callable[[int, Sequence[Blocks]], bytes],
    on_open: Callable[[str, int], None] | None = None,
) -> None:
    """A stage that shows the picked frame at once, and all frames when they are lifted.

    pack: the stage's data, called with the picked frame and the jobs, or none of them as long as one is unfinished.
    While a dialog is open the other frames wait: the page behind it would keep it from answering.
    """
    complete = all(job.complete for job in jobs)
    with st.spinner("Lifting this frame from 2D to 3D", show_time=True):
        data = pack(session.frame, jobs if complete else ())
    stage(data, key, on_open=on_open)
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


def forward(session: Session) -> None:
    """Forward diffusion: standard beside GMM."""
    section(
        "",
        "Forward diffusion: what noise does to a pose",
        "Training starts from a known pose $h_0$ and adds noise for 50 steps. Standard diffusion adds the same "
        "noise to every joint, so the body dissolves. DiffPose draws its noise from **this image's uncertainty**: "
        "a mixture of Gaussians (GMM) fitted to the poses that the 2D picture allows.",
        EQ_FORWARD,
        "Eq. 1 of the supplement. $\\mu^G$ and $\\Sigma_m$ belong to one component of the mixture, drawn once per "
        "sample. Standard diffusion: $\\mu^G = 0$, $\\Sigma = I$.",
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        schedule = _choice(
            "Schedule",
            list(SCHEDULES),
            "schedule",
            "How much noise every step adds in the first two scenes; the third shows the other schedule.",
            lambda name: SCHEDULES[name],
        )
        noise = _choice(
            "Noise",
            list(NOISES),
            "noise",
            "Eq. 1 keeps one draw of noise for all k, so that paths are smooth; Eq. 2 adds a new draw at every step.",
            lambda name: NOISES[name],
        )
    settings = replace(session.settings, schedule=schedule, stepwise=noise == "eq2")
    pack = partial(services.forward_stage, session.source, session.clip, settings=settings)
    with st.spinner("Adding noise, 50 steps, 200 samples"):
        data = pack(session.frame)
    stage(data, "forward", on_frame=_pick_frame)
    plan_neighbours(session, pack)
    st.caption(
        "Violet is $H_K$, where the reverse process starts at test time. "
        + " ".join(
            f"The {SCHEDULES[name].lower()} schedule still holds {services.alpha_end(name) ** 0.5:.0%} of $h_0$ at "
            f"$k = 50$ ($\\sqrt{{\\alpha_{{50}}}} = {services.alpha_end(name) ** 0.5:.3f}$)"
            + (", so its cloud does **not** reach $H_K$." if name == "supplement" else ", so its cloud arrives there.")
            for name in SCHEDULES
        )
    )


def reverse(session: Session) -> None:
    """Reverse diffusion: without f_ST above, with it below."""
    section(
        "",
        "Reverse diffusion: from many poses to one",
        "Now backwards: the network $g$ takes uncertain poses and removes the noise step by step. Both scenes "
        "start from the same samples, use the same noise and know the same mixture. Only the second also gets "
        "$f_{ST}$, what the context encoder made of the whole 2D pose.",
        EQ_REVERSE[services.predicts(session.settings)],
        "$f_D^k$ tells the network which step it is at; $\\hat\\epsilon$ is the noise that is left (DDIM). The slider "
        "runs from $k = 50$ down to 0.",
    )
    clip, source, settings = session.clip, session.source, session.settings.of_reverse()
    _stage_by_blocks(
        "reverse",
        session,
        [kept(services.spaced, session, settings, context) for context in (True, False)],
        lambda frame, blocks: services.reverse_stage(source, clip, frame, settings, *blocks),
    )


def compare(session: Session) -> None:
    """DiffPose beside its context encoder beside the truth."""
    baseline = services.models(READS[session.settings.setting]).encoder.title
    reads = {
        "frame": "the 2D pose",
        "fixed": "the 2D pose and the camera's tilt, which all frames together tell",
        "video": "the 2D poses of 27 frames",
    }[session.settings.setting]
    truth = (
        "The **red** skeleton is where the joints really are."
        if session.clip.pose3d_cam is not None
        else "This clip doesn't come with its exact 3D, so there is no error to show."
    )
    section(
        "",
        f"The result: DiffPose, {baseline} and the truth",
        f"{baseline} answers at once from {reads}. DiffPose averages its hypotheses after the last step. {truth}",
        EQ_MEAN,
        f"$N$ = {session.settings.hypotheses} hypotheses here; bones then keep their lengths over the clip.",
    )
    layout = _choice(
        "Skeletons",
        LAYOUTS,
        "layout",
        "Every method in a scene of its own, or all in one scene beside the 2D pose that they were made from.",
    )
    clip, source, settings = session.clip, session.source, session.settings.of_reverse()
    lifted = kept(services.whole_clip, session, settings)
    overlaid = layout == LAYOUTS[1]
    _stage_by_blocks(
        "compare",
        session,
        [lifted],
        lambda frame, blocks: services.compare_stage(source, clip, frame, settings, overlaid, *blocks),
    )
    table = services.joint_table(source, clip, settings, lifted) if lifted.complete else None
    if table is not None:
        with st.expander(f"Error of every joint, mean of {len(lifted.frames)} frames, as a table"):
            st.dataframe(table, hide_index=True, column_config=TABLE_COLUMNS)
