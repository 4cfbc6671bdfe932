"""The reverse view: without beside with f_ST, and which joints settle when."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.figures import measures
from app.figures.scenes import (
    BONES_HELP,
    ERROR_HELP,
    SPREAD_HELP,
    TRUTH,
    ClipFrames,
    clip_stage,
    clip_track,
    line_chart,
    reverse_numbers,
)
from diffpose_core.structures import DiffusionTrace

SETTLED_HELP = (
    "Every row is a joint, every column a step: the root mean square distance of the hypotheses to where they end"
)


def reverse(view: ClipFrames, traces: dict[str, DiffusionTrace]) -> bytes:
    """Reverse diffusion without f_ST beside with it, from the same start and the same noise.

    traces: "context" and "no_context", samples and pred_x_start (F', S + 1, H, 17, 3).
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
    titles = {"no_context": "Without f_ST", "context": "With f_ST"}
    captions = {
        "no_context": "The network sees the noisy pose and the mixture that it came from.",
        "context": "The context encoder's features of the 2D pose steer every step.",
    }
    charts: dict[str, dict[str, str]] = {}
    for name in ("no_context", "context"):
        trace = traces[name]
        readouts, charts[name] = reverse_numbers(payload, view, name, trace)
        payload.pose(name, trace.samples, "frame", "step", "sample")
        payload.pose(f"{name}_mean", trace.samples.mean(2), "frame", "step")
        layers: list[dict[str, Any]] = [
            {"kind": "cloud", "array": name, "label": "Hypotheses h_k", "palette": "sides", "opacity": 1.25},
        ]
        if view.truth_cam is not None:
            layers.append(
                {
                    "kind": "skeleton",
                    "array": "truth",
                    "label": TRUTH,
                    "palette": "red",
                    "width": 0.6,
                    "opacity": 0.9,
                    "under": True,
                }
            )
        if trace.pred_x_start is not None:
            payload.pose(f"{name}_pred", trace.pred_x_start.mean(2), "frame", "step")
            layers.append(
                {"kind": "skeleton", "array": f"{name}_pred", "label": "Predicted h_0", "palette": "teal", "width": 0.7}
            )
        layers.append({"kind": "skeleton", "array": f"{name}_mean", "label": "Mean of h_k", "palette": "sides"})
        payload.panels.append(
            {
                "id": name,
                "kind": "scene",
                "title": titles[name],
                "caption": captions[name],
                "readouts": readouts,
                "layers": layers,
            }
        )
    payload.track = clip_track(payload, view, curve=charts["context"].get("error"))
    with_, without = charts["context"], charts["no_context"]
    if "error" in with_:
        rows = [("without f_ST", without["error"], "grey", "dash"), ("with f_ST", with_["error"], "teal", "")]
        if "guess" in with_:
            rows += [
                ("without, predicted h_0", without["guess"], "grey", "dot"),
                ("with, predicted h_0", with_["guess"], "teal", "dot"),
            ]
        payload.charts.append(line_chart("error", "Error to the truth", "mm", "step", *rows, span=4, help=ERROR_HELP))
    for key, title, unit, help_ in (
        ("spread", "Spread of the hypotheses", "mm", SPREAD_HELP),
        ("bones", "Bones of the mean that are off", "%", BONES_HELP),
    ):
        rows = [("without f_ST", without[key], "grey", "dash"), ("with f_ST", with_[key], "teal", "")]
        payload.charts.append(line_chart(key, title, unit, "step", *rows, span=4, help=help_))
    ways = {name: measures.way_left_mm(traces[name].samples) for name in titles}
    top = max(float(np.percentile(way[:, 0], 99)) for way in ways.values())
    for name, way in ways.items():
        payload.add(f"{name}_way", way, ("frame", "step", "joint"))
        payload.add(f"{name}_settled", measures.settled_at(way), ("frame", "joint"))
        payload.charts.append(
            {
                "id": f"settle_{name}",
                "kind": "strip",
                "title": f"Which joints settle when, {titles[name][0].lower()}{titles[name][1:]}",
                "unit": "",
                "axis": "step",
                "array": f"{name}_way",
                "settled": f"{name}_settled",
                "top": top,
                "span": 6,
                "help": SETTLED_HELP,
                "note": "Strong colour: far from where the joint ends. The line: from here on within "
                f"{measures.SETTLED_MM:.0f} mm of it.",
            }
        )
    return payload.pack()
