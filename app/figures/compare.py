"""The comparison: the baseline, DiffPose and the truth, on one frame and over the whole clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.figures import measures
from app.figures.scenes import (
    BONES_HELP,
    ERROR_HELP,
    EXPECTED_ARRAY,
    EXPECTED_HELP,
    TRUTH,
    UNLIKE,
    ClipFrames,
    clip_stage,
    clip_track,
    expected_readout,
    image_panel,
    readout,
    truth_below,
)
from app.stage.payload import StagePayload
from app.stage.specs.charts import Chart, Jump, LineChart, Moment, Series, line_chart
from app.stage.specs.layers import Layer, RingsLayer, skeleton
from app.stage.specs.panels import Panel, Readout, ReadoutWords, ScenePanel, scene
from diffpose_core.structures import DiffusionTrace

JOINTS_HELP = "Distance of every joint to the exact one, at the frame and step that the timeline shows."
RINGS = 3  # joints that are circled
LEAST_DIFFERENCE_MM = 15.0  # nearer than that, two skeletons are drawn on top of each other
_RINGS_WORDS = f"Circles: joints where the two differ most, by {LEAST_DIFFERENCE_MM:.0f} mm or more"
APART_S = 0.4  # between two frames of the gallery
SHOWN_MOMENTS = 3


@dataclass(frozen=True)
class Compared:
    """Both methods on the same frames, as `lift` returns them: bones keep their lengths over the frames. Metres.

    Attributes:
        k: (S + 1,), steps of DiffPose's reverse process.
        diffpose_cam: (F', S + 1, 17, 3), the mean of its hypotheses.
        baseline_cam: (F', 17, 3), the context encoder alone.
        truth_cam: (F', 17, 3), the exact poses where they are known.
        baseline: The context encoder's name.
        expected_error: (F', 17), the expected error of DiffPose's answer where its weights were calibrated; NaN in
            frames that are unlike anything it was trained on.
    """

    k: np.ndarray
    diffpose_cam: np.ndarray
    baseline_cam: np.ndarray
    truth_cam: np.ndarray | None
    baseline: str
    expected_error: np.ndarray | None = None

    @classmethod
    def of(cls, view: ClipFrames, trace: DiffusionTrace, expected_error: np.ndarray | None = None) -> Compared:
        """trace: the reverse process of the view's frames, with all hypotheses or with their mean alone."""
        means = trace.samples.mean(2)
        rigid = np.stack([view.rigid(pose) for pose in means.swapaxes(0, 1)], axis=1)
        return cls(trace.k, rigid, view.rigid(view.baseline_cam), view.truth_cam, view.baseline, expected_error)

    @property
    def result_cam(self) -> np.ndarray:
        """DiffPose's answer, (F', 17, 3)."""
        return self.diffpose_cam[:, -1]

    def gain_mm(self) -> np.ndarray:
        """DiffPose's gain in accuracy over the baseline, (F',), millimetres; without the truth, their distance."""
        if self.truth_cam is None:
            return measures.error_mm(self.result_cam, self.baseline_cam)
        return measures.error_mm(self.baseline_cam, self.truth_cam) - measures.error_mm(self.result_cam, self.truth_cam)

    def joint_means_mm(self) -> dict[str, np.ndarray]:
        """Mean error of every joint over the frames, (17,), by method. Only where the truth is known."""
        if self.truth_cam is None:
            return {}
        poses = {self.baseline: self.baseline_cam, "DiffPose": self.result_cam}
        return {name: measures.joint_error_mm(pose, self.truth_cam).mean(0) for name, pose in poses.items()}


def _moments(view: ClipFrames, both: Compared) -> list[Moment]:
    """The frames where DiffPose gains and loses most, by number; without the truth, where the two differ most."""
    gain = both.gain_mm()
    seconds = np.median(np.diff(view.times_s)) if len(view.frames) > 1 else 1.0
    apart = max(1, round(APART_S / float(seconds)))
    found: list[Moment] = []
    if both.truth_cam is None:
        for index in measures.extremes(gain, 2 * SHOWN_MOMENTS, apart):
            title, text = f"Frame {view.frames[index]}", f"{gain[index]:.0f} mm apart"
            found.append({"index": index, "better": "", "title": title, "text": text})
    else:
        baseline = measures.error_mm(both.baseline_cam, both.truth_cam)
        for sign, better, word in ((1.0, "diffpose", "better"), (-1.0, "baseline", "worse")):
            for index in measures.extremes(sign * gain, SHOWN_MOMENTS, apart):
                title = f"Frame {view.frames[index]}: {abs(gain[index]):.0f} mm {word}"
                text = f"{both.baseline} {baseline[index]:.0f}, DiffPose {baseline[index] - gain[index]:.0f} mm"
                found.append({"index": index, "better": better, "title": title, "text": text})
    return found


def _differences(payload: StagePayload, both: Compared) -> LineChart:
    """Chart of the distance between the two over the frames, where the truth is not known."""
    payload.add("apart", measures.error_mm(both.diffpose_cam, both.baseline_cam[:, None]), ("frame", "step"))
    worst = int(np.argmax(both.gain_mm()))
    return line_chart(
        "apart",
        "How far apart the two are",
        "mm",
        "frame",
        (f"DiffPose to {both.baseline}", "apart", "teal", ""),
        span=12,
        jumps=[_jump("Largest difference", worst, "Go to the frame where the two differ most")],
    )


def _errors(both: Compared, truth_cam: np.ndarray, of_all: str) -> LineChart:
    """Chart of both errors over the frames. of_all: which frames these are, in words."""
    gain = both.gain_mm()
    error = measures.error_mm(both.result_cam, truth_cam)
    baseline = measures.error_mm(both.baseline_cam, truth_cam)
    ahead = f"Go to the frame where DiffPose is ahead of {both.baseline} by most"
    behind = f"Go to the frame where DiffPose is behind {both.baseline} by most"
    jumps = [
        _jump("Worst frame", int(np.argmax(error)), "Go to the frame where DiffPose is furthest from the truth"),
        _jump("Largest gain", int(np.argmax(gain)), ahead),
        _jump("Largest loss", int(np.argmin(gain)), behind),
    ]
    note = (
        f"Mean of {of_all} frames: {both.baseline} {baseline.mean():.1f} mm, DiffPose {error.mean():.1f} mm; "
        f"DiffPose is nearer to the truth in {np.mean(gain > 0):.0%} of them."
    )
    return line_chart(
        "error",
        "Error over the clip",
        "mm",
        "frame",
        (both.baseline, "baseline_error", "violet", "dash"),
        ("DiffPose", "diffpose_error", "teal", ""),
        span=7,
        help=ERROR_HELP,
        jumps=jumps,
        note=note,
    )


def _over_the_clip(payload: StagePayload, view: ClipFrames, both: Compared) -> list[Chart]:
    """Charts over the frames and the gallery, once every frame is there."""
    frames = len(view.frames)
    of_all = "all" if frames == len(view.clip) else f"{frames} evenly spaced of all {len(view.clip)}"
    known = both.truth_cam is not None
    charts: list[Chart] = [
        _differences(payload, both) if both.truth_cam is None else _errors(both, both.truth_cam, of_all)
    ]
    moments = _moments(view, both)
    if moments:
        title = "Where DiffPose gains most, and where it loses most" if known else "Where the two differ most"
        note = f"Chosen by number among {of_all} frames, at least {APART_S} s apart. Click one to go there."
        charts.append(
            {
                "id": "gallery",
                "kind": "gallery",
                "title": title,
                "unit": "",
                "axis": "frame",
                "span": 12,
                "zoom": 1.12,
                "moments": moments,
                "layers": _overlaid_layers(both, rings=False),
                "note": note,
            }
        )
    return charts


def _jump(label: str, index: int, help_: str) -> Jump:
    return {"label": label, "index": index, "help": help_}


def _curve(both: Compared) -> str | None:
    """The array of the player's track: the error, or without the truth the error to expect."""
    if both.truth_cam is not None:
        return "diffpose_error"
    return EXPECTED_ARRAY if both.expected_error is not None else None


def _line(both: Compared) -> str:
    if both.truth_cam is None:
        return f"{both.baseline} beside DiffPose; circles mark the joints where the two differ most."
    return "Red is the true pose; circles mark the joints where the two methods differ most."


def _truth_layers(both: Compared) -> list[Layer]:
    return [] if both.truth_cam is None else [truth_below(width=0.75, opacity=0.9)]


def _rings(array: str) -> RingsLayer:
    return {
        "kind": "rings",
        "array": array,
        "by": "differs",
        "label": "Where they differ most",
        "palette": "teal",
        "palette_less": "violet",
        "count": RINGS,
        "least": LEAST_DIFFERENCE_MM,
    }


def _rings_words(both: Compared) -> str:
    if both.truth_cam is None:
        return f"{_RINGS_WORDS}."
    nearer = f"solid teal: DiffPose is nearer to the truth, dashed violet: {both.baseline}."
    return f"{_RINGS_WORDS}; {nearer}"


def _overlaid_layers(both: Compared, rings: bool = True) -> list[Layer]:
    return [
        *_truth_layers(both),
        skeleton("baseline", both.baseline, "violet", width=0.8),
        skeleton("diffpose", "DiffPose", "teal", width=0.8),
        *([_rings("diffpose")] if rings else []),
    ]


def _readouts(payload: StagePayload, view: ClipFrames, both: Compared) -> dict[str, list[Readout]]:
    """Numbers of both methods, registered with the payload: error and expected error where known, and bones."""
    poses = {"baseline": both.baseline_cam, "diffpose": both.diffpose_cam}
    lead: dict[str, tuple[str, ...]] = {"baseline": ("frame",), "diffpose": ("frame", "step")}
    found: dict[str, list[Readout]] = {name: [] for name in poses}
    apart = np.linalg.norm(both.diffpose_cam - both.baseline_cam[:, None], axis=-1) * 1000.0
    if both.truth_cam is not None:
        truth = {"baseline": both.truth_cam, "diffpose": both.truth_cam[:, None]}
        joints = {name: measures.joint_error_mm(pose, truth[name]) for name, pose in poses.items()}
        # Signed by who is nearer to the truth: above 0 where DiffPose is.
        apart = apart * np.where(joints["baseline"][:, None] >= joints["diffpose"], 1.0, -1.0)
        for name, values in joints.items():
            payload.add(f"{name}_joints", values, (*lead[name], "joint"))
            words: ReadoutWords = {"label": "error", "unit": "mm", "help": ERROR_HELP}
            found[name].append(readout(payload, f"{name}_error", values.mean(-1), lead[name], **words))
    if both.expected_error is not None:
        payload.add("expected_joints", 1000.0 * both.expected_error, ("frame", "joint"))
        found["diffpose"].append(expected_readout(payload, view, both.expected_error))
    payload.add("differs", apart, ("frame", "step", "joint"))
    bones = measures.reference_bones(view.reference_cam[view.own])
    for name, pose in poses.items():
        violation = measures.bone_violation_percent(pose, bones)
        words = {"label": "bones off", "unit": "%", "digits": 1, "help": BONES_HELP}
        found[name].append(readout(payload, f"{name}_bones", violation, lead[name], **words))
    return found


def _overlaid(both: Compared, numbers: dict[str, list[Readout]]) -> ScenePanel:
    """Both methods in one scene, with the error of each, and the error to expect."""
    methods = (("baseline", both.baseline), ("diffpose", "DiffPose"))
    errors: list[Readout] = [
        {**row, "label": label} for name, label in methods for row in numbers[name] if row["label"] == "error"
    ]
    errors += [row for row in numbers["diffpose"] if row["array"] == EXPECTED_ARRAY]
    title = "Both over the truth" if both.truth_cam is not None else "Both answers"
    return scene("overlaid", title, _overlaid_layers(both), caption=_rings_words(both), readouts=errors)


def _side_by_side(both: Compared, numbers: dict[str, list[Readout]], hypotheses: int) -> list[Panel]:
    """A scene for each method, and one for the truth where it is known."""
    panels: list[Panel] = []
    for name, title, caption, palette in (
        ("baseline", both.baseline, "A single answer: the context encoder alone.", "violet"),
        ("diffpose", "DiffPose", f"The mean of {hypotheses} hypotheses; move k to see it arrive.", "teal"),
    ):
        layers = [*_truth_layers(both), skeleton(name, title, palette), _rings(name)]
        panels.append(scene(name, title, layers, caption=caption, readouts=numbers[name]))
    if both.truth_cam is not None:
        panels.append(scene("truth", "Truth", [skeleton("truth", TRUTH, "red")], caption=_rings_words(both)))
    return panels


def _joint_bars(both: Compared, span: int) -> list[Chart]:
    """Bars of every joint's error, and of the error to expect, as far as they are known."""
    known, expects = both.truth_cam is not None, both.expected_error is not None
    series: list[Series] = []
    if known:
        series += [
            {"label": both.baseline, "array": "baseline_joints", "palette": "violet"},
            {"label": "DiffPose", "array": "diffpose_joints", "palette": "teal"},
        ]
    if expects:
        series.append({"label": "DiffPose, expected", "array": "expected_joints", "palette": "grey", "missing": UNLIKE})
    if not series:
        return []
    title = "Error of every joint in this frame" if known else "Expected error of every joint in this frame"
    return [
        {
            "id": "joints",
            "kind": "bars",
            "title": title,
            "unit": "mm",
            "axis": "frame",
            "span": span,
            "help": " ".join([JOINTS_HELP] * known + [EXPECTED_HELP] * expects),
            "series": series,
        }
    ]


def compare(view: ClipFrames, both: Compared, hypotheses: int, overlaid: bool = False, whole: bool = True) -> bytes:
    """The baseline, DiffPose and the truth; the step slider runs DiffPose's reverse process.

    Args:
        view: The frames of the clip.
        both: Both methods on them.
        hypotheses: Number of DiffPose's hypotheses.
        overlaid: Whether both stand in one scene beside the 2D pose, else side by side.
        whole: Whether the frames are the whole clip, evenly spaced where it is very long, so that its best and worst
            frames may be named.
    """
    payload = clip_stage(
        "compare",
        f"DiffPose beside {both.baseline}",
        view,
        both.k,
        step_ends=("start", "result"),
        initial_step=len(both.k) - 1,
        line=_line(both),
    )
    payload.pose("diffpose", both.diffpose_cam, "frame", "step")
    payload.pose("baseline", both.baseline_cam, "frame")
    if both.truth_cam is not None:
        payload.pose("truth", both.truth_cam, "frame")
    numbers = _readouts(payload, view, both)
    if overlaid:
        payload.panels += [image_panel(payload, view, 0.7, both.result_cam), _overlaid(both, numbers)]
    else:
        payload.panels += _side_by_side(both, numbers, hypotheses)
    payload.track = clip_track(payload, view, curve=_curve(both))
    if whole:
        payload.charts += _over_the_clip(payload, view, both)
    # Beside the error over the clip.
    payload.charts[1:1] = _joint_bars(both, 5 if whole else 12)
    return payload.pack()
