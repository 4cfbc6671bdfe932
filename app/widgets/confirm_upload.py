"""The dialog that shows how a file was understood, before it becomes the clip."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
import streamlit as st

from app.compute import networks
from app.figures import pose_preview
from app.jobs.pictures import Footage
from app.text import plain
from app.widgets.common import actions, keep, leave, picture, remembered, uploads
from app.widgets.pictures import pick_picture, show_pictures
from app.widgets.uploads import Pending
from diffpose_core.io.formats import (
    COORDINATES,
    Choice,
    ChosenClip,
    FileClip,
    PoseFile,
    PoseTrack,
    default_choice,
    to_clip,
)
from diffpose_core.io.formats.convert import in_pixels
from diffpose_core.io.formats.orientation import TURNS, Turn, turned, turned_size
from diffpose_core.io.formats.pieces import fitting_pieces
from diffpose_core.io.limits import MAX_FPS, MAX_IMAGE_SIDE, MIN_FPS
from diffpose_core.lifting.image_size import LikelySize, likely_size, to_clip_of_size
from diffpose_core.structures import InvalidInput

#: People who are shown as pictures, the largest among them; further ones are in a list.
MOST_THUMBNAILS = 6

#: People of a file, and frames of all of them, that a scene of everybody holds at most.
MOST_PEOPLE, MOST_FRAMES_OF_PEOPLE = 8, 6000

#: Frames of the person that the picture of the image shows.
SHOWN_FRAMES = 6


@st.dialog("What your file shows", width="large", icon=":material/preview:", on_dismiss=leave)
def confirm() -> None:
    state = uploads()
    pending = state.pending
    if not isinstance(pending, Pending):
        st.rerun()
    poses, key = pending.poses, f"up{pending.number}"
    pictures, controls = st.columns([1.5, 1], gap="large")
    with controls:
        clip = _pick_clip(poses, key, pending.detector)
        of_clip = f"{key}_{[one.key for one in poses.clips].index(clip.key)}"
        track = _pick_person(poses, clip, of_clip)
    with pictures:
        layout = _pick_layout(poses, f"{key}_layout")
    with controls:
        size, fps = _ask_size_and_rate(poses, clip, layout, of_clip)
        turn, exchanged = _ask_turn(poses, key)
        if poses.notes:
            with st.expander(f"What was assumed ({len(poses.notes)})", expanded=len(poses.notes) < 4):
                st.markdown("\n".join(f"- {plain(note)}" for note in poses.notes))
    with pictures:
        _pictures(pending, clip, track, layout, size, turn, f"{key}_layout")
    with actions():
        if layout is None:
            st.markdown("First pick the picture that looks like a person.", width="content")
        st.button("Cancel", help="Forget this file; everything stays as it was.", on_click=leave)
        used = st.button(
            "Use this clip",
            type="primary",
            disabled=layout is None,
            help="Open this person as the clip of all views.",
        )
    if used and layout is not None:
        try:
            with st.spinner("Preparing the clip"):
                choice = Choice(clip.key, track.key, layout, size, fps, turn, exchanged)
                chosen = _chosen(poses, choice, _likely_size(poses, clip, layout, of_clip))
        except InvalidInput as error:
            st.error(plain(str(error)))
            return
        people = _everybody(poses, clip, choice, chosen)
        keep(state, chosen.clip, poses.format, chosen.notes, _footage(pending, clip, chosen, turn), people)
        leave(state)
        st.rerun()


def _chosen(poses: PoseFile, choice: Choice, likely: LikelySize | None) -> ChosenClip:
    """The clip of a choice. Values that the file lacks, and that were left as they were proposed, count as assumed.

    Args:
        poses: The file.
        choice: With image size and frame rate as the dialog shows them.
        likely: The image size that the body's proportions propose.

    Raises:
        InvalidInput: As `to_clip`.
    """
    clip = poses.clip(choice.clip)
    usual = default_choice(poses, Choice(clip=clip.key))
    if clip.fps is None and choice.fps == usual.fps:
        choice = replace(choice, fps=None)
    if clip.image_size is None and choice.image_size == (likely.size if likely is not None else usual.image_size):
        choice = replace(choice, image_size=None)
        if likely is not None:
            return to_clip_of_size(poses, choice, likely)
    return to_clip(poses, choice)


def _likely_size(poses: PoseFile, clip: FileClip, layout: str | None, key: str) -> LikelySize | None:
    """The image size that the body's proportions propose where the file doesn't say it, found once."""

    def find() -> LikelySize | None:
        order = poses.layout(layout).layout.name
        try:
            return likely_size(poses, Choice(clip.key, layout=order, turn=poses.turn), networks.models("frame"))
        except InvalidInput:
            return None  # using the clip says why

    found: LikelySize | None = remembered(f"{key}_likely", find)
    return found


def _everybody(poses: PoseFile, clip: FileClip, choice: Choice, chosen: ChosenClip) -> dict[str, ChosenClip]:
    """Clips of the chosen person and of the others who are seen longest, within bounds; empty for one person."""
    own = str(choice.track)
    people, frames = {own: chosen}, len(chosen.clip)
    size = (chosen.clip.width, chosen.clip.height) if choice.turn in (None, "none") else choice.image_size
    for track in clip.tracks[:MOST_PEOPLE]:
        frames += int(track.frames[-1] - track.frames[0]) + 1
        if track.key in own.split("+") or len(people) == MOST_PEOPLE or frames > MOST_FRAMES_OF_PEOPLE:
            continue
        with suppress(InvalidInput):  # too little is seen of somebody
            people[track.key] = to_clip(poses, replace(choice, track=track.key, image_size=size))
    return people if len(people) > 1 else {}


def _footage(pending: Pending, clip: FileClip, chosen: ChosenClip, turn: Turn) -> Footage | None:
    """Pictures of the clip, where the file is a video; a picture that poses are turned against does not fit them."""
    if pending.pictures is None or turn != "none":
        return None
    return pending.pictures.footage(clip, chosen.first_frame, len(chosen.clip))


def _pick_clip(poses: PoseFile, key: str, detector: str) -> FileClip:
    """Show the recognised format, or the detector of a video; ask for the clip where there are several."""
    if detector:
        st.markdown(f"**{detector}** looked for people in **{plain(poses.name)}**.")
    else:
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
    pictures, everybody = f"{key}_person", f"{key}_everybody"
    shown = _most_likely(clip)
    names = [track.key for track in shown]
    st.session_state.setdefault(pictures, tracks[0].key)
    st.markdown(f"**{len(tracks)} people.** Click the one to lift.")

    def words(name: str) -> str:
        track = clip.track(name)
        largest = ", largest" if track is clip.largest else ""
        return f"**Person {plain(name[:12])}** {len(track):,} frames{_height_words(poses, track)}{largest}"

    def follow(one: str, other: str, allowed: list[str]) -> None:
        st.session_state[other] = st.session_state[one] if st.session_state[one] in allowed else None

    everyone = [track.key for track in tracks]
    picked = pick_picture("Person", names, pictures, words, lambda: follow(pictures, everybody, everyone))
    dark = st.context.theme.type == "dark"
    poses_shown = [track.keypoints[pose_preview.good_frame(track.keypoints)] for track in shown]
    show_pictures(pictures, [pose_preview.thumbnail(pose, poses.layout().layout, dark) for pose in poses_shown])
    if len(tracks) > MOST_THUMBNAILS:
        st.session_state.setdefault(everybody, tracks[0].key)
        picked = st.selectbox(
            "Everybody, seen longest first",
            everyone,
            key=everybody,
            format_func=lambda name: f"Person {name}: {len(clip.track(name)):,} frames",
            on_change=lambda: follow(everybody, pictures, names),
            help="People who are seen for a short time only are further down.",
        )
    person = clip.track(str(picked))
    return _with_pieces(clip, person, f"{pictures}_{everyone.index(person.key)}")


def _with_pieces(clip: FileClip, track: PoseTrack, key: str) -> PoseTrack:
    """The person, with the pieces that may be of the same one and are chosen."""
    pieces: list[str] = remembered(f"{key}_pieces", lambda: [piece.key for piece in fitting_pieces(clip, track)])
    if not pieces:
        return track

    def words(name: str) -> str:
        frames = clip.track(name).frames
        return f"Person {name}: frames {frames[0]:,} to {frames[-1]:,}"

    chosen = st.multiselect(
        "The same person under another name?",
        pieces,
        key=f"{key}_joined",
        format_func=words,
        placeholder="No, somebody else",
        help="Never seen together, and alike in place and size where one follows on the other. Frames between them "
        "are guessed.",
    )
    return clip.track("+".join([track.key, *chosen]))


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
    """The joint order's name; None while a person still has to choose it."""
    sure = not poses.needs_confirmation
    first = poses.layout()
    if len(poses.layouts) == 1:
        st.markdown(f"Joint order: **{plain(first.layout.name)}**, told by {plain(first.reason)}.")
        return first.layout.name
    if not sure:
        st.warning("Nothing in the file says which joint order it is. Pick the picture that looks like a person.")
    else:
        st.markdown("**Joint order.** With a wrong one, arms hang from the face: pick the picture that looks right.")
        st.session_state.setdefault(key, first.layout.name)
    reasons = {guess.layout.name: guess.reason for guess in poses.layouts}
    return pick_picture("Joint order", list(reasons), key, lambda name: f"**{plain(name)}** {plain(reasons[name])}")


