"""Own clips: a file of 2D poses is read, what was understood is looked at, and only then it becomes the clip."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.detecting import Detecting
from app.figures import pose_preview
from app.uploads import MOST_OWN, Pending, PendingVideo, Uploads
from app.views.common import EXPORTING, picture, uploads
from diffpose_core.io.formats import (
    COORDINATES,
    FORMATS,
    Choice,
    FileClip,
    PoseFile,
    PoseTrack,
    default_choice,
    read_pose_files,
    to_clip,
)
from diffpose_core.io.formats.convert import in_pixels
from diffpose_core.io.formats.posefile import MAX_FPS, MAX_IMAGE_SIDE, MIN_FPS
from diffpose_core.io.rtmpose import HOW_TO_INSTALL, has_detector, has_weights
from diffpose_core.io.video import is_video, video_facts
from diffpose_core.structures import InvalidInput, PoseClip2D

#: People who are shown as pictures, the largest among them; further ones are in a list.
MOST_THUMBNAILS = 6
#: Frames of the person that the picture of the image shows.
SHOWN_FRAMES = 6

STYLE = """
<style>
[class*="st-key-person_"] { position: relative; width: 128px; }
[class*="st-key-person_"] button::after { content: ""; position: absolute; inset: 0; cursor: pointer; }
[class*="st-key-person_"] button, [class*="st-key-person_"] [data-testid=stTooltipHoverTarget] { position: static; }
[class*="st-key-person_"] button { width: 100%; padding: 2px 4px; }
[class*="st-key-person_"] [data-testid=stImage] { border: 1px solid rgba(120, 135, 160, .35); border-radius: 10px; }
</style>
"""


def plain(text: str) -> str:
    """Text from a file as Markdown that shows it and does nothing else: no pictures, no formulas, no colours."""
    return re.sub(r"([\\`*_\[\]<>#!|~$:])", r"\\\1", text)


def uploader() -> None:
    """The uploader, what became of the last file, and the dialog that asks what it is."""
    state = uploads()
    if len(state.boxes) > 1:
        st.html(_unseen(list(state.boxes)[:-1]))
    arrived = {number: [file for file in _box(number) if file.file_id not in state.read] for number in state.boxes}
    # One file after the other: what arrives while one is asked about waits in the uploader.
    if any(arrived.values()) and state.pending is None:
        number, unread = next((number, files) for number, files in arrived.items() if files)
        names = unread[0].name if len(unread) == 1 else f"{len(unread)} files"
        with st.spinner(f"Reading {plain(names)}"):
            st.session_state.pop(EXPORTING, None)  # only one window can be open: the new file's
            _receive(state, [(file.name, file.getvalue()) for file in unread])
            # Nothing between these two may end the run: the file would be lost, or read twice.
            state.read.update(file.file_id for file in unread)
            state.boxes[number] += len(unread)
            _let_go(unread)
        st.rerun()
    if state.lost is not None:
        lost = plain(state.lost[:80])
        st.info(f"The link is to the clip {lost}, which is not here. If it is a file of yours, upload it again.")
    if state.refused is not None:
        st.error(f"**This can't be used; nothing else has changed.** {plain(state.refused)}")
    if isinstance(state.pending, PendingVideo):
        _detect()
    elif state.pending is not None:
        _confirm()


def _key(number: int) -> str:
    return f"upload_{number}"


def _box(number: int) -> list[UploadedFile]:
    return st.file_uploader(
        "Or your own 2D poses",
        accept_multiple_files=True,
        key=_key(number),
        help=f"What a 2D pose detector wrote, recognised by its content: {FORMATS}.",
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
    """Files that were read need not lie on the server until the browser is closed, which is what Streamlit does."""
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        for file in files:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


def _receive(state: Uploads, files: Sequence[tuple[str, bytes]]) -> None:
    """Read what was uploaded. What can't be used changes nothing but the message."""
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
        poses = read_pose_files(named)
        if poses.clips[0].original is not None:
            state.keep(poses.clips[0].original, poses.format, poses.notes)
        else:
            state.pending = Pending(poses, number)
    except InvalidInput as error:
        state.refused = str(error)
    except Exception:  # a mistake of ours must not cost the person the clip that is open
        logging.getLogger(__name__).exception("a file could not be read")
        state.refused = f"{next(iter(named))}: reading it failed; expected {FORMATS}"


