"""Turned regions of a picture, and the detector's boxes."""

import numpy as np
import pytest

from diffpose_core.io.detectors.regions import Region, anchors, cut_out, people_of, region_of, whole_picture

pytest.importorskip("PIL", reason="needs what the extra `video` installs")


def spotted(u, v, size=(200, 300)):
    """A black picture (height, width) with one soft red spot."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = np.zeros((*size, 3), np.uint8)
    image[..., 2] = 255 * np.exp(-((columns + 0.5 - u) ** 2 + (rows + 0.5 - v) ** 2) / 18)
    return image


def spot(image):
    """Where the spot is, (x, y), and its colour's channel."""
    channel = int(image.sum((0, 1)).argmax())
    weights = image[..., channel] / image[..., channel].sum()
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(weights * (columns + 0.5)).sum(), (weights * (rows + 0.5)).sum()]), channel


@pytest.mark.parametrize("turn", [0.0, 0.4, -1.2, 3.0])
def test_a_point_that_is_cut_out_goes_back_to_its_place(turn):
    region = Region(150.0, 100.0, 120.0, turn)
    for place in ((150.0, 100.0), (170.0, 90.0), (140.0, 130.0)):
        cut = cut_out(spotted(*place), region, 64)
        there, channel = spot(cut)
        assert channel == 0, "red comes first"
        assert np.abs(region.to_picture(there, 64) - place).max() < 0.4


def test_a_person_who_lies_stands_in_the_region():
    # The head is to the right of the hips, in the picture.
    hips, circle = np.array([100.0, 100.0]), np.array([140.0, 100.0])
    region = region_of(hips, circle)
    assert region.side == pytest.approx(100.0)
    head, _ = spot(cut_out(spotted(130.0, 100.0), region, 64))
    assert head[0] == pytest.approx(32, abs=0.5) and head[1] < 20


def test_regions_beyond_the_picture_are_black_there():
    image = np.full((50, 60, 3), 200, np.uint8)
    assert cut_out(image, Region(500.0, 500.0, 40.0, 0.3), 32).max() == 0
    cut = cut_out(image, Region(0.0, 25.0, 40.0, 0.0), 32)
    assert cut[:, :14].max() == 0 and cut[8:24, 18:].min() > 190


@pytest.mark.parametrize("size", [(200, 300), (300, 200)])
def test_the_whole_picture_keeps_its_proportions(size):
    place = (120.0, 90.0)
    square, region = whole_picture(spotted(*place, size), 224)
    assert square.shape == (224, 224, 3)
    there, _ = spot(square)
    assert np.abs(region.to_picture(there, 224) - place).max() < 0.7


def test_boxes_that_overlap_are_one_person():
    start = anchors(224)
    assert start.shape == (2254, 2)
    boxes, scores = np.zeros((2254, 12)), np.full((2254, 1), -9.0)

    def put(number, middle, score):
        # The middle, the size, then four points, all relative to the anchor.
        offset = np.array(middle) - 224 * start[number]
        boxes[number] = [*offset, 60, 60, *offset, *(offset - (0, 40)), 0, 0, 0, 0]
        scores[number] = score

    put(10, (60.0, 60.0), 3.0)
    put(500, (64.0, 60.0), 3.0)
    put(2000, (160.0, 160.0), 1.0)
    found = people_of(boxes, scores[:, 0], start, 0.5, 224)
    assert np.allclose(found, [[(62, 60), (62, 20)], [(160, 160), (160, 120)]])
    assert people_of(boxes, scores[:, 0], start, 0.99, 224).shape == (0, 2, 2)
