"""Poses of one setting of the ablation suite, from encoded frames and the networks at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffpose_core.evaluation.ablation_suite import ENCODERS, OTHER_ENCODERS, Answer, Setting, groups
from diffpose_core.evaluation.population import Population
from diffpose_core.evaluation.turned import turned
from diffpose_core.io.checkpoints import load_denoiser, load_encoder
from diffpose_core.lifting.encode import EncodedFrames
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.sampling import sample_hypotheses
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.models.context import ContextEncoder
from diffpose_core.uncertainty.aggregate import best_hypothesis, best_joints, one_pose


@dataclass(frozen=True)
class Weights:
    """Networks of the suite that are at hand.

    Attributes:
        models: the shipped networks and those found beside them.
        encoders: those of `OTHER_ENCODERS`, by name.
        population: averages over training views, in place of the encoder.
    """

    models: Models
    encoders: Mapping[str, ContextEncoder] = field(default_factory=dict)
    population: Population | None = None

    def has(self, setting: Setting) -> bool:
        """True where a setting's network, and what it needs beside it, is at hand."""
        network = setting.network
        if setting.encoder != "all" and self.population is None:
            return False
        return network in ENCODERS or network in self.encoders or network in self.models.denoisers


def find_weights(models: Models, folders: Sequence[str | Path] = ()) -> Weights:
    """The given models and the suite's other networks, each from the first folder that has it.

    Raises:
        InvalidInput: where a file is damaged or was trained on another encoder.
    """
    denoisers, encoders = dict(models.denoisers), {}
    wanted = {cell.setting.network for group in groups() for cell in group.cells}
    for name in sorted(wanted - set(denoisers) - set(ENCODERS)):
        path = next((p for p in (Path(folder) / f"{name}.safetensors" for folder in folders) if p.is_file()), None)
        if path is None:
            continue
        if name in OTHER_ENCODERS:
            encoders[name], _ = load_encoder(path)
        else:
            denoisers[name], _ = load_denoiser(path, models.encoder)
    return Weights(replace(models, denoisers=denoisers), encoders)


#: Answers that are measured, by setting, each with or without the true root.
Asked = Mapping[Setting, Sequence[tuple[Answer, bool]]]
Key = tuple[Setting, Answer, bool]


def _hypotheses(encoded: EncodedFrames, setting: Setting, weights: Weights, lift: LiftSettings) -> Tensor:
    """A setting's hypotheses of encoded frames, (F, N, J, 3) metres, view frame."""
    view = encoded.view
    if setting.network in (*ENCODERS, *OTHER_ENCODERS):
        found = {"graformer": encoded.context, "graformer_reconciled": encoded.reconciled}.get(setting.network)
        if found is None:
            found = weights.encoders[setting.network].encode(view)
        final = found.pose_view[:, None]
    else:
        network = weights.models.denoisers[setting.network]
        if setting.encoder != "all":
            assert weights.population is not None
            without = weights.population
            blind = setting.encoder == "nothing"
            encoded = (
                without.without_encoder(encoded, weights.models.encoder) if blind else without.without_f_st(encoded)
            )
        lift = replace(
            lift,
            steps=min(setting.steps, network.config.num_steps),
            hypotheses=setting.hypotheses,
            balanced=setting.balanced,
        )
        final = sample_hypotheses(encoded, network, lift)
    if setting.turned:
        single = view.to_cam(final.mean(1)).cpu().numpy()
        final = view.to_view(torch.from_numpy(turned(single, setting.hypotheses)).to(final))
    return final


def answers_of(
    encoded: EncodedFrames,
    setting: Setting,
    asked: Sequence[tuple[Answer, bool]],
    weights: Weights,
    lift: LiftSettings,
    root_cam: np.ndarray | None,
) -> dict[Key, np.ndarray]:
    """A setting's poses of encoded frames, by answer.

    Args:
        encoded: frames of a clip, with the truth.
        setting: how poses are made.
        asked: the answers, each with or without the true root.
        weights: networks of the suite.
        lift: seed, precision and mixture.
        root_cam: (F', 3) metres, the true path of the hip over the whole clip, where it is known.

    Returns:
        (F, J, 3) metres, root-relative, camera frame.
    """
    view, truth = encoded.view, encoded.truth_view
    assert truth is not None
    final = _hypotheses(encoded, setting, weights, lift)
    root_view = None
    if root_cam is not None:
        root_view = view.to_view(torch.from_numpy(root_cam[encoded.frames][:, None]).to(final))[:, 0]
    found = {}
    for answer, true_root in asked:
        if answer == "p-best":
            pose_view = best_hypothesis(final, truth)
        elif answer == "j-best":
            pose_view = best_joints(final, truth)
        else:
            pose_view = one_pose(answer, view, final, root_view if true_root else None)
        found[setting, answer, true_root] = view.to_cam(pose_view).cpu().numpy()
    return found
