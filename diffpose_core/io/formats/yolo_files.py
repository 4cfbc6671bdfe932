"""YOLO's text files with a person a line: Ultralytics' and YOLOv7's."""

from __future__ import annotations

import io

import numpy as np

from diffpose_core.io.formats.detections import Detections
from diffpose_core.structures import InvalidInput
from diffpose_core.words import quoted

YOLO = "Ultralytics YOLO"
#: Characters of a person's line.
_MAX_LINE = 50_000
#: Numbers of a line of YOLOv7's poses: image of the batch, class, box, score, then x, y and confidence of 17 joints.
_YOLOV7 = 7 + 3 * 17


def is_label(text: str) -> bool:
    """True if the first line is a class, a box and keypoints."""
    words = _first_line(text).split()
    return len(words) >= 5 + 3 * 14 and (words[0].isdecimal() or in_pixels(text)) and "," not in "".join(words)


def _first_line(text: str) -> str:
    """The first line that holds something, as far as a person's line may go."""
    return next(iter(text.lstrip()[:_MAX_LINE].splitlines()), "")


def _is_yolov7(values: np.ndarray) -> bool:
    """True for a line of YOLOv7's `output_to_keypoint`, in pixels; Ultralytics' of this length are 0 to 1."""
    whole = len(values) == _YOLOV7 and np.isfinite(values[:7]).all() and (values[:2] == np.floor(values[:2])).all()
    return bool(whole and values[2:6].max() > 2 and 0 <= values[6] <= 1)


def in_pixels(text: str) -> bool:
    """Whether the first line is YOLOv7's, whose numbers are pixels."""
    try:
        return _is_yolov7(np.array([float(word) for word in _first_line(text).split()]))
    except ValueError:
        return False


def label_people(text: str, label: str) -> Detections:
    """The people of a label file: class, box, x, y and visibility of every joint, and perhaps score and identity.

    Raises:
        InvalidInput: a line of another form.
    """
    found = Detections(label)
    # Line by line: a list of all of them takes many times the text, where it is nothing but line ends.
    for line in io.StringIO(text, newline=None):
        if len(line) > _MAX_LINE:
            raise InvalidInput(f"{label}: a line of {len(line):,} characters; a person's has at most {_MAX_LINE:,}")
        words = line.split()
        if not words:
            continue
        try:
            values = np.array([float(word) for word in words])
        except ValueError:
            raise InvalidInput(f"{label}: {quoted(line, 60)} holds something other than numbers") from None
        if _is_yolov7(values):
            found.add(0, values[7:].reshape(-1, 3), None, float(values[6]))
            continue
        joints, more = divmod(len(values) - 5, 3)
        if joints < 14:
            raise InvalidInput(
                f"{label}: {len(values)} numbers in a line; expected class, box, and x, y, visibility a joint"
            )
        # A score and an identity stand behind the joints, where they were asked for.
        identity = int(values[-1]) if more == 2 and np.isfinite(values[-1]) else None
        person = values[5 : 5 + 3 * joints].reshape(joints, 3).copy()
        # 0, 1 and 2 are labels: not there, hidden, seen.
        if set(np.unique(person[:, 2])) <= {0.0, 1.0, 2.0}:
            person[:, 2] = np.minimum(person[:, 2], 1.0)
        found.add(0, person, identity, float(values[5 + 3 * joints]) if more else 0.0)
    return found
