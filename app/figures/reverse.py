"""The reverse view: without beside with f_ST, and which joints settle when."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from app.figures import measures
from app.figures.scenes import (
    BONES_HELP,
    ERROR_HELP,
    SPREAD_HELP,
    ClipFrames,
    clip_stage,
    clip_track,
    expected_curve,
    reverse_numbers,
    truth_below,
)
from app.stage.payload import StagePayload
from app.stage.specs.charts import Chart, Curve, line_chart
from app.stage.specs.layers import Layer, cloud, skeleton
from app.stage.specs.panels import scene
from diffpose_core.structures import DiffusionTrace

SETTLED_HELP = (
    "Every row is a joint, every column a step: the root mean square distance of the hypotheses to where they end"
)
#: The processes in the order of their scenes.
TITLES = {"no_context": "Without f_ST", "context": "With f_ST"}
CAPTIONS = {
    "no_context": "The network sees the noisy pose and its mixture, whose depth is still the encoder's.",
    "context": "The network also gets f_ST, and refines the encoder's pose in every step.",
}


def reverse(view: ClipFrames, traces: dict[str, DiffusionTrace], expected_error: np.ndarray | None = None) -> bytes:
    """Reverse diffusion without f_ST beside with it, from the same start and the same noise.

    Args:
        view: The frames of the clip.
        traces: "context" and "no_context", samples and pred_x_start (F', S + 1, H, 17, 3).
        expected_error: (F', 17), of the result with f_ST, metres, NaN where it is not known; None without a
            calibration.
    """
    payload = clip_stage(
        "reverse",
        "Reverse diffusion",
        view,
        traces["context"].k,
        step_ends=("H_K, uncertain", "H_0, the pose"),
        off=("Predicted h_0",),
        initial_step=len(traces["context"].k) * 2 // 5,
        line="Both start from the same poses and noise. Only f_ST tells the network which pose the picture shows.",
    )
    if view.truth_cam is not None:
        payload.pose("truth", view.truth_cam, "frame")
    numbers: dict[str, dict[str, str]] = {}
    for name, title in TITLES.items():
        readouts, numbers[name] = reverse_numbers(payload, view, name, traces[name])
        layers = _layers(payload, view, name, traces[name])
        payload.panels.append(scene(name, title, layers, caption=CAPTIONS[name], readouts=readouts))
    curve = numbers["context"].get("error")
    if curve is None and expected_error is not None:
        curve = expected_curve(payload, expected_error)
    payload.track = clip_track(payload, view, curve)
    payload.charts += _curves(numbers["context"], numbers["no_context"])
    payload.charts += _settling(payload, traces)
    return payload.pack()


def _layers(payload: StagePayload, view: ClipFrames, name: str, trace: DiffusionTrace) -> list[Layer]:
    """Figures of one process, registered with the payload under its name."""
    payload.pose(name, trace.samples, "frame", "step", "sample")
    payload.pose(f"{name}_mean", trace.samples.mean(2), "frame", "step")
    layers: list[Layer] = [cloud(name, "Hypotheses h_k", "sides", opacity=1.25)]
    if view.truth_cam is not None:
        layers.append(truth_below(width=0.6, opacity=0.9))
    if trace.pred_x_start is not None:
        payload.pose(f"{name}_pred", trace.pred_x_start.mean(2), "frame", "step")
        layers.append(skeleton(f"{name}_pred", "Predicted h_0", "teal", width=0.7))
    return [*layers, skeleton(f"{name}_mean", "Mean of h_k", "sides")]


def _curves(with_: dict[str, str], without: dict[str, str]) -> Iterator[Chart]:
    """Curves over the steps.

    Args:
        with_: Names of the arrays of the process with f_ST.
        without: Names of those without it.
    """
    if "error" in with_:
        rows: list[Curve] = [
            ("without f_ST", without["error"], "grey", "dash"),
            ("with f_ST", with_["error"], "teal", ""),
        ]
        if "guess" in with_:
            rows.append(("without, predicted h_0", without["guess"], "grey", "dot"))
            rows.append(("with, predicted h_0", with_["guess"], "teal", "dot"))
        yield line_chart("error", "Error to the truth", "mm", "step", *rows, span=4, help=ERROR_HELP)
    for key, title, unit, help_ in (
        ("spread", "Spread of the hypotheses", "mm", SPREAD_HELP),
        ("bones", "Bones of the mean that are off", "%", BONES_HELP),
    ):
        rows = [("without f_ST", without[key], "grey", "dash"), ("with f_ST", with_[key], "teal", "")]
        yield line_chart(key, title, unit, "step", *rows, span=4, help=help_)


def _settling(payload: StagePayload, traces: dict[str, DiffusionTrace]) -> Iterator[Chart]:
    """A strip for each process: how far each joint is from where it ends."""
    ways = {name: measures.way_left_mm(traces[name].samples) for name in TITLES}
    top = max(float(np.percentile(way[:, 0], 99)) for way in ways.values())
    for name, way in ways.items():
        title = TITLES[name]
        yield {
            "id": f"settle_{name}",
            "kind": "strip",
            "title": f"Which joints settle when, {title[0].lower()}{title[1:]}",
            "unit": "",
            "axis": "step",
            "array": payload.add(f"{name}_way", way, ("frame", "step", "joint")),
            "settled": payload.add(f"{name}_settled", measures.settled_at(way), ("frame", "joint")),
            "top": top,
            "span": 6,
            "help": SETTLED_HELP,
            "note": "Strong colour: far from where the joint ends. The line: from here on within "
            f"{measures.SETTLED_MM:.0f} mm of it.",
        }
