"""The four views as stage payloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.figures import measures
from app.figures.payload import Bounds, StagePayload, to_plot_axes
from app.state import ScheduleName
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.skeleton import NUM_JOINTS, constant_bones
from diffpose_core.structures import DiffusionTrace, PoseClip2D
from diffpose_core.uncertainty.gmm import PoseGMM, standard_normal
from diffpose_core.uncertainty.mixtures import clip_mixture

TRUTH = "Truth"
ERROR_HELP = "Mean distance of the 17 joints to the exact ones (MPJPE)"
SPREAD_HELP = "How far the samples lie from their own mean, root mean square over joints"
BONES_HELP = "Mean relative error of the 16 bone lengths against the person's own"
IMPOSSIBLE_HELP = "Share of bones that are shorter or longer than those of every body that the networks learnt from"
TO_MIXTURE_HELP = (
    "How far a joint would have to be moved, at best, to turn this cloud into H_K: 2-Wasserstein distance between the "
    "Gaussians with the same mean and covariance; 0 means that it has arrived"
)
SETTLED_HELP = (
    "Every row is a joint, every column a step: the root mean square distance of the hypotheses to where they end"
)
#: H_K as a faint cloud behind what should become it.
GOAL = {"kind": "cloud", "label": "H_K, the goal", "palette": "violet", "opacity": 0.8}


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
    half_u, half_v = (float(np.percentile(size, 95)) / 2 * 1.14 + 10 for size in (hi - lo).T)
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
        "half_px": half_v,
        "half_u_px": half_u,
        "caption": "Every glow is one place where a joint may be; rings at one and two standard deviations.",
    }
    mixture = clip_mixture(clip)
    panel["mixture"] = {
        "weights": payload.add("mixture_weights", mixture.weights[pick], (*lead, "joint", "mode")),
        "means_px": payload.add("mixture_means", mixture.means_px[pick], (*lead, "joint", "mode", "uv")),
        "stds_px": payload.add("mixture_stds", np.sqrt(mixture.variances_px2[pick]), (*lead, "joint", "mode", "uv")),
    }
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
        if trace.pred_x_start is not None:
            guess = measures.error_mm(trace.pred_x_start.mean(2), view.truth_cam[:, None])
            names["guess"] = payload.add(f"{name}_guess", guess, axes)
    spread = measures.spread_mm(trace.samples)
    readouts.append(_readout(payload, f"{name}_spread", spread, axes, label="spread", unit="mm", help=SPREAD_HELP))
    names["spread"] = f"{name}_spread"
    names["bones"] = payload.add(f"{name}_bones", measures.bone_violation_percent(mean, bones), axes)
    return readouts, names


def _chart(
    id_: str,
    title: str,
    unit: str,
    axis: str,
    *series: tuple[str, str, str, str],
    off_scale: Sequence[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """A line chart. series: label, array, palette, and how the line is broken ("", "dash" or "dot").

    off_scale: labels of series that may leave the plot, so that the others stay readable.
    """
    rows = [
        {"label": label, "array": array, "palette": palette, "dash": dash, "off_scale": label in off_scale}
        for label, array, palette, dash in series
    ]
    return {"id": id_, "kind": "line", "title": title, "unit": unit, "axis": axis, "series": rows, **more}


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
    payload = _reverse_payload(
        "overview",
        "From a 2D pose to a 3D pose",
        view,
        trace,
        step_ends=("many possible poses", "one pose"),
        columns=6,
    )
    readouts, _ = _reverse_numbers(payload, view, "diffpose", trace)
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
        numbers.append(_readout(payload, "result_error", error, ("frame",), label="error", unit="mm", help=ERROR_HELP))
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


SCHEDULE_WORDS: dict[ScheduleName, str] = {"supplement": "supplement's schedule", "converging": "converging schedule"}


@dataclass(frozen=True)
class ForwardRun:
    """Forward diffusion of one pose under one schedule.

    schedule: its name. traces: "standard" and "gmm", or "gmm" alone, samples (1, K + 1, H, 17, 3) from the same h_0 and
    noise seed.
    """

    schedule: ScheduleName
    traces: Mapping[str, DiffusionTrace]

    @property
    def alphas(self) -> np.ndarray:
        """alpha_k of every state, (K + 1,)."""
        return make_schedule(self.schedule).alphas_cumprod


def forward(view: ClipFrames, chosen: ForwardRun, other: ForwardRun, gmm: PoseGMM, goal: np.ndarray) -> bytes:
    """Forward diffusion of one frame: standard beside GMM under one schedule, and GMM under the other.

    gmm: the frame's fitted mixture, camera frame, metres. goal: (G, 17, 3), draws of it, which the last step should
    look like.
    """
    runs = (
        ("standard", "Standard diffusion", chosen, "standard"),
        ("gmm", f"GMM, {SCHEDULE_WORDS[chosen.schedule]}", chosen, "gmm"),
        ("other", f"GMM, {SCHEDULE_WORDS[other.schedule]}", other, "gmm"),
    )
    gmm_trace = chosen.traces["gmm"]
    h_0 = gmm_trace.samples[0, 0, 0]
    far = max(float(np.percentile(np.abs(run.traces[key].samples[0, -1]), 97)) for _, _, run, key in runs)
    wide = far > 1.3  # standard noise under the converging schedule: a metre and more
    bounds = scene_bounds(view.reference_cam, 1.5, 0.7, 0.6) if wide else scene_bounds(view.reference_cam)
    payload = StagePayload(
        id="forward",
        title="Forward diffusion",
        source=view.source,
        clip=view.clip.name,
        steps=[int(k) for k in gmm_trace.k],
        bounds=bounds,
        step_ends=("h_0, the pose", "noise"),
        shows_frame=int(view.frames[view.current]),
        initial_step=len(gmm_trace.k) - 1,
    )
    payload.pose("h_0", h_0)
    payload.pose("goal", goal, "sample")
    to_goal = measures.mixture_moments(gmm)
    laws = {"standard": standard_normal(3 * NUM_JOINTS), "gmm": gmm, "other": gmm}
    captions = {
        "standard": "The same noise on every joint: the body dissolves.",
        "gmm": "Noise shaped by this image: sure joints stay, doubtful ones spread.",
        "other": {
            "supplement": "The paper's small noise: at k = 50 the cloud has hardly left h_0.",
            "converging": "Enough noise to arrive: at k = 50 the cloud looks like H_K.",
        }[other.schedule],
    }
    for name, title, run, key in runs:
        samples = run.traces[key].samples[0]
        payload.pose(name, samples, "step", "sample")
        payload.pose(f"{name}_one", samples[:, 0], "step")
        distance = measures.gaussian_distance_mm(*measures.forward_moments(h_0, laws[name], run.alphas), *to_goal)
        broken = measures.impossible_bones_percent(samples)
        payload.add(f"{name}_left", np.sqrt(run.alphas) * 100.0, ("step",))
        readouts = [
            _readout(payload, f"{name}_distance", distance, ("step",), label="to H_K", unit="mm", help=TO_MIXTURE_HELP),
            _readout(
                payload,
                f"{name}_broken",
                broken,
                ("step",),
                label="impossible bones",
                unit="%",
                help=IMPOSSIBLE_HELP,
            ),
        ]
        cloud = {"kind": "cloud", "array": name, "label": f"{samples.shape[1]} samples of h_k", "palette": "sides"}
        ghost = {
            "kind": "skeleton",
            "array": "h_0",
            "label": "h_0",
            "palette": "grey",
            "opacity": 0.55,
            "width": 0.7,
        }
        one = {
            "kind": "skeleton",
            "array": f"{name}_one",
            "label": "One sample",
            "palette": "sides",
            "shadow": False,
        }
        payload.panels.append(
            {
                "id": name,
                "kind": "scene",
                "title": title,
                "caption": captions[name],
                "readouts": readouts,
                "layers": [{**GOAL, "array": "goal"}, cloud, ghost, one],
            }
        )
    payload.add("gmm_joints", measures.joint_spread_mm(gmm_trace.samples[0]), ("step", "joint"))
    payload.add("standard_spread", measures.spread_mm(chosen.traces["standard"].samples[0]), ("step",))
    names = {run.schedule: SCHEDULE_WORDS[run.schedule] for run in (chosen, other)}
    payload.charts += [
        _chart(
            "distance",
            "Distance to H_K",
            "mm",
            "step",
            ("standard", "standard_distance", "grey", "dash"),
            (f"GMM, {names[chosen.schedule]}", "gmm_distance", "teal", ""),
            (f"GMM, {names[other.schedule]}", "other_distance", "violet", ""),
            span=6,
            help=TO_MIXTURE_HELP,
            off_scale=("standard",),
        ),
        _chart(
            "left",
            "How much of h_0 is left",
            "%",
            "step",
            (names[chosen.schedule], "gmm_left", "teal", ""),
            (names[other.schedule], "other_left", "violet", ""),
            span=6,
            help="The square root of alpha_k in Eq. 1: the share of h_0's offset from the mixture that is still in h_k",
        ),
        {
            "id": "joints",
            "kind": "joints",
            "title": "Spread of every joint, GMM",
            "unit": "mm",
            "axis": "step",
            "array": "gmm_joints",
            "series": [{"label": "standard", "array": "standard_spread", "palette": "grey", "dash": "dash"}],
            "help": SPREAD_HELP + "; a wide joint is one that this image is unsure of",
            "span": 6,
        },
        _chart(
            "broken",
            "Impossible bones",
            "%",
            "step",
            ("standard", "standard_broken", "grey", "dash"),
            (f"GMM, {names[chosen.schedule]}", "gmm_broken", "teal", ""),
            (f"GMM, {names[other.schedule]}", "other_broken", "violet", ""),
            span=6,
            help=IMPOSSIBLE_HELP,
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
    with_, without = charts["context"], charts["no_context"]
    if "error" in with_:
        rows = [("without f_ST", without["error"], "grey", "dash"), ("with f_ST", with_["error"], "teal", "")]
        if "guess" in with_:
            rows += [
                ("without, predicted h_0", without["guess"], "grey", "dot"),
                ("with, predicted h_0", with_["guess"], "teal", "dot"),
            ]
        payload.charts.append(_chart("error", "Error to the truth", "mm", "step", *rows, help=ERROR_HELP))
    for key, title, unit, help_ in (
        ("spread", "Spread of the hypotheses", "mm", SPREAD_HELP),
        ("bones", "Bones of the mean that are off", "%", BONES_HELP),
    ):
        rows = [("without f_ST", without[key], "grey", "dash"), ("with f_ST", with_[key], "teal", "")]
        payload.charts.append(_chart(key, title, unit, "step", *rows, help=help_))
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
                "note": f"Dark: far from where the joint ends. The line: from here on within {measures.SETTLED_MM:.0f} "
                "mm of it.",
            }
        )
    return payload.pack()


RINGS = 3  # joints that are circled
LEAST_DIFFERENCE_MM = 15.0  # nearer than that, two skeletons are drawn on top of each other
APART_S = 0.4  # between two frames of the gallery
SHOWN_MOMENTS = 3


@dataclass(frozen=True)
class Compared:
    """Both methods on the same frames, as `lift` returns them: bones keep their lengths over the frames.

    k: (S + 1,), steps of DiffPose's reverse process. diffpose_cam: (F', S + 1, 17, 3), the mean of its hypotheses.
    graformer_cam: (F', 17, 3). truth_cam: (F', 17, 3) where it is known. Metres.
    """

    k: np.ndarray
    diffpose_cam: np.ndarray
    graformer_cam: np.ndarray
    truth_cam: np.ndarray | None

    @classmethod
    def of(cls, view: ClipFrames, trace: DiffusionTrace) -> Compared:
        """trace: the reverse process of the view's frames, with all hypotheses or with their mean alone."""
        means = trace.samples.mean(2)
        rigid = np.stack([constant_bones(pose) for pose in means.swapaxes(0, 1)], axis=1)
        return cls(trace.k, rigid, constant_bones(view.baseline_cam), view.truth_cam)

    @property
    def result_cam(self) -> np.ndarray:
        """DiffPose's answer, (F', 17, 3)."""
        return self.diffpose_cam[:, -1]

    def gain_mm(self) -> np.ndarray:
        """How much nearer to the truth DiffPose is than Graformer, (F',); without the truth, how far apart they are."""
        if self.truth_cam is None:
            return measures.error_mm(self.result_cam, self.graformer_cam)
        return measures.error_mm(self.graformer_cam, self.truth_cam) - measures.error_mm(
            self.result_cam, self.truth_cam
        )

    def joint_means_mm(self) -> dict[str, np.ndarray]:
        """Mean error of every joint over the frames, (17,), by method. Only where the truth is known."""
        if self.truth_cam is None:
            return {}
        poses = {"Graformer": self.graformer_cam, "DiffPose": self.result_cam}
        return {name: measures.joint_error_mm(pose, self.truth_cam).mean(0) for name, pose in poses.items()}