def _video(name: str, content: bytes, number: int) -> PendingVideo:
    facts = video_facts(content, name)
    if not has_detector():
        raise InvalidInput(f"{name}: a video; {HOW_TO_INSTALL}")
    return PendingVideo(name, content, number, facts)


def about(name: str) -> None:
    """What is known of one of the person's clips, below the picker."""
    own = uploads().own[name]
    clip = own.clip
    st.success(
        f"Shown: {plain(name)}, {len(clip)} frames, {clip.width} x {clip.height} px, {clip.fps:g} frames a second"
    )
    if own.notes:
        with st.expander(f"What was assumed ({len(own.notes)})"):
            st.markdown("\n".join(f"- {plain(note)}" for note in own.notes))
    st.button(
        "Remove this clip",
        type="tertiary",
        icon=":material/delete:",
        on_click=_forget,
        args=(name,),
        help=f"Forget it here and go back to the others. The last {MOST_OWN} of your clips are kept until you leave.",
    )


def _forget(name: str) -> None:
    uploads().own.pop(name, None)


def guessed(clip: PoseClip2D, frame: int) -> None:
    """Which joints of which frames were guessed, where some were."""
    words = pose_preview.guessed_words(clip.confidence)
    if not words:
        return
    with st.expander("Guessed joints", icon=":material/help:", expanded=True):
        dark = st.context.theme.type == "dark"
        picture(pose_preview.guessed_strip(clip.confidence, frame, dark), f"Joints and frames: {words}")
        st.caption(
            f"{words} A row is a joint, the line is the frame that is picked. Guesses have wide heatmaps, and the 3D "
            "there is less sure."
        )


def _leave(state: Uploads | None = None) -> None:
    state = uploads() if state is None else state
    number = None if state.pending is None else state.pending.number
    state.leave()
    for key in [k for k in st.session_state if str(k).startswith(f"up{number}_")]:
        del st.session_state[key]


@st.dialog("Find the people in this video", width="medium", icon=":material/movie:", on_dismiss=_leave)
def _detect() -> None:
    video = uploads().pending
    if not isinstance(video, PendingVideo):
        st.rerun()
    width, height = video.facts.size
    rate = f"{video.facts.fps:.4g} frames a second" if video.facts.fps else "a frame rate that it doesn't say"
    source = (
        "Its weights are on this machine."
        if has_weights()
        else "Its weights are not on this machine yet: they are downloaded from OpenMMLab first, once."
    )
    st.markdown(
        f"**{plain(video.name)}**: {width} x {height} px, {rate}. RTMPose looks "
        f"for 17 joints of everybody in every frame. {source}"
    )
    work = video.work
    share, words = (0.0, "") if work is None else work.progress()
    if work is not None and work.error is None:
        st.progress(share, words)
    elif work is not None:
        st.error(plain(str(work.error)))
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.button("Cancel", help="Forget this video; everything stays as it was.", on_click=_leave)
        if work is None or work.error is not None:
            st.button(
                "Find the people" if work is None else "Try again",
                type="primary",
                help="Downloads RTMPose's weights if they are not here yet, and looks at every frame.",
                on_click=_begin,
            )
    if work is None or work.error is not None:
        return
    if work.wait(0.3) and work.result is not None:
        uploads().pending = Pending(work.result, video.number)
        st.rerun()
    _again()


def _begin() -> None:
    video = uploads().pending
    if isinstance(video, PendingVideo):
        video.work = Detecting(video.content, video.name)


def _again() -> None:
    """Draw the dialog anew: by itself, or with the page where it was drawn with the page."""
    try:
        st.rerun(scope="fragment")
    except st.errors.StreamlitAPIException:
        st.rerun()


