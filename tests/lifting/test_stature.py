"""Results scaled to the height of a person."""

from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.lifting.stature import scaled_to_stature
from diffpose_core.skeleton import stature
from diffpose_core.structures import InvalidInput
from tests.lifting.helpers import FEW


def test_a_result_scaled_to_a_stature_keeps_its_shape_and_its_place_in_the_image(clip, tiny_models):
    result = lift(clip, tiny_models, LiftSettings(hypotheses=2, uncertainty=FEW), trace=True)
    # Random networks give poses that can't be placed in space.
    path = np.linspace((-1.0, 0.0, 20.0), (1.0, 0.2, 25.0), len(clip)).astype(np.float32)
    result = replace(result, root_cam=path, root_error_px=np.full(len(clip), 3.0, dtype=np.float32))
    scaled = scaled_to_stature(result, 1.75)
    assert np.isclose(stature(scaled.pose3d), 1.75, atol=1e-4)
    factor = scaled.provenance["scaled_by"]
    assert np.isclose(factor, 1.75 / stature(result.pose3d))
    for name in ("pose3d", "hypotheses", "joint_std", "baseline", "root_cam"):
        before, after = getattr(result, name), getattr(scaled, name)
        assert np.allclose(after, before * factor, rtol=1e-5) and after.dtype == before.dtype, name
    assert np.allclose(scaled.trace.samples, result.trace.samples * factor, rtol=1e-5)
    camera = clip.intrinsics
    seen = [(r.pose3d + r.root_cam[:, None])[..., :2] / (r.pose3d + r.root_cam[:, None])[..., 2:]
            for r in (result, scaled)]  # fmt: skip
    assert np.abs(seen[0] - seen[1]).max() * camera.fx < 0.01, "pixels"
    assert scaled.root_error_px is result.root_error_px and "stature_m" not in result.provenance


def test_somebody_else_is_not_measured(clip, tiny_models):
    result = lift(clip, tiny_models, LiftSettings(hypotheses=2, uncertainty=FEW))
    other = np.arange(len(clip)) % 5 > 1
    tall = np.where(other[:, None, None], 1.5 * result.pose3d, result.pose3d)
    factor = scaled_to_stature(result, 1.75).provenance["scaled_by"]
    scaled = scaled_to_stature(replace(result, pose3d=tall, other_person=other), 1.75)
    assert np.isclose(scaled.provenance["scaled_by"], factor, rtol=1e-5)
    assert np.allclose(scaled.pose3d, tall * factor, rtol=1e-5), "every frame is scaled alike"


@pytest.mark.parametrize("height", [0.0, -1.8, 178.0, float("nan"), float("inf")])
def test_a_stature_that_nobody_has_is_refused(clip, tiny_models, height):
    result = lift(clip, tiny_models, LiftSettings(hypotheses=1, uncertainty=FEW))
    with pytest.raises(InvalidInput, match=r"between 0.3 and 3 m, found"):
        scaled_to_stature(result, height)
