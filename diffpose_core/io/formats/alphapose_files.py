"""AlphaPose's results, and COCO's results and annotations: a flat list of people, each with its image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from diffpose_core.io.formats.build import pose_file
from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.frame_numbers import frame_numbers
from diffpose_core.io.formats.json_values import identity_of, numbers, score_of, size_and_fps
from diffpose_core.io.formats.people import build_clip
from diffpose_core.io.formats.posefile import FileClip, LayoutGuess, PoseFile
from diffpose_core.io.formats.recognise import layout_by_geometry, layout_by_names
from diffpose_core.io.limits import MAX_NUMBERS
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

ALPHAPOSE = "AlphaPose"


def is_alphapose(person: Any) -> bool:
    """True for a person with an image and keypoints."""
    return isinstance(person, dict) and "image_id" in person and "keypoints" in person


def read_alphapose(data: Sequence[Any], name: str, about: Mapping[str, Any] | None = None) -> PoseFile:
    """Read a flat list of people with image_id and keypoints x, y, c.

    Args:
        data: the people.
        name: names the file in messages.
        about: the whole file, where it is COCO's: `images` have sizes, file names and videos, `categories` the joints'
            names.

    Raises:
        InvalidInput: no such list, or no known joint order.
    """
    notes, about = Notes(), about or {}
    rows = [row for row in data if isinstance(row, dict) and "image_id" in row and row.get("keypoints")]
    if len(rows) < len(data):
        notes.add(f"{len(data) - len(rows)} entries without image_id or keypoints are left out.")
    try:
        images = _images(about.get("images"), rows)
    except TypeError:
        raise InvalidInput(f"{name}: image_id must be a number or a file name") from None
    clips: list[FileClip] = []
    numbers_in_all = 0
    for key, group in _by_video(rows, images).items():
        found = Detections(name)
        labels = [_frame(row["image_id"], images) for row in group]
        places = frame_numbers(labels, name, notes)
        for label, row in zip(labels, group, strict=True):
            values = numbers(row["keypoints"], 3, f"{name}: keypoints of image {short(row['image_id'])}")
            identity = identity_of(row.get("idx", row.get("track_id")))
            found.add(places[label], values, identity, score_of(row.get("score")))
        numbers_in_all += found.numbers
        if numbers_in_all > MAX_NUMBERS:
            raise InvalidInput(f"{name}: more than {MAX_NUMBERS:,} numbers in all its clips; cut it into parts")
        sizes = {size_and_fps(images[row["image_id"]])[0] for row in group if row["image_id"] in images}
        size = sizes.pop() if len(sizes) == 1 else None
        clips.append(build_clip(key, found, max(places.values(), default=-1) + 1, name, notes, size))
    return pose_file(name, ALPHAPOSE, clips, notes, "screen", _layouts(about, clips, name))


def _images(listed: Any, rows: Sequence[Mapping[str, Any]]) -> dict[Any, Mapping[str, Any]]:
    """COCO's images by their ids, those that people are in."""
    wanted = {row["image_id"] for row in rows}
    found = [image for image in listed if isinstance(image, dict)] if isinstance(listed, list) else []
    return {image["id"]: image for image in found if isinstance(image.get("id"), (int, str)) and image["id"] in wanted}


def _frame(image: Any, images: Mapping[Any, Mapping[str, Any]]) -> Any:
    """The label of an image that tells its place in the video: its file name, where there is one with a number."""
    file = images[image].get("file_name") if image in images else None
    return file if isinstance(file, str) and any(c.isdigit() for c in file) else image


def _by_video(
    rows: Sequence[Mapping[str, Any]], images: Mapping[Any, Mapping[str, Any]]
) -> dict[str, list[Mapping[str, Any]]]:
    """The people of each video: by the images' video, or by the folders of their files."""
    videos: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        image = images.get(row["image_id"], {})
        file = str(image.get("file_name", ""))
        folder = file.replace("\\", "/").rpartition("/")[0]
        videos.setdefault(str(image.get("vid_id", image.get("video_id", folder)))[:200], []).append(row)
    return videos if len(videos) > 1 else {"": list(rows)}


def _layouts(
    about: Mapping[str, Any], clips: Sequence[FileClip], name: str
) -> tuple[tuple[LayoutGuess, ...], bool] | None:
    """The joint order by the names in COCO's categories, or by the look of 17 joints; None where neither helps."""
    if not clips:
        raise InvalidInput(f"{name}: there is nobody in any of its frames")
    joints = clips[0].tracks[0].keypoints.shape[1]
    categories = about.get("categories")
    for category in categories if isinstance(categories, list) else ():
        names = category.get("keypoints") if isinstance(category, dict) else None
        if isinstance(names, list) and len(names) == joints:
            return layout_by_names([str(joint) for joint in names], name), False
    if joints == 17:
        guesses = layout_by_geometry(clips)
        if guesses[0].layout.name == "COCO-17":
            return (LayoutGuess(guesses[0].layout, "AlphaPose writes 17 joints in COCO's order"), guesses[1]), False
    return None