@st.dialog("What your file shows", width="large", icon=":material/preview:", on_dismiss=_leave)
def _confirm() -> None:
    state = uploads()
    pending = state.pending
    if not isinstance(pending, Pending):
        st.rerun()
    st.html(STYLE)
    poses, key = pending.poses, f"up{pending.number}"
    pictures, controls = st.columns([1.5, 1], gap="large")
    with controls:
        clip = _pick_clip(poses, key)
        track = _pick_person(poses, clip, f"{key}_{clip.key}")
        layout = _pick_layout(poses, f"{key}_layout")
        size, fps = _ask_size_and_rate(poses, clip, f"{key}_{clip.key}")
        if poses.notes:
            with st.expander(f"What was assumed ({len(poses.notes)})", expanded=len(poses.notes) < 4):
                st.markdown("\n".join(f"- {plain(note)}" for note in poses.notes))
    with pictures:
        _pictures(poses, clip, track, layout, size)
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.button("Cancel", help="Forget this file; everything stays as it was.", on_click=_leave)
        used = st.button(
            "Use this clip",
            type="primary",
            disabled=layout is None,
            help="Choose the joint order first." if layout is None else "Open this person as the clip of all views.",
        )
    if used and layout is not None:
        try:
            with st.spinner("Preparing the clip"):
                chosen = to_clip(poses, Choice(clip.key, track.key, layout, size, fps))
        except InvalidInput as error:
            st.error(plain(str(error)))
            return
        state.keep(chosen.clip, poses.format, chosen.notes)
        _leave(state)
        st.rerun()


def _pick_clip(poses: PoseFile, key: str) -> FileClip:
    """Says what was recognised; asks which clip where there are several."""
    st.markdown(f"**{plain(poses.name)}** was recognised as **{plain(poses.format)}**.")
    if len(poses.clips) == 1:
        return poses.clips[0]
    name = st.selectbox(
        f"Clip, one of {len(poses.clips)} in the file",
        [clip.key for clip in poses.clips],
        key=f"{key}_clip",
        help="Subject, action and camera as the file names them.",
    )
    return poses.clip(name)


def _pick_person(poses: PoseFile, clip: FileClip, key: str) -> PoseTrack:
    """The person: the only one, or the one whose picture is clicked."""
    tracks = clip.tracks
    if len(tracks) == 1:
        st.caption(f"One person, seen in {len(tracks[0]):,} of {clip.num_frames:,} frames.")
        return tracks[0]
    state = f"{key}_person"
    picked = st.session_state.setdefault(state, tracks[0].key)
    st.markdown(f"**{len(tracks)} people.** Click the one to lift.")
    dark = st.context.theme.type == "dark"
    with st.container(horizontal=True, gap="small"):
        for number, track in enumerate(_most_likely(clip)):
            with st.container(key=f"person_{key}_{number}", gap=None):
                pose = track.keypoints[pose_preview.good_frame(track.keypoints)]
                picture(pose_preview.thumbnail(pose, poses.layout().layout, dark), f"Person {track.key[:40]}")
                st.button(
                    f"Person {plain(track.key[:12])}",
                    key=f"{key}_choose_{number}",
                    type="primary" if track.key == picked else "secondary",
                    width="stretch",
                    on_click=st.session_state.__setitem__,
                    args=(state, track.key),
                )
                largest = ", largest" if track is clip.largest else ""
                st.caption(f"{len(track):,} frames{_height_words(poses, track)}{largest}")
    if len(tracks) > MOST_THUMBNAILS:
        st.selectbox(
            "Everybody, seen longest first",
            [track.key for track in tracks],
            key=state,
            format_func=lambda name: f"Person {name}: {len(clip.track(name)):,} frames",
            help="People who are seen for a short time only are further down.",
        )
    return clip.track(picked)


def _most_likely(clip: FileClip) -> list[PoseTrack]:
    """The people who are shown as pictures: those who are seen longest, and the largest."""
    shown = list(clip.tracks[:MOST_THUMBNAILS])
    if all(track is not clip.largest for track in shown):
        shown[-1] = clip.largest
    return shown


def _height_words(poses: PoseFile, track: PoseTrack) -> str:
    _, top, _, bottom = track.box
    if not np.isfinite(bottom - top):
        return ""
    return f", {bottom - top:.0f} px" if poses.coordinates == "pixels" else f", {100 * (bottom - top):.0f} % high"


