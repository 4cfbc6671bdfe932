"""The four views as stage payloads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.figures import measures
from app.figures.payload import Bounds, StagePayload, to_plot_axes
from diffpose_core.skeleton import constant_bones
from diffpose_core.structures import DiffusionTrace, PoseClip2D

TRUTH = "Truth"
ERROR_HELP = "Mean distance of the 17 joints to the exact ones (MPJPE)"
SPREAD_HELP = "How far the samples lie from their own mean, root mean square over joints"
BONES_HELP = "Mean relative error of the 16 bone lengths against the person's own"
IMPOSSIBLE_HELP = "Share of bones more than a fifth too long or too short for this person"
TO_MIXTURE_HELP = "Distance of the cloud to the fitted mixture: 0 means that it has arrived at H_K"


@dataclass(frozen=True)
class ClipFrames:
    """The frames of a clip that the views show.

    frames: (F',) their indices in the clip. baseline_cam: (F', 17, 3), what the context encoder alone predicts.
    current: the index into `frames` of the frame that the person picked. source: the clip's hash.
    """

    clip: PoseClip2D
    frames: np.ndarray
    baseline_cam: np.ndarray
    current: int
    source: str

    @property
    def truth_cam(self) -> np.ndarray | None:
        """The exact poses of these frames, (F', 17, 3), where the clip knows them."""
        return None if self.clip.pose3d_cam is None else self.clip.pose3d_cam[self.frames]

    @property
    def reference_cam(self) -> np.ndarray:
        """The truth where it is known, else the baseline: frames the scene and gives the person's bone lengths."""
        return self.baseline_cam if self.truth_cam is None else self.truth_cam

    @property
    def times_s(self) -> np.ndarray:
        """When the frames are, in seconds from the clip's start."""
        return self.frames / self.clip.fps


def scene_bounds(poses_cam: np.ndarray, radius: float = 0.75, above: float = 0.14, below: float = 0.14) -> Bounds:
    """A box around poses (..., 17, 3), as wide and as deep as `radius` metres to each side of the root.

    The floor lies at the lowest joint (its 1st percentile, so that one bad frame doesn't move it).
    """
    points = to_plot_axes(poses_cam).reshape(-1, 17, 3)
    floor = float(np.percentile(points[..., 2].min(-1), 1))
    top = float(np.percentile(points[..., 2].max(-1), 99))
    return Bounds((-radius, -radius, floor - below), (radius, radius, top + above), floor)


def _smoothed(values: np.ndarray, width: int) -> np.ndarray:
    """Running mean over the first axis, the ends held: so that a cut-out follows a person without trembling."""
    before, after = width // 2, width - 1 - width // 2
    padded = np.concatenate([values[:1].repeat(before, 0), values, values[-1:].repeat(max(after, 0), 0)])
    total = np.concatenate([np.zeros_like(values[:1]), padded]).cumsum(0)
    return (total[width:] - total[:-width]) / width if width > 1 else values


def image_panel(payload: StagePayload, view: ClipFrames, columns: float = 1.0) -> dict[str, Any]:
    """The 2D pose over its heatmap mixtures, cut to where the person is."""
    clip, index = view.clip, view.frames
    lead = ("frame",) if payload.frames is not None else ()
    pick = index if payload.frames is not None else index[view.current]
    payload.add("keypoints_px", clip.keypoints_px[pick], (*lead, "joint", "uv"))
    payload.add("confidence", clip.confidence[pick], (*lead, "joint"))
    lo, hi = clip.keypoints_px.min(1), clip.keypoints_px.max(1)
    half = float(np.percentile((hi - lo).max(-1), 95)) / 2 * 1.14 + 10
    centre = _smoothed((lo + hi) / 2, round(clip.fps))
    payload.add("image_centre", centre[pick], (*lead, "uv"))
    panel: dict[str, Any] = {
        "id": "image",
        "kind": "image",
        "title": "2D pose",
        "columns": columns,
        "pose": "keypoints_px",
        "confidence": "confidence",
        "image_px": [clip.width, clip.height],
        "centre": "image_centre",
        "half_px": half,
    }
    if clip.mixture is not None:
        mixture = clip.mixture
        panel["mixture"] = {
            "weights": payload.add("mixture_weights", mixture.weights[pick], (*lead, "joint", "mode")),
            "means_px": payload.add("mixture_means", mixture.means_px[pick], (*lead, "joint", "mode", "uv")),
            "stds_px": payload.add(
                "mixture_stds", np.sqrt(mixture.variances_px2[pick]), (*lead, "joint", "mode", "uv")
            ),
        }
        panel["caption"] = "Every glow is one place where a joint may be; rings at one and two standard deviations."
    if clip.hidden is not None:
        payload.add("hidden", clip.hidden[pick], (*lead, "joint"))
        panel["hidden"] = "hidden"
        payload.add("hidden_count", clip.hidden[pick].sum(-1), lead)
        panel["readouts"] = [
            {
                "label": "hidden joints",
                "array": "hidden_count",
                "unit": "",
                "help": "Joints that something hides; drawn hollow",
            }
        ]
    return panel


def _readout(
    payload: StagePayload, name: str, values: np.ndarray, axes: tuple[str, ...], **words: Any
) -> dict[str, Any]:
    return {"array": payload.add(name, values, axes), **words}


def _reverse_numbers(
    payload: StagePayload, view: ClipFrames, name: str, trace: DiffusionTrace
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Error, spread and bone violation of a reverse trace at every frame and step, registered with the payload."""
    axes = ("frame", "step")
    bones = measures.reference_bones(view.reference_cam)
    mean = trace.samples.mean(2)
    names = {}
    readouts = []
    if view.truth_cam is not None:
        error = measures.error_mm(mean, view.truth_cam[:, None])
        readouts.append(_readout(payload, f"{name}_error", error, axes, label="error", unit="mm", help=ERROR_HELP))
        names["error"] = f"{name}_error"
    spread = measures.spread_mm(trace.samples)
    readouts.append(_readout(payload, f"{name}_spread", spread, axes, label="spread", unit="mm", help=SPREAD_HELP))
    names["spread"] = f"{name}_spread"
    names["bones"] = payload.add(f"{name}_bones", measures.bone_violation_percent(mean, bones), axes)
    return readouts, names


def _chart(id_: str, title: str, unit: str, axis: str, *series: tuple[str, str, str, bool]) -> dict[str, Any]:
    rows = [
        {"label": label, "array": array, "palette": palette, "dash": dash} for label, array, palette, dash in series
    ]
    return {"id": id_, "kind": "line", "title": title, "unit": unit, "axis": axis, "series": rows}


def _reverse_payload(id_: str, title: str, view: ClipFrames, trace: DiffusionTrace, **words: Any) -> StagePayload:
    return StagePayload(
        id=id_,
        title=title,
        source=view.source,
        clip=view.clip.name,
        steps=[int(k) for k in trace.k],
        bounds=scene_bounds(view.reference_cam),
        frames=[int(f) for f in view.frames],
        times_s=list(view.times_s),
        initial_frame=view.current,
        **words,
    )


def overview(view: ClipFrames, trace: DiffusionTrace) -> bytes:
    """The whole way on one stage: the 2D pose, the cloud that becomes one pose, and the result over the truth.

    trace: the reverse process with f_ST, samples (F', S + 1, H, 17, 3).
    """
    payload = _reverse_payload(
        "overview",
        "From a 2D pose to a 3D pose",
        view,
        trace,
        step_ends=("many possible poses", "one pose"),
        off=("Graformer",),
    )
    payload.panels.append(image_panel(payload, view, 0.82))
    readouts, _ = _reverse_numbers(payload, view, "diffpose", trace)
    payload.pose("samples", trace.samples, "frame", "step", "sample")
    payload.pose("mean", trace.samples.mean(2), "frame", "step")
    payload.panels.append(
        {
            "id": "reverse",
            "kind": "scene",
            "title": "Reverse diffusion",
            "caption": "Each faint skeleton is one possible 3D pose; the solid one is their mean. Press play.",
            "readouts": readouts,
            "layers": [
                {"kind": "cloud", "array": "samples", "label": "Hypotheses", "palette": "sides", "opacity": 1.25},
                {"kind": "skeleton", "array": "mean", "label": "Their mean", "palette": "sides"},
            ],
        }
    )
    layers = []
    result, baseline = constant_bones(trace.samples[:, -1].mean(1)), constant_bones(view.baseline_cam)
    numbers = []
    if view.truth_cam is not None:
        payload.pose("truth", view.truth_cam, "frame")
        layers.append(
            {"kind": "skeleton", "array": "truth", "label": TRUTH, "palette": "red", "width": 0.8, "under": True}
        )
        for name, label, pose in (("d", "DiffPose", result), ("g", "Graformer", baseline)):
            error = measures.error_mm(pose, view.truth_cam)
            numbers.append(
                _readout(payload, f"result_error_{name}", error, ("frame",), label=label, unit="mm", help=ERROR_HELP)
            )
    payload.pose("result", result, "frame")
    payload.pose("baseline", baseline, "frame")
    layers.append({"kind": "skeleton", "array": "baseline", "label": "Graformer", "palette": "violet", "width": 0.8})
    layers.append({"kind": "skeleton", "array": "result", "label": "DiffPose", "palette": "teal"})
    payload.panels.append(
        {
            "id": "result",
            "kind": "scene",
            "title": "Result",
            "caption": "DiffPose's answer" + (" and, in red, where the joints really are." if numbers else "."),
            "readouts": numbers,
            "layers": layers,
        }
    )
    return payload.pack()


def forward(
    view: ClipFrames,
    traces: dict[str, DiffusionTrace],
    gmm_mean: np.ndarray,
    gmm_covariance: np.ndarray,
    other: tuple[str, DiffusionTrace] | None = None,
) -> bytes:
    """Forward diffusion of one frame, standard beside GMM.

    traces: "standard" and "gmm", samples (1, K + 1, H, 17, 3) from the same h_0 and noise seed. gmm_mean (51,) and
    gmm_covariance (51, 51): of the frame's fitted mixture, metres. other: the GMM form under the other schedule and
    that schedule's name, for the chart of the distance to H_K.
    """
    standard, gmm = traces["standard"], traces["gmm"]
    h_0 = gmm.samples[0, 0, 0]
    far = max(float(np.percentile(np.abs(t.samples[0, -1]), 97)) for t in (standard, gmm))
    wide = far > 1.3  # standard noise under the converging schedule: a metre and more
    bounds = scene_bounds(view.reference_cam, 1.5, 0.7, 0.6) if wide else scene_bounds(view.reference_cam)
    payload = StagePayload(
        id="forward",
        title="Forward diffusion",
        source=view.source,
        clip=view.clip.name,
        steps=[int(k) for k in gmm.k],
        bounds=bounds,
        step_ends=("h_0, the pose", "noise"),
        shows_frame=int(view.frames[view.current]),
        initial_step=len(gmm.k) - 1,
    )
    bones = measures.reference_bones(h_0[None])
    payload.pose("h_0", h_0)
    names = {"standard": "Standard diffusion", "gmm": "GMM diffusion"}
    captions = {
        "standard": "The same noise on every joint: the joints drift off in all directions.",
        "gmm": "Noise shaped by this image's uncertainty: sure joints stay, doubtful ones spread.",
    }
    for name, trace in (("standard", standard), ("gmm", gmm)):
        samples = trace.samples[0]
        payload.pose(name, samples, "step", "sample")
        payload.pose(f"{name}_one", samples[:, 0], "step")
        spread = measures.spread_mm(samples)
        broken = measures.impossible_bones_percent(samples, bones)
        distance = measures.distance_to_mixture_mm(samples, gmm_mean, gmm_covariance)
        payload.add(f"{name}_distance", distance, ("step",))
        payload.panels.append(
            {
                "id": name,
                "kind": "scene",
                "title": names[name],
                "caption": captions[name],
                "readouts": [
                    _readout(payload, f"{name}_spread", spread, ("step",), label="spread", unit="mm", help=SPREAD_HELP),
                    _readout(
                        payload,
                        f"{name}_broken",
                        broken,
                        ("step",),
                        label="impossible bones",
                        unit="%",
                        help=IMPOSSIBLE_HELP,
                    ),
                ],
                "layers": [
                    {"kind": "cloud", "array": name, "label": f"{samples.shape[1]} samples of h_k", "palette": "sides"},
                    {
                        "kind": "skeleton",
                        "array": "h_0",
                        "label": "h_0",
                        "palette": "grey",
                        "opacity": 0.55,
                        "width": 0.7,
                    },
                    {
                        "kind": "skeleton",
                        "array": f"{name}_one",
                        "label": "One sample",
                        "palette": "sides",
                        "shadow": False,
                    },
                ],
            }
        )
    arrivals = [
        ("standard", "standard_distance", "grey", False),
        ("GMM", "gmm_distance", "teal", False),
    ]
    if other is not None:
        label, trace = other
        value = measures.distance_to_mixture_mm(trace.samples[0], gmm_mean, gmm_covariance)
        payload.add("other_distance", value, ("step",))
        arrivals.append((f"GMM, {label}", "other_distance", "teal", True))
    payload.charts += [
        _chart("distance", "Distance to H_K", "mm", "step", *arrivals),
        _chart(
            "spread",
            "Spread of the samples",
            "mm",
            "step",
            ("standard", "standard_spread", "grey", False),
            ("GMM", "gmm_spread", "teal", False),
        ),
        _chart(
            "broken",
            "Impossible bones",
            "%",
            "step",
            ("standard", "standard_broken", "grey", False),
            ("GMM", "gmm_broken", "teal", False),
        ),
    ]
    return payload.pack()


def reverse(view: ClipFrames, traces: dict[str, DiffusionTrace]) -> bytes:
    """Reverse diffusion without beside with f_ST, from the same start and the same noise.

    traces: "context" and "no_context", samples and pred_x_start (F', S + 1, H, 17, 3).
    """
    payload = _reverse_payload(
        "reverse",
        "Reverse diffusion",
        view,
        traces["context"],
        step_ends=("H_K, uncertain", "H_0, the pose"),
        off=("Predicted h_0", "Paths"),
        initial_step=len(traces["context"].k) * 2 // 5,
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
        readouts, charts[name] = _reverse_numbers(payload, view, name, trace)
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
        layers.append({"kind": "trail", "array": f"{name}_mean", "label": "Paths", "palette": "sides"})
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
    words = (
        ("error", "Error to the truth", "mm"),
        ("spread", "Spread of the hypotheses", "mm"),
        ("bones", "Bone-length violation", "%"),
    )
    for key, title, unit in words:
        if key in charts["context"]:
            payload.charts.append(
                _chart(
                    key,
                    title,
                    unit,
                    "step",
                    ("without f_ST", charts["no_context"][key], "grey", True),
                    ("with f_ST", charts["context"][key], "teal", False),
                )
            )
    return payload.pack()


def compare(view: ClipFrames, trace: DiffusionTrace) -> bytes:
    """The truth, Graformer and DiffPose side by side; the step slider runs DiffPose's reverse process.

    trace: the reverse process with f_ST, samples (F', S + 1, H, 17, 3).
    """
    payload = _reverse_payload(
        "compare",
        "DiffPose beside Graformer",
        view,
        trace,
        step_ends=("start", "result"),
        initial_step=len(trace.k) - 1,
    )
    bones = measures.reference_bones(view.reference_cam)
    # As `lift` returns them: bones keep their lengths over the clip. Reverse diffusion itself is shown without that.
    mean = np.stack([constant_bones(pose) for pose in trace.samples.mean(2).swapaxes(0, 1)], axis=1)
    baseline = constant_bones(view.baseline_cam)
    payload.pose("diffpose", mean, "frame", "step")
    payload.pose("graformer", baseline, "frame")
    ghost: list[dict[str, Any]] = []
    truth = view.truth_cam
    if truth is not None:
        payload.pose("truth", truth, "frame")
        ghost = [
            {
                "kind": "skeleton",
                "array": "truth",
                "label": TRUTH,
                "palette": "red",
                "width": 0.75,
                "opacity": 0.9,
                "under": True,
            }
        ]
    numbers: dict[str, list[dict[str, Any]]] = {"graformer": [], "diffpose": []}
    for name, pose, axes in (("graformer", baseline, ("frame",)), ("diffpose", mean, ("frame", "step"))):
        if truth is not None:
            wide = truth if len(axes) == 1 else truth[:, None]
            numbers[name].append(
                _readout(
                    payload,
                    f"{name}_error",
                    measures.error_mm(pose, wide),
                    axes,
                    label="error",
                    unit="mm",
                    help=ERROR_HELP,
                )
            )
        violation = measures.bone_violation_percent(pose, bones)
        numbers[name].append(
            _readout(payload, f"{name}_bones", violation, axes, label="bones off", unit="%", digits=1, help=BONES_HELP)
        )
    payload.panels.append(
        {
            "id": "graformer",
            "kind": "scene",
            "title": "Graformer",
            "caption": "One answer in one go: the context encoder alone.",
            "readouts": numbers["graformer"],
            "layers": [*ghost, {"kind": "skeleton", "array": "graformer", "label": "Graformer", "palette": "violet"}],
        }
    )
    payload.panels.append(
        {
            "id": "diffpose",
            "kind": "scene",
            "title": "DiffPose",
            "caption": f"The mean of {trace.samples.shape[2]} hypotheses; move k to see it arrive.",
            "readouts": numbers["diffpose"],
            "layers": [*ghost, {"kind": "skeleton", "array": "diffpose", "label": "DiffPose", "palette": "teal"}],
        }
    )
    if truth is not None:
        payload.panels.append(
            {
                "id": "truth",
                "kind": "scene",
                "title": "Truth",
                "caption": "Where the joints really are.",
                "layers": [{"kind": "skeleton", "array": "truth", "label": TRUTH, "palette": "red"}],
            }
        )
        payload.charts.append(
            _chart(
                "error",
                "Error over the clip",
                "mm",
                "frame",
                ("Graformer", "graformer_error", "violet", True),
                ("DiffPose", "diffpose_error", "teal", False),
            )
        )
    payload.charts.append(
        _chart(
            "bones",
            "Bone-length violation over the clip",
            "%",
            "frame",
            ("Graformer", "graformer_bones", "violet", True),
            ("DiffPose", "diffpose_bones", "teal", False),
        )
    )
    return payload.pack()
