"""Ablations: one setting changed at a time, on the same views, with intervals over clips.

Settings whose weights are missing are listed with the commands that train them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from diffpose_core.config import UncertaintyConfig
from diffpose_core.datasets.benchmark import Recording
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.evaluation.ablation_poses import Asked, Key, Weights, answers_of
from diffpose_core.evaluation.ablation_suite import (
    DEFAULT,
    Answer,
    Cell,
    Group,
    Setting,
    groups,
    training_commands,
)
from diffpose_core.evaluation.bootstrap import interval, resampled_means
from diffpose_core.evaluation.collect import Progress, collect, map_recordings, no_progress
from diffpose_core.evaluation.evaluate import weights_provenance
from diffpose_core.evaluation.scores import METRICS, MetricSums
from diffpose_core.evaluation.views import DETECTOR_SEED, Mocap17Benchmark, chosen_clips
from diffpose_core.lifting.encode import EncodedFrames
from diffpose_core.lifting.models import Models
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import InvalidInput

#: Rows of `MetricSums` that are reported: MPJPE, P-MPJPE.
_REPORTED = 2


@dataclass(frozen=True)
class AblationSettings:
    """Frames to measure, and how they are lifted.

    Attributes:
        stride: every stride-th frame of each clip.
        seed: decides every random number.
        clips: numbers of the clips, all by default.
        only: names of groups, all by default.
        mixed_precision: bfloat16 inside the networks.

    Raises:
        InvalidInput: where a number is out of range or a group is unknown.
    """

    stride: int = 25
    seed: int = 0
    clips: range | None = None
    only: tuple[str, ...] = ()
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise InvalidInput(f"the stride must be at least 1, found {self.stride}")
        known = [group.name for group in groups()]
        unknown = sorted(set(self.only) - set(known))
        if unknown:
            raise InvalidInput(f"groups are {', '.join(known)}; found {', '.join(unknown)}")


def _measure(
    recording: Recording, models: Models, asked: Asked, weights: Weights, settings: AblationSettings
) -> tuple[dict[Key, MetricSums], int]:
    """Sums of a recording's errors by setting and answer, and its count of views. All settings have the same 2D."""
    by_mixture: dict[tuple[int, int], list[Setting]] = {}
    for setting in asked:
        by_mixture.setdefault((setting.components, setting.samples), []).append(setting)
    frames = recording.frames[:: settings.stride]
    sums: dict[Key, MetricSums] = {}
    roots = recording.root_cam or [None] * len(recording.views)
    for clip, root_cam in zip(recording.views, roots, strict=True):
        assert clip.pose3d_cam is not None and clip.hidden is not None
        truth, hidden = clip.pose3d_cam[frames], clip.hidden[frames]
        for (components, samples), of_mixture in by_mixture.items():
            lift = LiftSettings(
                seed=settings.seed,
                mixed_precision=settings.mixed_precision,
                up=None,
                body=None,
                uncertainty=UncertaintyConfig(num_samples=samples, num_components=components),
            )

            def read(
                encoded: EncodedFrames,
                of_mixture: Sequence[Setting] = of_mixture,
                lift: LiftSettings = lift,
                root_cam: np.ndarray | None = root_cam,
            ) -> dict[Key, np.ndarray]:
                found: dict[Key, np.ndarray] = {}
                for setting in of_mixture:
                    found |= answers_of(encoded, setting, asked[setting], weights, lift, root_cam)
                return found

            poses = collect(clip, models, frames, read, lift)
            for key, pose in poses.items():
                sums.setdefault(key, MetricSums.empty()).add(MetricSums.of(pose, truth, frames, hidden))
    return sums, len(frames) * len(recording.views)


@dataclass
class _Measured:
    """Sums of each clip by setting and answer, in the clips' order, and the count of views."""

    sums: dict[Key, list[MetricSums]] = field(default_factory=dict)
    views: int = 0

    def resampled(self, cell: Cell) -> np.ndarray:
        """Mean errors over all clips and over resamples of them, (1 + R, 2, 3) mm."""
        sums = self.sums[cell.setting, cell.answer, cell.true_root]
        total = np.stack([s.total[:_REPORTED] for s in sums])
        return 1000 * resampled_means(total, np.stack([s.count[:_REPORTED] for s in sums]))


def _measure_all(
    data: str | Path, numbers: range, asked: Asked, weights: Weights, settings: AblationSettings, progress: Progress
) -> _Measured:
    measured = _Measured()
    motions = load_mocap17(data)
    inputs = sorted({setting.input_2d for setting in asked})
    for place, kind in enumerate(inputs):
        wanted = {setting: answers for setting, answers in asked.items() if setting.input_2d == kind}
        measure = partial(_measure, asked=wanted, weights=weights, settings=settings)
        benchmark = Mocap17Benchmark(Path(data).name, motions, kind)

        def of_all(done: int, total: int, before: int = place * len(numbers)) -> None:
            progress(before + done, len(inputs) * total)

        for _, (sums, views) in map_recordings(measure, benchmark, weights.models, numbers, 1, of_all):
            for key, values in sums.items():
                measured.sums.setdefault(key, []).append(values)
            measured.views += views if place == 0 else 0
    return measured


