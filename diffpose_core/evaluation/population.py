"""Knowledge of a person before any picture: averages over training views, in place of the encoder's output."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from diffpose_core.datasets.sampling import PoseSampler
from diffpose_core.lifting.encode import EncodedFrames
from diffpose_core.lifting.settings import FIT_STREAM
from diffpose_core.models.context import Context, ContextEncoder
from diffpose_core.rng import seeded
from diffpose_core.uncertainty.indeterminate import DepthResidual, fit_depth_residual

_SEED, _BLOCK = 31_000, 512


@dataclass(frozen=True)
class Population:
    """Averages over training views.

    Attributes:
        features: (J, C), mean f_ST of reconciled 2D poses.
        scale_m: mean length of a normalised unit of the picture, metres.
        depth_m: (J,), mean depth of each joint, view frame.
        depth: errors of that depth as a guess.
    """

    features: Tensor
    scale_m: float
    depth_m: Tensor
    depth: DepthResidual

    def without_f_st(self, encoded: EncodedFrames) -> EncodedFrames:
        """The frames with f_ST at its mean; the encoder's pose and H_K stay."""
        features = self.features.expand(len(encoded), -1, -1)
        return replace(
            encoded,
            context=replace(encoded.context, features=features),
            reconciled=replace(encoded.reconciled, features=features),
            neighbours=None,
        )

    def without_encoder(self, encoded: EncodedFrames, encoder: ContextEncoder) -> EncodedFrames:
        """The frames with H_K of the heatmaps and the average depth alone, and nothing of the encoder anywhere.

        Args:
            encoded: frames of a clip.
            encoder: fits the mixture as it does for its own poses; no network is asked.
        """
        view = encoded.view
        place = self.scale_m * view.pose_norm
        pose = torch.cat((place, self.depth_m.expand(len(view), -1)[..., None]), dim=-1)
        context = Context(self.features.expand(len(view), -1, -1), pose)
        generator = seeded("cpu", encoded.settings.seed, FIT_STREAM)
        blind = replace(encoder, depth=self.depth)
        samples, gmm = blind.indeterminate(view, context, encoded.settings.uncertainty, generator, shared_noise=True)
        return replace(
            encoded, context=context, reconciled=context, gmm=gmm, samples_view=samples, told=None, neighbours=None
        )


@torch.inference_mode()
def measure_population(encoder: ContextEncoder, sampler: PoseSampler, views: int = 8192) -> Population:
    """Measure a `Population`.

    Args:
        encoder: of single frames, whose f_ST is averaged.
        sampler: of training views.
        views: at least this many views are drawn.
    """
    features, scales, depths, spreads = [], [], [], []
    for block in range(-(-views // _BLOCK)):
        batch = sampler.draw(_BLOCK, seeded(sampler.device, _SEED, block))
        view, truth = batch.view, batch.pose_view
        features.append(encoder.encode_reconciled(view, encoder.encode(view)).features.mean(0))
        scales.append((truth[..., :2] * view.pose_norm).sum((1, 2)) / view.pose_norm.square().sum((1, 2)))
        depths.append(truth[..., 2])
        spreads.append(view.joint_std_norm)
    scale, depth = float(torch.cat(scales).mean()), torch.cat(depths)
    mean = depth.mean(0)
    residual = fit_depth_residual(depth - mean, scale * torch.cat(spreads))
    return Population(torch.stack(features).mean(0), scale, mean, residual)
