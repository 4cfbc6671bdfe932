"""Gaussian mixtures of a detector's heatmaps, fitted by EM to the whole map."""

from __future__ import annotations

import numpy as np

#: Gaussians of a joint at most.
NUM_MODES = 3
#: Least variance of a Gaussian in cells: that of an even spread over one cell.
_LEAST_VARIANCE = 1.0 / 12.0
_FIRST_VARIANCE = 2.0
_EVEN_SHARE = 0.3
_ITERATIONS = 15
#: Two Gaussians are one if their means are nearer than this, in units of their spread along the line between them.
MERGE_DISTANCE = 2.0
#: Gaussians that hold less of a map than this are left out: on real footage the truth is hardly ever there.
LEAST_WEIGHT = 0.1
#: A landmark is a mode of its own if it lies further than this from every mode of the heatmap, in units of their
#: common spread.
DISAGREE = 3.0


def fit_heatmaps(heatmaps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mixtures of up to three axis-aligned Gaussians, by EM with every cell weighted by its value.

    An even component over the whole map takes what no Gaussian explains, and is dropped at the end. EM starts at the
    three highest local maxima. Gaussians that lie on each other are merged with their moments.

    Args:
        heatmaps: (N, H, W), no value below 0.

    Returns:
        Weights (N, 3) that sum to 1, the heaviest first, means (N, 3, 2) as x, y in cells, with the middle of the
        first cell at 0, and variances (N, 3, 2) in square cells. An unused Gaussian has weight 0 and lies on the first.
        An empty map gives one Gaussian that is as wide as the map.
    """
    count, height, width = heatmaps.shape
    values = heatmaps.astype(np.float32)
    total = values.sum((1, 2), keepdims=True)
    values = np.where(total > 0, values, 1.0)
    values /= values.sum((1, 2), keepdims=True)
    weights, means = _first(values)
    variances = np.full_like(means, _FIRST_VARIANCE)
    axes = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    even = np.full(count, _EVEN_SHARE, dtype=np.float32)
    weights *= 1.0 - _EVEN_SHARE
    for _ in range(_ITERATIONS):
        x, y = (_bells(axis, means[..., n], variances[..., n]) for n, axis in enumerate(axes))
        background = even / (height * width)
        mixed = np.matmul((weights[..., None] * y).transpose(0, 2, 1), x) + background[:, None, None]
        ratio = values / mixed
        even = np.clip(background * ratio.sum((1, 2)), 1e-6, 1.0)
        # What each Gaussian holds of every column and of every row.
        columns = weights[..., None] * x * np.matmul(y, ratio)
        rows = weights[..., None] * y * np.matmul(x, ratio.transpose(0, 2, 1))
        held = columns.sum(-1)
        for n, (part, axis) in enumerate(zip((columns, rows), axes, strict=True)):
            share = part / np.maximum(held, 1e-12)[..., None]
            moved = share @ axis
            used = held > 1e-9
            means[..., n] = np.where(used, moved, means[..., n])
            spread = (share * np.square(axis - moved[..., None])).sum(-1)
            variances[..., n] = np.where(used, np.maximum(spread, _LEAST_VARIANCE), variances[..., n])
        weights = np.where(used, held, 0.0).astype(np.float32)
    weights[total[:, 0, 0] <= 0] = 0.0
    return _tidy(weights, means, variances, (width, height))


def with_landmarks(
    mixture: tuple[np.ndarray, np.ndarray, np.ndarray], places: np.ndarray, spreads: np.ndarray, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add a landmark that was regressed as a mode of its own, where the heatmap disagrees with it.

    It takes the place of the lightest mode.

    Args:
        mixture: as `fit_heatmaps` returns it.
        places: (N, 2), the landmarks in cells.
        spreads: (N,), their standard deviations in cells.
        shares: (N,) in [0, 1], weight of the landmark where it disagrees.
    """
    weights, means, variances = (part.copy() for part in mixture)
    common = np.sqrt(variances + np.square(spreads)[:, None, None])
    distance = np.sqrt(np.square((means - places[:, None]) / common).sum(-1))
    disagrees = (np.where(weights > 0, distance, np.inf).min(1) > DISAGREE) & (shares > LEAST_WEIGHT)
    shares = np.where(disagrees, shares, 0.0)
    weights[disagrees, -1] = 0.0
    weights /= weights.sum(1, keepdims=True)
    weights *= (1.0 - shares)[:, None]
    weights[disagrees, -1] = shares[disagrees]
    means[disagrees, -1] = places[disagrees]
    variances[disagrees, -1] = np.square(spreads[disagrees])[:, None]
    return _sorted(weights, means, variances)


def _bells(axis: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Gaussians along one axis, (N, M) -> (N, M, size)."""
    away = np.square(axis - means[..., None]) / (-2.0 * variances[..., None])
    return np.asarray(np.exp(away) / np.sqrt(2.0 * np.pi * variances)[..., None])


def _first(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (N, 3) and means (N, 3, 2) of the highest local maxima among the cells and their 24 neighbours."""
    count, height, width = values.shape
    padded = np.pad(values, ((0, 0), (2, 2), (2, 2)))
    across = np.maximum.reduce([padded[:, :, n : n + width] for n in range(5)])
    highest = np.maximum.reduce([across[:, n : n + height] for n in range(5)])
    peaks = np.where(values == highest, values, 0.0).reshape(count, -1)
    weights = np.empty((count, NUM_MODES), dtype=np.float32)
    best = np.empty((count, NUM_MODES), dtype=np.int64)
    every, cells = np.arange(count), np.arange(height * width)
    for mode in range(NUM_MODES):
        best[:, mode] = peaks.argmax(1)
        weights[:, mode] = peaks[every, best[:, mode]]
        # Neighbours of the same height are one peak.
        x, y = (
            np.abs(cells % width - best[:, mode, None] % width),
            np.abs(cells // width - best[:, mode, None] // width),
        )
        peaks[(x <= 2) & (y <= 2)] = 0.0
    weights = weights / weights.sum(1, keepdims=True)
    return weights, np.stack((best % width, best // width), axis=-1).astype(np.float32)


def _tidy(
    weights: np.ndarray, means: np.ndarray, variances: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gaussians that lie on each other merged, faint ones left out; sorted by weight."""
    weights, means, variances = _sorted(weights, means, variances)
    for one, other in ((1, 2), (0, 1), (0, 2)):
        apart = np.square(means[:, one] - means[:, other])
        length = np.maximum(apart.sum(-1, keepdims=True), 1e-9)
        along = ((variances[:, one] + variances[:, other]) / 2 * apart / length).sum(-1)
        near = (length[:, 0] < MERGE_DISTANCE**2 * along) & (weights[:, one] > 0) & (weights[:, other] > 0)
        pair = weights[:, [one, other]] / np.maximum(weights[:, [one, other]].sum(1, keepdims=True), 1e-12)
        mean = pair[:, :1] * means[:, one] + pair[:, 1:] * means[:, other]
        variance = pair[:, :1] * variances[:, one] + pair[:, 1:] * variances[:, other]
        variance = variance + pair[:, :1] * pair[:, 1:] * apart
        means[near, one], variances[near, one] = mean[near], variance[near]
        weights[near, one] += weights[near, other]
        weights[near, other] = 0.0
    total = weights.sum(1)
    # Where the even component took everything, nothing is known.
    empty = total < 1e-3
    weights[empty] = np.eye(NUM_MODES, dtype=weights.dtype)[0]
    means[empty] = (np.array(size, dtype=np.float32) - 1) / 2
    variances[empty] = np.square(np.array(size, dtype=np.float32)) / 12
    weights = weights / weights.sum(1, keepdims=True)
    weights = np.where(weights < LEAST_WEIGHT, 0.0, weights)
    return _sorted(weights / weights.sum(1, keepdims=True), means, variances)


def _sorted(weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The heaviest Gaussian first, unused ones on it."""
    order = np.argsort(-weights, axis=1, kind="stable")
    weights = np.take_along_axis(weights, order, axis=1)
    means, variances = (np.take_along_axis(part, order[..., None], axis=1) for part in (means, variances))
    unused = (weights <= 0)[..., None]
    return weights, np.where(unused, means[:, :1], means), np.where(unused, variances[:, :1], variances)