def _ask_size_and_rate(poses: PoseFile, clip: FileClip, layout: str | None, key: str) -> tuple[tuple[int, int], float]:
    """Image size in pixels and frames a second, filled in from the file or with likely values."""
    usual = default_choice(poses, Choice(clip=clip.key))
    likely = _likely_size(poses, clip, layout, key)
    if likely is not None:
        usual = replace(usual, image_size=likely.size)
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
        st.caption(f"The file doesn't say its {words}: what stands here is assumed, please check it.")
        if likely is not None:
            wide, high = likely.usual
            doubt = "" if likely.sure else " Another upright or square size may fit too."
            st.caption(f"In this image size the body has its proportions; {wide} x {high} would stretch it.{doubt}")
    else:
        st.caption("Image size and frame rate are from the file.")
    if poses.coordinates != "pixels":
        st.caption(f"The file's numbers are {COORDINATES[poses.coordinates]}: the image size decides the proportions.")
    return (int(width), int(height)), float(fps)


def _ask_turn(poses: PoseFile, key: str) -> tuple[Turn, bool]:
    """The turn of the picture, by default the proposed one, and whether left and right are exchanged.

    A clip of this project is as it is.
    """
    if poses.clips[0].original is not None:
        return "none", False
    if poses.turn != "none":
        st.warning("The person's feet are not down. A turn is proposed: does the picture look right with it?")
    turns = list(TURNS)
    turn = st.selectbox(
        "Turn the poses",
        turns,
        index=turns.index(poses.turn),
        format_func=lambda name: TURNS[name].capitalize(),
        key=f"{key}_turn",
        help="For y that is measured upwards, and for videos on their side.",
    )
    exchanged = st.checkbox(
        "Exchange left and right", key=f"{key}_exchanged", help="For a mirrored video, as of a selfie camera."
    )
    return turn, exchanged


