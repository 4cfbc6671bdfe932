"""The uncertainty view's first part: one joint that gets less sure, and the effect on H_K and on the result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.figures import measures
from app.figures.gaussians import histograms, normal_densities, plot_covariances, sample_covariances
from app.figures.scenes import ERROR_HELP, mixture_arrays, readout, scene_bounds, truth_below
from app.stage.payload import StagePayload
from app.stage.specs.charts import Chart, Curve, DepthArrays, line_chart
from app.stage.specs.layers import Layer, cloud, skeleton
from app.stage.specs.panels import BeliefPanel, Readout, ScenePanel, scene
from diffpose_core.skeleton import joint_label
from diffpose_core.structures import InvalidInput, PoseClip2D, PoseMixture
from diffpose_core.uncertainty.pose_gmm import PoseGMM

#: Draws of H_K that a scene shows: more only make the picture darker.
SHOWN_DRAWS = 200
BINS = 48


@dataclass(frozen=True)
class JointStudy:
    """One frame of a clip with one joint ever less sure: L levels of confidence, the first one as detected.

    Poses are in metres, root-relative, camera frame.

    Attributes:
        clip: L frames, all of them the same frame but for that joint's mixture.
        joint: The joint's number.
        samples_cam: (L, N, 17, 3), draws of H_K.
        gmm_cam: The mixtures fitted to them, leading axis L.
        hypotheses_cam: (L, H, 17, 3), DiffPose's results, whose mean is its answer.
        baseline_cam: (17, 3), the context encoder's pose.
        frame: Number of the frame in the clip that it is from.
        source: That clip's hash.
    """

    clip: PoseClip2D
    joint: int
    samples_cam: np.ndarray
    gmm_cam: PoseGMM
    hypotheses_cam: np.ndarray
    baseline_cam: np.ndarray
    frame: int
    source: str

    @property
    def truth_cam(self) -> np.ndarray | None:
        """The exact pose, (17, 3), where the clip knows it."""
        return None if self.clip.pose3d_cam is None else self.clip.pose3d_cam[0]

    @property
    def result_cam(self) -> np.ndarray:
        """DiffPose's answers, (L, 17, 3)."""
        return self.hypotheses_cam.mean(1)

    @property
    def name(self) -> str:
        """The joint's name in plain words."""
        return joint_label(self.joint)

    @property
    def mixture(self) -> PoseMixture:
        """The joints' 2D mixtures at every level. Raises InvalidInput where the clip has none."""
        if self.clip.mixture is None:
            raise InvalidInput("the uncertainty view needs the joints' mixtures, found a clip without them")
        return self.clip.mixture


def joint_study(study: JointStudy) -> bytes:
    """Stage of one joint's confidence and its effect on the 2D mixtures, H_K and the result; a step is a level."""
    levels = study.clip.confidence[:, study.joint]
    name, truth = study.name, study.truth_cam
    payload = StagePayload(
        id="uncertainty",
        title="A joint that becomes less certain",
        source=study.source,
        clip=study.clip.name,
        steps=range(len(levels)),
        bounds=scene_bounds((study.baseline_cam if truth is None else truth)[None], 0.75),
        step_label=f"Confidence of the {name}",
        step_ends=("as detected", "hidden"),
        step_texts=[*(f"{c:.2f}" for c in levels[:-1]), "hidden"],
        shows_frame=study.frame,
        line=f"Take the confidence of the {name} away with the slider: H_K spreads, and the result moves.",
        off=("Graformer",),
    )
    payload.panels += [_belief_panel(payload, study), _cloud_panel(payload, study), _result_panel(payload, study)]
    payload.charts += [*_depth_charts(payload, study), _effect(study)]
    return payload.pack()


def _belief_panel(payload: StagePayload, study: JointStudy) -> BeliefPanel:
    """The 2D pose over its heatmaps, with the joint that is studied marked."""
    clip, joint = study.clip, study.joint
    keypoints = clip.keypoints_px[0]
    lo, hi = keypoints.min(0), keypoints.max(0)
    centre = (lo + hi) / 2
    # Wide enough for the joint when it is hidden.
    widest_px = float(study.mixture.std_px[-1, joint].max())
    reach = float(np.abs(keypoints[joint] - centre).max() + 1.5 * widest_px)
    own = readout(
        payload,
        "own_confidence",
        clip.confidence[:, joint],
        ("step",),
        label=study.name,
        unit="",
        digits=2,
        help="The detector's confidence in this joint: 1 is certain, 0 means that nothing is known",
    )
    panel: BeliefPanel = {
        "id": "heatmaps",
        "kind": "belief",
        "title": "2D pose",
        "caption": "Click a joint to choose it. Dashed rings: as it was detected.",
        "columns": 0.86,
        "pose": payload.add("keypoints_px", keypoints, ("joint", "uv")),
        "confidence": payload.add("confidence", clip.confidence, ("step", "joint")),
        "centre": payload.add("image_centre", centre, ("uv",)),
        "half_px": max(float((hi - lo).max()) / 2 * 1.2 + 12, reach),
        "image_px": [clip.width, clip.height],
        "mixture": mixture_arrays(payload, study.mixture, ("step",)),
        "joint": joint,
        "readouts": [own],
    }
    if clip.hidden is not None:
        panel["hidden"] = payload.add("hidden", clip.hidden, ("step", "joint"))
    return panel


