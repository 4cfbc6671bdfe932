"""Reading a file of 2D poses of any format, told by its content and never by its name."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from diffpose_core.io.clips import SCHEMA, clip_from_json, clip_from_npz
from diffpose_core.io.formats.array_files import KEYS, read_npy_file, read_npz_array
from diffpose_core.io.formats.detections import Detections
from diffpose_core.io.formats.json_files import read_json
from diffpose_core.io.formats.kinds import kind_of
from diffpose_core.io.formats.landmark_files import PLAIN
from diffpose_core.io.formats.layouts import HUMAN36M
from diffpose_core.io.formats.npz_files import read_detectron, read_videopose3d
from diffpose_core.io.formats.openpose_files import OPENPOSE, read_frames
from diffpose_core.io.formats.people_of_frame import frame_people, is_frame
from diffpose_core.io.formats.posefile import FileClip, LayoutGuess, PoseFile, PoseTrack
from diffpose_core.io.formats.pyskl_files import read_pickle
from diffpose_core.io.formats.yolo_files import YOLO, in_pixels, is_label, label_people
from diffpose_core.io.limits import check_frames
from diffpose_core.io.untrusted.archive import MAX_ENTRIES, Archive
from diffpose_core.io.untrusted.files import check_size, read_bytes
from diffpose_core.io.untrusted.json import parse_json
from diffpose_core.io.untrusted.npz import npz_keys
from diffpose_core.io.untrusted.text import decode_text, to_utf8
from diffpose_core.structures import InvalidInput, PoseClip2D
from diffpose_core.words import quoted

OWN = "DiffPose Studio clip"
FORMATS = (
    "VideoPose3D, DiffPose GMM or Detectron .npz, poses as .npy, PYSKL .pkl, AlphaPose, MMPose, OpenPose or MediaPipe "
    ".json (one a frame also as a .zip or many files), SLEAP or DeepLabCut .h5, DeepLabCut or plain .csv, or this "
    "project's own .npz or .json"
)


def read_pose_file(content: bytes, name: str) -> PoseFile:
    """Recognise and read a file of 2D poses. The file is not trusted: nothing in it is run, size and time are bounded.

    content: the whole file, or an archive of OpenPose's files. name: for messages. Raises InvalidInput that says what
    was found, what is expected, or which limit was passed.
    """
    check_size(len(content), name)
    if not content.strip(b"\0 \t\r\n"):
        raise InvalidInput(f"{name}: the file is empty; expected {FORMATS}")
    try:
        return replace(_read(content, name), sha256=hashlib.sha256(content).hexdigest())
    except MemoryError:
        raise InvalidInput(f"{name}: there is not enough memory for this file; cut the clip into parts") from None
    except RecursionError:
        raise InvalidInput(f"{name}: nested too deep to be a file of poses") from None


def read_pose_files(files: Mapping[str, bytes]) -> PoseFile:
    """Read one file, or OpenPose's many, one a frame. files: name -> content. Raises InvalidInput as read_pose_file."""
    if len(files) == 1:
        ((name, content),) = files.items()
        return read_pose_file(content, name)
    if not files:
        raise InvalidInput(f"no file; expected {FORMATS}")
    label = f"{len(files)} files"
    if len(files) > MAX_ENTRIES:
        raise InvalidInput(f"{label}: the limit is {MAX_ENTRIES}")
    check_size(sum(len(content) for content in files.values()), label)
    digest = hashlib.sha256()
    for content in files.values():
        digest.update(content)
    return replace(_read_many(files.items(), label), sha256=digest.hexdigest())


def read_pose_path(path: str | Path) -> PoseFile:
    """Read a file, or a folder of OpenPose's .json files. Raises InvalidInput as read_pose_file."""
    return read_pose_files(files_of_path(path))


def files_of_path(path: str | Path) -> dict[str, bytes]:
    """The content of a file, or of the .json files in a folder, by name. Raises InvalidInput where it is too large."""
    path = Path(path)
    if not path.is_dir():
        return {str(path): read_bytes(path)}
    inside, size = {}, 0
    for file in sorted(path.glob("*.json")):
        inside[file.name] = read_bytes(file)
        size += len(inside[file.name])
        check_size(size, str(path))
    return inside


