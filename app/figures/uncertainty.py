"""The uncertainty view as stage payloads: one joint that gets less sure, and the mixture that is fitted to H_K."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from app.figures import measures
from app.figures.scenes import ERROR_HELP, TRUTH, scene_bounds
from app.stage.payload import Bounds, StagePayload
from diffpose_core.skeleton import JOINT_NAMES, NUM_JOINTS
from diffpose_core.structures import InvalidInput, PoseClip2D, PoseMixture
from diffpose_core.uncertainty.pose_gmm import PoseGMM

#: Draws of H_K that a scene shows: more only make the picture darker.
SHOWN_DRAWS = 200
BINS = 48
#: Camera frame (x right, y down, z forward) to plot axes (x, z, -y).
_TO_PLOT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
_UPPER = np.triu_indices(3)


def joint_label(joint: int) -> str:
    """A joint's name in plain words: RFoot is "right foot"."""
    name = JOINT_NAMES[joint]
    side = {"R": "right ", "L": "left "}.get(name[0], "") if name[1].isupper() else ""
    return (side + (name[1:] if side else name)).lower()


@dataclass(frozen=True)
class JointStudy:
    """One frame of a clip with one joint ever less sure; L levels of confidence, the first one as detected.

    clip: L frames, all of them the same frame but for that joint's mixture. joint: its number. samples_cam: (L, N, 17,
    3), draws of H_K. gmm_cam: the mixtures fitted to them, leading axis L. hypotheses_cam: (L, H, 17, 3), DiffPose's
    results, whose mean is its answer. baseline_cam: (17, 3), the context encoder's pose. frame: its number in the
    clip that it is from. source: that clip's hash. Metres, root-relative, camera frame.
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


def plot_covariances(covariances_cam: np.ndarray) -> np.ndarray:
    """Covariances (..., 3, 3) of the camera frame in plot axes: (..., 6), xx, xy, xz, yy, yz, zz, square metres."""
    turned = _TO_PLOT @ covariances_cam @ _TO_PLOT.T
    return turned[..., _UPPER[0], _UPPER[1]]


def joint_covariances(covariances: np.ndarray) -> np.ndarray:
    """The joints' own 3 x 3 blocks of pose covariances: (..., 51, 51) -> (..., 17, 3, 3)."""
    blocks = covariances.reshape(*covariances.shape[:-2], NUM_JOINTS, 3, NUM_JOINTS, 3)
    return np.moveaxis(np.diagonal(blocks, axis1=-4, axis2=-2), -1, -3)


def sample_covariances(samples: np.ndarray) -> np.ndarray:
    """Covariance of every joint over samples, (..., N, 17, 3) -> (..., 17, 3, 3)."""
    centred = samples - samples.mean(-3, keepdims=True)
    return np.einsum("...nji,...njk->...jik", centred, centred) / samples.shape[-3]


