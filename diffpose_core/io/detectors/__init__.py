"""Detectors of people in pictures: BlazePose, whose heatmaps become mixtures, and RTMPose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from diffpose_core.io.detectors import blazepose, blazepose_weights, rtmpose
from diffpose_core.io.detectors.detector import Detector, Progress, how_to_install
from diffpose_core.structures import InvalidInput


@dataclass(frozen=True)
class DetectorKind:
    """A detector that can be chosen.

    Attributes:
        title: its name.
        extra: what installs its packages.
        gives: what it gives, for a person who chooses.
        download: what is downloaded, how large it is, and from where.
        is_installed: True if its packages are here.
        has_weights: True if its weights are here.
        get_weights: downloads them.
        load: the detector for one video.
    """

    title: str
    extra: str
    gives: str
    download: str
    is_installed: Callable[[], bool]
    has_weights: Callable[[], bool]
    get_weights: Callable[[Progress | None], None]
    load: Callable[[], Detector]

    @property
    def is_ready(self) -> bool:
        """True if it can be used without any download."""
        return self.is_installed() and self.has_weights()


DETECTORS: Mapping[str, DetectorKind] = {
    "blazepose": DetectorKind(
        "BlazePose", "video", "33 joints with their heatmaps, of up to 4 people",
        "34 MiB from the package index, of which 9 are kept (Google's MediaPipe, Apache-2.0)",
        blazepose.is_installed, blazepose_weights.has_weights, blazepose_weights.get_weights, blazepose.blazepose,
    ),
    "rtmpose": DetectorKind(
        "RTMPose", "rtmpose", "17 joints with their distributions, of everybody",
        "two networks from OpenMMLab (Apache-2.0)",
        rtmpose.is_installed, rtmpose.has_weights, rtmpose.get_weights, rtmpose.rtmpose,
    ),
}  # fmt: skip


def chosen_detector(name: str | None = None) -> DetectorKind:
    """The detector of that name; by default BlazePose, or RTMPose where that alone is ready.

    Raises:
        InvalidInput: the name is unknown, or its packages are not installed.
    """
    if name is not None and name not in DETECTORS:
        raise InvalidInput(f"no detector {name!r}; there are: {', '.join(DETECTORS)}")
    kind = DETECTORS[name or "blazepose"]
    if name is None and not kind.is_ready and DETECTORS["rtmpose"].is_ready:
        kind = DETECTORS["rtmpose"]
    if not kind.is_installed():
        raise InvalidInput(f"{kind.title} is not installed; {how_to_install(kind.extra)}")
    return kind


__all__ = ["DETECTORS", "DetectorKind", "chosen_detector", "how_to_install"]
