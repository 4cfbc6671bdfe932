"""Readers of this project's reports and model cards, which the results page shows beside the supplement's tables."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffpose_core.bundle import bundled
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

RESULTS = bundled("benchmarks/results")
CHECKPOINTS = bundled("checkpoints")
METRICS = {"mpjpe_mm": "MPJPE", "p_mpjpe_mm": "P-MPJPE"}


@dataclass(frozen=True)
class Report:
    """An evaluation's report, as `diffpose_core.evaluation.evaluate.evaluate` returns it.

    name: of its file. methods: name -> {"mpjpe_mm", "p_mpjpe_mm", "hidden", "visible", "actions"}, millimetres.
    sha256: of the file.
    """

    name: str
    methods: Mapping[str, Mapping[str, Any]]
    frames: int
    provenance: Mapping[str, Any]
    sha256: str

    @property
    def command(self) -> str:
        """The command that makes it: the recorded one, else put together from the settings that were recorded."""
        recorded = self.provenance.get("command")
        if isinstance(recorded, str):
            return recorded
        words = ["diffpose", "evaluate", "--data", str(self.provenance.get("data", "?"))]
        for name in ("setting", "stride", "consecutive", "steps", "hypotheses", "seed"):
            if name in self.provenance:
                words += [f"--{name}", str(self.provenance[name])]
        if self.provenance.get("mixed_precision"):
            words.append("--mixed-precision")
        return shlex.join(words)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12


def read_report(path: Path) -> Report | None:
    """A report, or None where the file is a JSON of another kind. Raises InvalidInput where it is damaged."""
    raw = path.read_bytes()
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path.name} is not JSON: {error}") from error
    if not isinstance(content, dict) or "methods" not in content:
        return None
    methods = content["methods"]
    if not isinstance(methods, dict) or not methods:
        raise InvalidInput(f"{path.name}: expected an object of methods, found {type(methods).__name__}")
    for name, row in methods.items():
        missing = [m for m in METRICS if not (isinstance(row, dict) and _number(row.get(m)))]
        if missing:
            raise InvalidInput(f"{path.name}: the method {name!r} has no number for {', '.join(missing)}")
    provenance, frames = content.get("provenance"), content.get("frames", 0)
    if not _number(frames):
        raise InvalidInput(f"{path.name}: frames must be a number, found {short(frames)}")
    return Report(
        path.stem,
        methods,
        int(frames),
        provenance if isinstance(provenance, dict) else {},
        hashlib.sha256(raw).hexdigest(),
    )


def reports(folder: Path = RESULTS) -> tuple[list[Report], list[str]]:
    """Every report of a folder, and error messages of files that can't be read."""
    found, problems = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            report = read_report(path)
        except (InvalidInput, OSError) as error:
            problems.append(str(error))
            continue
        if report is not None:
            found.append(report)
    return found, problems


def _objects(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and content of every file of a folder that holds a JSON object; others are left out."""
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            yield path.stem, content


def detector_statistics(folder: Path = RESULTS) -> dict[str, Any] | None:
    """The report of `diffpose detector-stats`, or None where a folder has none."""
    return next((content for _, content in _objects(folder) if "two_mode_share" in content), None)


@dataclass(frozen=True)
class CalibrationReport:
    """A report of `diffpose calibrate --json`.

    Attributes:
        name: Name of the file.
        content: Values as `evaluation.calibration_report` returns them, with their provenance.
    """

    name: str
    content: Mapping[str, Any]

    @property
    def provenance(self) -> Mapping[str, Any]:
        """The data and the command of the measurement."""
        found = self.content.get("provenance")
        return found if isinstance(found, dict) else {}


def calibration_reports(folder: Path = RESULTS) -> list[CalibrationReport]:
    """The reports of calibrations in a folder; files of another kind are left out."""
    wanted = {"reliability", "expected_error", "regions"}
    return [CalibrationReport(name, content) for name, content in _objects(folder) if wanted <= content.keys()]


def ablations(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The reports of `python -m benchmarks.ablations` (`evaluation.ablations.ablate`) in a folder."""
    wanted = {"groups", "missing", "provenance"}
    return [content for _, content in _objects(folder) if wanted <= content.keys()]


def hypotheses(folder: Path = RESULTS) -> dict[str, Any] | None:
    """The report of `python -m benchmarks.hypotheses`, or None where there is none."""
    wanted = {"scores", "reference", "provenance"}
    return next((content for _, content in _objects(folder) if wanted <= content.keys()), None)


def model_cards(folder: Path = CHECKPOINTS) -> dict[str, str]:
    """Name -> text of the cards that lie beside checkpoints."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}


def of_earlier_weights(content: Mapping[str, Any], folder: Path = CHECKPOINTS) -> bool:
    """Whether a report was made with another context encoder than the one that a folder's model cards name."""
    encoder = str(content["provenance"].get("encoder_sha256"))
    return not any(encoder in card for card in model_cards(folder).values())
