"""Uploads of one browser session: own clips, and the file that a dialog asks about.

All of it is one object. Streamlit may end a run wherever its session state is used, so parts in several places could
disagree. Nothing here uses session state: every method runs to its end.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.jobs.detecting import Detecting
from app.jobs.pictures import Pictures
from diffpose_core.io.formats import ChosenClip, PoseFile
from diffpose_core.io.video_file import VideoFacts
from diffpose_core.structures import PoseClip2D

#: Own clips that a browser session keeps; the oldest goes first.
MOST_OWN = 6
#: Files that unseen uploaders may hold together before the oldest of them go: the browser sends their names each time.
MOST_UNSEEN = 300


@dataclass(frozen=True)
class OwnClip:
    """A clip that the visitor brought.

    Attributes:
        clip: The clip.
        format: Name of its file's format.
        notes: Assumptions that were made when it was read.
        source: Hash of the clip, by which caches know it.
        footage: Packed pictures of the video that it comes from; empty without.
        people: Everybody of its file by their keys, the clip's own person first; empty where that is all.
    """

    clip: PoseClip2D
    format: str
    notes: tuple[str, ...]
    source: str
    footage: bytes = b""
    people: Mapping[str, ChosenClip] = field(default_factory=dict)


@dataclass(frozen=True)
class Pending:
    """A file that was read and waits to be confirmed.

    Attributes:
        poses: The file.
        number: Of the upload, so that no choice is left of the last.
        pictures: Of the video, where the file is one and they are wanted.
        detector: Name of the detector that found its people, where the file is a video.
    """

    poses: PoseFile
    number: int
    pictures: Pictures | None = None
    detector: str = ""


@dataclass
class PendingVideo:
    """A video whose people are not found yet.

    Attributes:
        name: The file's.
        content: The file.
        number: Of the upload.
        facts: From its header.
        detector: The chosen one, by its name in DETECTORS.
        work: The search, once it was asked for.
        refused: Reason why the search could not begin.
    """

    name: str
    content: bytes
    number: int
    facts: VideoFacts
    detector: str = ""
    work: Detecting | None = None
    refused: str | None = None


@dataclass
class Uploads:
    """A visitor's uploads, with the state of their uploaders and dialogs.

    When a file is dealt with, a new, empty uploader takes the last one's place. That one stays unseen: a file may be
    on its way in it, or be being chosen.

    Attributes:
        own: Clips by their names in the picker, the newest first.
        pending: The upload that a dialog asks about.
        refused: Reason that the last file can't be used.
        opened: The clip that the picker has to be set to before it is drawn.
        lost: A clip that a link names and that is not here: links hold names, not uploaded files.
        read: The files that were read, by Streamlit's names of them.
        brought: A file that came in another way than through an uploader, by its name.
        boxes: The uploaders on the page by their numbers, with the number of files in each.
    """

    own: dict[str, OwnClip] = field(default_factory=dict)
    pending: Pending | PendingVideo | None = None
    refused: str | None = None
    opened: str | None = None
    lost: str | None = None
    read: set[str] = field(default_factory=set)
    brought: dict[str, bytes] = field(default_factory=dict)
    boxes: dict[int, int] = field(default_factory=lambda: {0: 0})

    def keep(self, own: OwnClip, forget: Callable[[str], object]) -> None:
        """Add a clip to the visitor's own and open it.

        Args:
            own: The clip.
            forget: Called with the clip's hash when nothing holds it any more: it was removed, newer ones took its
                place, or its visitor's session has ended.
        """
        weakref.finalize(own, forget, own.source).atexit = False
        clip = own.clip
        name, count = clip.name or "clip", 1
        while name in self.own:
            count += 1
            name = f"{clip.name} ({count})"
        self.own = dict([(name, own), *self.own.items()][:MOST_OWN])
        self.opened = name
        self.refused = self.lost = None

    def close_news(self) -> None:
        """Forget what was said of the last file and of a link."""
        self.refused = self.lost = None

    def leave(self) -> None:
        """Close the dialog and drop its file."""
        if isinstance(self.pending, PendingVideo) and self.pending.work is not None:
            self.pending.work.cancel()
        self.pending = None
        self.renew_uploader()

    def renew_uploader(self) -> None:
        """Put an empty uploader into the last one's place."""
        while len(self.boxes) > 1 and sum(self.boxes.values()) > MOST_UNSEEN:
            del self.boxes[min(self.boxes)]
        self.boxes[max(self.boxes) + 1] = 0
