"""What each part of DiffPose brings: one setting changed at a time, on the same views, with intervals over clips.

Most settings need the shipped weights only. Those that need a training of their own are looked for beside them; what is
missing is listed with the commands that train it.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from diffpose_core.bootstrap import interval, resampled_means
from diffpose_core.config import UncertaintyConfig
from diffpose_core.datasets.mocap17 import MotionSet, load_mocap17
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.evaluation import DETECTOR_SEED, METRICS, Input2D, Sums, chosen_clips, evaluation_clips
from diffpose_core.io.checkpoints import encoder_tensors, fingerprint, load_denoiser, load_encoder
from diffpose_core.lifting.encode import EncodedFrames, encode_clip
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.provenance import version
from diffpose_core.lifting.sampling import sample_hypotheses
from diffpose_core.models.context import ContextEncoder
from diffpose_core.presets import PRESETS, SHORT_DENOISER_TRAINING, SHORT_ENCODER_TRAINING
from diffpose_core.structures import InvalidInput, PoseClip2D
from diffpose_core.uncertainty.aggregate import weighted_by_reprojection

#: How many hypotheses become one pose.
Answer = Literal["mean", "best", "by pose", "by joint"]
#: Rows of `Sums` that are reported: MPJPE, P-MPJPE.
_REPORTED = 2
#: Baselines that are context encoders, not denoisers.
ENCODERS = ("graformer", "graformer_reconciled", "graformer_long")


@dataclass(frozen=True)
class Setting:
    """How poses are made. network: a preset's name, or one of ENCODERS. steps: DDIM steps. hypotheses: N. components:
    M. samples: N_GMM. input_2d: what is known of the 2D poses, see `evaluation.INPUTS`.
    """

    network: str = "diffpose"
    steps: int = 5
    hypotheses: int = 5
    components: int = 5
    samples: int = 1000
    input_2d: Input2D = "detected"


@dataclass(frozen=True)
class Cell:
    """One figure of a group. label: how it is called. x: its place where the group is a curve. series: which curve.
    answer: how its hypotheses become a pose; "best" needs the truth.
    """

    label: str
    setting: Setting
    answer: Answer = "mean"
    x: float | None = None
    series: str = ""


@dataclass(frozen=True)
class Group:
    """Cells that are compared with each other. reference: the label of the one that gains are measured against, whose
    weights are among the shipped ones.
    """

    name: str
    title: str
    note: str
    cells: tuple[Cell, ...]
    reference: str
    axis: str = ""


_STEPS, _HYPOTHESES = (1, 2, 5, 10, 25, 50), (1, 2, 5, 10, 20, 50)
_ANSWERS: Mapping[Answer, str] = {
    "mean": "mean",
    "best": "best of N (needs the truth)",
    "by pose": "weighted by reprojection",
    "by joint": "weighted by reprojection, joint by joint",
}
_DEFAULT = Setting()
#: How all denoisers and regressions are trained: the preset's epochs, then a few at a low rate.
_EPOCHS, _MORE_EPOCHS = SHORT_DENOISER_TRAINING.epochs, 3
_ENCODER_EPOCHS = SHORT_ENCODER_TRAINING.epochs
#: What may be known of 2D poses outside a laboratory, and exact places.
_INPUTS: tuple[Input2D, ...] = ("detected", "exact", "confidences", "gaps")
_FORMS = {"": "GMM diffusion, f_ST", "_no_context": "GMM diffusion, no f_ST", "_standard": "standard diffusion, f_ST"}


def _curve(values: Iterable[int], make: Callable[[int], Setting]) -> tuple[Cell, ...]:
    return tuple(Cell(str(value), make(value), x=value) for value in values)


def groups() -> tuple[Group, ...]:
    """The whole suite."""
    schedules = tuple(
        Cell(f"{title}, {schedule}", Setting(f"diffpose{form}{suffix}"))
        for suffix, schedule in (("", "converging"), ("_supplement", "supplement"))
        for form, title in _FORMS.items()
    )
    baselines = (
        ("DiffPose", _DEFAULT), ("DiffPose, one step", replace(_DEFAULT, steps=1)),
        ("regression with the mixtures", Setting("regression_mixture")),
        ("regression, the size of g (A)", Setting("regression")),
        ("regression, as deep as five steps (B)", Setting("regression_deep")),
        ("Graformer", Setting("graformer")),
        ("Graformer on reconciled 2D", Setting("graformer_reconciled")),
        ("Graformer, trained twice as long", Setting("graformer_long")),
    )  # fmt: skip
    compared = (
        ("DiffPose", "diffpose"), ("no f_ST", "diffpose_no_context"), ("standard diffusion", "diffpose_standard"),
        ("Graformer", "graformer"),
    )  # fmt: skip
    alphas = {k: float(make_schedule("converging", k).alphas_cumprod[-1]) for k in (10, 25, 50, 100)}
    return (
        Group(
            "diffusion", "Kind of diffusion, f_ST and schedule",
            f"Every network was trained for its own row: the same {_EPOCHS} epochs, and where the schedule converges "
            f"{_MORE_EPOCHS} more on its own states. The paper's form says the next state, not h_0: with fewer steps "
            "than K an h_0 has to be made of it, which multiplies its errors.",
            (*schedules, Cell("the paper's form, supplement, 50 steps", Setting("diffpose_paper", steps=50))),
            f"{_FORMS['']}, converging",
        ),
        Group(
            "baselines", "What diffusion brings beside more information and more training",
            f"Denoisers and regressions are trained for {_EPOCHS} and {_MORE_EPOCHS} epochs on the same views, the "
            f"Graformer for {_ENCODER_EPOCHS}, or for twice that where its row says so. Of heatmaps and mixtures know "
            "DiffPose, the regression with the mixtures and what reads reconciled 2D.",
            tuple(Cell(label, setting) for label, setting in baselines), "DiffPose",
        ),
        Group(
            "input", "What is known of the 2D poses",
            "Heatmaps, exact places, confidences alone, and these with a tenth of the joints missing. The networks "
            "were trained on heatmaps and some confidences and gaps, never on exact places.",
            tuple(Cell(f"{label}, {kind}", Setting(network, input_2d=kind))
                  for kind in _INPUTS for label, network in compared),
            "DiffPose, detected",
        ),
        Group(
            "steps", "DDIM steps", "Of K = 50.", _curve(_STEPS, lambda n: Setting(steps=n)), "5", "steps",
        ),
        Group(
            "hypotheses", "Hypotheses N, and how they become one pose",
            "Weights by reprojection are how likely a hypothesis is under the 2D mixtures.",
            tuple(Cell(f"{n}, {title}", Setting(hypotheses=n), answer, n, title)
                  for answer, title in _ANSWERS.items() for n in _HYPOTHESES),
            f"5, {_ANSWERS['mean']}", "hypotheses",
        ),
        Group(
            "components", "Components M of the GMM", "At inference; the weights were trained with M = 5.",
            _curve((1, 2, 5, 9), lambda n: Setting(components=n)), "5", "components",
        ),
        Group(
            "samples", "Poses N_GMM that the GMM is fitted to", "At inference; the weights were trained with 1000.",
            _curve((100, 300, 1000, 3000), lambda n: Setting(samples=n)), "1000", "poses",
        ),
        Group(
            "chain", "Length K of the diffusion chain",
            f"Each trained for {_EPOCHS} and {_MORE_EPOCHS} epochs, five DDIM steps. The betas stay, so that a short "
            "chain ends early: alpha_K is " + ", ".join(f"{alpha:.2g} at {k}" for k, alpha in alphas.items()) + ".",
            tuple(Cell(str(k), _DEFAULT if k == 50 else Setting(f"diffpose_k{k}"), x=k) for k in alphas), "50", "K",
        ),
    )  # fmt: skip


def training_commands(network: str) -> list[str]:
    """The commands that train a network of the suite, all on the same budget."""
    data = "--data mocap17_train.npz --validation mocap17_val.npz"
    train = f"diffpose train {network} {data}"
    if network == "graformer_long":
        return [
            f"diffpose train graformer {data} --start-from checkpoints/graformer.safetensors "
            "--learning-rate 3e-4 --out runs/graformer_long.safetensors"
        ]
    preset = PRESETS[network]
    if preset.network != replace(preset.network, schedule="converging"):  # type: ignore[arg-type]
        return [train]
    own = "" if preset.network.diffusion == "none" else " --own-states 0.75"  # type: ignore[union-attr]
    again = f"{train} --start-from runs/{network}.safetensors --epochs {_MORE_EPOCHS} --learning-rate 2e-4{own}"
    return [
        f"{train} --bank-size 131072",
        f"{again} --bank-size 131072 --out runs/tuned/{network}.safetensors",
    ]


@dataclass(frozen=True)
class Weights:
    """models: the shipped ones and those found beside them. long_encoder: the Graformer that was trained longer."""

    models: Models
    long_encoder: ContextEncoder | None = None

    def has(self, network: str) -> bool:
        """Whether a setting's network is at hand."""
        if network == "graformer_long":
            return self.long_encoder is not None
        return network in ENCODERS or network in self.models.denoisers


