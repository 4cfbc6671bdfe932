"""The tracker of BlazePose with made-up networks that find bright spots; test_real_video.py has the real ones."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("PIL", reason="needs what the extra `video` installs")

from diffpose_core.io.detectors.blazepose import FITTED, LAYOUT, LOOK_AGAIN, Tracker
from diffpose_core.io.detectors.regions import anchors

START = anchors(224)
#: Where a person's joints are, relative to the hips, in shares of the distance from the hips to the circle.
BODY = np.random.default_rng(0).uniform(-0.6, 0.6, (39, 2))
BODY[33], BODY[34] = (0.0, 0.0), (0.0, -1.0)


def spots(image: np.ndarray) -> list[tuple[float, float]]:
    """Middles of the white discs in a picture, from left to right."""
    mask = image.mean(-1) > image.mean() + 0.3 * (image.max() - image.mean())
    if image.max() - image.min() < 0.2:
        return []
    columns = np.flatnonzero(mask.any(0))
    parts = np.split(columns, np.flatnonzero(np.diff(columns) > 6) + 1)
    found = []
    for part in parts:
        rows = np.flatnonzero(mask[:, part].any(1))
        found.append((float(part.mean()) + 0.5, float(rows.mean()) + 0.5))
    return found


class Networks:
    """Two networks in BlazePose's layout: people are white discs, their joints lie around them as in BODY."""

    def __init__(self, length: float) -> None:
        self.looks, self.length = 0, length
        self.blind = False

    def people(self, image: np.ndarray) -> list[np.ndarray]:
        self.looks += 1
        boxes, scores = np.zeros((len(START), 12)), np.full((len(START), 1), -9.0)
        for number, (u, v) in enumerate(spots(image)):
            offset = np.array((u, v)) - 224 * START[number]
            up = offset - (0, self.length * 224 / 640)
            boxes[number], scores[number] = [*offset, 20, 20, *offset, *up, 0, 0, 0, 0], 4.0 - number
        return [boxes, scores]

    def joints(self, image: np.ndarray) -> list[np.ndarray]:
        found = [] if self.blind else spots(image)
        numbers, heat = np.zeros((39, 5)), np.full((64, 64, 39), -12.0)
        if found:
            middle = min(found, key=lambda place: np.hypot(place[0] - 128, place[1] - 128))
            # A region is 2.5 times as wide as the distance to the circle.
            points = np.array(middle) + BODY * 256 / 2.5
            numbers[:, :2], numbers[:, 3:] = points, 5.0
            y, x = np.mgrid[:64, :64]
            for joint in range(39):
                u, v = points[joint] / 4
                value = 0.9 * np.exp(-0.5 * ((x - u) ** 2 + (y - v) ** 2) / 2.0)
                heat[..., joint] = np.log(np.maximum(value, 1e-6) / (1 - value))
        return [numbers.reshape(-1), np.array([0.95 if found else 0.1]), np.zeros(1), heat, np.zeros(117)]


def picture(*people: tuple[float, float]) -> np.ndarray:
    rows, columns = np.mgrid[:360, :640]
    image = np.zeros((360, 640, 3), np.uint8)
    for u, v in people:
        image[np.hypot(columns + 0.5 - u, rows + 0.5 - v) < 12] = 255
    return image


LENGTH = 90.0


def tracker(most: int = 4) -> tuple[Tracker, Networks]:
    networks = Networks(LENGTH)
    return Tracker(networks.people, networks.joints, most), networks


def test_joints_come_out_where_they_are_and_the_detector_runs_seldom() -> None:
    follow, networks = tracker()
    for n in range(LOOK_AGAIN):
        place = np.array((200.0 + 4 * n, 150.0 + 2 * n))
        found = follow.detect(picture((place[0], place[1])))
        assert found.keypoints.shape == (1, 33, 2)
        assert np.abs(found.keypoints[0] - (place + BODY[:33] * LENGTH)).max() < 4
    assert networks.looks == 1, "after the first picture the joints say where to look"
    assert (found.confidence > 0.98).all()


def test_mixtures_are_in_pixels_and_follow_the_heatmaps() -> None:
    follow, _ = tracker()
    found = follow.detect(picture((320.0, 180.0)))
    assert found.mixtures is not None and found.mixtures.shape == (1, 33, 3, 5)
    weights, means, variances = np.split(found.mixtures[0][list(FITTED)], [1, 3], axis=-1)
    assert np.allclose(weights[:, 0], 1.0)
    assert np.abs(means[:, 0] - found.keypoints[0][list(FITTED)]).max() < 0.5
    # Variance 2 in cells, of 2.5 * 90 / 64 pixels each.
    assert np.allclose(variances[:, 0], 2.0 * (2.5 * LENGTH / 64) ** 2, rtol=0.1)


def test_the_heat_of_all_joints_lies_on_them_in_the_picture() -> None:
    follow, _ = tracker()
    found = follow.detect(picture((320.0, 180.0)))
    (heat,) = found.heat
    assert heat.cells.shape == (64, 64) and heat.cells.dtype == np.uint8
    u, v, side, turn = heat.region
    for joint in FITTED:
        across, down = found.keypoints[0, joint] - (u, v)
        along = np.array([np.cos(turn) * across + np.sin(turn) * down, np.cos(turn) * down - np.sin(turn) * across])
        column, row = np.floor((along / side + 0.5) * 64).astype(int)
        assert heat.cells[row - 1 : row + 2, column - 1 : column + 2].max() > 200
    assert (heat.cells > 128).mean() < 0.1


def test_a_person_who_is_lost_is_looked_for_at_once() -> None:
    follow, networks = tracker()
    follow.detect(picture((200.0, 150.0)))
    assert len(follow.detect(picture((560.0, 200.0)))) == 1, "in the very picture in which they are lost"
    assert networks.looks == 2
    assert len(follow.detect(picture())) == 0 and networks.looks == 3
    assert len(follow.detect(picture((100.0, 200.0)))) == 1


def test_whom_the_second_network_does_not_see_is_nobody() -> None:
    follow, networks = tracker()
    networks.blind = True
    found = follow.detect(picture((200.0, 150.0)))
    assert len(found) == 0 and found.keypoints.shape == (0, 33, 2)
    assert found.mixtures is not None and found.mixtures.shape == (0, 33, 3, 5)


def test_several_people_up_to_a_number() -> None:
    both = picture((120.0, 180.0), (500.0, 180.0))
    for most in (1, 2):
        follow, _ = tracker(most)
        assert len(follow.detect(both)) == most
    follow, _ = tracker()
    counts = [len(follow.detect(picture((120.0, 180.0))))]
    counts += [len(follow.detect(both)) for _ in range(LOOK_AGAIN)]
    assert counts[0] == 1 and counts[-1] == 2, "who comes later is found when the detector looks again"


def test_two_who_become_one_are_one() -> None:
    follow, _ = tracker()
    for apart in (160, 120, 90, 60, 40, 0):
        found = follow.detect(picture((320.0 - apart, 180.0), (320.0 + apart, 180.0)))
    assert len(found) == 1


def test_another_scene_begins_anew() -> None:
    follow, networks = tracker()
    follow.detect(picture((200.0, 150.0)))
    follow.restart()
    follow.detect(picture((210.0, 150.0)))
    assert networks.looks == 2


def test_the_joints_that_are_fitted_are_those_that_make_ours() -> None:
    assert set(FITTED) == {part for parts in LAYOUT.sources for part in parts} and len(FITTED) == 14
