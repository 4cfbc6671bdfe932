"""Clips of made-up BVH texts, and how near their joints must be, for the tests of motion files."""

import io

import numpy as np

from diffpose_core.datasets.motion_files.bvh import read_bvh
from diffpose_core.datasets.motion_files.convert import Settings, convert
from tests.datasets.motion_files import bodies

#: What the files' six decimals and float32 leave.
ATOL_M = 2e-5


def bvh_clip(settings=None, **options):
    """Poses and notes of a BVH text made of options."""
    names = bodies.FAMILIES[options.pop("family", "mixamo")]
    clips, notes = convert(read_bvh(bodies.bvh(names, **options).encode(), "a.bvh"), "a.bvh", settings or Settings())
    return clips[0].poses, notes


def assert_places(poses, expected, without=()):
    for joint, place in expected.items():
        if joint not in without:
            assert np.abs(poses[:, joint] - place).max() < ATOL_M, f"joint {joint}"


def saved(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


GOOD = bodies.bvh(bodies.FAMILIES["mixamo"], 20)