def _pick_layout(poses: PoseFile, key: str) -> str | None:
    """The joint order's name; None while a person has to say it and has not."""
    sure = not poses.needs_confirmation
    first = poses.layout()
    if len(poses.layouts) == 1:
        st.markdown(f"Joint order: **{plain(first.layout.name)}**, told by {plain(first.reason)}.")
        return first.layout.name
    if not sure:
        st.warning("Nothing in the file says which joint order it is. Pick the picture that looks like a person.")
    names = [guess.layout.name for guess in poses.layouts]
    return st.radio(
        "Joint order",
        names,
        index=0 if sure else None,
        captions=[plain(guess.reason) for guess in poses.layouts],
        key=key,
        help="Which number in the file is which joint. With a wrong order arms hang from the face.",
    )


def _ask_size_and_rate(poses: PoseFile, clip: FileClip, key: str) -> tuple[tuple[int, int], float]:
    """Image size in pixels and frames a second, filled in with what the file says or with what is usual."""
    usual = default_choice(poses, Choice(clip=clip.key))
    assert usual.image_size is not None and usual.fps is not None
    left, middle, right = st.columns(3)
    width, height = (
        column.number_input(label, 1, MAX_IMAGE_SIDE, side, key=f"{key}_{label}", help=help)
        for column, label, side, help in (
            (left, "Image width", usual.image_size[0], "Pixels of the video from left to right."),
            (middle, "Image height", usual.image_size[1], "Pixels of the video from top to bottom."),
        )
    )
    fps = right.number_input(
        "Frames a second", MIN_FPS, MAX_FPS, float(usual.fps), key=f"{key}_fps", help="Of the video that was analysed."
    )
    assumed = [name for name, value in (("image size", clip.image_size), ("frame rate", clip.fps)) if value is None]
    if assumed:
        words = " and ".join(assumed)
        st.caption(f"The file doesn't say its {words}: assumed here, please check.")
    else:
        st.caption("Image size and frame rate are from the file.")
    if poses.coordinates != "pixels":
        st.caption(f"The file's numbers are {COORDINATES[poses.coordinates]}: the image size decides the proportions.")
    return (int(width), int(height)), float(fps)


def _pictures(poses: PoseFile, clip: FileClip, track: PoseTrack, layout: str | None, size: tuple[int, int]) -> None:
    """The joints by name in the joint order, in each of them until one is chosen, and the person in the image."""
    dark = st.context.theme.type == "dark"
    row = pose_preview.good_frame(track.keypoints)
    spread = np.linspace(row, len(track) - 1, min(SHOWN_FRAMES, len(track))).round().astype(int)
    rows = np.unique(np.concatenate(([row], spread)))
    seen = replace(track, frames=track.frames[rows], keypoints=track.keypoints[rows], mixture=None)
    poses_px, _ = in_pixels(seen, poses.coordinates, size)
    shown = [guess.layout for guess in poses.layouts if layout in (None, guess.layout.name)]
    columns = st.columns(2)
    for column, one in zip(columns, shown, strict=False):
        with column:
            st.markdown(f"**As {plain(one.name)}**, frame {track.frames[row]}")
            picture(pose_preview.close_up(poses_px[0], one, dark), f"The pose with its joints named as in {one.name}")
    others = []
    for other in clip.tracks[:20]:
        at = np.flatnonzero(other.frames == track.frames[row])
        if other.key != track.key and len(at):
            one_frame = replace(other, frames=other.frames[at], keypoints=other.keypoints[at], mixture=None)
            others.append(in_pixels(one_frame, poses.coordinates, size)[0][0])
    # Beside the pose; below it while there are two to choose from.
    with columns[1] if len(shown) == 1 else st.columns(2)[0]:
        st.markdown("**In the image**, and some later frames" if len(poses_px) > 1 else "**In the image**")
        in_image = pose_preview.in_image(poses_px, others, shown[0], size, dark)
        picture(in_image, f"The person in an image of {size[0]} by {size[1]} pixels")
    outside = ((poses_px < 0) | (poses_px > np.array(size))).any(-1).sum() / max((~np.isnan(poses_px[..., 0])).sum(), 1)
    if outside > 0.1:
        st.warning(f"{outside:.0%} of the joints lie outside the image: is its size right?")
    missing = float(np.mean(track.missing[:, sorted({p for parts in shown[0].sources for p in parts})]))
    if missing > 0:
        words = "less than 1 %" if missing < 0.01 else f"{missing:.0%}"
        st.caption(f"{words} of this person's joints are missing. They will be guessed, and shown as guesses.")
