"""DiffPose beside its context encoder and the truth."""

from __future__ import annotations

import streamlit as st

from app.compute import lifting, networks, stages
from app.compute.kept import kept
from app.session import READS, Session
from app.views.blocks import stage_by_blocks
from app.views.equations import EQ_MEAN
from app.views.everybody import everybody
from app.views.layout import choice, explanation, options
from app.widgets.own_clip import people_of

LAYOUTS = ("Side by side", "Overlaid")
#: A further one, for files of several people.
EVERYBODY = "Everybody"

_MM = "%.1f mm"

TABLE_COLUMNS = {
    **{
        name: st.column_config.NumberColumn(format=_MM, help=f"Mean distance to the exact joint, {name}")
        for name in ("Graformer", "MixSTE", "DiffPose")
    },
    "Gain": st.column_config.NumberColumn(
        format=_MM, help="How much nearer to the truth DiffPose is, or below 0 how much further"
    ),
    "Hidden": st.column_config.NumberColumn(format="%.0f %%", help="Share of the frames in which the joint is hidden"),
}


def compare(session: Session) -> None:
    """DiffPose beside its context encoder beside the truth."""
    baseline = networks.models(READS[session.settings.setting]).encoder.title
    reads = {
        "frame": "the 2D pose",
        "clip": "the 2D pose, and the body's proportions and the camera's tilt as estimated from the whole clip",
        "video": "the 2D poses of 27 frames, and the body's proportions and the tilt as estimated from the whole clip",
    }[session.settings.setting]
    if session.settings.tilt_deg is not None:
        reads = "the 2D pose, the body's proportions as estimated from the clip, and the camera's tilt that you gave"
    truth = (
        "**Red** is the true pose."
        if session.clip.pose3d_cam is not None
        else "This clip comes without the true pose, so there is no error to show."
    )
    explanation(
        f"The result: DiffPose, {baseline} and the truth",
        f"{baseline} answers at once from {reads}. DiffPose averages its hypotheses after the last step. "
        f"They build on {baseline}'s $f_{{ST}}$, pose and depths; *Results* shows what each adds. {truth}",
        EQ_MEAN,
        f"$N$ = {session.settings.hypotheses} hypotheses here. Bones then get one length each for the whole clip.",
    )
    people = people_of(session.source)
    with options():
        layout = choice(
            "Skeletons",
            (*LAYOUTS, EVERYBODY) if people else LAYOUTS,
            "layout",
            "Every method in a scene of its own, or all in one scene beside the 2D pose that they were made from. Of a "
            "file of several people also everybody in one scene.",
        )
    if layout == EVERYBODY:
        everybody(session, people)
        return
    clip, source, settings = session.clip, session.source, session.settings.of_reverse()
    lifted = kept(lifting.whole_clip, session, settings)
    overlaid = layout == LAYOUTS[1]
    stage_by_blocks(
        "compare",
        session,
        [lifted],
        lambda frame, blocks: stages.compare_stage(source, clip, frame, settings, overlaid, *blocks),
    )
    table = stages.joint_table(source, clip, settings, lifted) if lifted.complete else None
    if table is not None:
        with st.expander(f"Error of every joint, mean of {len(lifted.frames)} frames, as a table"):
            st.dataframe(table, hide_index=True, column_config=TABLE_COLUMNS)
