"""The comparison: the baseline, DiffPose and the truth, on one frame and over the whole clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.figures import measures
from app.figures.scenes import (
    BONES_HELP,
    ERROR_HELP,
    TRUTH,
    ClipFrames,
    clip_stage,
    clip_track,
    image_panel,
    line_chart,
    readout,
)
from app.stage.payload import StagePayload
from diffpose_core.skeleton import constant_bones
from diffpose_core.structures import DiffusionTrace

JOINTS_HELP = "Distance of every joint to the exact one, at the frame and step that the timeline shows."
EXPECTED_HELP = (
    "Expected: what joints like these err on average in motion capture that nothing was trained on, judged without the "
    "truth. In a frame unlike anything that the networks were trained on, it can't be known."
)
UNLIKE = "unlike anything it was trained on"
RINGS = 3  # joints that are circled
LEAST_DIFFERENCE_MM = 15.0  # nearer than that, two skeletons are drawn on top of each other
_RINGS_WORDS = f"Circles: joints where the two differ most, by {LEAST_DIFFERENCE_MM:.0f} mm or more"
APART_S = 0.4  # between two frames of the gallery
SHOWN_MOMENTS = 3


@dataclass(frozen=True)
class Compared:
    """Both methods on the same frames, as `lift` returns them: bones keep their lengths over the frames.

    k: (S + 1,), steps of DiffPose's reverse process. diffpose_cam: (F', S + 1, 17, 3), the mean of its hypotheses.
    baseline_cam: (F', 17, 3), the context encoder alone, whose name is `baseline`. truth_cam: (F', 17, 3) where it is
    known. expected_error: (F', 17), the expected error of DiffPose's answer where its weights were calibrated; NaN in
    frames that are unlike anything it was trained on. Metres.
    """

    k: np.ndarray
    diffpose_cam: np.ndarray
    baseline_cam: np.ndarray
    truth_cam: np.ndarray | None
    baseline: str
    expected_error: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        view: ClipFrames,
        trace: DiffusionTrace,
        expected_error: np.ndarray | None = None,
        unlike: np.ndarray | None = None,
    ) -> Compared:
        """trace: the reverse process of the view's frames, with all hypotheses or with their mean alone."""
        if expected_error is not None and unlike is not None:
            expected_error = np.where(unlike[:, None], np.nan, expected_error)
        means = trace.samples.mean(2)
        rigid = np.stack([constant_bones(pose) for pose in means.swapaxes(0, 1)], axis=1)
        return cls(trace.k, rigid, constant_bones(view.baseline_cam), view.truth_cam, view.baseline, expected_error)

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
        baseline = measures.error_mm(both.baseline_cam, both.truth_cam)
        for sign, better, word in ((1.0, "diffpose", "better"), (-1.0, "baseline", "worse")):
            for index in measures.extremes(sign * gain, SHOWN_MOMENTS, apart):
                title = f"Frame {view.frames[index]}: {abs(gain[index]):.0f} mm {word}"
                text = f"{both.baseline} {baseline[index]:.0f}, DiffPose {baseline[index] - gain[index]:.0f} mm"
                found.append((index, better, title, text))
    return [{"index": i, "better": better, "title": title, "text": text} for i, better, title, text in found]


def _over_the_clip(payload: StagePayload, view: ClipFrames, both: Compared) -> None:
    """Charts over the frames and the gallery, once every frame is there."""
    gain = both.gain_mm()
    frames = len(view.frames)
    of_all = "all" if frames == len(view.clip) else f"{frames} evenly spaced of all {len(view.clip)}"
    if both.truth_cam is None:
        payload.add("apart", measures.error_mm(both.diffpose_cam, both.baseline_cam[:, None]), ("frame", "step"))
        worst = int(np.argmax(gain))
        payload.charts.append(
            line_chart(
                "apart",
                "How far the two are apart",
                "mm",
                "frame",
                (f"DiffPose to {both.baseline}", "apart", "teal", ""),
                span=12,
                jumps=[_jump("Largest difference", worst, "Go to the frame where the two differ most")],
            )
        )
    else:
        error = measures.error_mm(both.result_cam, both.truth_cam)
        baseline = measures.error_mm(both.baseline_cam, both.truth_cam)
        jumps = [
            _jump("Worst frame", int(np.argmax(error)), "Go to the frame where DiffPose is furthest from the truth"),
            _jump(
                "Largest gain",
                int(np.argmax(gain)),
                f"Go to the frame where DiffPose is ahead of {both.baseline} by most",
            ),
            _jump(
                "Largest loss",
                int(np.argmin(gain)),
                f"Go to the frame where DiffPose is behind {both.baseline} by most",
            ),
        ]
        note = (
            f"Mean of {of_all} frames: {both.baseline} {baseline.mean():.1f} mm, DiffPose {error.mean():.1f} mm; "
            f"DiffPose is nearer to the truth in {np.mean(gain > 0):.0%} of them."
        )
        payload.charts.append(
            line_chart(
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
                "zoom": 1.12,
                "moments": moments,
                "layers": _overlaid(both, rings=False),
                "note": f"Chosen by number among {of_all} frames, at least {APART_S} s apart. Click one to go there.",
            }
        )


def _jump(label: str, index: int, help_: str) -> dict[str, Any]:
    return {"label": label, "index": index, "help": help_}


def _curve(both: Compared) -> str | None:
    """The array of the player's track: the error, or without the truth the error to expect."""
    if both.truth_cam is not None:
        return "diffpose_error"
    return "expected" if both.expected_error is not None else None


def _line(both: Compared) -> str:
    if both.truth_cam is None:
        return f"{both.baseline} beside DiffPose; circles mark the joints where the two differ most."
    return "Red is where the joints really are; circles mark the joints where the two methods differ most."


def _ghost(both: Compared) -> list[dict[str, Any]]:
    """The truth in red, under the other skeletons."""
    if both.truth_cam is None:
        return []
    shown = {"kind": "skeleton", "array": "truth", "label": TRUTH, "palette": "red"}
    return [{**shown, "width": 0.75, "opacity": 0.9, "under": True}]


def _rings(array: str) -> dict[str, Any]:
    shown = {"kind": "rings", "array": array, "by": "differs", "label": "Where they differ most"}
    return {**shown, "palette": "teal", "palette_less": "violet", "count": RINGS, "least": LEAST_DIFFERENCE_MM}


def _rings_words(both: Compared) -> str:
    if both.truth_cam is None:
        return f"{_RINGS_WORDS}."
    nearer = f"solid teal: DiffPose is nearer to the truth, dashed violet: {both.baseline}."
    return f"{_RINGS_WORDS}; {nearer}"


def _overlaid(both: Compared, rings: bool = True) -> list[dict[str, Any]]:
    return [
        *_ghost(both),
        {"kind": "skeleton", "array": "baseline", "label": both.baseline, "palette": "violet", "width": 0.8},
        {"kind": "skeleton", "array": "diffpose", "label": "DiffPose", "palette": "teal", "width": 0.8},
        *([_rings("diffpose")] if rings else []),
    ]


def compare(view: ClipFrames, both: Compared, hypotheses: int, overlaid: bool = False, whole: bool = True) -> bytes:
    """The baseline, DiffPose and the truth; the step slider runs DiffPose's reverse process.

    overlaid: in one scene beside the 2D pose, else side by side. whole: the frames are the whole clip (evenly spaced
    where it is very long), so that its best and worst frames may be named.
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
    bones = measures.reference_bones(view.reference_cam)
    payload.pose("diffpose", both.diffpose_cam, "frame", "step")
    payload.pose("baseline", both.baseline_cam, "frame")
    apart = np.linalg.norm(both.diffpose_cam - both.baseline_cam[:, None], axis=-1) * 1000.0
    numbers: dict[str, list[dict[str, Any]]] = {"baseline": [], "diffpose": []}
    lead: dict[str, tuple[str, ...]] = {"baseline": ("frame",), "diffpose": ("frame", "step")}
    if both.truth_cam is not None:
        payload.pose("truth", both.truth_cam, "frame")
        joints = {
            "baseline": measures.joint_error_mm(both.baseline_cam, both.truth_cam),
            "diffpose": measures.joint_error_mm(both.diffpose_cam, both.truth_cam[:, None]),
        }
        # Signed by who is nearer to the truth: above 0 where DiffPose is.
        apart = apart * np.where(joints["baseline"][:, None] >= joints["diffpose"], 1.0, -1.0)
        for name, values in joints.items():
            payload.add(f"{name}_joints", values, (*lead[name], "joint"))
            error = readout(
                payload, f"{name}_error", values.mean(-1), lead[name], label="error", unit="mm", help=ERROR_HELP
            )
            numbers[name].append(error)
    if both.expected_error is not None:
        expected = 1000.0 * both.expected_error
        payload.add("expected_joints", expected, ("frame", "joint"))
        numbers["diffpose"].append(
            readout(
                payload,
                "expected",
                expected.mean(-1),
                ("frame",),
                label="expected",
                unit="mm",
                missing=UNLIKE,
                help=EXPECTED_HELP,
            )
        )
    payload.add("differs", apart, ("frame", "step", "joint"))
    for name, pose in (("baseline", both.baseline_cam), ("diffpose", both.diffpose_cam)):
        violation = measures.bone_violation_percent(pose, bones)
        numbers[name].append(
            readout(
                payload, f"{name}_bones", violation, lead[name], label="bones off", unit="%", digits=1, help=BONES_HELP
            )
        )
    if overlaid:
        payload.panels.append(image_panel(payload, view, 0.7))
        errors = [
            {**row, "label": label}
            for name, label in (("baseline", both.baseline), ("diffpose", "DiffPose"))
            for row in numbers[name]
            if row["label"] == "error"
        ]
        payload.panels.append(
            {
                "id": "overlaid",
                "kind": "scene",
                "title": "Both over the truth" if both.truth_cam is not None else "Both answers",
                "caption": _rings_words(both),
                "readouts": errors,
                "layers": _overlaid(both),
            }
        )
    else:
        for name, title, caption, palette in (
            ("baseline", both.baseline, "One answer in one go: the context encoder alone.", "violet"),
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
                    "caption": _rings_words(both),
                    "layers": [{"kind": "skeleton", "array": "truth", "label": TRUTH, "palette": "red"}],
                }
            )
    payload.track = clip_track(payload, view, curve=_curve(both))
    if whole:
        _over_the_clip(payload, view, both)
    series = []
    if both.truth_cam is not None:
        series = [
            {"label": both.baseline, "array": "baseline_joints", "palette": "violet"},
            {"label": "DiffPose", "array": "diffpose_joints", "palette": "teal"},
        ]
    if both.expected_error is not None:
        series.append({"label": "DiffPose, expected", "array": "expected_joints", "palette": "grey", "missing": UNLIKE})
    if series:
        known = both.truth_cam is not None
        bars = {
            "id": "joints",
            "kind": "bars",
            "title": "Error of every joint in this frame" if known else "Error to expect of every joint in this frame",
            "unit": "mm",
            "axis": "frame",
            "span": 5 if whole else 12,
            "help": " ".join([JOINTS_HELP] * known + [EXPECTED_HELP] * (both.expected_error is not None)),
            "series": series,
        }
        payload.charts.insert(1, bars)  # beside the error over the clip
    return payload.pack()
