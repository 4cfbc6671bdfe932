"""The results page's numbers: the supplement's tables as they are, reports with any methods, and broken files."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.figures import distributions, reports
from app.figures import results as figures
from app.figures.reports import Report
from diffpose_core.evaluation.calibrate import Predictions
from diffpose_core.evaluation.calibration_report import report as calibration_report
from diffpose_core.io.published import published_tables
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.expected_error import Calibration

ROOT = Path(__file__).resolve().parents[3]


def row(value: float, hidden: float | None = 50.0) -> dict[str, Any]:
    both = {"mpjpe_mm": value, "p_mpjpe_mm": value / 2}
    return {
        **both,
        "hidden": {"mpjpe_mm": hidden, "p_mpjpe_mm": hidden},
        "visible": {"mpjpe_mm": value - 1, "p_mpjpe_mm": value / 2},
        "actions": {"walk": both, "jump-up": {"mpjpe_mm": value + 5, "p_mpjpe_mm": value / 2 + 5}},
    }


CONTENT: dict[str, Any] = {
    "methods": {
        "graformer": row(44.0),
        "diffpose": row(41.0),
        "diffpose_1_step": row(41.5),
        "diffpose_best": row(37.0),
        "diffpose_no_context": row(48.0),
        "diffpose_no_context_best": row(45.0),
        "diffpose_standard_supplement": row(110.0),
        "mixste": row(40.0, None),
        "mixste_ensemble": row(39.0),
    },
    "frames": 1234,
    "provenance": {"data": "test.npz", "stride": 5, "hypotheses": 5, "steps": 5, "seed": 0, "mixed_precision": True},
}


@pytest.fixture
def report(tmp_path: Path) -> Report:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(CONTENT))
    found = reports.read_report(path)
    assert found is not None
    return found


def test_the_published_tables_are_the_supplements():
    video, frame = published_tables()
    assert (video.number, frame.number) == (1, 2)
    assert len(video.methods) == 7 and len(frame.methods) == 5
    for table in (video, frame):
        assert len(table.actions) == 15
        assert table.methods[-1].name == "DiffPose" and table.metric == "P-MPJPE"
        for method in table.methods:
            assert len(method.values) == 15
            assert abs(sum(method.values) / 15 - method.average) < 0.5, "printed averages are near the actions' mean"
    assert (video.methods[-1].average, frame.methods[-1].average) == (28.7, 39.2)
    walking = video.actions.index("Walking")
    assert video.methods[-1].values[walking] == 18.6
    assert frame.methods[0].values[frame.actions.index("Sitting down")] == 73.3


def test_gains_say_where_another_method_is_better():
    _, frame = published_tables()
    gains = {r["label"]: r["value"] for r in figures.published_gains(frame)["rows"]}
    assert gains["Greeting"] == pytest.approx(38.6 - 39.2), "Pavlakos is better there"
    assert gains["Sitting down"] == pytest.approx(56.6 - 52.5)
    assert list(gains.values()) == sorted(gains.values(), reverse=True)


def test_variants_belong_to_their_method_and_unknown_methods_are_shown(report: Report):
    methods = {m.name: m for m in figures.measured_methods(report)}
    assert list(methods) == [
        "graformer", "diffpose", "diffpose_no_context", "diffpose_standard_supplement", "mixste", "mixste_ensemble"
    ]  # fmt: skip
    assert methods["diffpose"].variants == {"1 step": "diffpose_1_step", "best of 5": "diffpose_best"}
    assert methods["diffpose_no_context"].variants == {"best of 5": "diffpose_no_context_best"}
    assert methods["graformer"].schedule == methods["mixste"].schedule == ""
    assert methods["diffpose_standard_supplement"].schedule == "supplement"
    assert figures.schedules(methods.values()) == ["converging", "supplement"]
    assert len({m.label for m in methods.values()}) == len(methods)


def test_measured_charts_hold_the_reports_numbers(report: Report):
    methods = figures.measured_methods(report)
    totals = figures.measured_totals(report, methods, "mpjpe_mm")
    assert [s["label"] for s in totals["series"]] == ["the answer", "1 step", "best of 5"]
    assert totals["rows"][1]["values"] == [41.0, 41.5, 37.0]
    visibility = figures.measured_visibility(report, methods, "p_mpjpe_mm")
    assert visibility["rows"][0]["values"] == [50.0, 22.0]
    assert visibility["rows"][4]["values"] == [None, 20.0], "a method without hidden joints keeps its other half"
    actions = figures.measured_by_action(report, methods, "mpjpe_mm")
    assert [r["label"] for r in actions["rows"]] == ["jump up", "walk"], "hardest first"
    gains = figures.measured_gains(report, methods[1], methods[0], "mpjpe_mm")
    assert [r["value"] for r in gains["rows"]] == [3.0, 3.0]


def test_a_report_says_how_it_was_made(report: Report):
    assert report.command == (
        "diffpose evaluate --data test.npz --stride 5 --steps 5 --hypotheses 5 --seed 0 --mixed-precision"
    )
    recorded = Report("x", report.methods, 1, {"command": "diffpose evaluate --data y.npz"}, "0")
    assert recorded.command == "diffpose evaluate --data y.npz"


def test_broken_reports_are_named_and_others_are_still_read(tmp_path: Path, report: Report):
    (tmp_path / "broken.json").write_text("{")
    damaged = copy.deepcopy(CONTENT)
    damaged["methods"]["diffpose"]["mpjpe_mm"] = None
    (tmp_path / "damaged.json").write_text(json.dumps(damaged))
    (tmp_path / "empty.json").write_text('{"methods": []}')
    (tmp_path / "other.json").write_text('{"frames": 3}')
    (tmp_path / "deep.json").write_text("[" * 100_000)
    for number, frames in enumerate(([3], 1e999, None)):
        (tmp_path / f"frames{number}.json").write_text(json.dumps({**CONTENT, "frames": frames}))
    found, problems = reports.reports(tmp_path)
    assert [r.name for r in found] == ["run"]
    assert len(problems) == 7
    assert any("frames0.json: frames must be a number, found [3]" in p for p in problems)
    assert any("broken.json is not JSON" in p for p in problems)
    assert any("'diffpose' has no number for mpjpe_mm" in p for p in problems)
    with pytest.raises(InvalidInput, match=r"empty\.json: expected an object of methods, found list"):
        reports.read_report(tmp_path / "empty.json")


def test_the_shipped_reports_and_cards_can_be_shown():
    found, problems = reports.reports()
    assert not problems
    for one in found:
        methods = figures.measured_methods(one)
        for metric in reports.METRICS:
            for chart in (figures.measured_totals, figures.measured_visibility, figures.measured_by_action):
                json.dumps(chart(one, methods, metric), allow_nan=False)
    for calibration in reports.calibration_reports():
        for draw in (figures.reliability, figures.truth_among_hypotheses, figures.expected_by_tenth):
            json.dumps(draw(calibration), allow_nan=False)
    cards = reports.model_cards()
    assert all(text.startswith("#") for text in cards.values())


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> reports.CalibrationReport:
    """A report of made-up views: truths that lie twice as far out as the hypotheses say."""
    generator = np.random.default_rng(0)
    truth, drawn = generator.normal(0, 0.04, (400, 17, 3)), generator.normal(0, 0.02, (400, 5, 17, 3))
    zero = np.zeros((400, 17, 3))
    seen = Predictions(drawn, zero, np.full((400, 17), 0.01), np.zeros((400, 2)), truth, truth[..., 0] > 0.02,
                       np.arange(400) % 8, np.ones(400))  # fmt: skip
    unfitted = Calibration(
        "diffpose", "a", "b", np.full((17, 10), 0.1), np.zeros((17, 3)), np.ones(17), np.ones((17, 3)), np.ones(2), {}
    )
    folder = tmp_path_factory.mktemp("results")
    (folder / "c.json").write_text(json.dumps(calibration_report(unfitted, seen)))
    (folder / "other.json").write_text(json.dumps(CONTENT))
    (folder / "broken.json").write_text("{")
    (found,) = reports.calibration_reports(folder)
    return found


def test_charts_of_a_calibration_hold_the_reports_numbers(calibration: reports.CalibrationReport):
    content = calibration.content
    chart = figures.reliability(calibration)
    half = next(row for row in chart["rows"] if row["label"] == "50 %")
    assert half["values"] == [50, *(100 * content["reliability"][k]["coverage"][4] for k in ("before", "after"))]
    assert half["values"][1] < 40, "made too narrow"
    tenths = figures.expected_by_tenth(calibration)["rows"]
    assert len(tenths) == 10 and [r["values"][0] for r in tenths] == sorted(r["values"][0] for r in tenths)
    joints = figures.expected_by_joint(calibration)["rows"]
    assert len(joints) == 16 and joints[0]["values"][1] == max(r["values"][1] for r in joints)
    outside = figures.truth_among_hypotheses(calibration)
    assert "all 5 hypotheses" in outside["title"]
    assert outside["rows"][0]["value"] > outside["rows"][2]["value"] == pytest.approx(100 / 3)
    kinds = (ROOT / "app" / "board" / "board.js").read_text(encoding="utf-8").split("BOARD_KINDS = ")[1].splitlines()[0]
    for one in (chart, outside, figures.expected_by_tenth(calibration), figures.expected_by_joint(calibration)):
        json.dumps(one, allow_nan=False)
        assert f"{one['kind']}:" in kinds


def cell(label: str, value: float, x: float | None = None, series: str = "") -> dict[str, Any]:
    """One figure of the ablation suite: P-MPJPE is half of MPJPE, hidden joints err by 5 mm more."""

    def both(v: float) -> dict[str, Any]:
        return {m: {"value": v / n, "interval": [v / n - 1, v / n + 1]} for n, m in enumerate(reports.METRICS, 1)}

    parts = {"all": value, "hidden": value + 5, "visible": value - 1}
    gains = {part: both(100 * (1 - v / 40)) for part, v in parts.items()}
    errors = {part: both(v) for part, v in parts.items()}
    return {"label": label, "x": x, "series": series, "errors": errors, "gain_percent": gains}


def test_charts_of_ablations_hold_the_reports_numbers(tmp_path: Path):
    group = {"title": "Kinds", "note": "n", "axis": "", "reference": "a", "cells": [cell("a", 40.0), cell("b", 30.0)]}
    chart = figures.ablation(group, "mpjpe_mm")
    assert [r["label"] for r in chart["rows"]] == ["a", "b"] and chart["rows"][1]["values"] == [30, 35, 29]
    (gain,) = figures.ablation_gains(group, "p_mpjpe_mm")["rows"]
    assert gain["label"] == "b" and gain["value"] == 12.5 and "+11.5 to +13.5" in gain["help"]
    cells = [cell(f"{n}, {name}", 50.0 - n, n, name) for name in ("mean", "best") for n in (1, 2)]
    curve = {"title": "N", "note": "n", "axis": "hypotheses", "reference": "2, mean", "cells": cells}
    chart = figures.ablation(curve, "mpjpe_mm")
    assert [s["label"] for s in chart["series"]] == ["mean", "best"]
    assert chart["rows"][0] == {"label": "1", "values": [49, 49]}
    assert len(figures.ablation_gains(curve, "mpjpe_mm")["rows"]) == 3
    assert reports.ablations(tmp_path) == []
    content = {"groups": [group], "missing": [], "provenance": {}}
    (tmp_path / "a.json").write_text(json.dumps(content))
    (tmp_path / "broken.json").write_text("{")
    assert reports.ablations(tmp_path) == [content]
    (tmp_path / "b.json").write_text(json.dumps(content))
    assert reports.ablations(tmp_path) == [content, content]


def test_a_report_of_another_encoder_than_the_cards_name_is_of_earlier_weights(tmp_path: Path):
    (tmp_path / "diffpose.md").write_text("- Context encoder: SHA-256 `abc1`; it must be the one at hand.")
    assert not reports.of_earlier_weights({"provenance": {"encoder_sha256": "abc1"}}, tmp_path)
    assert reports.of_earlier_weights({"provenance": {"encoder_sha256": "abc2"}}, tmp_path)
    assert reports.of_earlier_weights({"provenance": {}}, tmp_path)


def test_charts_of_distributions_hold_the_reports_numbers(tmp_path: Path):
    def score(value: float) -> dict[str, Any]:
        return {"value": value, "interval": [value - 1, value + 2]}

    names = list(distributions.SCORES)
    rows = [
        {"hypotheses": name, **{s: score(k + n) for n, s in enumerate(names)}} for k, name in ((30, "a"), (40, "b"))
    ]
    content = {"scores": rows, "reference": "a", "views": 8, "provenance": {}}
    assert reports.hypotheses(tmp_path) is None
    (tmp_path / "h.json").write_text(json.dumps(content))
    assert reports.hypotheses(tmp_path) == content
    code = (ROOT / "app" / "board" / "board.js").read_text(encoding="utf-8")
    kinds = code.split("BOARD_KINDS = ")[1].splitlines()[0]
    found = distributions.charts(content)
    for chart, shown in zip(found, distributions.SHOWN, strict=True):
        json.dumps(chart, allow_nan=False)
        assert f"{chart['kind']}:" in kinds and chart["title"] == distributions.SCORES[shown]
        place = names.index(shown)
        assert [(row["label"], row["value"]) for row in chart["rows"]] == [("a", 30 + place), ("b", 40 + place)]
        assert f"{29 + place:.1f} to {32 + place:.1f}" in chart["rows"][0]["help"]
    assert {"energy_mm", "calibration_percent", "rigid_percent"} <= set(distributions.SHOWN)


def test_the_stored_report_of_hypotheses_has_every_score():
    content = reports.hypotheses()
    assert content is not None
    assert all(score in row for row in content["scores"] for score in distributions.SCORES)


def test_the_board_knows_every_kind_of_chart():
    code = (ROOT / "app" / "board" / "board.js").read_text(encoding="utf-8")
    table, _ = published_tables()
    for chart in (
        figures.published_by_action(table),
        figures.published_averages(table),
        figures.published_gains(table),
    ):
        assert f"{chart['kind']}:" in code.split("BOARD_KINDS = ")[1].splitlines()[0]
