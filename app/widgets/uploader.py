"""Uploads of 2D poses and videos, read as soon as they arrive."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.text import log_exception, plain
from app.widgets.common import EXPORTING, keep, uploads
from app.widgets.confirm_upload import confirm
from app.widgets.find_people import find_people
from app.widgets.uploads import Pending, PendingVideo, Uploads
from diffpose_core.io.detectors import DETECTORS, how_to_install
from diffpose_core.io.formats import FORMATS
from diffpose_core.io.formats.apart import read_pose_files_apart, start_reader
from diffpose_core.io.video_apart import video_facts_apart
from diffpose_core.io.video_file import is_video
from diffpose_core.structures import InvalidInput


def uploader() -> None:
    """The uploader, the outcome of the last file, and the dialog on its format."""
    _start_reader()
    state = uploads()
    if len(state.boxes) > 1:
        st.html(_unseen(list(state.boxes)[:-1]))
    arrived = {number: [file for file in _box(number) if file.file_id not in state.read] for number in state.boxes}
    # One file after the other: files that arrive during a dialog wait in the uploader.
    if any(arrived.values()) and state.pending is None:
        number, unread = next((number, files) for number, files in arrived.items() if files)
        names = unread[0].name if len(unread) == 1 else f"{len(unread)} files"
        with st.spinner(f"Reading {plain(names)}"):
            st.session_state.pop(EXPORTING, None)  # only one window can be open: the new file's
            _receive(state, [(file.name, file.getvalue()) for file in unread])
            # Nothing between these two may end the run: the file would be lost, or read twice.
            state.read.update(file.file_id for file in unread)
            state.boxes[number] += len(unread)
            if state.pending is None:
                state.renew_uploader()
            _let_go(unread)
        st.rerun()
    if state.brought and state.pending is None:
        files, state.brought = [*state.brought.items()], {}
        _receive(state, files)
        state.read.add(f"brought {len(state.read)}")
    _news(state)
    if isinstance(state.pending, PendingVideo):
        find_people()
    elif state.pending is not None:
        confirm()


def _news(state: Uploads) -> None:
    """Message on the last file, or on a link to a clip, over the page until it is closed."""
    if state.lost is None and state.refused is None:
        return
    with st.container(key="news", gap="small"):
        if state.lost is not None:
            lost = plain(state.lost[:80])
            st.info(f"The link is to the clip {lost}, which is not here. If it is a file of yours, upload it again.")
        if state.refused is not None:
            st.error(f"**This can't be used; nothing else has changed.** {plain(state.refused)}")
        st.button("Close", key="close_news", help="Close this message.", on_click=state.close_news)


@st.cache_resource(show_spinner=False)
def _start_reader() -> None:
    """Start the process that reads files once for all visitors."""
    start_reader()


def _key(number: int) -> str:
    return f"upload_{number}"


def _box(number: int) -> list[UploadedFile]:
    return st.file_uploader(
        "Your own 2D poses or video",
        accept_multiple_files=True,
        key=_key(number),
        help=f"A video, or what a 2D pose detector wrote, recognised by its content: {FORMATS}.",
    )


def _unseen(boxes: Sequence[int]) -> str:
    """Style that hides uploaders, but for files that are on their way in them."""
    travels = ":has([data-testid=stFileChipIconSpinner])"
    every = ", ".join(f".st-key-{_key(number)}" for number in boxes)
    return (
        f"<style>:is({every}):not({travels}) {{ display: none; }} "
        f":is({every}) [data-testid=stFileChip]:not({travels}) {{ display: none; }}</style>"
    )


def _let_go(files: Sequence[UploadedFile]) -> None:
    """Remove files that were read from the server; Streamlit would keep them until the browser is closed."""
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        for file in files:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


def _receive(state: Uploads, files: Sequence[tuple[str, bytes]]) -> None:
    """Read uploaded files. Files that can't be used change nothing but the message."""
    state.refused = None
    named: dict[str, bytes] = {}
    for name, content in files:
        # Two folders may hold files of one name.
        named[name if name not in named else f"{len(named)}/{name}"] = content
    number = len(state.read)
    try:
        if is_video(files[0][1]):
            state.pending = _video(*files[0], number)
            return
        poses = read_pose_files_apart(named)
        if poses.clips[0].original is not None:
            keep(state, poses.clips[0].original, poses.format, poses.notes)
        else:
            state.pending = Pending(poses, number)
    except InvalidInput as error:
        state.refused = str(error)
    except Exception:  # a mistake of ours must not cost the person the clip that is open
        log_exception(logging.getLogger(__name__), "a file could not be read")
        state.refused = f"{next(iter(named))}: reading it failed; expected {FORMATS}"


def _video(name: str, content: bytes, number: int) -> PendingVideo:
    facts = video_facts_apart(content, name)
    if not any(kind.is_installed() for kind in DETECTORS.values()):
        raise InvalidInput(f"{name}: a video; {how_to_install()}")
    return PendingVideo(name, content, number, facts)
