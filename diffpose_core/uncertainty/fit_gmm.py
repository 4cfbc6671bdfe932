"""Fits Gaussian mixtures to poses by EM (main paper, section 4.2; supplement, section 3).

`fit_gmm_batch` fits many frames at once in torch: training and lifting use it. `fit_gmm` is scikit-learn's EM, the
reference for a single set of samples.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from diffpose_core import onednn
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.draws import drawn_once
from diffpose_core.uncertainty.pose_gmm import PoseGMM

#: Frames whose samples are worked on together: on a CPU so few that what is made of them stays in its caches, and that
#: memory which one block gives back serves the next one.
_BLOCK_FRAMES_CPU = 8
_BLOCK_FRAMES_GPU = 512


def block_frames(device: torch.device) -> int:
    """How many frames' samples are worked on together on a device."""
    return _BLOCK_FRAMES_CPU if device.type == "cpu" else _BLOCK_FRAMES_GPU


def _check_fit(shape: tuple[int, ...], n_components: int, reg_covar: float, max_iter: int, tol: float) -> None:
    if n_components < 1:
        raise InvalidInput(f"n_components should be at least 1, but got {n_components}")
    if shape[-2] < max(n_components, 2):
        raise InvalidInput(
            f"expected at least {max(n_components, 2)} samples for {n_components} components, but got {shape[-2]}"
        )
    if not (math.isfinite(reg_covar) and reg_covar >= 0):
        raise InvalidInput(f"reg_covar should be a number not below 0, but got {reg_covar}")
    if max_iter < 1:
        raise InvalidInput(f"max_iter should be at least 1, but got {max_iter}")
    if not tol >= 0:
        raise InvalidInput(f"tol should not be negative, but got {tol}")


