"""Likeness of 2D points to a body, to tell joint orders apart."""

from __future__ import annotations

import numpy as np

from diffpose_core.io.formats.layouts import Layout, to_human36m
from diffpose_core.skeleton import BONES

#: A score above this is no body's.
NO_BODY = 0.8


def body_score(layout: Layout, points: np.ndarray) -> float:
    """Mean length of the bones relative to the spread of the joints.

    It is about 0.5 to 0.6 for a body, in whatever turn and unit, and 0.9 or more where joints are taken for others.

    Args:
        layout: joint order to try.
        points: (N, J, 2), NaN where missing.

    Returns:
        The score; infinity where too few joints are seen.
    """
    points = np.where(np.abs(points) < 1e6, points, np.nan).astype(np.float32)
    poses, _ = to_human36m(layout, points, np.ones(points.shape[:2], np.float32))
    parents, children = (list(ends) for ends in zip(*BONES, strict=True))
    lengths = np.linalg.norm(poses[:, children] - poses[:, parents], axis=-1)
    known = ~np.isnan(poses[..., 0])
    if not known.any() or np.isnan(lengths).all():
        return float("inf")
    count = np.maximum(known.sum(1), 1)[:, None]
    centre = np.where(known[..., None], poses, 0.0).sum(1) / count
    spread = np.sqrt(np.where(known, np.square(poses - centre[:, None]).sum(-1), 0.0).sum(1) / count[:, 0])
    used = spread > 0
    if not used.any() or np.isnan(lengths[used]).all():
        return float("inf")
    relative = lengths[used] / spread[used, None]
    return float(np.nanmean(np.nanmean(relative[:, ~np.isnan(relative).all(0)], axis=0)))
