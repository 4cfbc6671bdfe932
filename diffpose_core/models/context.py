"""The frozen context encoder phi_ST with the spread of its depth errors: from a view to f_ST, a pose and H_K."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from diffpose_core.config import UncertaintyConfig
from diffpose_core.models.encoders import ENCODER_KINDS, EncoderNetwork, encoder_kind, takes_conditions
from diffpose_core.models.windows import Windows
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.fit_gmm import fit_gmm_batch
from diffpose_core.uncertainty.indeterminate import DepthResidual, sample_indeterminate
from diffpose_core.uncertainty.pose_gmm import PoseGMM
from diffpose_core.uncertainty.reconcile import centred_and_scaled, metres_per_unit, reconcile
from diffpose_core.uncertainty.view import View

#: After two rounds of `reconcile` and encoding the pose hardly moves any more.
_RECONCILE_ROUNDS = 2
#: Windows that a processor encodes at a time: a third less time than for a clip at once, and a tenth of the memory.
_WINDOWS_AT_ONCE = 8


@dataclass(frozen=True)
class Context:
    """Output of a context encoder.

    Attributes:
        features: f_ST, (B, J, C).
        pose_view: The encoder's own prediction, (B, J, 3) metres, root-relative, view frame.
    """

    features: Tensor
    pose_view: Tensor

    def __getitem__(self, index: slice | Tensor) -> Context:
        return Context(self.features[index], self.pose_view[index])


@dataclass(frozen=True)
class ContextEncoder:
    """A trained network with the spread of its depth errors.

    Views for a MixSTE hold whole windows, the frames of a window one after another.

    Attributes:
        network: Graformer (single frames) or MixSTE (windows of frames), in evaluation mode.
        depth: Spread of its depth errors on training data.
    """

    network: EncoderNetwork
    depth: DepthResidual

    @property
    def name(self) -> str:
        """The name of the method whose pose is the baseline, such as "graformer" or "mixste"."""
        return encoder_kind(self.network)

    @property
    def title(self) -> str:
        """The name in texts."""
        return ENCODER_KINDS[self.name][1]

    @property
    def takes_conditions(self) -> bool:
        """Whether it can be told the camera's tilt and the body's proportions."""
        return takes_conditions(self.network)

    @property
    def receptive_field(self) -> int:
        """The number of frames in a window; 1 for an encoder of single frames."""
        return self.network.receptive_field

    @property
    def device(self) -> torch.device:
        """The device of the weights, where views have to be too."""
        return next(self.network.parameters()).device

    def to(self, device: torch.device | str) -> ContextEncoder:
        """A copy on another device."""
        return ContextEncoder(copy.deepcopy(self.network).to(device), self.depth.to(device))

    def encode_frames(
        self, view: View, windows: Windows, clips: int = 1, told: Tensor | None = None
    ) -> tuple[Context, Context]:
        """Encodes the wanted frames of clips, from the detected 2D pose and from the reconciled one.

        Args:
            view: All frames of `clips` clips of equal length, one after another.
            windows: The windows that hold the wanted frames, by frame number within a clip.
            clips: Number of clips.
            told: (B, 14), the conditions of every frame of the view (`models.conditions`), or None.

        Returns:
            The context of the detected pose and that of the reconciled pose.
        """
        every, told = _in_windows(view, windows, clips, told)
        detected = self.encode(every, told)
        reconciled = self.encode_reconciled(every, detected, told)
        return _blended(detected, windows, clips), _blended(reconciled, windows, clips)

    def encode_detected(self, view: View, windows: Windows, told: Tensor | None = None) -> Context:
        """Encodes the wanted frames of one clip from the detected 2D pose alone: half of `encode_frames`."""
        every, told = _in_windows(view, windows, 1, told)
        return _blended(self.encode(every, told), windows, 1)

    @torch.no_grad()
    def encode(self, view: View, told: Tensor | None = None) -> Context:
        """Encodes every frame of a view; told: (B, 14), `conditions.tell`, or None."""
        return self._encode(view, view.pose_norm, told)

    @torch.no_grad()
    def encode_reconciled(self, view: View, detected: Context, told: Tensor | None = None) -> Context:
        """Encodes the 2D pose that the whole heatmaps and the encoder agree on (`reconcile`).

        Args:
            view: The view.
            detected: `encode` of the same view, the start.
            told: (B, 14), as in `encode`.
        """
        unit_m = metres_per_unit(view, detected.pose_view)
        context = detected
        for _ in range(_RECONCILE_ROUNDS):
            context = self._encode(view, reconcile(view, context.pose_view, unit_m), told)
        return context

    def _encode(self, view: View, place: Tensor, told: Tensor | None) -> Context:
        pose_norm = centred_and_scaled(place, view.size, self.receptive_field)
        if self.receptive_field == 1 or self.device.type != "cpu":
            features = self.network.features(pose_norm, told)
        else:
            # Activations of a few windows fit into the processor's cache.
            size = _WINDOWS_AT_ONCE * self.receptive_field
            told_parts = itertools.repeat(None) if told is None else told.split(size)
            parts = zip(pose_norm.split(size), told_parts, strict=False)
            features = torch.cat([self.network.features(*part) for part in parts])
        return Context(features.float(), self.network.pose(features))

    @torch.no_grad()
    def up(self, context: Context) -> tuple[Tensor, Tensor]:
        """Up by each frame alone.

        Args:
            context: `encode` of B frames, told nothing.

        Returns:
            Unit vectors (B, 3), view frame, and the spread of their error along an axis, (B,) radians.

        Raises:
            InvalidInput: The network was trained without the camera's tilt.
        """
        if not takes_conditions(self.network):
            raise InvalidInput(f"the weights of {self.title} were trained without the camera's tilt and can't find it")
        return self.network.up(context.features)

    @torch.no_grad()
    def indeterminate(
        self,
        view: View,
        context: Context,
        config: UncertaintyConfig,
        generator: torch.Generator,
        shared_noise: bool = False,
    ) -> tuple[Tensor, PoseGMM]:
        """Draws from H_K of every frame and fits a GMM to the draws.

        Args:
            view: The view.
            context: Its context.
            config: Numbers of draws, components and steps.
            generator: Source of the random numbers.
            shared_noise: See `sample_indeterminate`.

        Returns:
            N_GMM poses, (B, N, J, 3) metres, view frame, and the mixture.

        Source: main paper, section 4.2.
        """
        samples = sample_indeterminate(view, context.pose_view, self.depth, config.num_samples, generator, shared_noise)
        gmm = fit_gmm_batch(
            samples.flatten(-2),
            n_components=config.num_components,
            generator=generator,
            max_iter=config.fit_iterations,
            # Frames that are fitted together also stop together, unless none stops early.
            tol=0.0 if shared_noise else 1e-3,
            reg_covar=config.reg_covar,
            shared_seeds=shared_noise,
            overrelaxation=config.overrelaxation,
        )
        return samples, gmm


def _in_windows(view: View, windows: Windows, clips: int, told: Tensor | None) -> tuple[View, Tensor | None]:
    """The frames of all windows of all clips, one after another, with their conditions."""
    index = torch.from_numpy(windows.frames).flatten()
    rows = (torch.arange(clips)[:, None] * (len(view) // clips) + index).flatten()
    return view[rows], None if told is None else told[rows]


def _blended(context: Context, windows: Windows, clips: int) -> Context:
    """The wanted frames of a context of all windows."""
    return Context(windows.blend(context.features, clips), windows.blend(context.pose_view, clips))