def _cloud_panel(payload: StagePayload, study: JointStudy) -> ScenePanel:
    """Draws of H_K and the ellipsoids around its joints."""
    samples, joint, name = study.samples_cam, study.joint, study.name
    shown = samples[:, :SHOWN_DRAWS]
    covariances = sample_covariances(samples)
    std = np.sqrt(np.diagonal(covariances[:, joint], axis1=-2, axis2=-1)) * 1000
    across = np.sqrt(np.square(std[:, :2]).mean(-1))
    payload.pose("draws", shown, "step", "sample")
    layers: list[Layer] = [
        cloud("draws", "Draws of H_K", "sides", opacity=0.8),
        {
            "kind": "ellipsoids",
            "array": payload.pose("centres", samples.mean(1), "step"),
            "covariances": payload.add("spreads", plot_covariances(covariances), ("step", "joint", "covariance")),
            "label": "Ellipsoids of the draws",
            "palette": "sides",
            "joint": joint,
        },
    ]
    help_ = f"Spread of the {name} in the picture's plane"
    numbers = [readout(payload, "std_across", across, ("step",), label="across", unit="mm", help=help_)]
    help_ = f"Spread of the {name} along the line of sight"
    numbers.append(readout(payload, "std_along", std[:, 2], ("step",), label="depth", unit="mm", help=help_))
    caption = (
        f"{shown.shape[1]} of {samples.shape[1]} draws; every ellipsoid holds a joint at two standard "
        "deviations, the grey one as it was at first."
    )
    return scene("cloud", "H_K: all 3D poses that the picture allows", layers, caption=caption, readouts=numbers)


def _result_panel(payload: StagePayload, study: JointStudy) -> ScenePanel:
    """DiffPose's answer at every level, beside the one before and the encoder's."""
    result, truth, joint, name = study.result_cam, study.truth_cam, study.joint, study.name
    payload.pose("encoder", study.baseline_cam)
    payload.pose("hypotheses", study.hypotheses_cam, "step", "sample")
    payload.pose("before", result[0])
    payload.pose("result", result, "step")
    layers: list[Layer] = [
        cloud("hypotheses", "Hypotheses", "teal", opacity=0.9),
        skeleton("before", "Result before", "grey", width=0.75, opacity=0.6),
        skeleton("encoder", "Graformer", "violet", width=0.7),
        skeleton("result", "Result", "teal"),
    ]
    numbers: list[Readout] = []
    if truth is not None:
        payload.pose("truth", truth)
        layers.insert(0, truth_below(width=0.7))
        error = measures.error_mm(result, truth)
        numbers.append(readout(payload, "error", error, ("step",), label="error", unit="mm", help=ERROR_HELP))
        payload.add("own_error", np.linalg.norm(result[:, joint] - truth[joint], axis=-1) * 1000, ("step",))
    moved = np.linalg.norm(result[:, joint] - result[0, joint], axis=-1) * 1000
    help_ = f"How far the {name} of the result is from where it was with the detected confidence"
    numbers.append(readout(payload, "moved", moved, ("step",), label="moved", unit="mm", help=help_))
    caption = "After the last reverse step. Graformer knows nothing of confidences: its answer stays the same."
    return scene("result", "DiffPose's result", layers, caption=caption, readouts=numbers)


def _depth_tables(study: JointStudy) -> dict[str, np.ndarray]:
    """Depth densities of every joint: of H_K's draws, of the fitted mixture, and of its components."""
    depth = study.samples_cam[..., 2]
    reach = float(np.percentile(np.abs(depth), 99.95)) * 1.02 + 0.02
    edges = np.linspace(-reach, reach, BINS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    means = study.gmm_cam.means.numpy()[..., 2::3]
    variances = study.gmm_cam.covariances.diagonal(dim1=-2, dim2=-1).numpy()[..., 2::3]
    weights = study.gmm_cam.weights.numpy()[..., None]
    # A mixture is drawn as its mass in every bin: a joint that is surer than a bin is wide keeps its area.
    variances = variances + ((edges[1] - edges[0]) ** 2) / 12
    parts = weights[..., None] * normal_densities(middle, means, variances)  # (L, M, 17, bins)
    return {
        "edges": edges,
        "draws": histograms(np.moveaxis(depth, 1, -1), edges),
        "mixture": parts.sum(1),
        "components": parts[:, :, study.joint],
    }


def _depth_charts(payload: StagePayload, study: JointStudy) -> Iterator[Chart]:
    """Depth of every joint, and of the studied one with the mixture's components."""
    tables = _depth_tables(study)
    depths: DepthArrays = {
        "lo": float(tables["edges"][0]),
        "hi": float(tables["edges"][-1]),
        "joint": study.joint,
        "draws": payload.add("depth_draws", tables["draws"], ("step", "joint", "bin")),
        "mixture": payload.add("depth_mixture", tables["mixture"], ("step", "joint", "bin")),
    }
    if study.truth_cam is not None:
        depths["truth"] = payload.add("depth_truth", study.truth_cam[:, 2], ("joint",))
    yield {
        "id": "depths",
        "kind": "depths",
        "title": "Depth of every joint (m from the hip)",
        "note": "Click a joint to take its confidence away instead.",
        **depths,
    }
    yield {
        "id": "depth",
        "kind": "depth",
        "title": f"Depth of the {study.name} (m from the hip)",
        "parts": payload.add("depth_parts", tables["components"], ("step", "component", "bin")),
        **depths,
    }


def _effect(study: JointStudy) -> Chart:
    """Curves of the joint's spread and error over its confidence."""
    curves: list[Curve] = [
        ("spread across", "std_across", "teal", ""),
        ("spread in depth", "std_along", "violet", ""),
    ]
    if study.truth_cam is not None:
        curves.append((f"{study.name}, error", "own_error", "red", ""))
        curves.append(("all joints, error", "error", "grey", "dash"))
    return line_chart("effect", f"The {study.name}: confidence and effect", "mm", "step", *curves)
