"""Search for people in a video, in a thread of its own: the page shows its progress and can cancel it."""

from __future__ import annotations

import logging
import threading
import time

from app.jobs.pictures import Pictures
from app.text import log_exception
from diffpose_core.io.detectors import DetectorKind
from diffpose_core.io.formats import PoseFile
from diffpose_core.io.untrusted.files import MIB
from diffpose_core.io.video import poses_of_video
from diffpose_core.io.video_file import Part
from diffpose_core.structures import Cancelled, InvalidInput

#: After this long without a question how far it is, nobody waits for it any more.
PATIENCE_S = 60.0


class Detecting:
    """The search in one video.

    Args:
        content: The video.
        name: Names it in messages.
        kind: The detector, whose weights are downloaded if they are not here.
        part: Part of the video, all of it by default.
        pictures: Collects small pictures, where they are wanted.
        patience_s: After this long without a question how far it is, it stops.

    Attributes:
        done: Frames that were looked at.
        total: Frames in all, 0 where unknown.
        result: The people that were found, None before the end.
        pictures: Pictures of the frames, where they were wanted.
        error: Reason why there is no result, None before the end.
    """

    def __init__(
        self, content: bytes, name: str, kind: DetectorKind, part: Part | None = None,
        pictures: Pictures | None = None, patience_s: float = PATIENCE_S,
    ) -> None:  # fmt: skip
        self.result: PoseFile | None = None
        self.error: str | None = None
        self.done, self.total = 0, 0
        self._content, self._name, self._kind, self._part = content, name, kind, part
        self.pictures, self._patience_s = pictures, patience_s
        self._share, self._words = 0.0, f"Loading {kind.title}"
        self._cancelled = threading.Event()
        self._asked = self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="detecting", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """True while the work goes on."""
        return self._thread.is_alive()

    def cancel(self) -> None:
        """Stop after the current frame; there is no result then."""
        self._cancelled.set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most that long. Returns whether it has come."""
        self._asked = time.monotonic()
        self._thread.join(seconds)
        return not self.running

    def progress(self) -> tuple[float, str]:
        """The share that is done, and a sentence on it."""
        if not self.total:
            return self._share, f"Looking: frame {self.done:,}" if self.done else self._words
        share = min(self.done / self.total, 1.0)
        left = (time.monotonic() - self._begun) * (1 - share) / share if share else 0.0
        return share, f"Looking: frame {self.done:,} of {self.total:,}, about {left:,.0f} s left"

    def _wanted(self) -> bool:
        return not self._cancelled.is_set() and time.monotonic() - self._asked < self._patience_s

    def _downloaded(self, done: int, total: int) -> bool:
        of = f" of {total / MIB:.0f}" if total else ""
        self._share = min(done / total, 1.0) if total else 0.0
        self._words = f"Downloading {self._kind.title}'s weights, once: {done / MIB:.0f}{of} MiB"
        return self._wanted()

    def _looked(self, done: int, total: int) -> bool:
        if not self.done:
            self._begun = time.monotonic()
        self.done, self.total = done, total
        return self._wanted()

    def _run(self) -> None:
        try:
            if not self._kind.has_weights():
                self._kind.get_weights(self._downloaded)
            self._share, self._words = 0.0, f"Loading {self._kind.title}"
            keep = None if self.pictures is None else self.pictures.add
            self.result = poses_of_video(self._content, self._name, self._kind.load(), self._looked, self._part, keep)
        except InvalidInput as error:
            self.error = str(error)
        except Cancelled:
            self.error = "It was stopped"
        except Exception:  # a thread that dies leaves no message
            log_exception(logging.getLogger(__name__), "looking for people in a video failed")
            self.error = f"{self._name}: looking for people in it failed"