def find_weights(models: Models, folders: Sequence[str | Path] = ()) -> Weights:
    """The given models and whatever else of the suite lies in the folders, the first one that has it.

    Raises InvalidInput where a file is damaged or was trained on another encoder.
    """
    denoisers, long_encoder = dict(models.denoisers), None
    wanted = {cell.setting.network for group in groups() for cell in group.cells}
    for name in sorted(wanted - set(denoisers) - {"graformer", "graformer_reconciled"}):
        path = next((p for p in (Path(folder) / f"{name}.safetensors" for folder in folders) if p.is_file()), None)
        if path is None:
            continue
        if name == "graformer_long":
            long_encoder, _ = load_encoder(path)
        else:
            denoisers[name], _ = load_denoiser(path, models.encoder)
    return Weights(replace(models, denoisers=denoisers), long_encoder)


#: Answers that are asked of each setting.
_Asked = Mapping[Setting, Sequence[Answer]]


def _answers(
    encoded: EncodedFrames, setting: Setting, asked: Sequence[Answer], weights: Weights, seed: int
) -> dict[Answer, np.ndarray]:
    """What a setting makes of encoded frames, by answer: (F, J, 3) metres, camera frame."""
    view, truth = encoded.view, encoded.truth_view
    assert truth is not None
    if setting.network in ENCODERS:
        pose = {"graformer": encoded.context, "graformer_reconciled": encoded.reconciled}.get(setting.network)
        if pose is None:
            assert weights.long_encoder is not None
            pose = weights.long_encoder.encode(view)
        return {"mean": view.to_cam(pose.pose_view).cpu().numpy()}
    network = weights.models.denoisers[setting.network]
    steps = min(setting.steps, network.config.num_steps)
    final = sample_hypotheses(encoded, network, steps, setting.hypotheses, 0.0, seed)
    found = {}
    for answer in asked:
        if answer == "mean":
            pose_view = final.mean(1)
        elif answer == "best":
            nearest = (final - truth[:, None]).norm(dim=-1).mean(-1).argmin(1)
            pose_view = final[torch.arange(len(final)), nearest]
        else:
            pose_view = weighted_by_reprojection(view, final, by_joint=answer == "by joint")
        found[answer] = view.to_cam(pose_view).cpu().numpy()
    return found


