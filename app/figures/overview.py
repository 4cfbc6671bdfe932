"""The overview: the way from a 2D pose to a 3D one as a strip of live parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.figures import measures
from app.figures.scenes import (
    ERROR_HELP,
    TRUTH,
    ClipFrames,
    clip_stage,
    clip_track,
    image_panel,
    readout,
    reverse_numbers,
)
from diffpose_core.skeleton import constant_bones
from diffpose_core.structures import DiffusionTrace

#: The parts of the overview's strip: id, title, words, and the view that each leads to.
PARTS = (
    ("clip", "2D pose", "17 joints, found in one picture.", "Uncertainty"),
    ("heatmaps", "Heatmaps", "Where each joint may be, and how sure that is.", "Uncertainty"),
    ("H_K", "H_K", "3D poses that the picture allows: here it starts.", "Forward"),
    ("steps", "Reverse steps", "A network takes noise away, step by step.", "Reverse"),
    ("H_0", "H_0", "What the poses have become.", "Reverse"),
    ("pose", "3D pose", "Their mean is the answer.", "Compare"),
)


def overview(view: ClipFrames, trace: DiffusionTrace, goal: np.ndarray, views: Sequence[str]) -> bytes:
    """The whole way as a strip of small live parts, and two of them large.

    trace: the reverse process with f_ST, samples (F', S + 1, H, 17, 3). goal: (F', G, 17, 3), draws of every frame's
    H_K. views: names of the views that the parts may lead to.
    """
    payload = clip_stage(
        "overview",
        "From a 2D pose to a 3D pose",
        view,
        trace.k,
        step_ends=("many possible poses", "one pose"),
        columns=6,
        line="From one picture to one pose: press play, and click a part to look into it.",
    )
    readouts, numbers_by_name = reverse_numbers(payload, view, "diffpose", trace)
    payload.pose("goal", goal, "frame", "sample")
    payload.pose("samples", trace.samples, "frame", "step", "sample")
    payload.pose("mean", trace.samples.mean(2), "frame", "step")
    payload.pose("final", trace.samples[:, -1], "frame", "sample")
    result = constant_bones(trace.samples[:, -1].mean(1))
    payload.pose("result", result, "frame")
    truth: list[dict[str, Any]] = []
    numbers = []
    if view.truth_cam is not None:
        payload.pose("truth", view.truth_cam, "frame")
        truth = [{"kind": "skeleton", "array": "truth", "label": TRUTH, "palette": "red", "width": 0.8, "under": True}]
        error = measures.error_mm(result, view.truth_cam)
        numbers.append(readout(payload, "result_error", error, ("frame",), label="error", unit="mm", help=ERROR_HELP))
    cloud = {"kind": "cloud", "array": "samples", "label": "Hypotheses", "palette": "sides", "opacity": 1.25}
    mean = {"kind": "skeleton", "array": "mean", "label": "Their mean", "palette": "sides"}
    answer = {"kind": "skeleton", "array": "result", "label": "DiffPose", "palette": "teal"}
    layers: dict[str, list[dict[str, Any]]] = {
        "H_K": [{**cloud, "array": "goal", "label": "Draws of H_K", "opacity": 1.5}],
        "steps": [cloud, {**mean, "width": 0.7}],
        "H_0": [{**cloud, "array": "final", "opacity": 2.2}],
        "pose": [*truth, {**answer, "width": 0.9}],
    }
    image = image_panel(payload, view)
    payload.track = clip_track(payload, view, curve=numbers_by_name.get("error"))
    for id_, title, words, leads_to in PARTS:
        part: dict[str, Any] = {"id": id_, "title": title, "caption": words, "span": 1, "part": True, "zoom": 1.12}
        if id_ in layers:
            part |= {"kind": "mini", "layers": layers[id_]}
        else:
            part = {**image, **part, "plain": True, "bare": id_ == "heatmaps", "readouts": []}
            if id_ == "clip":
                part["mixture"] = None
        if leads_to in views:
            part["opens"] = leads_to
        payload.panels.append(part)
    payload.panels.append(
        {
            "id": "reverse",
            "kind": "scene",
            "title": "Reverse diffusion",
            "caption": "Each faint skeleton is one possible 3D pose; the solid one is their mean. Press play.",
            "span": 3,
            "readouts": readouts,
            "layers": [cloud, mean],
        }
    )
    payload.panels.append(
        {
            "id": "result",
            "kind": "scene",
            "title": "Result",
            "caption": "DiffPose's answer" + (" and, in red, where the joints really are." if numbers else "."),
            "span": 3,
            "readouts": numbers,
            "layers": [*truth, answer],
        }
    )
    return payload.pack()
