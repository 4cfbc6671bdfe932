"""The 3D pose of the whole clip as a file for other programs."""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from app.compute import exporting
from app.figures import angle_chart, pose_preview
from app.session import Session
from app.text import plain
from app.widgets.common import EXPORTING, picture, uploads
from diffpose_core.io.exports import EXPORTS, export_bytes, file_name
from diffpose_core.io.frame import positions_y_up
from diffpose_core.joint_angles import joint_angles
from diffpose_core.lifting.finish import Finish
from diffpose_core.lifting.stature import STATURES_M, predicted_stature
from diffpose_core.structures import InvalidInput, LiftResult

#: Cut-offs that smoothing can be set to, Hz.
SMOOTHING_HZ = (10.0, 8.0, 6.0, 4.0, 2.0)


def control(session: Session) -> None:
    """The button that opens the dialog, and the dialog while it is open."""
    if st.button(
        "Download the 3D pose",
        icon=":material/download:",
        width="stretch",
        help="Lift the whole clip with these settings and save it for Python, Blender, OpenSim or a spreadsheet.",
    ):
        st.session_state[EXPORTING] = True
    if EXPORTING in st.session_state and uploads().pending is None:
        _dialog(session)


def _close() -> None:
    st.session_state.pop(EXPORTING, None)


@st.dialog("Download the 3D pose", width="medium", icon=":material/download:", on_dismiss=_close)
def _dialog(session: Session) -> None:
    clip, settings = session.clip, session.settings
    result = exporting.lifted(session.source, settings)
    if result is None:
        question = st.empty()
        with question.container():
            st.markdown(
                f"First all {len(clip):,} frames are lifted with the settings of the sidebar: {settings.steps} steps, "
                f"{settings.hypotheses} hypotheses, seed {settings.seed}. Closing this window stops it."
            )
            begun = st.button(
                "Lift the clip", type="primary", help="Runs DiffPose on every frame; then choose a format."
            )
        if not begun:
            return
        try:
            result = _lift(session)
        except InvalidInput as error:
            st.error(plain(str(error)))
            return
        question.empty()
    for warning in result.provenance.get("warnings", ()):
        st.warning(plain(warning))
    wanted = _wanted_size(result)
    try:
        made = exporting.finished_clip(session.source, clip, settings, result, _wanted(wanted))
    except InvalidInput as error:
        st.error(plain(str(error)))
        return
    for note in made.provenance.get("world", {}).get("notes", ()):
        st.caption(note)
    _path(made)
    _angles(made)
    _formats(made, exporting.keeps_hypotheses(clip, settings))


def _wanted_size(result: LiftResult) -> float | None:
    """The person's height in metres, asked for."""
    height = st.number_input(
        "The person's height, if you know it (metres)",
        *STATURES_M,
        value=None,
        step=0.01,
        format="%.2f",
        placeholder="as predicted",
        key="height",
        help="A single picture can't tell a small person from one further away; with a height, everything is scaled.",
    )
    predicted = predicted_stature(result)
    words = "Lower leg, thigh, trunk, neck and head together are"
    if height is None:
        st.caption(f"{words} {predicted:.2f} m, as predicted.")
    elif predicted > 0:
        st.caption(f"{words} {predicted:.2f} m as predicted: the file is scaled by {height / predicted:.3f}.")
    return height


def _wanted(height: float | None) -> Finish:
    """Smoothing and the world frame, asked for. height: metres, or None."""
    left, right = st.columns(2, vertical_alignment="bottom")
    world = left.toggle(
        "On the floor",
        key="world",
        help="A world frame for cameras that stand still: upright, the floor at 0, the person walks through it, and "
        "feet that stand do not slide.",
    )
    smooth = right.select_slider(
        "Smoothing",
        (None, *SMOOTHING_HZ),
        format_func=lambda cutoff: "off" if cutoff is None else f"{cutoff:g} Hz",
        key="smooth",
        help="A low-pass filter: faster motion is taken out. 6 Hz is usual for walking.",
    )
    return Finish(height, smooth, world)


def _path(result: LiftResult) -> None:
    """The path of the hip seen from above, for clips with a known camera."""
    if result.root_cam is None:
        return
    away = result.root_cam[:, 2]
    words = f"Where the hip was, seen from above: {away.min():.1f} to {away.max():.1f} m from the camera."
    picture(pose_preview.path_from_above(result.root_cam, st.context.theme.type == "dark"), words)
    st.caption(f"{words} The ring is the first frame, the dot the last. Known because this clip brings its camera.")


def _angles(result: LiftResult) -> None:
    """Joint angles over the clip, one chart at a time."""
    with st.expander("Joint angles over time", icon=":material/show_chart:"):
        picked = st.selectbox(
            "Angle",
            angle_chart.choices(),
            format_func=angle_chart.label,
            key="angle",
            help="All of them are in the file of joint angles below. Ankles are not known: 17 joints have no toes.",
        )
        angles = joint_angles(positions_y_up(result))
        dark = st.context.theme.type == "dark"
        words = f"{angle_chart.label(picked)}: above 0 where {angle_chart.meaning(picked)}."
        picture(angle_chart.angle_chart(angles, picked, result.fps, dark), words)
        leans = picked.startswith(("trunk_forward", "trunk_side", "pelvis_obliquity"))
        level = " Measured against the camera's up: it is right where the camera is level." if leans else ""
        st.caption(words + (level if result.world is None else ""))


def _lift(session: Session) -> LiftResult:
    bar = st.progress(0.0, "Lifting the first frames")
    begin = time.monotonic()

    def progress(done: int, total: int) -> None:
        left = (time.monotonic() - begin) * (total - done) / done
        bar.progress(done / total, f"Lifting: {done:,} of {total:,} frames, about {left:,.0f} s left")

    result = exporting.lift_whole(session.source, session.clip, session.settings, progress)
    bar.empty()
    return result


def _formats(result: LiftResult, with_hypotheses: bool) -> None:
    """A button and a sentence for every format; a file is made when its button is clicked."""

    def content(name: str) -> Callable[[], bytes]:
        return lambda: export_bytes(result, name)[0]

    for name, form in EXPORTS.items():
        button, words = st.columns([1, 1.6], vertical_alignment="center")
        too_long = form.max_frames is not None and len(result) > form.max_frames
        button.download_button(
            form.label,
            content(name),
            file_name(result, name),
            form.media_type,
            key=f"export_{name}",
            on_click="ignore",
            icon=":material/download:",
            width="stretch",
            disabled=too_long,
            help=f"Saves {file_name(result, name)}",
        )
        words.markdown(form.description + (f" **This clip has {len(result):,}: too many.**" if too_long else ""))
    without = "" if with_hypotheses else " The clip is long: the files hold the prediction without hypotheses."
    st.caption(
        f"{len(result):,} frames at {result.fps:g} a second. A prediction, not a measurement; every file says its "
        f"units and axes.{without}"
    )