def _moments(view: ClipFrames, both: Compared) -> list[dict[str, Any]]:
    """The frames where DiffPose gains and loses most, by number; without the truth, where the two differ most."""
    gain = both.gain_mm()
    seconds = np.median(np.diff(view.times_s)) if len(view.frames) > 1 else 1.0
    apart = max(1, round(APART_S / float(seconds)))
    found = []
    if both.truth_cam is None:
        for index in measures.extremes(gain, 2 * SHOWN_MOMENTS, apart):
            found.append((index, "", f"Frame {view.frames[index]}", f"{gain[index]:.0f} mm apart"))
    else:
        graformer = measures.error_mm(both.graformer_cam, both.truth_cam)
        for sign, better, word in ((1.0, "diffpose", "better"), (-1.0, "graformer", "worse")):
            for index in measures.extremes(sign * gain, SHOWN_MOMENTS, apart):
                title = f"Frame {view.frames[index]}: {abs(gain[index]):.0f} mm {word}"
                text = f"Graformer {graformer[index]:.0f}, DiffPose {graformer[index] - gain[index]:.0f} mm"
                found.append((index, better, title, text))
    return [{"index": i, "better": better, "title": title, "text": text} for i, better, title, text in found]


def _over_the_clip(payload: StagePayload, view: ClipFrames, both: Compared) -> None:
    """Charts over the frames and the gallery, once every frame is there."""
    gain = both.gain_mm()
    frames = len(view.frames)
    of_all = "all" if frames == len(view.clip) else f"{frames} evenly spaced of all {len(view.clip)}"
    if both.truth_cam is None:
        payload.add("apart", measures.error_mm(both.diffpose_cam, both.graformer_cam[:, None]), ("frame", "step"))
        worst = int(np.argmax(gain))
        payload.charts.append(
            _chart(
                "apart",
                "How far the two are apart",
                "mm",
                "frame",
                ("DiffPose to Graformer", "apart", "teal", ""),
                span=12,
                jumps=[_jump("Largest difference", worst, "Go to the frame where the two differ most")],
            )
        )
    else:
        error = measures.error_mm(both.result_cam, both.truth_cam)
        graformer = measures.error_mm(both.graformer_cam, both.truth_cam)
        jumps = [
            _jump("Worst frame", int(np.argmax(error)), "Go to the frame where DiffPose is furthest from the truth"),
            _jump("Largest gain", int(np.argmax(gain)), "Go to the frame where DiffPose is most better than Graformer"),
            _jump("Largest loss", int(np.argmin(gain)), "Go to the frame where DiffPose is most worse than Graformer"),
        ]
        note = (
            f"Mean of {of_all} frames: Graformer {graformer.mean():.1f} mm, DiffPose {error.mean():.1f} mm; "
            f"DiffPose is nearer to the truth in {np.mean(gain > 0):.0%} of them."
        )
        payload.charts.append(
            _chart(
                "error",
                "Error over the clip",
                "mm",
                "frame",
                ("Graformer", "graformer_error", "violet", "dash"),
                ("DiffPose", "diffpose_error", "teal", ""),
                span=7,
                help=ERROR_HELP,
                jumps=jumps,
                note=note,
            )
        )
    moments = _moments(view, both)
    if moments:
        title = "Where DiffPose gains most, and where it loses most"
        payload.charts.append(
            {
                "id": "gallery",
                "kind": "gallery",
                "title": title if both.truth_cam is not None else "Where the two differ most",
                "unit": "",
                "axis": "frame",
                "span": 12,
                "zoom": 1.35,
                "moments": moments,
                "layers": _overlaid(both, rings=False),
                "note": f"Chosen by number among {of_all} frames, at least {APART_S} s apart. Click one to go there.",
            }
        )


