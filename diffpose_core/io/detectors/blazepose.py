"""BlazePose by LiteRT, an optional extra (`video`): 33 joints with heatmaps, people followed by their regions.

Source: Bazarevsky et al., BlazePose, arXiv 2006.10204.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diffpose_core.io.detectors.blazepose_weights import networks
from diffpose_core.io.detectors.detector import Detector, Found, Heat, how_to_install
from diffpose_core.io.detectors.regions import Region, anchors, cut_out, people_of, region_of, whole_picture
from diffpose_core.io.formats.layouts import LAYOUTS
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.heatmaps import NUM_MODES, fit_heatmaps, with_landmarks
from diffpose_core.uncertainty.mixtures import person_size_px, relative_std

LAYOUT = LAYOUTS["MediaPipe-33"]
#: Joints whose heatmaps are fitted: those that our 17 joints are made of.
FITTED = tuple(sorted({part for parts in LAYOUT.sources for part in parts}))
#: People that are followed at a time.
MOST_PEOPLE = 4
#: Every so many pictures the detector looks for others than those who are followed.
LOOK_AGAIN = 15
_INPUT, _CROP = 224, 256
_LEAST_SCORE = 0.5
#: Two regions whose joints are nearer than this share of the person's size are of one person.
_SAME_PERSON = 0.3

Network = Callable[[np.ndarray], list[np.ndarray]]


def is_installed() -> bool:
    """True if the extra `video` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("av", "PIL", "ai_edge_litert"))


def blazepose(most_people: int = MOST_PEOPLE) -> Detector:
    """BlazePose, on the processor, for the pictures of one video. Downloads nothing.

    Args:
        most_people: people who are followed at a time.

    Raises:
        InvalidInput: the extra or the weights are not on this machine, or the weights are not those expected.
    """
    people, joints = (_network(content) for content in networks())
    tracker = Tracker(people, joints, most_people)
    return Detector("BlazePose", LAYOUT, tracker.detect, tracker.restart)


def _network(content: bytes) -> Network:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise InvalidInput(f"BlazePose is not installed; {how_to_install()}") from None
    # The same numbers as on one thread, a sixth sooner; beside two busy programs, too.
    network: Any = Interpreter(model_content=content, num_threads=2)
    network.allocate_tensors()
    (put,), takes = network.get_input_details(), network.get_output_details()

    def run(image: np.ndarray) -> list[np.ndarray]:
        network.set_tensor(put["index"], image[None])
        network.invoke()
        return [network.get_tensor(take["index"])[0] for take in takes]

    return run


