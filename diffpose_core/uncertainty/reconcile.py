"""The 2D pose that a detector's whole heatmaps and a 3D prediction agree on.

A detector's argmax may sit on the wrong mode of a heatmap, or in the middle of a wide one. A 3D pose that was
predicted from the argmax of all joints reprojects to the joint's place by the evidence of the rest of the body. One
step of expectation-maximisation puts the two together, joint by joint: the reprojection is a Gaussian prior over the
joint's place, its heatmap the likelihood, and the result is the posterior mean.
"""

from __future__ import annotations

from torch import Tensor

from diffpose_core.uncertainty.indeterminate import metric_scale
from diffpose_core.uncertainty.view import View

#: Spread of the prior around a reprojected joint, in units of the pose's own size. Far above the reprojection's error,
#: which is 0.02 to 0.1: it was predicted from the same detections and repeats their errors. Chosen on the validation
#: split.
PRIOR_STD = 0.25


def metres_per_unit(view: View, pose_view: Tensor) -> Tensor:
    """Metres of a normalised image unit at each joint's depth, (B, J, 1).

    Args:
        view: B frames.
        pose_view: (B, J, 3) metres, root-relative, view frame; it decides scale and depths.
    """
    scale, distance = metric_scale(view, pose_view)
    perspective = (1.0 + pose_view[..., 2:] / distance[:, None, None]).clamp_min(0.1)
    return scale[:, None, None] * perspective


def reconcile(view: View, pose_view: Tensor, unit_m: Tensor, prior_std: float = PRIOR_STD) -> Tensor:
    """Each joint's place given its heatmap and the reprojection of a 3D pose.

    With modes (w_i, m_i, s_i) and the reprojection p the posterior is a mixture of weights proportional to
    w_i N(m_i; p, s_i^2 + prior^2) and of means between m_i and p, nearer to the surer one.

    Args:
        view: B frames.
        pose_view: (B, J, 3) metres, root-relative, view frame.
        unit_m: (B, J, 1), see `metres_per_unit`.
        prior_std: spread of the prior, normalised units.

    Returns:
        (B, J, 2), normalised units.
    """
    prior = (pose_view[..., :2] / unit_m)[:, :, None]
    mode_var = view.stds_norm.square()
    total_var = mode_var + prior_std**2
    # Log of N(m; p, total) up to a constant; a mode that is not there has weight 0 and gets none.
    likelihood = -0.5 * ((view.means_norm - prior).square() / total_var + total_var.log()).sum(-1)
    responsibility = (view.weights.log() + likelihood).softmax(-1)[..., None]
    posterior = (view.means_norm * prior_std**2 + prior * mode_var) / total_var
    return (responsibility * posterior).sum(2)


def centred_and_scaled(place: Tensor, size: Tensor | None = None, window: int = 1) -> Tensor:
    """2D poses with the hip at the origin and a scale like that of `normalise_view`.

    Args:
        place: (B, J, 2), normalised units.
        size: (B,), `View.size`, the size of a unit; read where frames share a scale, and of each window only the
            proportions count.
        window: frames of a window, which stand one after another and share their scale: the geometric mean of their
            sizes, so that a person who crouches gets smaller.

    Returns:
        (B, J, 2).
    """
    centred = place - place[:, :1]
    own = (place - place.mean(1, keepdim=True)).square().sum(-1).mean(1).sqrt().clamp_min(1e-6)
    if window > 1:
        assert size is not None
        shared = (own * size).log().unflatten(0, (-1, window)).mean(1).exp()
        own = shared.repeat_interleave(window) / size
    return centred / own[:, None, None]
