"""The uncertainty view's second part: the mixture that is fitted to one frame's H_K."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from app.figures.gaussians import joint_covariances, plot_covariances
from app.figures.joint_study import SHOWN_DRAWS
from app.figures.scenes import scene_bounds
from app.stage.payload import StagePayload
from app.stage.specs.layers import Layer
from app.stage.specs.panels import SelectionPanel, WeightsPanel, scene
from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.uncertainty.pose_gmm import PoseGMM


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

    The steps are the components; step 0 shows all.

    Args:
        samples_cam: (N, 17, 3) metres, the draws that it was fitted to.
        gmm_cam: One mixture of M components.
        scores: (C, 3), of mixtures of 1, 2, ... components: mean log-likelihood of the draws and of new ones, nats a
            pose, and BIC. None shows no curve.
        reference_cam: (17, 3) metres, a pose that sets the scene's bounds.
        source: The clip's hash.
        clip: The clip's name.
        frame: Number of the frame.
    """
    count = gmm_cam.num_components
    payload = StagePayload(
        id="mixture",
        title="The mixture fitted to H_K",
        source=source,
        clip=clip,
        steps=range(count + 1),
        bounds=scene_bounds(reference_cam[None], 0.75),
        step_label="Component shown",
        step_texts=["all", *(f"{m + 1} of {count}" for m in range(count))],
        shows_frame=frame,
        line="The mixture fitted to H_K: play through its components, or click a number to fit as many.",
    )
    blocks = joint_covariances(gmm_cam.covariances.numpy())
    payload.panels.append(
        scene(
            "components",
            "Components in 3D",
            list(_components(payload, samples_cam, gmm_cam, blocks)),
            caption="Each component is a mean pose with an ellipsoid for every joint (two standard deviations). Dots "
            "are the draws that belong to it.",
            columns=1.2,
        )
    )
    spreads = np.sqrt(np.trace(blocks, axis1=-2, axis2=-1).mean(-1)) * 1000
    payload.panels.append(_weights(payload, gmm_cam.weights.numpy(), spreads))
    if scores is not None:
        payload.panels.append(_selection(payload, scores, count))
    return payload.pack()


def _components(
    payload: StagePayload, samples_cam: np.ndarray, gmm_cam: PoseGMM, blocks: np.ndarray
) -> Iterator[Layer]:
    """A layer for each component, registered with the payload. blocks: (M, 17, 3, 3), the joints' covariances."""
    flat = torch.from_numpy(samples_cam.reshape(len(samples_cam), -1)).to(gmm_cam.means.dtype)
    owner = (gmm_cam.component_log_prob(flat) + gmm_cam.weights.log()).argmax(-1).numpy()[:SHOWN_DRAWS]
    means = gmm_cam.means.numpy().reshape(-1, NUM_JOINTS, 3)
    for m, weight in enumerate(gmm_cam.weights.numpy()):
        yield {
            "kind": "component",
            "array": payload.pose(f"mean_{m}", means[m]),
            "covariances": payload.add(f"covariance_{m}", plot_covariances(blocks[m]), ("joint", "covariance")),
            "draws": payload.pose(f"draws_{m}", samples_cam[:SHOWN_DRAWS][owner == m], "sample"),
            "label": f"Component {m + 1}",
            "palette": f"component{m}",
            "number": m + 1,
            "weight": float(weight),
        }


def _weights(payload: StagePayload, weights: np.ndarray, spreads: np.ndarray) -> WeightsPanel:
    return {
        "id": "weights",
        "kind": "weights",
        "title": "Weights",
        "caption": "How likely a sample is to come from each component. Click one to see it alone.",
        "columns": 0.72,
        "weights": payload.add("weights", weights, ("component",)),
        "spreads": payload.add("component_spread", spreads, ("component",)),
    }


def _selection(payload: StagePayload, scores: np.ndarray, count: int) -> SelectionPanel:
    fitted, fresh, bic = scores.T
    return {
        "id": "selection",
        "kind": "selection",
        "title": "How many components?",
        "caption": "Click a number to fit that many.",
        "columns": 0.95,
        "fitted": payload.add("curve_fitted", fitted, ("point",)),
        "fresh": payload.add("curve_fresh", fresh, ("point",)),
        "bic": payload.add("curve_bic", bic, ("point",)),
        "chosen": count,
    }