def fit_gmm(
    samples: np.ndarray | Tensor,
    n_components: int = 5,
    seed: int = 0,
    max_iter: int = 100,
    tol: float = 1e-3,
    reg_covar: float = 1e-6,
) -> PoseGMM:
    """The reference fit: scikit-learn's EM with full covariances, in float64.

    samples: (N, D), poses drawn from H_K. n_components: M. seed: of the k-means start. max_iter, tol: EM ends when the
    mean log-likelihood gains less than tol nats. reg_covar: square metres added to every variance; the root joint,
    which never moves, has no other. Returns one mixture in the samples' floating-point type, on the CPU.
    Raises InvalidInput on samples of a wrong shape or not finite, and on parameters out of range.
    Source: main paper, section 4.2; supplement, section 3 (N = 1000).
    """
    # Imported here, because loading scikit-learn takes longer than everything else that lifting a clip loads.
    from sklearn.mixture import GaussianMixture

    array = samples.detach().cpu().numpy() if isinstance(samples, Tensor) else np.asarray(samples)
    if array.ndim != 2 or array.shape[1] < 1:
        raise InvalidInput(f"samples should have the shape of (N, D), but got {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidInput("samples should hold finite numbers, but got NaN or infinity")
    _check_fit(array.shape, n_components, reg_covar, max_iter, tol)
    mixture = GaussianMixture(
        n_components, covariance_type="full", tol=tol, reg_covar=reg_covar, max_iter=max_iter, random_state=seed
    ).fit(array.astype(np.float64))
    dtype = torch.float64 if array.dtype == np.float64 else torch.float32
    weights, means, covariances = (
        torch.from_numpy(np.ascontiguousarray(a)).to(dtype)
        for a in (mixture.weights_, mixture.means_, mixture.covariances_)
    )
    return PoseGMM(weights / weights.sum(), means, covariances)


def fit_gmm_batch(
    samples: Tensor,
    n_components: int = 5,
    generator: torch.Generator | None = None,
    max_iter: int = 10,
    tol: float = 1e-3,
    reg_covar: float = 1e-6,
    init_iter: int = 8,
    shared_seeds: bool = False,
    overrelaxation: float = 1.0,
) -> PoseGMM:
    """Fits one mixture to every frame's samples at once: the fast path.

    k-means++ seeds and `init_iter` steps of k-means (cheap, and what finds modes that lie far apart) lead to `max_iter`
    steps of EM with full covariances; a block of frames stops earlier when the mean log-likelihood of none gains more
    than tol nats a step.

    samples: (B, N, D), poses drawn from each frame's H_K, metres; float32 or float64, on any device. n_components: M.
    generator: draws the seeds (on its own device); None is a new one with seed 0, so that results repeat.
    reg_covar: square metres added to every variance. shared_seeds: the same random numbers seed every frame, so that a
    frame's fit does not depend on which other frames are in the batch. overrelaxation: how far responsibilities move
    towards those of the E-step. 1 is EM; more makes steps longer (Salakhutdinov and Roweis, "Adaptive overrelaxed bound
    optimization", 2003), and above 2 is for a handful of steps only, since it need not come to rest; 100 takes a sample
    from its cluster where the E-step is unsure of it by more than a hundredth. Returns a PoseGMM
    with leading axis B, on the samples' device.
    Raises InvalidInput on samples of a wrong shape or type or not finite, and on parameters out of range.
    Source: main paper, section 4.2; EM as in scikit-learn's GaussianMixture, against which it is tested.
    """
    if samples.ndim != 3 or samples.shape[-1] < 1:
        raise InvalidInput(f"samples should have the shape of (B, N, D), but got {tuple(samples.shape)}")
    if samples.dtype not in (torch.float32, torch.float64):
        raise InvalidInput(f"samples should be float32 or float64, but got {samples.dtype}")
    _check_fit(tuple(samples.shape), n_components, reg_covar, max_iter, tol)
    if init_iter < 1:
        raise InvalidInput(f"init_iter should be at least 1, but got {init_iter}")
    if not 1.0 <= overrelaxation <= 1000.0:
        raise InvalidInput(f"overrelaxation should be from 1 to 1000, but got {overrelaxation}")
    samples = samples.detach()
    # A sum is many times as fast as a look at every number, and not finite if one of them isn't.
    if not bool(torch.isfinite(samples.sum())) and not bool(torch.isfinite(samples).all()):
        raise InvalidInput("samples should hold finite numbers, but got NaN or infinity")
    if generator is None:
        generator = torch.Generator().manual_seed(0)
    # All seeds' random numbers at once: a result doesn't depend on how frames fall into blocks.
    if shared_seeds:
        (race,) = drawn_once(_race, generator, 1, n_components, samples.shape[1])
    else:
        (race,) = _race(generator, samples.shape[0], n_components, samples.shape[1])
    race = race.to(samples).expand(samples.shape[0], -1, -1)
    size = block_frames(samples.device)
    # Coordinates that never change, such as the root's, have nothing to fit: only reg_covar. The rest of 17 joints are
    # 48 numbers, which suit a processor's registers far better than 51.
    moves = torch.nonzero((samples.amax(1) != samples.amin(1)).any(0).cpu())[:, 0].tolist() or [0]
    moving = slice(moves[0], moves[-1] + 1) if moves[-1] - moves[0] == len(moves) - 1 else moves
    with torch.no_grad():
        blocks = [
            _fit_block(block, moving, seeds, max_iter, tol, reg_covar, init_iter, overrelaxation)
            for block, seeds in zip(samples.split(size), race.split(size), strict=True)
        ]
        weights, means, covariances, factors = (torch.cat(parts) for parts in zip(*blocks, strict=True))
        if len(moves) < samples.shape[-1]:
            part_means, means = means, samples[:, :1].repeat(1, n_components, 1)
            means[..., moving] = part_means
            covariances = _among_all(covariances, moving, samples.shape[-1], reg_covar)
            factors = _among_all(factors, moving, samples.shape[-1], math.sqrt(reg_covar))
    return PoseGMM.unchecked(weights, means, covariances, factors)


def _race(generator: torch.Generator, frames: int, n_components: int, num_samples: int) -> tuple[Tensor]:
    """Exponential random numbers for `_seed_means`, (B, M, N)."""
    drawn = torch.empty(frames, n_components, num_samples, device=generator.device)
    return (drawn.exponential_(generator=generator),)


def _among_all(matrices: Tensor, moving: slice | list[int], dim: int, diagonal: float) -> Tensor:
    """(..., D, D) matrices of the coordinates that move as rows and columns of (..., dim, dim) ones, whose others
    have nothing but a diagonal.
    """
    among = matrices.new_zeros((*matrices.shape[:-2], dim, dim))
    among.diagonal(dim1=-2, dim2=-1).fill_(diagonal)
    if isinstance(moving, slice):
        among[..., moving, moving] = matrices
    else:
        among[..., torch.tensor(moving)[:, None], torch.tensor(moving)] = matrices
    return among


def _seed_means(x: Tensor, race: Tensor) -> Tensor:
    """k-means++ seeds: each next one drawn by its squared distance to those already there.

    x: (B, D, N). race: (B, M, N), exponential random numbers: the sample with the least of its number over its squared
    distance wins, which has that distribution. Unlike a search among cumulated distances this hardly ever picks another
    sample when all of them change by a rounding error. Returns (B, M, D).
    """
    rows = torch.arange(x.shape[0], device=x.device)
    squares = x.square().sum(1)
    chosen, nearest = [x[rows, :, race[:, 0].argmin(-1)]], torch.full_like(squares, torch.inf)
    for m in range(1, race.shape[1]):
        seed = chosen[-1]
        apart = squares - 2 * torch.bmm(seed[:, None, :], x)[:, 0] + seed.square().sum(-1, keepdim=True)
        nearest = torch.minimum(nearest, apart.clamp(min=0))
        chosen.append(x[rows, :, (race[:, m] / nearest).argmin(-1)])
    return torch.stack(chosen, dim=1)


def _k_means(x: Tensor, race: Tensor, steps: int) -> Tensor:
    """Which of M clusters every sample belongs to, after k-means++ seeds and so many steps of Lloyd's algorithm.

    x: (B, D, N), centred. race: see `_seed_means`. Returns responsibilities of 0 and 1, (B, M, N).
    """
    means, resp = _seed_means(x, race), x.new_empty(0)
    for step in range(steps):
        if step > 0:
            counts = resp.sum(-1, keepdim=True)
            means = torch.where(counts > 0, torch.bmm(resp, x.mT) / counts.clamp(min=1), means)
        nearness = torch.baddbmm(means.square().sum(-1, keepdim=True), means, x, beta=-0.5)
        # Far faster on a CPU than argmax. Samples between two equal means belong to both.
        resp = (nearness == nearness.amax(1, keepdim=True)).to(x.dtype)
    return resp / resp.sum(1, keepdim=True)


def _fit_block(
    samples: Tensor,
    moving: slice | list[int],
    race: Tensor,
    max_iter: int,
    tol: float,
    reg_covar: float,
    init_iter: int,
    overrelaxation: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """EM on a block of frames: (B, N, 51), the D coordinates that move -> weights (B, M), means (B, M, D), covariances
    and their Cholesky factors (B, M, D, D).
    """
    # Samples run along the last axis from here on, (B, D, N): every product and sum below then streams through
    # memory, which makes it more than twice as fast on a CPU.
    moved = samples[..., moving].mT
    n, d, m = moved.shape[-1], moved.shape[1], race.shape[1]
    centre = moved.mean(-1, keepdim=True)
    x = torch.sub(moved, centre, out=samples.new_empty(moved.shape))
    resp = _k_means(x, race, init_iter)
    # Centred and with every coordinate of variance 1, sums of squares in float32 lose nothing that matters.
    std = x.square().mean(-1, keepdim=True).add_(reg_covar).sqrt_()  # (B, D, 1)
    std = torch.where(std > 0, std, torch.ones_like(std))
    # Samples above a row of 1, which lets products add an offset and count.
    x_and_1 = x.new_empty((len(x), d + 1, n))
    x_and_1[:, d] = 1.0
    x = torch.div(x, std, out=x_and_1[:, :d])
    centre, std = centre.mT, std.mT  # (B, 1, D)
    reg = reg_covar / std.square()  # reg_covar in the scaled coordinates
    # On a CPU the large products take a frame for each thread at a time, a megabyte a frame: it is used while it is in
    # the thread's own cache. oneDNN's take one frame with all threads.
    one_by_one = onednn.preferred_for(x)
    together = len(x)
    if x.device.type == "cpu":
        together = 1 if one_by_one else min(torch.get_num_threads(), len(x))

    def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
        """a b of some frames: (F, P, K) and (F, K, Q). out: may be written to."""
        return onednn.linear(a[0], b[0].mT)[None] if one_by_one else torch.bmm(a, b, out=out)

    parts = [slice(b, min(b + together, len(x))) for b in range(0, len(x), together)]

    eye = torch.eye(d, dtype=x.dtype, device=x.device)
    last_score = x.new_full((len(x),), -torch.inf)
    buffer, distances = x.new_empty((together, m, d, n)), torch.empty_like(resp)
    for iteration in range(max_iter):
        # M-step, with all components' weighted samples in one product: (MD, N) @ (N, D).
        second = []
        for part in parts:
            work = torch.mul(resp[part, :, None], x[part, None], out=buffer[: part.stop - part.start])
            second.append(product(work.flatten(1, 2), x[part].mT))
        first = torch.bmm(resp, x_and_1.mT)
        counts = first[..., d]
        safe = counts.clamp(min=1e-6)[..., None]
        means = first[..., :d] / safe
        covariances = torch.cat(second).view(-1, m, d, d) / safe[..., None] - means[..., :, None] * means[..., None, :]
        covariances.diagonal(dim1=-2, dim2=-1).add_(reg)
        weights, means, covariances = _revive(counts, means, covariances)
        factor, covariances = _cholesky(covariances, eye)
        if iteration == max_iter - 1:
            break
        # E-step, whitened by all components at once: (MD, D + 1) @ (D + 1, N).
        whitener = torch.linalg.solve_triangular(factor, eye.expand_as(factor), upper=False)
        whitener = torch.cat([whitener, -(whitener @ means[..., None])], dim=-1).flatten(1, 2)
        for part in parts:
            white = product(whitener[part], x_and_1[part], out=buffer[: part.stop - part.start].flatten(1, 2))
            torch.sum(white.square_().unflatten(1, (m, d)), 2, out=distances[part])
        offset = weights.log() - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        log_joint = distances.mul_(-0.5).add_(offset[..., None])  # (B, M, N)
        after = torch.softmax(log_joint, 1)
        resp = _without_traces(after if overrelaxation == 1.0 else _beyond(resp, after, overrelaxation))
        if tol > 0:
            score = torch.logsumexp(log_joint, dim=1).mean(1)
            if bool(((score - last_score) < tol).all()):
                break
            last_score = score
    scale = std[:, :, :, None] * std[:, :, None, :]  # (B, 1, D, D)
    covariances = 0.5 * (covariances + covariances.mT) * scale
    return weights, means * std + centre, covariances, factor * std[..., None]


def _beyond(before: Tensor, after: Tensor, overrelaxation: float) -> Tensor:
    """Responsibilities (B, M, N) beyond those of the E-step, still at least 0 and summing to 1."""
    moved = torch.lerp(before, after, overrelaxation).clamp_(min=0.0)
    return moved.div_(moved.sum(1, keepdim=True))


def _without_traces(resp: Tensor) -> Tensor:
    """Responsibilities with the vanishing ones set to 0: they change nothing, but as subnormal numbers take a CPU
    many times as long to multiply."""
    return torch.nn.functional.threshold(resp, 1e-12, 0.0, inplace=True)


def _revive(counts: Tensor, means: Tensor, covariances: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """New weights; a component that (nearly) no sample is left to starts again as a broad one around the mean of all.

    In scaled coordinates that is mean 0 and variance 1. counts: (B, M). means: (B, M, D). covariances: (B, M, D, D).
    """
    empty = counts < 1.0
    if bool(empty.any()):
        means = means.masked_fill(empty[..., None], 0.0)
        eye = torch.eye(covariances.shape[-1], dtype=covariances.dtype, device=covariances.device)
        covariances = torch.where(empty[..., None, None], eye, covariances)
        counts = counts.clamp(min=1.0)
    return counts / counts.sum(-1, keepdim=True), means, covariances


def _cholesky(covariances: Tensor, eye: Tensor) -> tuple[Tensor, Tensor]:
    """Lower factors of (B, M, D, D) covariances in scaled coordinates, and the covariances that they belong to.

    Rounding can leave one that reg_covar should have made positive definite just short of it: that one gets more on
    its diagonal, ten times as much at every try.
    """
    factor, info = torch.linalg.cholesky_ex(covariances)
    extra = 1e-6
    while bool((info != 0).any()) and extra < 1.0:
        covariances = torch.where((info != 0)[..., None, None], covariances + extra * eye, covariances)
        factor, info = torch.linalg.cholesky_ex(covariances)
        extra *= 10
    return factor, covariances
