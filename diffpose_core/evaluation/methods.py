"""Poses of every method that is compared, from the same encoded frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from diffpose_core.evaluation.turned import turned
from diffpose_core.lifting.encode import EncodedFrames
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.sampling import sample_hypotheses
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.uncertainty.aggregate import best_hypothesis

#: Poses by method, (F, J, 3) metres, root-relative, camera frame.
MethodPoses = Mapping[str, np.ndarray]


def method_poses(encoded: EncodedFrames, models: Models, settings: LiftSettings) -> MethodPoses:
    """Poses of every method, (F, J, 3) metres, root-relative, camera frame.

    Args:
        encoded: frames of a clip, with the truth.
        models: the networks.
        settings: steps, hypotheses, seed and precision.

    Returns:
        The context encoder alone ("graformer" or "mixste"); the same network on the 2D pose that it and the heatmaps
        agree on ("graformer_reconciled"), the gain of better 2D without any diffusion; and every loaded denoiser by
        its preset's name. NAME_1_step is DDIM with a single step, which ends at the h_0 predicted at k = K. NAME_best
        is the hypothesis nearest to the truth, so it needs the truth; for the encoder's poses it is the best of as many
        poses that are turned by fixed angles (`turned`), the yardstick of every best of N. NAME_1_hypothesis is the
        first hypothesis.
    """
    truth = encoded.truth_view
    assert truth is not None
    encoder = models.encoder.name
    found = {encoder: encoded.context.pose_view, f"{encoder}_reconciled": encoded.reconciled.pose_view}
    for name, pose in tuple(found.items()):
        turns = turned(encoded.view.to_cam(pose).cpu().numpy(), settings.hypotheses)
        found[f"{name}_best"] = best_hypothesis(encoded.view.to_view(torch.from_numpy(turns).to(pose)), truth)
    for name, network in models.denoisers.items():
        final = sample_hypotheses(encoded, network, settings)
        found[name] = final.mean(1)
        found[f"{name}_1_step"] = sample_hypotheses(encoded, network, replace(settings, steps=1)).mean(1)
        found[f"{name}_1_hypothesis"] = final[:, 0]
        found[f"{name}_best"] = best_hypothesis(final, truth)
    return {name: encoded.view.to_cam(pose).cpu().numpy() for name, pose in found.items()}
