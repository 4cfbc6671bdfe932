"""Live lifting, the paper's online setting: one picture in, one pose out, from that picture and those before it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from diffpose_core.io.detectors import blazepose
from diffpose_core.io.detectors.detector import Detector, Found
from diffpose_core.io.formats.convert import to_clip
from diffpose_core.io.formats.posefile import FileClip, LayoutGuess, PoseFile, PoseTrack
from diffpose_core.lifting.encode import decide_settings
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.models import Models, load_models
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import InvalidInput, PoseClip2D

#: Frames that the camera's tilt and the person's proportions are estimated from, evenly spread over the last ones.
FACT_FRAMES = 32
#: A frame in so many is kept for that, and so many frames pass between two estimates.
_KEEP_EVERY, _FACTS_EVERY = 4, 32
#: Frames without the person after which what was known of it is forgotten.
_FORGET_AFTER = 15
#: Seconds between two pictures after which the person is looked for in the whole picture: it may have moved away.
_LOOK_AGAIN_S = 0.3


@dataclass(frozen=True)
class LivePose:
    """A person in one picture.

    Attributes:
        found: this person alone, as the detector has it, in pixels.
        keypoints_px: (J, 2), the detected 2D pose.
        confidence: (J,) in [0, 1].
        pose3d: (J, 3) metres, root-relative, camera frame: the mean of the hypotheses.
        hypotheses: (H, J, 3) metres, root-relative, camera frame.
        expected_error: (J,) metres; None without a calibration and for a single hypothesis.
        detect_s: seconds that the detector took.
        lift_s: seconds from the 2D pose to the 3D one.
    """

    found: Found
    keypoints_px: np.ndarray
    confidence: np.ndarray
    pose3d: np.ndarray
    hypotheses: np.ndarray
    expected_error: np.ndarray | None
    detect_s: float
    lift_s: float

    @property
    def latency_s(self) -> float:
        """Seconds from the picture to the 3D pose. No later picture is waited for, and none is averaged over."""
        return self.detect_s + self.lift_s


class LiveLift:
    """Lifts the pictures of a camera as they come.

    Poses are those of `lift` for single frames, without smoothing over time. Where the settings ask for an estimate of
    the camera's tilt or of the person's proportions, it is made of the last frames.

    Args:
        models: loaded weights for single frames, the bundled ones by default.
        detector: finds the person, BlazePose by default; the weights must be on this machine.
        settings: how poses are lifted.

    Attributes:
        detector: in use.
        settings: in use, with what is known of tilt and proportions by now.

    Raises:
        InvalidInput: the detector or its weights are missing, or the weights are of video.
    """

    def __init__(
        self, models: Models | None = None, detector: Detector | None = None, settings: LiftSettings | None = None
    ) -> None:
        self._models = models or load_models()
        if self._models.encoder.receptive_field != 1:
            raise InvalidInput("live poses need the networks of single frames: those of video read later frames too")
        self.detector = detector or blazepose.blazepose(most_people=1)
        self._asked = settings or LiftSettings()
        self.forget()

    def forget(self) -> None:
        """Forget the person and the camera: another scene begins."""
        self.detector.restart()
        self._time_s: float | None = None
        self.settings = replace(
            self._asked,
            up=None if isinstance(self._asked.up, str) else self._asked.up,
            body=None if isinstance(self._asked.body, str) else self._asked.body,
        )
        self._recent: deque[PoseClip2D] = deque(maxlen=FACT_FRAMES)
        self._frames = self._missed = 0

    def step(self, image: np.ndarray, time_s: float | None = None) -> LivePose | None:
        """Lift the next picture.

        Args:
            image: (height, width, 3) of blue, green, red, 8 bits.
            time_s: when it was taken, in seconds from any beginning, where it is known.

        Returns:
            The person whose joints are surest, or None where nobody is found.
        """
        begin = time.perf_counter()
        if time_s is not None and self._time_s is not None and time_s - self._time_s > _LOOK_AGAIN_S:
            self.detector.restart()
        self._time_s = time_s
        people = self.detector.detect(image)
        detected = time.perf_counter()
        if not len(people):
            self._missed += 1
            if self._missed == _FORGET_AFTER:
                self.forget()
            return None
        self._missed = 0
        found = _surest(people)
        clip = self.clip_of(found, (image.shape[1], image.shape[0]))
        self._learn(clip)
        result = lift(clip, self._models, self.settings)
        return LivePose(
            found, clip.keypoints_px[0], clip.confidence[0], result.pose3d[0], result.hypotheses[0],
            None if result.expected_error is None else result.expected_error[0],
            detected - begin, time.perf_counter() - detected,
        )  # fmt: skip

    def clip_of(self, found: Found, size: tuple[int, int]) -> PoseClip2D:
        """The person as a clip of one frame, in Human3.6M's joint order."""
        mixture = None
        if found.mixtures is not None:
            mixture = found.mixtures[..., 0], found.mixtures[..., 1:3], found.mixtures[..., 3:]
        track = PoseTrack("1", np.zeros(1, dtype=np.int64), found.keypoints, found.confidence, mixture)
        layouts = (LayoutGuess(self.detector.layout, "the detector"),)
        file_clip = FileClip("", 1, (track,), size)
        return to_clip(PoseFile("live", self.detector.name, (file_clip,), layouts)).clip

    def _learn(self, clip: PoseClip2D) -> None:
        """Keep a frame in a few, and estimate tilt and proportions of those now and then."""
        if self._frames % _KEEP_EVERY == 0:
            if self._recent and (self._recent[-1].width, self._recent[-1].height) != (clip.width, clip.height):
                self._recent.clear()
            self._recent.append(clip)
        self._frames += 1
        if self._frames % _FACTS_EVERY == 0:
            self.settings = decide_settings(self._asked, _joined(self._recent), self._models)


def _surest(people: Found) -> Found:
    """The person with the highest mean confidence, alone."""
    best = int(people.confidence.mean(1).argmax())
    row = slice(best, best + 1)
    return Found(
        people.keypoints[row], people.confidence[row], None if people.mixtures is None else people.mixtures[row]
    )


def _joined(clips: deque[PoseClip2D]) -> PoseClip2D:
    """Clips of one frame as one clip."""
    mixtures = [clip.mixture for clip in clips if clip.mixture is not None]
    parts = zip(*((m.weights, m.means_px, m.variances_px2) for m in mixtures), strict=True)
    return replace(
        clips[0],
        keypoints_px=np.concatenate([clip.keypoints_px for clip in clips]),
        confidence=np.concatenate([clip.confidence for clip in clips]),
        mixture=type(mixtures[0])(*(np.concatenate(part) for part in parts)),
    )
