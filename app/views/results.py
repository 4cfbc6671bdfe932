"""Results of the paper and of this project, side by side and never mixed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.board.component import board
from app.board.specs import GainsChart
from app.figures import distributions, reports
from app.figures import results as figures
from app.figures.reports import METRICS, CalibrationReport, Report
from app.session import SCHEDULES, Session
from app.text import plain
from app.views.layout import hide_sidebar
from diffpose_core.io.published import PublishedTable, published_tables

if TYPE_CHECKING:
    import pandas as pd

STYLE = """
<style>
.dps-badge { display: inline-block; border-radius: 99px; padding: .12rem .75rem; font-size: .82rem; font-weight: 650;
  letter-spacing: .01em; border: 1.5px solid currentColor; }
.dps-published { color: light-dark(#6b43d8, #b79dff); } .dps-measured { color: light-dark(#0b7a6b, #2ec4ad); }
.dps-apart { border-left: 4px solid #d9730d; padding: .1rem 0 .1rem .9rem; margin: .2rem 0 .4rem; max-width: 70rem; }
@media (min-width: 1000px) {
  .st-key-card_text [data-testid=stMarkdownContainer] { columns: 2; column-gap: 3.5rem; }
  .st-key-card_text :is(h3, h4) { break-after: avoid; } .st-key-card_text tr { break-inside: avoid; }
}
.st-key-card_text code { overflow-wrap: anywhere; }
</style>
"""


def _heading(kind: str, badge: str, title: str, words: str) -> None:
    st.html(f"<span class='dps-badge dps-{kind}'>{badge}</span>")
    st.subheader(title, anchor=False)
    st.markdown(words)


def _published() -> None:
    tables = {t.setting: t for t in published_tables()}
    _heading(
        "published",
        "Published · Human3.6M",
        "What the paper reports",
        "The supplement's tables: mean joint error after the best alignment to the truth (P-MPJPE, millimetres).",
    )
    setting = st.segmented_control(
        "Table",
        list(tables),
        default="video",
        required=True,
        format_func=lambda s: f"Table {tables[s].number}: {tables[s].title.lower()}",
        key="table",
        bind="query-params",
        help="Table 1 compares methods that see a whole video, Table 2 those that see one frame.",
        label_visibility="collapsed",
    )
    table = tables[setting or "video"]
    board(
        [
            figures.published_by_action(table),
            figures.published_averages(table),
            figures.published_gains(table),
        ],
        key="published",
    )
    st.caption(f"{table.source}, Table {table.number}. {table.data}. Averages as printed there.")
    with st.expander("The same as a table"):
        st.dataframe(_published_frame(table), width="stretch")


def _published_frame(table: PublishedTable) -> pd.DataFrame:
    import pandas as pd  # takes a third of a second to load, and only tables need it

    columns = [*table.actions, "Average"]
    rows = [[*m.values, m.average] for m in table.methods]
    return pd.DataFrame(rows, [m.name for m in table.methods], columns)


def _pick_report(found: list[Report]) -> Report:
    if len(found) == 1:
        return found[0]
    names = {r.name: r for r in found}
    name = st.selectbox(
        "Report",
        list(names),
        format_func=lambda n: n.replace("_", " "),
        key="report",
        bind="query-params",
        help="Which of this project's evaluations is shown.",
    )
    return names[name]


def _pick_metric(key: str) -> str:
    metric = st.segmented_control(
        "Error",
        list(METRICS),
        default="mpjpe_mm",
        required=True,
        format_func=METRICS.__getitem__,
        key=key,
        bind="query-params",
        help="MPJPE: mean joint error as it is. P-MPJPE: after the best rotation, shift and scale to the truth.",
    )
    return metric or "mpjpe_mm"


def _provenance(report: Report) -> None:
    p = report.provenance
    facts = [f"**Data** {p.get('data', 'not recorded')}"]
    if report.frames:
        facts.append(f"**Views** {report.frames:,}")
    for key, label in (("clips", "Clips"), ("setting", "Setting"), ("input", "Input"), ("date", "Date")):
        if key in p:
            facts.append(f"**{label}** {p[key]}")
    for key, label in (("hypotheses", "Hypotheses"), ("steps", "Steps")):
        if key in p:
            facts.append(f"**{label}** {p[key]}")
    for key, label in (("tilt", "camera's tilt"), ("body", "body's proportions")):
        if p.get(key) in ("estimated", "given"):
            facts.append(f"{label} {p[key]}")
    if p.get("mixed_precision"):
        facts.append("networks in bfloat16")
    st.markdown(" · ".join(facts))
    st.code(report.command, language="bash", wrap_lines=True)
    hashes = [f"report `{report.sha256[:12]}`"]
    if isinstance(p.get("encoder_sha256"), str):
        hashes.append(f"encoder `{p['encoder_sha256'][:12]}`")
    weights = p.get("weights_sha256")
    if isinstance(weights, dict):
        hashes += [f"{name} `{str(digest)[:12]}`" for name, digest in weights.items()]
    st.caption("SHA-256 of " + ", ".join(hashes) + (f". {p['software']}" if "software" in p else ""))


def _measured() -> None:
    _heading(
        "measured",
        "Measured here · Mocap-17",
        "What this project measured",
        "Real motion capture, seen by four cameras and a simulated detector; every method gets the same 2D poses.",
    )
    st.html(
        "<div class='dps-apart'><b>Not comparable with the tables above.</b> Mocap-17 and Human3.6M differ in people, "
        "cameras, actions and detector: compare methods with each other within one of the two, never across.</div>"
    )
    found, problems = reports.reports()
    for problem in problems:
        st.warning(f"A report can't be shown. {plain(problem)}", icon=":material/warning:")
    if not found:
        st.info("No report in benchmarks/results yet: `diffpose evaluate --json` writes one.", icon=":material/info:")
        return
    report = _pick_report(found)
    methods = figures.measured_methods(report)
    left, right = st.columns([1, 1], vertical_alignment="bottom")
    with left:
        metric = _pick_metric("metric")
    offered = figures.schedules(methods)
    if len(offered) > 1:
        schedule = right.segmented_control(
            "Noise schedule of the weights",
            offered,
            default=offered[0],
            required=True,
            format_func=lambda s: SCHEDULES.get(s, s),
            key="measured_schedule",
            bind="query-params",
            help="Methods that were trained with this noise schedule; baselines know none and are always shown.",
        )
        methods = [m for m in methods if m.schedule in ("", schedule or offered[0])]
    board(
        [
            figures.measured_totals(report, methods, metric),
            figures.measured_visibility(report, methods, metric),
            figures.measured_by_action(report, methods, metric),
            *_gains(report, methods, metric),
        ],
        key="measured",
    )
    _provenance(report)
    statistics = reports.detector_statistics()
    if statistics is not None:
        visible, hidden = (statistics[f"{kind}_error_px"]["mean"] for kind in ("visible", "hidden"))
        st.caption(
            f"The simulated detector on {statistics['data']}: {visible:.1f} px mean error on visible joints, "
            f"{hidden:.1f} px on hidden ones ({statistics['hidden_share']:.0%} of all); "
            f"{statistics['two_mode_share']:.0%} of joints have more than one mode."
        )
    with st.expander("The same as a table"):
        st.dataframe(_measured_frame(report), width="stretch")


def _gains(report: Report, methods: list[figures.Method], metric: str) -> list[GainsChart]:
    """DiffPose's gains by action over the first baseline, where both were measured."""
    own = next((m for m in methods if m.label == "DiffPose"), None)
    baseline = next((m for m in methods if not m.schedule), None)
    if own is None or baseline is None:
        return []
    return [figures.measured_gains(report, own, baseline, metric)]


def _measured_frame(report: Report) -> pd.DataFrame:
    import pandas as pd

    rows = {}
    for name, row in report.methods.items():
        parts = {"all": row, "hidden": row.get("hidden") or {}, "visible": row.get("visible") or {}}
        rows[name] = {f"{METRICS[m]}, {part}": value.get(m) for m in METRICS for part, value in parts.items()}
    return pd.DataFrame.from_dict(rows, orient="index").round(2)


def _calibration(report: CalibrationReport) -> None:
    expected, regions, p = report.content["expected_error"], report.content["regions"], report.provenance
    _heading(
        "measured",
        "Measured here · Mocap-17",
        "How far hypotheses can be trusted",
        "Fitted to the validation split, checked on the test split. Hypotheses say which joints are unsure, not by how "
        "much: the expected error is learnt from what is known without the truth.",
    )
    board(
        [
            figures.reliability(report),
            figures.expected_by_tenth(report),
            figures.expected_by_joint(report),
            figures.truth_among_hypotheses(report),
        ],
        key="calibration",
    )
    covered = ", ".join(
        f"{100 * level:.0f} % region: {100 * share:.1f} % of truths, {radius:.0f} mm"
        for level, share, radius in zip(regions["levels"], regions["coverage"], regions["radius_mm"], strict=True)
    )
    within, whole = expected["correlation"]["within_a_joint"], expected["correlation"]["all"]
    st.markdown(
        f"**Data** {p.get('data', 'not recorded')} · **Views** {report.content['views']:,} · **Clips** "
        f"{report.content['clips']} · **Hypotheses** {p.get('hypotheses', '?')} · {covered} · correlation of expected "
        f"with observed error {whole:.2f}, within a joint {within:.2f}"
    )
    if "command" in p:
        st.code(p["command"], language="bash", wrap_lines=True)


def _ablations(found: list[dict[str, Any]]) -> None:
    found = sorted(found, key=reports.of_earlier_weights)
    of_groups = {g["name"]: content for content in found for g in content["groups"] if g["cells"]}
    groups = {g["name"]: g for content in found for g in content["groups"] if g["cells"]}
    _heading(
        "measured",
        "Measured here · Mocap-17",
        "What each part brings",
        "One setting is changed at a time, on the same views; all else stays: GMM diffusion with f_ST, five steps, "
        "five hypotheses.",
    )
    left, right = st.columns([1, 1], vertical_alignment="bottom")
    name = left.selectbox(
        "What is changed",
        list(groups),
        format_func=lambda n: groups[n]["title"],
        key="ablation",
        bind="query-params",
        help="Every choice is a group of settings that differ in one thing.",
    )
    with right:
        metric = _pick_metric("ablation_metric")
    group = groups[name or next(iter(groups))]
    content = of_groups[group["name"]]
    p = content["provenance"]
    board([figures.ablation(group, metric), figures.ablation_gains(group, metric)], key="ablations")
    st.markdown(
        f"**Data** {p['data']} · **Views** {content['views']:,} · **Clips** {content['clips']} · every "
        f"{p['stride']}th frame"
    )
    st.code(p.get("command", ""), language="bash", wrap_lines=True)
    if reports.of_earlier_weights(content):
        st.caption(
            "Measured with earlier weights than the shipped ones: compare its rows with each other, not with other "
            "tables."
        )
    if content["missing"]:
        names = ", ".join(entry["network"] for entry in content["missing"])
        st.caption(f"Not measured, because the weights were not at hand: {names}.")


def _hypotheses(content: dict[str, Any]) -> None:
    p = content["provenance"]
    _heading(
        "measured",
        "Measured here · Mocap-17",
        "How good hypotheses are as a distribution",
        "A best of five rewards poses that lie far apart: one pose turned by fixed angles has a good one. Proper "
        "scores reward neither width nor narrowness.",
    )
    board(distributions.charts(content), key="distributions")
    st.markdown(
        f"**Data** {p['data']} · **Views** {content['views']:,} · **Clips** {p['clips']} · **Hypotheses** "
        f"{p['hypotheses']} · every {p['stride']}th frame"
    )
    st.code(p.get("command", ""), language="bash", wrap_lines=True)
    with st.expander("The same as a table"):
        st.dataframe(_scores_frame(content), width="stretch")


def _scores_frame(content: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    rows = {
        row["hypotheses"]: {words: row[score]["value"] for score, words in distributions.SCORES.items()}
        for row in content["scores"]
    }
    return pd.DataFrame.from_dict(rows, orient="index").round(2)


def _cards() -> None:
    st.subheader("Model cards", anchor=False)
    cards = reports.model_cards()
    if not cards:
        st.info("There are no cards beside the checkpoints.", icon=":material/info:")
        return
    names = list(cards)
    name = st.selectbox(
        "Weights",
        names,
        names.index("diffpose") if "diffpose" in names else 0,
        key="card",
        bind="query-params",
        help="How these weights were made: data, command, settings, limits and licence.",
    )
    with st.container(border=True, key="card_text"):
        # A card is a page of its own: its headings go two levels down here.
        st.markdown(re.sub(r"^(#+) ", r"##\1 ", cards[name], flags=re.MULTILINE))


def results(session: Session) -> None:
    """Published tables, measured figures and model cards."""
    st.html(STYLE)
    hide_sidebar()
    _published()
    st.divider()
    _measured()
    st.divider()
    calibrations = reports.calibration_reports()
    if calibrations:
        _calibration(calibrations[0])
        st.divider()
    ablations = reports.ablations()
    if ablations:
        _ablations(ablations)
        st.divider()
    scores = reports.hypotheses()
    if scores is not None:
        _hypotheses(scores)
        st.divider()
    _cards()