def histograms(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Densities of values over their last axis, (..., N) -> (..., bins), per unit of the edges."""
    flat = values.reshape(-1, values.shape[-1])
    counts = np.stack([np.histogram(row, edges)[0] for row in flat])
    return (counts / (values.shape[-1] * np.diff(edges))).reshape(*values.shape[:-1], len(edges) - 1)


def normal_densities(at: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Densities of one-dimensional Gaussians, (bins,) and (...) -> (..., bins)."""
    squared = np.square(at - mean[..., None]) / variance[..., None]
    return np.exp(-0.5 * squared) / np.sqrt(2 * np.pi * variance[..., None])


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


def _mixture_of(clip: PoseClip2D) -> PoseMixture:
    if clip.mixture is None:
        raise InvalidInput("the uncertainty view needs the joints' mixtures, found a clip without them")
    return clip.mixture


def _joint_std_px(clip: PoseClip2D, joint: int) -> np.ndarray:
    """Widest spread of a joint's mixture at every level, (L,), px."""
    return _mixture_of(clip).std_px[:, joint].max(-1)


def _mixture_arrays(payload: StagePayload, clip: PoseClip2D) -> dict[str, str]:
    mixture = _mixture_of(clip)
    return {
        "weights": payload.add("mixture_weights", mixture.weights, ("step", "joint", "mode")),
        "means_px": payload.add("mixture_means", mixture.means_px, ("step", "joint", "mode", "uv")),
        "stds_px": payload.add("mixture_stds", np.sqrt(mixture.variances_px2), ("step", "joint", "mode", "uv")),
    }


def _belief_panel(payload: StagePayload, study: JointStudy) -> dict[str, Any]:
    """The 2D pose over its heatmaps, with the joint that is studied marked."""
    clip = study.clip
    keypoints = clip.keypoints_px[0]
    lo, hi = keypoints.min(0), keypoints.max(0)
    centre = (lo + hi) / 2
    # Wide enough for the joint when it is hidden.
    reach = np.abs(keypoints[study.joint] - centre).max() + 1.5 * float(_joint_std_px(clip, study.joint)[-1])
    panel: dict[str, Any] = {
        "id": "heatmaps",
        "kind": "belief",
        "title": "2D pose",
        "caption": "Click a joint to choose it. Dashed rings: as it was detected.",
        "columns": 0.86,
        "pose": payload.add("keypoints_px", keypoints, ("joint", "uv")),
        "confidence": payload.add("confidence", clip.confidence, ("step", "joint")),
        "centre": payload.add("image_centre", centre, ("uv",)),
        "half_px": max(float((hi - lo).max()) / 2 * 1.2 + 12, float(reach)),
        "image_px": [clip.width, clip.height],
        "mixture": _mixture_arrays(payload, clip),
        "joint": study.joint,
        "readouts": [
            {
                "label": joint_label(study.joint),
                "array": payload.add("own_confidence", clip.confidence[:, study.joint], ("step",)),
                "unit": "",
                "digits": 2,
                "help": "The detector's confidence in this joint: 1 is sure, 0 means that nothing is known",
            }
        ],
    }
    if clip.hidden is not None:
        panel["hidden"] = payload.add("hidden", clip.hidden, ("step", "joint"))
    return panel


def joint_study(study: JointStudy) -> bytes:
    """Stage of one joint's confidence and its effect on the 2D mixtures, H_K and the result; a step is a level."""
    clip, joint = study.clip, study.joint
    name = joint_label(joint)
    levels = clip.confidence[:, joint]
    samples, result = study.samples_cam, study.hypotheses_cam.mean(1)
    truth = study.truth_cam
    payload = StagePayload(
        id="uncertainty",
        title="A joint that gets less sure",
        source=study.source,
        clip=clip.name,
        steps=range(len(levels)),
        bounds=scene_bounds((study.baseline_cam if truth is None else truth)[None], 0.75),
        step_label=f"Confidence of the {name}",
        step_ends=("as detected", "hidden"),
        step_texts=[*(f"{c:.2f}" for c in levels[:-1]), "hidden"],
        shows_frame=study.frame,
        line=f"Slide the confidence of the {name} away: H_K spreads, and the result moves.",
        off=("Graformer",),
    )
    payload.panels.append(_belief_panel(payload, study))

    shown = samples[:, :SHOWN_DRAWS]
    payload.pose("draws", shown, "step", "sample")
    payload.pose("encoder", study.baseline_cam)
    covariances = sample_covariances(samples)
    payload.pose("centres", samples.mean(1), "step")
    payload.add("spreads", plot_covariances(covariances), ("step", "joint", "covariance"))
    std = np.sqrt(np.diagonal(covariances[:, joint], axis1=-2, axis2=-1)) * 1000
    across = payload.add("std_across", np.sqrt(np.square(std[:, :2]).mean(-1)), ("step",))
    along = payload.add("std_along", std[:, 2], ("step",))
    payload.panels.append(
        {
            "id": "cloud",
            "kind": "scene",
            "title": "H_K: all 3D poses that the picture allows",
            "caption": f"{shown.shape[1]} of {samples.shape[1]} draws; every ellipsoid holds a joint at two standard "
            "deviations, the grey one as it was.",
            "readouts": [
                {
                    "label": "across",
                    "array": across,
                    "unit": "mm",
                    "help": f"Spread of the {name} in the picture's plane",
                },
                {
                    "label": "depth",
                    "array": along,
                    "unit": "mm",
                    "help": f"Spread of the {name} along the line of sight",
                },
            ],
            "layers": [
                {"kind": "cloud", "array": "draws", "label": "Draws of H_K", "palette": "sides", "opacity": 0.8},
                {
                    "kind": "ellipsoids",
                    "array": "centres",
                    "covariances": "spreads",
                    "label": "Two standard deviations",
                    "palette": "sides",
                    "joint": joint,
                },
            ],
        }
    )

    moved = np.linalg.norm(result[:, joint] - result[0, joint], axis=-1) * 1000
    readouts = [
        {
            "label": "moved",
            "array": payload.add("moved", moved, ("step",)),
            "unit": "mm",
            "help": f"How far the {name} of the result is from where it was with the detected confidence",
        }
    ]
    layers: list[dict[str, Any]] = []
    errors: list[tuple[str, str, str, bool]] = []
    if truth is not None:
        payload.pose("truth", truth)
        layers.append(
            {"kind": "skeleton", "array": "truth", "label": TRUTH, "palette": "red", "width": 0.7, "under": True}
        )
        own = np.linalg.norm(result[:, joint] - truth[joint], axis=-1) * 1000
        payload.add("error", measures.error_mm(result, truth), ("step",))
        payload.add("own_error", own, ("step",))
        readouts.insert(0, {"label": "error", "array": "error", "unit": "mm", "help": ERROR_HELP})
        errors = [(f"{name}, error", "own_error", "red", False), ("all joints, error", "error", "grey", True)]
    payload.pose("hypotheses", study.hypotheses_cam, "step", "sample")
    payload.pose("before", result[0])
    payload.pose("result", result, "step")
    layers += [
        {"kind": "cloud", "array": "hypotheses", "label": "Hypotheses", "palette": "teal", "opacity": 0.9},
        {
            "kind": "skeleton",
            "array": "before",
            "label": "Result before",
            "palette": "grey",
            "width": 0.75,
            "opacity": 0.6,
        },
        {"kind": "skeleton", "array": "encoder", "label": "Graformer", "palette": "violet", "width": 0.7},
        {"kind": "skeleton", "array": "result", "label": "Result", "palette": "teal"},
    ]
    payload.panels.append(
        {
            "id": "result",
            "kind": "scene",
            "title": "DiffPose's result",
            "caption": "After the last reverse step. Graformer is told of no confidence: its answer stays the same.",
            "readouts": readouts,
            "layers": layers,
        }
    )

    tables = _depth_tables(study)
    edges = tables["edges"]
    payload.add("depth_draws", tables["draws"], ("step", "joint", "bin"))
    payload.add("depth_mixture", tables["mixture"], ("step", "joint", "bin"))
    payload.add("depth_parts", tables["components"], ("step", "component", "bin"))
    depths: dict[str, Any] = {"lo": float(edges[0]), "hi": float(edges[-1]), "joint": joint, "draws": "depth_draws"}
    if truth is not None:
        depths["truth"] = payload.add("depth_truth", truth[:, 2], ("joint",))
    payload.charts += [
        {
            "id": "depths",
            "kind": "depths",
            "title": "Depth of every joint (m from the hip)",
            "note": "Click a joint to take its confidence away instead.",
            "mixture": "depth_mixture",
            **depths,
        },
        {
            "id": "depth",
            "kind": "depth",
            "title": f"Depth of the {name} (m from the hip)",
            "parts": "depth_parts",
            "mixture": "depth_mixture",
            **depths,
        },
    ]
    payload.charts.append(
        {
            "id": "effect",
            "kind": "line",
            "title": f"The {name}: confidence and effect",
            "unit": "mm",
            "axis": "step",
            "series": [
                {"label": label, "array": array, "palette": palette, "dash": "dash" if dash else ""}
                for label, array, palette, dash in (
                    ("spread across", across, "teal", False),
                    ("spread in depth", along, "violet", False),
                    *errors,
                )
            ],
        }
    )
    return payload.pack()


def mixture(
    samples_cam: np.ndarray,
    gmm_cam: PoseGMM,
    scores: np.ndarray | None,
    reference_cam: np.ndarray,
    source: str,
    clip: str,
    frame: int,
) -> bytes:
    """The mixture fitted to one frame's H_K: its components in 3D, their weights, and how many are worth having.

    samples_cam: (N, 17, 3) metres, the draws that it was fitted to. gmm_cam: one mixture of M components. scores:
    (C, 3), of mixtures of 1, 2, ... components: mean log-likelihood of the draws and of new ones, nats a pose, and
    BIC; None shows no curve. reference_cam: (17, 3), frames the scene. The steps are the components: 0 shows all.
    """
    count = gmm_cam.num_components
    weights = gmm_cam.weights.numpy()
    flat = torch.from_numpy(samples_cam.reshape(len(samples_cam), -1)).to(gmm_cam.means.dtype)
    owner = (gmm_cam.component_log_prob(flat) + gmm_cam.weights.log()).argmax(-1).numpy()
    means = gmm_cam.means.numpy().reshape(count, NUM_JOINTS, 3)
    blocks = joint_covariances(gmm_cam.covariances.numpy())
    bounds: Bounds = scene_bounds(reference_cam[None], 0.75)
    payload = StagePayload(
        id="mixture",
        title="The mixture fitted to H_K",
        source=source,
        clip=clip,
        steps=range(count + 1),
        bounds=bounds,
        step_label="Component shown",
        step_texts=["all", *(f"{m + 1} of {count}" for m in range(count))],
        shows_frame=frame,
        line="The mixture fitted to H_K: play through its components, or click a number to fit as many.",
    )
    layers = []
    for m in range(count):
        payload.pose(f"mean_{m}", means[m])
        payload.add(f"covariance_{m}", plot_covariances(blocks[m]), ("joint", "covariance"))
        payload.pose(f"draws_{m}", samples_cam[:SHOWN_DRAWS][owner[:SHOWN_DRAWS] == m], "sample")
        layers.append(
            {
                "kind": "component",
                "array": f"mean_{m}",
                "covariances": f"covariance_{m}",
                "draws": f"draws_{m}",
                "label": f"Component {m + 1}",
                "palette": f"component{m}",
                "number": m + 1,
                "weight": float(weights[m]),
            }
        )
    payload.panels.append(
        {
            "id": "components",
            "kind": "scene",
            "title": "Components in 3D",
            "caption": "Each component is a whole pose, its mean, with an ellipsoid a joint (two standard deviations); "
            "dots are the draws that belong to it.",
            "columns": 1.2,
            "layers": layers,
        }
    )
    spreads = np.sqrt(np.trace(blocks, axis1=-2, axis2=-1).mean(-1)) * 1000
    payload.add("weights", weights, ("component",))
    payload.add("component_spread", spreads, ("component",))
    payload.panels.append(
        {
            "id": "weights",
            "kind": "weights",
            "title": "Weights",
            "caption": "A sample picks its component by these. Click one to see it alone.",
            "columns": 0.72,
            "weights": "weights",
            "spreads": "component_spread",
        }
    )
    if scores is not None:
        for key, column in zip(("fitted", "fresh", "bic"), scores.T, strict=True):
            payload.add(f"curve_{key}", column, ("point",))
        payload.panels.append(
            {
                "id": "selection",
                "kind": "selection",
                "title": "How many components?",
                "caption": "Click a number to fit that many.",
                "columns": 0.95,
                "fitted": "curve_fitted",
                "fresh": "curve_fresh",
                "bic": "curve_bic",
                "chosen": count,
            }
        )
    return payload.pack()