_PARTS = ("all", "hidden", "visible")
_NAMES = tuple(METRICS)[:_REPORTED]


def _figures(found: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
    """A cell's errors in mm and its gain over the reference in percent, each with a 95 % interval over clips.

    Args:
        found: (1 + R, 2, 3), resampled mean errors in mm.
        reference: the same of the group's reference.
    """
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


def _group_report(group: Group, weights: Weights, measured: _Measured) -> dict[str, Any]:
    """A group's cells whose weights are at hand."""
    at_hand = [cell for cell in group.cells if weights.has(cell.setting)]
    reference = next(cell for cell in at_hand if cell.label == group.reference)
    base = measured.resampled(reference)
    cells = [
        {
            "label": cell.label, "x": cell.x, "series": cell.series, "setting": vars(cell.setting),
            "answer": cell.answer, "true_root": cell.true_root, **_figures(measured.resampled(cell), base),
        }
        for cell in at_hand
    ]  # fmt: skip
    return {
        "name": group.name, "title": group.title, "note": group.note, "axis": group.axis,
        "reference": reference.label,
        # A reference without anything to compare with it shows nothing.
        "cells": cells if len(cells) > 1 else [],
    }  # fmt: skip


def _asked_and_missing(suite: Sequence[Group], weights: Weights) -> tuple[Asked, list[dict[str, Any]]]:
    """The answers to measure, and the cells whose weights are not at hand with the commands that train them."""
    asked: dict[Setting, list[tuple[Answer, bool]]] = {}
    missing: dict[tuple[str, bool], dict[str, Any]] = {}
    for group, cell in ((within, cell) for within in suite for cell in within.cells):
        network, answer = cell.setting.network, (cell.answer, cell.true_root)
        if weights.has(cell.setting):
            if answer not in asked.setdefault(cell.setting, []):
                asked[cell.setting].append(answer)
        elif weights.has(replace(cell.setting, encoder="all")):
            commands = ["python -m benchmarks.ablations --train mocap17_train.npz"]
            missing[cell.label, False] = {"label": cell.label, "network": network, "commands": commands}
        else:
            commands = training_commands(network, group.budget)
            missing[network, group.budget] = {"label": cell.label, "network": network, "commands": commands}
    return asked, list(missing.values())


def ablate(
    data: str | Path,
    weights: Weights,
    settings: AblationSettings | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Measure the suite on a motion file, frame setting, from the benchmark's four cameras.

    Args:
        data: a file in Mocap-17 layout.
        weights: networks of the suite.
        settings: frames and groups to measure.
        progress: called after each clip.

    Returns:
        {"groups": [{"name", "title", "note", "axis", "reference", "cells": [{"label", "x", "series", "setting",
        "answer", "errors", "gain_percent"}]}], "missing": [{"label", "network", "commands"}], "views", "clips",
        "provenance"}. "errors" has {"all", "hidden", "visible"} -> {"mpjpe_mm", "p_mpjpe_mm"} -> {"value",
        "interval"}. "gain_percent" has the same, the percentage by which errors are lower than the group's reference.

    Raises:
        InvalidInput: if the file isn't in the layout, a clip's number is out of range, or DiffPose's weights are
            missing.
    """
    settings, started = settings or AblationSettings(), time.time()
    if not weights.has(DEFAULT):
        raise InvalidInput(f"no weights for {DEFAULT.network!r}, which everything else is compared with")
    suite = tuple(group for group in groups() if not settings.only or group.name in settings.only)
    numbers = chosen_clips(load_mocap17(data), settings.clips)
    asked, missing = _asked_and_missing(suite, weights)
    measured = _measure_all(data, numbers, asked, weights, settings, progress)
    return {
        "groups": [_group_report(group, weights, measured) for group in suite],
        "missing": missing,
        "views": measured.views,
        "clips": len(numbers),
        "provenance": {
            "data": Path(data).name,
            "clips": len(numbers),
            "views_per_clip": 4,
            "stride": settings.stride,
            "setting": "frame",
            "detector_seed": DETECTOR_SEED,
            "seed": settings.seed,
            "mixed_precision": settings.mixed_precision,
            **weights_provenance(weights.models),
            "seconds": round(time.time() - started, 1),
        },
    }


#: Columns of `rows`.
COLUMNS = (
    "group", "label", "answer", "true_root", "network", "steps", "hypotheses", "components", "samples", "input_2d",
    "encoder", "balanced", "turned", "part",
    *(f"{name}{suffix}" for name in _NAMES for suffix in ("", "_low", "_high")),
    *(f"{name.removesuffix('_mm')}_gain_percent{suffix}" for name in _NAMES for suffix in ("", "_low", "_high")),
    "reference", "data", "views", "clips", "stride", "command",
)  # fmt: skip


def rows(report: Mapping[str, Any]) -> list[list[Any]]:
    """A report as a table: one row for each cell and kind of joints, in the order of `COLUMNS`."""
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
                    group["name"], cell["label"], cell["answer"], cell.get("true_root", False),
                    *({**vars(DEFAULT), **setting}[name] for name in COLUMNS[4:13]), part,
                    *(round(number, 3) for number in numbers), group["reference"],
                    p["data"], report["views"], report["clips"], p["stride"], p.get("command", ""),
                ])  # fmt: skip
    return found
