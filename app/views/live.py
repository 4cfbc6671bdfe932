"""Live camera: poses while the camera runs, from each picture and those before it."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.compute import networks
from app.figures.live import live_stage
from app.jobs.live import KEPT_S, LiveSession
from app.jobs.live_server import LiveServer
from app.live.component import live as component
from app.session import AppSettings, Session
from app.text import plain
from app.views.equations import EQ_MEAN
from app.views.layout import explanation
from app.widgets.common import uploads
from app.widgets.uploads import Pending
from diffpose_core.io.detectors import DETECTORS, how_to_install
from diffpose_core.io.untrusted.files import MIB
from diffpose_core.lifting.live import LiveLift
from diffpose_core.structures import InvalidInput

#: Where a visitor's camera is kept, with the settings that it was made for.
_CAMERA = "live_camera"
_DETECTOR = DETECTORS["blazepose"]


def live(session: Session) -> None:
    """The view."""
    explanation(
        "The online setting",
        "Every picture is lifted as it comes, by itself: no later picture is waited for, and nothing is smoothed over "
        "time. Camera tilt and body are estimated from the pictures so far. The sidebar's reverse steps and hypotheses "
        "count here too.",
        EQ_MEAN,
        "Pictures go from this page to the app on the same machine, and nowhere else. The last "
        f"{KEPT_S:.0f} seconds are held in memory until the camera is started again or you close the page.",
    )
    if not _DETECTOR.is_installed():
        st.info(f"Live poses need a detector of people: {how_to_install()}", icon=":material/photo_camera:")
        return
    if not _DETECTOR.has_weights():
        _download()
        return
    settings = session.settings.of_reverse()
    camera = _camera(settings)
    component(live_stage(settings.hypotheses), _server().port, camera.token, "live", _keep)


@st.cache_resource(show_spinner=False)
def _server() -> LiveServer:
    """The socket for all visitors' cameras, opened when somebody first wants one."""
    return LiveServer()


def _camera(settings: AppSettings) -> LiveSession:
    """This visitor's camera; other settings make a new one."""
    made, camera = st.session_state.get(_CAMERA, (None, None))
    if made != settings or camera is None:
        asked = replace(settings, setting="frame" if settings.setting == "frame" else "clip").lift_settings()
        models = networks.models("frame")
        camera = LiveSession(lambda: LiveLift(models, settings=asked), st.context.headers.get("Origin") or "")
        st.session_state[_CAMERA] = settings, camera
    _server().add(camera)
    return camera


def _download() -> None:
    st.info(
        f"{_DETECTOR.title} finds the person. Its weights are not on this machine yet: {_DETECTOR.download}.",
        icon=":material/download:",
    )
    words = "Once; they are kept on this machine."
    if not st.button("Download the weights", type="primary", key="live_weights", help=words):
        return
    bar = st.progress(0.0, "Asking the package index")

    def progress(done: int, total: int) -> None:
        words = f"Downloading: {done / MIB:.0f} of {total / MIB:.0f} MiB" if total else f"{done / MIB:.0f} MiB"
        bar.progress(done / total if total else 0.0, words)

    try:
        _DETECTOR.get_weights(progress)
    except InvalidInput as error:
        bar.empty()
        st.error(plain(str(error)))
        return
    st.rerun()


def _keep() -> None:
    """Make the last seconds a clip: they take the way of an uploaded video, and the page shows the result."""
    _, camera = st.session_state.get(_CAMERA, (None, None))
    state = uploads()
    if camera is None or state.pending is not None:
        return
    try:
        poses, pictures = camera.recorded()
    except InvalidInput as error:
        state.refused = str(error)
        return
    number = len(state.read)
    state.read.add(f"recorded {number}")
    state.refused, state.pending = None, Pending(poses, number, pictures, _DETECTOR.title)
    st.session_state["view"] = "Overview"
