"""Stage data of the mixture that is fitted to one frame's H_K."""

from __future__ import annotations

import numpy as np
import torch

from app.figures.joint_study import SHOWN_DRAWS
from app.figures.mixture import mixture
from app.stage.payload import to_plot_axes, unpack
from tests.app.figures.test_joint_study import COMPONENTS, DRAWS, gmm


def test_the_mixture_has_a_step_for_every_component():
    one = gmm(())
    draws, _ = one.sample(DRAWS, torch.Generator().manual_seed(0))
    samples = draws.numpy().reshape(DRAWS, 17, 3)
    scores = np.stack([np.arange(4.0), np.arange(4.0) - 1, -np.arange(4.0)], axis=1)
    header, arrays = unpack(mixture(samples, one, scores, samples[0], "hash", "clip", 3))
    assert header["axes"]["step"]["texts"] == ["all", "1 of 3", "2 of 3", "3 of 3"]
    scene, weights, selection = header["panels"]
    assert [layer["number"] for layer in scene["layers"]] == [1, 2, 3]
    shown = sum(len(arrays[f"draws_{m}"]) for m in range(COMPONENTS))
    assert shown == SHOWN_DRAWS, "every shown draw belongs to one component"
    np.testing.assert_allclose(arrays[weights["weights"]], [0.5, 0.3, 0.2])
    assert selection["chosen"] == COMPONENTS
    np.testing.assert_array_equal(arrays["curve_fresh"], scores[:, 1])
    mean = one.means.numpy().reshape(COMPONENTS, 17, 3)
    np.testing.assert_allclose(arrays["mean_2"], to_plot_axes(mean[2]), rtol=1e-6)