def _measure_view(
    clip: PoseClip2D, frames: np.ndarray, asked: _Asked, weights: Weights, seed: int, mixed_precision: bool
) -> dict[tuple[Setting, Answer], Sums]:
    """Sums of a camera's errors by setting and answer. All settings have the same 2D."""
    by_mixture: dict[tuple[int, int], list[Setting]] = {}
    for setting in asked:
        by_mixture.setdefault((setting.components, setting.samples), []).append(setting)
    parts: dict[tuple[Setting, Answer], list[np.ndarray]] = {}
    for begin in range(0, len(frames), weights.models.block_frames):
        block = frames[begin : begin + weights.models.block_frames]
        for (components, samples), settings in by_mixture.items():
            uncertainty = UncertaintyConfig(num_samples=samples, num_components=components)
            encoded = encode_clip(clip, weights.models, block, uncertainty, seed, mixed_precision)
            for setting in settings:
                for answer, pose in _answers(encoded, setting, asked[setting], weights, seed).items():
                    parts.setdefault((setting, answer), []).append(pose)
    assert clip.pose3d_cam is not None and clip.hidden is not None
    truth, hidden = clip.pose3d_cam[frames], clip.hidden[frames]
    return {key: Sums.of(np.concatenate(poses), truth, frames, hidden) for key, poses in parts.items()}