class Tracker:
    """Follows people from picture to picture: their joints in one say where to look in the next.

    Args:
        people: the detector, (224, 224, 3) of -1 to 1 -> boxes (2254, 12) and logits (2254, 1).
        joints: the network of joints, (256, 256, 3) of 0 to 1 -> joints (195,), presence (1,), a mask, heatmaps
            (64, 64, 39) and joints in metres.
        most_people: people who are followed at a time.
    """

    def __init__(self, people: Network, joints: Network, most_people: int = MOST_PEOPLE) -> None:
        self._people, self._joints, self._most = people, joints, most_people
        self._anchors = anchors(_INPUT)
        self.restart()

    def restart(self) -> None:
        """Forget everybody: another scene begins."""
        self._regions: list[Region] = []
        self._pictures = 0
        self._lost = False

    def detect(self, image: np.ndarray) -> Found:
        """People in the next picture, (height, width, 3) of blue, green, red."""
        due = self._lost or self._pictures % LOOK_AGAIN == 0
        looked = due and len(self._regions) < self._most
        regions = [*self._regions, *(self._look(image, self._regions) if looked else [])]
        seen = self._seen(image, regions)
        if not seen and not looked:
            seen = self._seen(image, self._look(image, []))
        self._pictures += 1
        self._lost = len(seen) < len(self._regions)
        self._regions = [region for *_, region in seen]
        if not seen:
            joints = len(LAYOUT)
            return Found(np.zeros((0, joints, 2)), np.zeros((0, joints)), np.zeros((0, joints, NUM_MODES, 5)))
        joints_of, sure, mixtures = (np.stack(part) for part in zip(*(parts for parts, *_ in seen), strict=True))
        return Found(joints_of, sure, mixtures, tuple(heat for _, heat, _ in seen))

    def _look(self, image: np.ndarray, known: Sequence[Region]) -> list[Region]:
        """Regions of people who are not in known ones."""
        square, whole = whole_picture(image, _INPUT)
        boxes, scores = self._people(square / 127.5 - 1.0)
        found = people_of(boxes, scores[:, 0], self._anchors, _LEAST_SCORE, _INPUT)
        regions = [region_of(*whole.to_picture(points, _INPUT)) for points in found]
        others = [one for one in regions if all(np.hypot(one.u - k.u, one.v - k.v) > 0.15 * k.side for k in known)]
        return [region for region in others if region.side > 1.0][: self._most - len(known)]

    def _seen(
        self, image: np.ndarray, regions: Sequence[Region]
    ) -> list[tuple[tuple[np.ndarray, np.ndarray, np.ndarray], Heat, Region]]:
        """Joints, confidences and mixtures of those who are there, their heat, and the regions to look at next."""
        found: list[tuple[tuple[np.ndarray, np.ndarray, np.ndarray], Heat, Region]] = []
        for region in regions:
            numbers, presence, _, heatmaps, _ = self._joints(cut_out(image, region, _CROP) / 255.0)
            if not float(presence[0]) >= _LEAST_SCORE:
                continue
            rows = numbers.reshape(39, 5)
            points = region.to_picture(rows[:, :2], _CROP)
            joints = points[: len(LAYOUT)]
            size = person_size_px(joints[None])[0]
            if any(np.abs(joints - other[0]).mean() < _SAME_PERSON * size for other, *_ in found):
                continue
            sure = _sigmoid(rows[: len(LAYOUT), 3]) * _sigmoid(rows[: len(LAYOUT), 4])
            mixtures = _mixtures(rows[: len(LAYOUT)], sure, heatmaps, region, float(size))
            found.append(((joints, sure, mixtures), _heat(heatmaps, region), region_of(points[33], points[34])))
        return found


def _mixtures(rows: np.ndarray, sure: np.ndarray, heatmaps: np.ndarray, region: Region, size: float) -> np.ndarray:
    """Mixtures of a person's joints, (33, K, 5), in pixels of the picture.

    Args:
        rows: (33, 5), x, y and more of the joints in pixels of the crop.
        sure: (33,), confidences in [0, 1].
        heatmaps: (64, 64, 39), logits.
        region: of the crop.
        size: of the person in pixels of the picture.
    """
    cells = heatmaps.shape[0]
    pixels = _CROP / cells  # of the crop, a cell
    length = region.side / cells  # in the picture, a cell
    spreads = relative_std(sure) * size / length
    weights = np.tile(np.eye(NUM_MODES, dtype=np.float32)[0], (len(rows), 1))
    means = np.repeat(rows[:, None, :2] / pixels, NUM_MODES, axis=1)
    variances = np.repeat(np.square(spreads)[:, None, None], NUM_MODES, axis=1).repeat(2, axis=2)
    joints = list(FITTED)
    heat = _sigmoid(heatmaps[..., joints].transpose(2, 0, 1))
    fitted = with_landmarks(fit_heatmaps(heat), rows[joints, :2] / pixels, spreads[joints], 1.0 - heat.max((1, 2)))
    for whole, part in zip((weights, means, variances), fitted, strict=True):
        whole[joints] = part
    # The picture's axes are turned against the crop's: its variances are blends of theirs.
    blend = np.square(region.axes)
    places = region.to_picture(means * pixels, _CROP)
    return np.concatenate((weights[..., None], places, variances @ blend * length**2), axis=-1).astype(np.float32)


def _heat(heatmaps: np.ndarray, region: Region) -> Heat:
    """The heatmaps (64, 64, 39), logits, of the joints that ours are made of, as one."""
    cells = np.rint(255.0 * _sigmoid(heatmaps[..., list(FITTED)].max(-1))).astype(np.uint8)
    # The middle of the first cell lies on the corner of the crop.
    half_cell = np.full(2, -0.5 * _CROP / len(cells))
    u, v = region.to_picture(half_cell + _CROP / 2, _CROP)
    return Heat(cells, (float(u), float(v), region.side, region.turn))


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -50.0, 50.0))))
