"""Ways to a clip without a file at hand: a demo video, and the camera of the visitor's device."""

from __future__ import annotations

import streamlit as st

from app.text import plain
from app.widgets.common import OTHER_WAYS, actions, uploads
from diffpose_core.io.demo_video import ABOUT, LICENCE, NAME, demo_video
from diffpose_core.io.untrusted.files import MIB
from diffpose_core.structures import InvalidInput


def control() -> None:
    """The button that opens the dialog, and the dialog while it is open."""
    if st.button(
        "No file at hand?",
        icon=":material/photo_camera:",
        width="stretch",
        help="Fetch a demo video, take a picture of yourself, or be lifted live.",
    ):
        st.session_state[OTHER_WAYS] = True
    if OTHER_WAYS in st.session_state and uploads().pending is None:
        _dialog()


def _close() -> None:
    st.session_state.pop(OTHER_WAYS, None)


@st.dialog("No file at hand?", width="medium", icon=":material/photo_camera:", on_dismiss=_close)
def _dialog() -> None:
    st.markdown(f"**A demo video.** {ABOUT}.")
    st.caption(f"{LICENCE}. It is checked by its SHA-256 and stays in this machine's memory.")
    if st.button("Fetch the demo video", icon=":material/download:"):
        _fetch()
    st.markdown("**Live.** Your pose in 3D while the camera runs; the last seconds can be kept as a clip.")
    st.button("Open the live camera", icon=":material/videocam:", on_click=_open_live, help="Go to the view Live.")
    st.markdown("**A picture of yours.** Stand so that the camera sees you from head to foot.")
    # The browser asks for the camera as soon as there is something that needs it.
    if st.toggle("Use this device's camera", key="camera_on"):
        taken = st.camera_input("Picture", label_visibility="collapsed")
        st.caption("The picture stays on the machine that runs this app.")
        if taken is not None:
            with actions():
                if st.button("Find the person", type="primary"):
                    _bring("camera.jpg", taken.getvalue())


def _open_live() -> None:
    _close()
    st.session_state["view"] = "Live"


def _fetch() -> None:
    bar = st.progress(0.0, "Asking the package index")

    def progress(done: int, total: int) -> None:
        bar.progress(done / total, f"Downloading: {done / MIB:.0f} of {total / MIB:.0f} MiB")

    try:
        content = demo_video(progress)
    except InvalidInput as error:
        bar.empty()
        st.error(plain(str(error)))
        return
    _bring(NAME, content)


def _bring(name: str, content: bytes) -> None:
    """Hand a file to the uploader, as if it had been put there."""
    uploads().brought = {name: content}
    _close()
    st.rerun()