def _pictures(
    pending: Pending,
    clip: FileClip,
    track: PoseTrack,
    layout: str | None,
    size: tuple[int, int],
    turn: Turn,
    key: str,
) -> None:
    """The joints by name in each order that it may be, and the person in the image. key: of the choice of the order."""
    poses = pending.poses
    dark = st.context.theme.type == "dark"
    row = pose_preview.good_frame(track.keypoints)
    spread = np.linspace(row, len(track) - 1, min(SHOWN_FRAMES, len(track))).round().astype(int)
    rows = np.unique(np.concatenate(([row], spread)))
    seen = replace(track, frames=track.frames[rows], keypoints=track.keypoints[rows], mixture=None)
    poses_px = turned(in_pixels(seen, poses.coordinates, size)[0], turn, size)
    orders = [guess.layout for guess in poses.layouts]
    close_ups = [pose_preview.close_up(poses_px[0], one, dark) for one in orders]
    # Beside the pose; below the pictures where there are several to pick from.
    left, right = st.columns(2)
    if len(orders) == 1:
        with left:
            st.markdown(f"**As {plain(orders[0].name)}**, frame {track.frames[row]}")
            picture(close_ups[0], f"The pose with its joints named as in {orders[0].name}")
    else:
        show_pictures(key, close_ups)
    chosen = poses.layout(layout).layout
    others = []
    for other in clip.tracks[:20]:
        at = np.flatnonzero(other.frames == track.frames[row])
        if other.key != track.key and len(at):
            one_frame = replace(other, frames=other.frames[at], keypoints=other.keypoints[at], mixture=None)
            others.append(turned(in_pixels(one_frame, poses.coordinates, size)[0][0], turn, size))
    size = turned_size(size, turn)
    with right if len(orders) == 1 else left:
        st.markdown("**In the image**, and some later frames" if len(poses_px) > 1 else "**In the image**")
        behind = pending.pictures.of_frame(clip, int(track.frames[row])) if pending.pictures and turn == "none" else b""
        in_image = pose_preview.in_image(poses_px, others, chosen, size, dark, behind)
        picture(in_image, f"The person in an image of {size[0]} by {size[1]} pixels")
    outside = ((poses_px < 0) | (poses_px > np.array(size))).any(-1).sum() / max((~np.isnan(poses_px[..., 0])).sum(), 1)
    if outside > 0.1:
        st.warning(f"{outside:.0%} of the joints lie outside the image: is its size right?")
    missing = float(np.mean(track.missing[:, sorted({p for parts in chosen.sources for p in parts})]))
    if missing > 0:
        words = "less than 1 %" if missing < 0.01 else f"{missing:.0%}"
        st.caption(f"{words} of this person's joints are missing. They will be guessed, and shown as guesses.")
