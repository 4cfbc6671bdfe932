"""The overview: the way from a 2D pose to a 3D one as a strip of live parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from app.figures import measures
from app.figures.scenes import (
    ERROR_HELP,
    EXPECTED_ARRAY,
    ClipFrames,
    clip_stage,
    clip_track,
    expected_readout,
    image_panel,
    readout,
    reverse_numbers,
    truth_below,
)
from app.stage.specs.layers import Layer, cloud, skeleton
from app.stage.specs.panels import ImagePanel, Panel, PanelWords, Readout, mini_scene, scene
from diffpose_core.structures import DiffusionTrace

#: The parts of the overview's strip: id, title, words, and the view that each leads to.
PARTS = (
    ("clip", "2D pose", "17 joints, found in one picture.", "Uncertainty"),
    ("heatmaps", "Heatmaps", "Where each joint may be, and how certain that is.", "Uncertainty"),
    ("H_K", "H_K", "3D poses that the picture allows: here it starts.", "Forward"),
    ("steps", "Reverse steps", "A network takes noise away, step by step.", "Reverse"),
    ("H_0", "H_0", "What the poses have become.", "Reverse"),
    ("pose", "3D pose", "Their mean is the answer.", "Compare"),
)
_HYPOTHESES = cloud("samples", "Hypotheses", "sides", opacity=1.25)


def overview(
    view: ClipFrames,
    trace: DiffusionTrace,
    goal: np.ndarray,
    views: Sequence[str],
    expected_error: np.ndarray | None = None,
) -> bytes:
    """The whole way as a strip of small live parts, and two of them large.

    Args:
        view: The frames of the clip.
        trace: The reverse process with f_ST, samples (F', S + 1, H, 17, 3).
        goal: (F', G, 17, 3), draws of every frame's H_K.
        views: Names of the views that the parts may lead to.
        expected_error: (F', 17), metres, NaN where it is not known; None without a calibration.
    """
    payload = clip_stage(
        "overview",
        "From a 2D pose to a 3D pose",
        view,
        trace.k,
        step_ends=("many possible poses", "one pose"),
        columns=6,
        line="From one picture to one pose: press play, or click a part to open its view.",
    )
    readouts, numbers_by_name = reverse_numbers(payload, view, "diffpose", trace)
    payload.pose("goal", goal, "frame", "sample")
    payload.pose("samples", trace.samples, "frame", "step", "sample")
    payload.pose("mean", trace.samples.mean(2), "frame", "step")
    payload.pose("final", trace.samples[:, -1], "frame", "sample")
    result = view.rigid(trace.samples[:, -1].mean(1))
    payload.pose("result", result, "frame")
    truth: list[Layer] = []
    numbers: list[Readout] = []
    if view.truth_cam is not None:
        payload.pose("truth", view.truth_cam, "frame")
        truth = [truth_below(width=0.8)]
        error = measures.error_mm(result, view.truth_cam)
        numbers = [readout(payload, "result_error", error, ("frame",), label="error", unit="mm", help=ERROR_HELP)]
    curve = numbers_by_name.get("error")
    if expected_error is not None:
        numbers.append(expected_readout(payload, view, expected_error))
        curve = curve or EXPECTED_ARRAY
    image = image_panel(payload, view, result_cam=result)
    payload.track = clip_track(payload, view, curve)
    payload.panels += _strip(image, truth, views)
    payload.panels.append(
        scene(
            "reverse",
            "Reverse diffusion",
            [_HYPOTHESES, skeleton("mean", "Their mean", "sides")],
            caption="Each faint skeleton is one possible 3D pose; the solid one is their mean. Press play.",
            span=3,
            readouts=readouts,
        )
    )
    answer = "DiffPose's answer" + (" and, in red, the true pose." if truth else ".")
    layers = [*truth, skeleton("result", "DiffPose", "teal")]
    payload.panels.append(scene("result", "Result", layers, caption=answer, span=3, readouts=numbers))
    return payload.pack()


def _strip(image: ImagePanel, truth: Sequence[Layer], views: Sequence[str]) -> Iterator[Panel]:
    """The small parts in their order.

    Args:
        image: The 2D pose over its heatmaps.
        truth: The layer of the exact pose, where it is known.
        views: Names of the views that the parts may lead to.
    """
    layers: dict[str, list[Layer]] = {
        "H_K": [cloud("goal", "Draws of H_K", "sides", opacity=1.5)],
        "steps": [_HYPOTHESES, skeleton("mean", "Their mean", "sides", width=0.7)],
        "H_0": [cloud("final", "Hypotheses", "sides", opacity=2.2)],
        "pose": [*truth, skeleton("result", "DiffPose", "teal", width=0.9)],
    }
    for id_, title, words, leads_to in PARTS:
        part: PanelWords = {"caption": words, "span": 1, "part": True, "zoom": 1.12}
        if leads_to in views:
            part["opens"] = leads_to
        if id_ in layers:
            yield mini_scene(id_, title, layers[id_], **part)
            continue
        small: ImagePanel = {**image, **part, "id": id_, "title": title, "plain": True, "readouts": []}
        small["bare"] = id_ == "heatmaps"
        if id_ == "clip":
            small["mixture"] = None
        yield small