@dataclass
class _Measured:
    """Sums a clip by setting and answer, in the clips' order, and how many views that were."""

    sums: dict[tuple[Setting, Answer], list[Sums]] = field(default_factory=dict)
    views: int = 0

    def resampled(self, key: tuple[Setting, Answer]) -> np.ndarray:
        """Mean errors over all clips and over resamples of them, (1 + R, 2, 3) mm."""
        sums = self.sums[key]
        total = np.stack([s.total[:_REPORTED] for s in sums])
        return 1000 * resampled_means(total, np.stack([s.count[:_REPORTED] for s in sums]))


def _measure(
    motions: MotionSet,
    numbers: range,
    asked: _Asked,
    weights: Weights,
    stride: int,
    seed: int,
    mixed_precision: bool,
    progress: Callable[[int, int], None],
) -> _Measured:
    measured = _Measured()
    inputs = sorted({setting.input_2d for setting in asked})
    for done, number in enumerate(numbers):
        of_clip: dict[tuple[Setting, Answer], Sums] = {}
        for kind in inputs:
            wanted = {setting: answers for setting, answers in asked.items() if setting.input_2d == kind}
            for clip in evaluation_clips(motions, number, input_2d=kind):
                frames = np.arange(0, len(clip), stride)
                for key, sums in _measure_view(clip, frames, wanted, weights, seed, mixed_precision).items():
                    of_clip.setdefault(key, Sums.empty()).add(sums)
                if kind == inputs[0]:
                    measured.views += len(frames)
        for key, sums in of_clip.items():
            measured.sums.setdefault(key, []).append(sums)
        progress(done + 1, len(numbers))
    return measured


_PARTS = ("all", "hidden", "visible")
_NAMES = tuple(METRICS)[:_REPORTED]


