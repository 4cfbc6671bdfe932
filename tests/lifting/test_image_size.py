"""Files of 0 to 1 without an image size: the body's proportions tell upright from wide pictures."""

import json

import numpy as np
import pytest

from diffpose_core.camera import look_at_camera
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.io.formats import Choice, read_pose_file
from diffpose_core.lifting.image_size import to_clip_in_proportion


def file_of(size, scale):
    """A walk seen by a camera of a size, as MoveNet's JSON with numbers divided by a scale."""
    motion = procedural_motion("walk", 3, 2.0)[:40].astype(np.float64)
    camera = look_at_camera(motion[:, 0].mean(0) + np.array([3.0, -4.0, 0.6]), motion[:, 0].mean(0), 1300, *size)
    points = camera.project(camera.to_cam(motion)) / np.array(scale)
    frames = [{"keypoints": [[*point, 0.9] for point in pose]} for pose in points.tolist()]
    return read_pose_file(json.dumps({"frames": frames}).encode(), "walk.json")


@pytest.mark.parametrize(
    ("size", "scale", "taken"),
    [((1080, 1920), (1080, 1920), [(1080, 1920), (1920, 1920)]), ((1920, 1080), (1920, 1080), [(1920, 1080)]),
     ((1920, 1080), (1920, 1920), [(1080, 1920), (1920, 1920)])],
    ids=["upright", "wide", "one scale"],
)  # fmt: skip
def test_a_stretched_person_is_not_taken(shipped_models, size, scale, taken):
    poses = file_of(size, scale)
    assert poses.coordinates == "unit"
    found = to_clip_in_proportion(poses, Choice(layout="h36m"), shipped_models)
    assert (found.clip.width, found.clip.height) in taken and "image size" in found.clip.provenance["assumed"]
    (said,) = [note for note in found.notes if "image size" in note]
    assert ("would stretch it" in said) == (size[0] < size[1] or scale[0] == scale[1])
    assert list(found.notes) == found.clip.provenance["notes"]


def test_a_size_that_is_given_stays(shipped_models):
    found = to_clip_in_proportion(
        file_of((1080, 1920), (1080, 1920)), Choice(layout="h36m", image_size=(1920, 1080)), shipped_models
    )
    assert (found.clip.width, found.clip.height) == (1920, 1080)