def _jump(label: str, index: int, help_: str) -> dict[str, Any]:
    return {"label": label, "index": index, "help": help_}


def _ghost(both: Compared) -> list[dict[str, Any]]:
    """The truth in red, under the other skeletons."""
    if both.truth_cam is None:
        return []
    shown = {"kind": "skeleton", "array": "truth", "label": TRUTH, "palette": "red"}
    return [{**shown, "width": 0.75, "opacity": 0.9, "under": True}]


def _rings(array: str) -> dict[str, Any]:
    shown = {"kind": "rings", "array": array, "by": "differs", "label": "Where they differ most"}
    return {**shown, "palette": "teal", "palette_less": "violet", "count": RINGS, "least": LEAST_DIFFERENCE_MM}


def _overlaid(both: Compared, rings: bool = True) -> list[dict[str, Any]]:
    return [
        *_ghost(both),
        {"kind": "skeleton", "array": "graformer", "label": "Graformer", "palette": "violet", "width": 0.8},
        {"kind": "skeleton", "array": "diffpose", "label": "DiffPose", "palette": "teal", "width": 0.8},
        *([_rings("diffpose")] if rings else []),
    ]


def compare(view: ClipFrames, both: Compared, hypotheses: int, overlaid: bool = False, whole: bool = True) -> bytes:
    """Graformer, DiffPose and the truth; the step slider runs DiffPose's reverse process.

    overlaid: in one scene beside the 2D pose, else side by side. whole: the frames are the whole clip (evenly spaced
    where it is very long), so that its best and worst frames may be named.
    """
    payload = StagePayload(
        id="compare",
        title="DiffPose beside Graformer",
        source=view.source,
        clip=view.clip.name,
        steps=[int(k) for k in both.k],
        bounds=scene_bounds(view.reference_cam),
        frames=[int(f) for f in view.frames],
        times_s=list(view.times_s),
        initial_frame=view.current,
        step_ends=("start", "result"),
        initial_step=len(both.k) - 1,
    )
    bones = measures.reference_bones(view.reference_cam)
    payload.pose("diffpose", both.diffpose_cam, "frame", "step")
    payload.pose("graformer", both.graformer_cam, "frame")
    apart = np.linalg.norm(both.diffpose_cam - both.graformer_cam[:, None], axis=-1) * 1000.0
    numbers: dict[str, list[dict[str, Any]]] = {"graformer": [], "diffpose": []}
    lead: dict[str, tuple[str, ...]] = {"graformer": ("frame",), "diffpose": ("frame", "step")}
    if both.truth_cam is not None:
        payload.pose("truth", both.truth_cam, "frame")
        joints = {
            "graformer": measures.joint_error_mm(both.graformer_cam, both.truth_cam),
            "diffpose": measures.joint_error_mm(both.diffpose_cam, both.truth_cam[:, None]),
        }
        # Signed by who is nearer to the truth: above 0 where DiffPose is.
        apart = apart * np.where(joints["graformer"][:, None] >= joints["diffpose"], 1.0, -1.0)
        for name, values in joints.items():
            payload.add(f"{name}_joints", values, (*lead[name], "joint"))
            error = _readout(
                payload, f"{name}_error", values.mean(-1), lead[name], label="error", unit="mm", help=ERROR_HELP
            )
            numbers[name].append(error)
    payload.add("differs", apart, ("frame", "step", "joint"))
    for name, pose in (("graformer", both.graformer_cam), ("diffpose", both.diffpose_cam)):
        violation = measures.bone_violation_percent(pose, bones)
        numbers[name].append(
            _readout(
                payload, f"{name}_bones", violation, lead[name], label="bones off", unit="%", digits=1, help=BONES_HELP
            )
        )
    if overlaid:
        payload.panels.append(image_panel(payload, view, 0.7))
        errors = [
            {**row, "label": label}
            for name, label in (("graformer", "Graformer"), ("diffpose", "DiffPose"))
            for row in numbers[name]
            if row["label"] == "error"
        ]
        payload.panels.append(
            {
                "id": "overlaid",
                "kind": "scene",
                "title": "Both over the truth" if both.truth_cam is not None else "Both answers",
                "caption": RINGS_WORDS[both.truth_cam is not None],
                "readouts": errors,
                "layers": _overlaid(both),
            }
        )
    else:
        for name, title, caption, palette in (
            ("graformer", "Graformer", "One answer in one go: the context encoder alone.", "violet"),
            ("diffpose", "DiffPose", f"The mean of {hypotheses} hypotheses; move k to see it arrive.", "teal"),
        ):
            skeleton = {"kind": "skeleton", "array": name, "label": title, "palette": palette}
            payload.panels.append(
                {
                    "id": name,
                    "kind": "scene",
                    "title": title,
                    "caption": caption,
                    "readouts": numbers[name],
                    "layers": [*_ghost(both), skeleton, _rings(name)],
                }
            )
        if both.truth_cam is not None:
            payload.panels.append(
                {
                    "id": "truth",
                    "kind": "scene",
                    "title": "Truth",
                    "caption": "Where the joints really are. " + RINGS_WORDS[True],
                    "layers": [{"kind": "skeleton", "array": "truth", "label": TRUTH, "palette": "red"}],
                }
            )
    if whole:
        _over_the_clip(payload, view, both)
    if both.truth_cam is not None:
        bars = {
            "id": "joints",
            "kind": "bars",
            "title": "Error of every joint in this frame",
            "unit": "mm",
            "axis": "frame",
            "span": 5 if whole else 12,
            "help": "Distance of every joint to the exact one, at the frame and step that the timeline shows",
            "series": [
                {"label": "Graformer", "array": "graformer_joints", "palette": "violet"},
                {"label": "DiffPose", "array": "diffpose_joints", "palette": "teal"},
            ],
        }
        payload.charts.insert(1, bars)  # beside the error over the clip
    return payload.pack()


#: By whether the truth is known.
RINGS_WORDS = {
    True: "Circles: where the two differ most; solid teal: DiffPose is nearer to the truth, dashed violet: Graformer.",
    False: "Circles: the joints where the two differ most.",
}