def _figures(found: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
    """A cell's errors in mm and its gain over the reference in percent, each with a 95 % interval over clips."""
    gain = 100.0 * (1.0 - found / np.maximum(reference, 1e-12))
    figures: dict[str, Any] = {}
    for kind, values in (("errors", found), ("gain_percent", gain)):
        ends = interval(values)
        figures[kind] = {
            part: {
                metric: {"value": float(values[0, row, column]), "interval": ends[:, row, column].tolist()}
                for row, metric in enumerate(_NAMES)
            }
            for column, part in enumerate(_PARTS)
        }
    return figures


def ablate(
    data: str | Path,
    weights: Weights,
    stride: int = 25,
    seed: int = 0,
    clips: range | None = None,
    only: Sequence[str] = (),
    mixed_precision: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Measure the suite on a file in Mocap-17 layout, frame setting, from the benchmark's four cameras.

    stride: every stride-th frame of each clip. clips: their numbers, all by default. only: names of groups, all by
    default. mixed_precision: bfloat16 inside the networks. Returns {"groups": [{"name", "title", "note", "axis",
    "reference", "cells": [{"label", "x", "series", "setting", "answer", "errors", "gain_percent"}]}], "missing":
    [{"label", "network", "commands"}], "views", "clips", "provenance"}. errors: {"all", "hidden", "visible"} ->
    {"mpjpe_mm", "p_mpjpe_mm"} -> {"value", "interval"}. gain_percent: how much lower than the group's reference.
    Raises InvalidInput if the file isn't in the layout, a number or a name is out of range, or DiffPose's weights are
    missing.
    """
    if stride < 1:
        raise InvalidInput(f"the stride must be at least 1, found {stride}")
    suite = groups()
    unknown = sorted(set(only) - {group.name for group in suite})
    if unknown:
        raise InvalidInput(f"groups are {', '.join(g.name for g in suite)}; found {', '.join(unknown)}")
    if not weights.has(_DEFAULT.network):
        raise InvalidInput(f"no weights for {_DEFAULT.network!r}, which everything else is compared with")
    suite = tuple(group for group in suite if not only or group.name in only)
    started = time.time()
    motions = load_mocap17(data)
    numbers = chosen_clips(motions, clips)
    asked: dict[Setting, list[Answer]] = {}
    missing: dict[str, dict[str, Any]] = {}
    for group in suite:
        for cell in group.cells:
            network = cell.setting.network
            if not weights.has(network):
                missing[network] = {"label": cell.label, "network": network, "commands": training_commands(network)}
            elif cell.answer not in asked.setdefault(cell.setting, []):
                asked[cell.setting].append(cell.answer)
    measured = _measure(motions, numbers, asked, weights, stride, seed, mixed_precision, progress)

    def row(cell: Cell, reference: Cell) -> dict[str, Any]:
        errors, base = (measured.resampled((c.setting, c.answer)) for c in (cell, reference))
        return {
            "label": cell.label, "x": cell.x, "series": cell.series, "setting": vars(cell.setting),
            "answer": cell.answer, **_figures(errors, base),
        }  # fmt: skip

    def figures(group: Group) -> dict[str, Any]:
        at_hand = [cell for cell in group.cells if weights.has(cell.setting.network)]
        reference = next(cell for cell in at_hand if cell.label == group.reference)
        return {
            "name": group.name, "title": group.title, "note": group.note, "axis": group.axis,
            "reference": reference.label,
            # A reference without anything that is compared with it says nothing.
            "cells": [row(cell, reference) for cell in at_hand] if len(at_hand) > 1 else [],
        }  # fmt: skip

    models = weights.models
    return {
        "groups": [figures(group) for group in suite],
        "missing": list(missing.values()),
        "views": measured.views,
        "clips": len(numbers),
        "provenance": {
            "data": Path(data).name,
            "clips": len(numbers),
            "views_per_clip": 4,
            "stride": stride,
            "setting": "frame",
            "detector_seed": DETECTOR_SEED,
            "seed": seed,
            "mixed_precision": mixed_precision,
            "encoder_sha256": fingerprint(encoder_tensors(models.encoder)),
            "weights_sha256": {name: fingerprint(dict(net.state_dict())) for name, net in models.denoisers.items()},
            "software": f"diffpose-studio {version()}, torch {torch.__version__}, {platform.machine()}",
            "seconds": round(time.time() - started, 1),
        },
    }  # fmt: skip


#: Columns of `rows`.
COLUMNS = (
    "group", "label", "answer", "network", "steps", "hypotheses", "components", "samples", "input_2d", "part",
    *(f"{name}{suffix}" for name in _NAMES for suffix in ("", "_low", "_high")),
    *(f"{name.removesuffix('_mm')}_gain_percent{suffix}" for name in _NAMES for suffix in ("", "_low", "_high")),
    "reference", "data", "views", "clips", "stride", "command",
)  # fmt: skip


def rows(report: Mapping[str, Any]) -> list[list[Any]]:
    """A report as a table, one row for each cell and kind of joints, in the order of COLUMNS."""
    p = report["provenance"]
    found = []
    for group in report["groups"]:
        for cell in group["cells"]:
            for part in _PARTS:
                numbers = [
                    figure
                    for kind in ("errors", "gain_percent")
                    for name in _NAMES
                    for figure in (cell[kind][part][name]["value"], *cell[kind][part][name]["interval"])
                ]
                setting = cell["setting"]
                found.append([
                    group["name"], cell["label"], cell["answer"], *(setting[name] for name in COLUMNS[3:9]), part,
                    *(round(number, 3) for number in numbers), group["reference"],
                    p["data"], report["views"], report["clips"], p["stride"], p.get("command", ""),
                ])  # fmt: skip
    return found