def _read(content: bytes, name: str) -> PoseFile:
    if content[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _read_zip(content, name)
    if content[:6] == b"\x93NUMPY":
        return read_npy_file(content, name)
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return read_pickle(content, name)
    kind = kind_of(content)
    if kind is not None:
        raise InvalidInput(f"{name}: {kind}; expected {FORMATS}")
    if content[:8] == b"\x89HDF\r\n\x1a\n":
        from diffpose_core.io.formats.hdf5_files import read_hdf5  # h5py takes a moment to load

        return read_hdf5(content, name)
    content = to_utf8(content, name)
    start = content[:100].lstrip()[:1]
    if start in (b"{", b"["):
        data = parse_json(content, name)
        if isinstance(data, dict) and str(data.get("schema")).startswith("diffpose-"):
            _check_flat(data, name)
            return own_clip(clip_from_json(data, name), name)
        return read_json(data, name)
    from diffpose_core.io.formats.csv_files import looks_like_csv, read_csv  # pandas takes half a second to load

    text = decode_text(content, name)
    if is_label(text):
        return read_frames([(name, label_people(text, name))], name, YOLO, "pixels" if in_pixels(text) else "unit")
    if looks_like_csv(text):
        return read_csv(text, name)
    raise InvalidInput(f"{name}: starts with {content[:8]!r}, which is no known format; expected {FORMATS}")


def _read_zip(content: bytes, name: str) -> PoseFile:
    archive = Archive(content, name)
    entries = [entry for entry in archive.names if not entry.endswith("/") and not _is_clutter(entry)]
    if not entries:
        raise InvalidInput(f"{name}: an archive without files; expected {FORMATS}")
    if any(entry.endswith(".npy") for entry in entries):
        return _read_npz(content, name)
    labels = [entry for entry in entries if entry.lower().endswith(".txt")]
    texts = entries if len(entries) == 1 else [entry for entry in entries if entry.lower().endswith(".json")]
    if len(labels) > 1 and not texts:
        return _read_labels(archive, labels, name)
    if not texts:
        raise InvalidInput(
            f"{name}: an archive of {len(entries)} files, none of them .json (such as {quoted(entries[0], 60)}); "
            "expected OpenPose's .json files, one a frame"
        )
    if len(texts) == 1:
        inside = archive.read(texts[0])
        if inside[:4] == b"PK\x03\x04" and not inside[30:60].count(b".npy"):
            raise InvalidInput(f"{name}: an archive in an archive; expected {FORMATS}")
        found = read_pose_file(inside, f"{name}: {texts[0][-80:]}")
    else:
        found = _read_many(((entry, archive.read(entry)) for entry in texts), name)
    read = set(texts)
    others = [entry for entry in entries if entry not in read]
    if not others:
        return found
    note = f"Files of the archive that are no .json are left out: {len(others)}, such as {quoted(others[0], 60)}."
    return replace(found, notes=(*found.notes, note))


def _read_labels(archive: Archive, entries: Sequence[str], name: str) -> PoseFile:
    """Ultralytics' text files, one a frame."""

    texts = {entry: decode_text(archive.read(entry), f"{name}: {entry[-60:]}") for entry in entries}
    people = ((entry, label_people(text, f"{name}: {entry[-60:]}")) for entry, text in texts.items())
    return read_frames(people, name, YOLO, "pixels" if any(map(in_pixels, texts.values())) else "unit")


def _is_clutter(entry: str) -> bool:
    return entry.startswith("__MACOSX/") or entry.rsplit("/", 1)[-1].startswith(".")


def _read_many(files: Iterable[tuple[str, bytes]], name: str) -> PoseFile:
    """OpenPose's files, parsed one by one."""

    def parsed() -> Iterator[tuple[str, Detections]]:
        for path, content in files:
            data = parse_json(content, f"{name}: {path[-60:]}")
            if not is_frame(data):
                raise InvalidInput(
                    f"{name}: {path[-60:]!r} is no frame of OpenPose (no list of people); several files at once must "
                    "be OpenPose's, AlphaPose's, MMPose's or another detector's, one a frame"
                )
            opened = isinstance(data, dict) and "people" in data
            kinds[OPENPOSE if opened else PLAIN] = None
            yield path, frame_people(data, f"{name}: {path[-60:]}")

    kinds: dict[str, None] = {}
    found = list(parsed())
    return read_frames(found, name, next(iter(kinds), OPENPOSE))


def _read_npz(content: bytes, name: str) -> PoseFile:
    keys = npz_keys(content, name)
    if "header" in keys and "keypoints_px" in keys:
        return own_clip(clip_from_npz(content, name), name)
    _check_flat(keys, name)
    if "positions_2d" in keys:
        return read_videopose3d(content, name)
    if {"boxes", "keypoints"} <= set(keys):
        return read_detectron(content, name)
    if set(keys) & set(KEYS):
        return read_npz_array(content, name)
    raise InvalidInput(f"{name}: an .npz with the arrays {', '.join(keys[:8])}; expected {FORMATS}")


def _check_flat(keys: Container[str], name: str) -> None:
    """Tell a result of this project, which is in 3D already."""
    if "pose3d" in keys and "provenance" in keys:
        raise InvalidInput(f"{name}: a result of lifting, in 3D; expected 2D poses: {FORMATS}")


def own_clip(clip: PoseClip2D, name: str) -> PoseFile:
    """A clip of this project as a PoseFile. Raises InvalidInput where it is too long."""
    check_frames(len(clip), name)
    points = np.where(clip.guessed[..., None], np.nan, clip.keypoints_px).astype(np.float32)
    track = PoseTrack("1", np.arange(len(clip)), points, clip.confidence.astype(np.float32))
    whole = FileClip("", len(clip), (track,), (clip.width, clip.height), clip.fps, original=clip)
    return PoseFile(name, OWN, (whole,), (LayoutGuess(HUMAN36M, f"the file's tag {SCHEMA}"),))
