"""Fits Gaussian mixtures to poses by EM (main paper, section 4.2; supplement, section 3).

`fit_gmm_batch` fits many frames at once in torch: training and lifting use it. `fit_gmm` is scikit-learn's EM, the
reference for a single set of samples. Parameters have scikit-learn's names. B frames, N samples, M components,
D numbers per pose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from diffpose_core import onednn
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.draws import drawn_once
from diffpose_core.uncertainty.k_means import draw_race, k_means
from diffpose_core.uncertainty.pose_gmm import PoseGMM

#: "full": a covariance for every component. "tied": one that all components of a mixture share.
CovarianceType = Literal["full", "tied"]

#: Frames whose samples are worked on together. On a CPU few enough for their arrays to stay in its caches, and for the
#: memory that one block frees to serve the next.
_BLOCK_FRAMES_CPU = 8
_BLOCK_FRAMES_GPU = 512


def block_frames(device: torch.device) -> int:
    """The number of frames whose samples are worked on together on a device."""
    return _BLOCK_FRAMES_CPU if device.type == "cpu" else _BLOCK_FRAMES_GPU


def fit_gmm(
    samples: np.ndarray | Tensor,
    n_components: int = 5,
    seed: int = 0,
    max_iter: int = 100,
    tol: float = 1e-3,
    reg_covar: float = 1e-6,
    covariance_type: CovarianceType = "full",
) -> PoseGMM:
    """Fits one mixture by scikit-learn's EM in float64, the reference.

    Args:
        samples: Poses drawn from H_K, (N, D) metres.
        n_components: M.
        seed: Seed of the k-means start.
        max_iter: Most steps of EM.
        tol: EM ends when the mean log-likelihood gains less than this, nats.
        reg_covar: Square metres added to every variance; the root joint, which never moves, has no other.
        covariance_type: See `CovarianceType`.

    Returns:
        A mixture in the samples' floating-point type, on the CPU.

    Raises:
        InvalidInput: On samples of a wrong shape or not finite, and on parameters out of range.

    Source: main paper, section 4.2; supplement, section 3 (N = 1000).
    """
    # Imported here, because loading scikit-learn takes longer than everything else that lifting a clip loads.
    from sklearn.mixture import GaussianMixture

    array = samples.detach().cpu().numpy() if isinstance(samples, Tensor) else np.asarray(samples)
    if array.ndim != 2 or array.shape[1] < 1:
        raise InvalidInput(f"samples should have the shape of (N, D), but got {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidInput("samples should hold finite numbers, but got NaN or infinity")
    _check_parameters(array.shape, n_components, reg_covar, max_iter, tol)
    mixture = GaussianMixture(
        n_components,
        covariance_type=covariance_type,
        tol=tol,
        reg_covar=reg_covar,
        max_iter=max_iter,
        random_state=seed,
    ).fit(array.astype(np.float64))
    dtype = torch.float64 if array.dtype == np.float64 else torch.float32
    full = np.broadcast_to(mixture.covariances_, (n_components, *mixture.covariances_.shape[-2:])).copy()
    weights, means, covariances = (
        torch.from_numpy(np.ascontiguousarray(a)).to(dtype) for a in (mixture.weights_, mixture.means_, full)
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
    covariance_type: CovarianceType = "full",
) -> PoseGMM:
    """Fits one mixture to every frame's samples, many frames at once: k-means++, k-means, then EM.

    Args:
        samples: Poses drawn from each frame's H_K, (B, N, D) metres, float32 or float64, on any device.
        n_components: M.
        generator: Source of the k-means++ seeds, on its own device. None is a new one with seed 0.
        max_iter: Most steps of EM.
        tol: A block of frames ends when the mean log-likelihood of none gains more than this in a step, nats.
        reg_covar: Square metres added to every variance.
        init_iter: Steps of k-means. They are cheap and find modes that lie far apart.
        shared_seeds: Seed every frame with the same random numbers, so that a frame's fit does not depend on which
            other frames are in the batch.
        overrelaxation: How far responsibilities move towards those of the E-step. 1 is EM. Above 2 is for a handful of
            steps only, since it need not converge. 100 takes a sample from its cluster where the E-step is unsure of
            it by more than a hundredth.
        covariance_type: See `CovarianceType`.

    Returns:
        A mixture with leading axis B, on the samples' device.

    Raises:
        InvalidInput: On samples of a wrong shape or type or not finite, and on parameters out of range.

    Source: main paper, section 4.2; EM as in scikit-learn's GaussianMixture, against which it is tested; Salakhutdinov
    and Roweis, "Adaptive overrelaxed bound optimization", 2003.
    """
    _check_samples(samples)
    _check_parameters(tuple(samples.shape), n_components, reg_covar, max_iter, tol)
    settings = _Settings(max_iter, tol, reg_covar, init_iter, overrelaxation, covariance_type)
    # All seeds' random numbers at once: a result doesn't depend on how frames fall into blocks.
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    count = (n_components, samples.shape[1])
    if shared_seeds:
        (race,) = drawn_once(draw_race, generator, 1, *count)
    else:
        (race,) = draw_race(generator, len(samples), *count)
    race = race.to(samples).expand(len(samples), -1, -1)
    size, moving = block_frames(samples.device), _moving(samples)
    with torch.no_grad():
        blocks = [
            _fit_block(block[..., moving].mT, seeds, settings)
            for block, seeds in zip(samples.detach().split(size), race.split(size), strict=True)
        ]
        found = _Parameters(*(torch.cat(parts) for parts in zip(*blocks, strict=True)))
        found = _with_still_coordinates(found, moving, samples.detach()[:, :1], reg_covar)
    return PoseGMM.unchecked(found.weights, found.means, found.covariances, found.cholesky)


@dataclass(frozen=True)
class _Settings:
    """Parameters of `fit_gmm_batch`."""

    max_iter: int
    tol: float
    reg_covar: float
    init_iter: int
    overrelaxation: float
    covariance_type: CovarianceType

    def __post_init__(self) -> None:
        if self.init_iter < 1:
            raise InvalidInput(f"init_iter should be at least 1, but got {self.init_iter}")
        if not 1.0 <= self.overrelaxation <= 1000.0:
            raise InvalidInput(f"overrelaxation should be from 1 to 1000, but got {self.overrelaxation}")


@dataclass(frozen=True)
class _Parameters:
    """Parameters of mixtures, as those of `PoseGMM`: (B, M), (B, M, D) and two (B, M, D, D)."""

    weights: Tensor
    means: Tensor
    covariances: Tensor
    cholesky: Tensor


def _fit_block(poses: Tensor, race: Tensor, settings: _Settings) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """EM on a block of frames.

    Args:
        poses: The coordinates that move, (B, D, N) metres. Samples run along the last axis: every product and sum then
            streams through memory, which makes it more than twice as fast on a CPU.
        race: Random numbers of the seeds, (B, M, N), see `draw_race`.
        settings: Parameters of the fit.

    Returns:
        Weights (B, M), means (B, M, D), covariances and their Cholesky factors (B, M, D, D).
    """
    centre = poses.mean(-1, keepdim=True)
    x = torch.sub(poses, centre, out=poses.new_empty(poses.shape))
    resp = k_means(x, race, settings.init_iter)
    # Centred and with every coordinate of variance 1, sums of squares in float32 lose nothing that matters.
    std = x.square().mean(-1, keepdim=True).add_(settings.reg_covar).sqrt_()  # (B, D, 1)
    std = torch.where(std > 0, std, torch.ones_like(std))
    em = _EM(x, std, race.shape[1], settings)
    last_score = x.new_full((len(x),), -torch.inf)
    for iteration in range(settings.max_iter):
        found = em.m_step(resp)
        if iteration == settings.max_iter - 1:
            break
        log_joint = em.e_step(found)
        resp = _relaxed(resp, torch.softmax(log_joint, 1), settings.overrelaxation)
        if settings.tol > 0:
            score = torch.logsumexp(log_joint, dim=1).mean(1)
            if bool(((score - last_score) < settings.tol).all()):
                break
            last_score = score
    centre, std = centre.mT, std.mT  # (B, 1, D)
    covariances = 0.5 * (found.covariances + found.covariances.mT) * (std[:, :, :, None] * std[:, :, None, :])
    return found.weights, found.means * std + centre, covariances, found.cholesky * std[..., None]


class _EM:
    """The two steps of EM on a block of frames, in standardised coordinates and in buffers that are allocated once.

    Args:
        x: Centred samples, (B, D, N) metres.
        std: Standard deviations that they are divided by, (B, D, 1).
        n_components: M.
        settings: Parameters of the fit.
    """

    def __init__(self, x: Tensor, std: Tensor, n_components: int, settings: _Settings) -> None:
        b, d, n = x.shape
        # Samples above a row of 1, which lets products add an offset and count.
        self._x_and_1 = x.new_empty((b, d + 1, n))
        self._x_and_1[:, d] = 1.0
        self._x = torch.div(x, std, out=self._x_and_1[:, :d])
        self._reg = settings.reg_covar / std.mT.square()  # reg_covar in these coordinates, (B, 1, D)
        self._tied = settings.covariance_type == "tied"
        self._eye = torch.eye(d, dtype=x.dtype, device=x.device)
        # On a CPU the large products take a frame for each thread at a time, a megabyte a frame: it is used while it
        # is in the thread's own cache. oneDNN's take one frame with all threads.
        self._onednn = onednn.preferred_for(x)
        together = b
        if x.device.type == "cpu":
            together = 1 if self._onednn else min(torch.get_num_threads(), b)
        self._parts = [slice(begin, min(begin + together, b)) for begin in range(0, b, together)]
        self._buffer, self._distances = x.new_empty((together, n_components, d, n)), x.new_empty((b, n_components, n))

    def m_step(self, resp: Tensor) -> _Parameters:
        """The parameters, in standardised coordinates, for responsibilities (B, M, N)."""
        (m, n), d = resp.shape[1:], self._x.shape[1]
        # All components' weighted samples in one product: (MD, N) @ (N, D).
        second = []
        for part in self._parts:
            weighted = torch.mul(resp[part, :, None], self._x[part, None], out=self._buffer[: part.stop - part.start])
            second.append(self._product(weighted.flatten(1, 2), self._x[part].mT))
        first = torch.bmm(resp, self._x_and_1.mT)
        counts = first[..., d]
        safe = counts.clamp(min=1e-6)[..., None]
        means = first[..., :d] / safe
        covariances = torch.cat(second).view(-1, m, d, d) / safe[..., None] - means[..., :, None] * means[..., None, :]
        if self._tied:
            shared = ((counts / n)[..., None, None] * covariances).sum(1, keepdim=True)
            covariances = shared.repeat(1, m, 1, 1)
        covariances.diagonal(dim1=-2, dim2=-1).add_(self._reg)
        weights, means, covariances = _restart_empty(counts, means, covariances)
        factor, covariances = _cholesky(covariances, self._eye)
        return _Parameters(weights, means, covariances, factor)

    def e_step(self, found: _Parameters) -> Tensor:
        """Log-densities of samples together with components, but for a constant: (B, M, N), overwritten next time."""
        m, d = found.means.shape[1:]
        # Whitened by all components at once: (MD, D + 1) @ (D + 1, N).
        whitener = torch.linalg.solve_triangular(found.cholesky, self._eye.expand_as(found.cholesky), upper=False)
        whitener = torch.cat([whitener, -(whitener @ found.means[..., None])], dim=-1).flatten(1, 2)
        for part in self._parts:
            out = self._buffer[: part.stop - part.start].flatten(1, 2)
            white = self._product(whitener[part], self._x_and_1[part], out=out)
            torch.sum(white.square_().unflatten(1, (m, d)), 2, out=self._distances[part])
        offset = found.weights.log() - found.cholesky.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return self._distances.mul_(-0.5).add_(offset[..., None])

    def _product(self, a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
        """a b of some frames: (F, P, K) and (F, K, Q). out: may be written to."""
        return onednn.linear(a[0], b[0].mT)[None] if self._onednn else torch.bmm(a, b, out=out)


def _relaxed(before: Tensor, after: Tensor, overrelaxation: float) -> Tensor:
    """Responsibilities (B, M, N) beyond those of the E-step, still at least 0 and summing to 1."""
    if overrelaxation != 1.0:
        moved = torch.lerp(before, after, overrelaxation).clamp_(min=0.0)
        after = moved.div_(moved.sum(1, keepdim=True))
    # Vanishing ones change nothing, but as subnormal numbers take a CPU many times as long to multiply.
    return torch.nn.functional.threshold(after, 1e-12, 0.0, inplace=True)


def _restart_empty(counts: Tensor, means: Tensor, covariances: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, means and covariances in which (nearly) empty components start again as broad ones around the mean.

    In standardised coordinates that is mean 0 and variance 1. counts: (B, M). means: (B, M, D).
    covariances: (B, M, D, D).
    """
    empty = counts < 1.0
    if bool(empty.any()):
        means = means.masked_fill(empty[..., None], 0.0)
        eye = torch.eye(covariances.shape[-1], dtype=covariances.dtype, device=covariances.device)
        covariances = torch.where(empty[..., None, None], eye, covariances)
        counts = counts.clamp(min=1.0)
    return counts / counts.sum(-1, keepdim=True), means, covariances


def _cholesky(covariances: Tensor, eye: Tensor) -> tuple[Tensor, Tensor]:
    """Lower factors of (B, M, D, D) covariances in standardised coordinates, and the covariances that they belong to.

    Rounding can leave one that reg_covar should have made positive definite just short of it. That one gets more on
    its diagonal, ten times as much at every try.
    """
    factor, info = torch.linalg.cholesky_ex(covariances)
    extra = 1e-6
    while bool((info != 0).any()) and extra < 1.0:
        covariances = torch.where((info != 0)[..., None, None], covariances + extra * eye, covariances)
        factor, info = torch.linalg.cholesky_ex(covariances)
        extra *= 10
    return factor, covariances


def _moving(samples: Tensor) -> slice | list[int]:
    """The coordinates that change. Others, such as the root's, have nothing to fit but reg_covar.

    The rest of 17 joints are 48 numbers, which suit a processor's registers far better than 51.
    """
    moves = torch.nonzero((samples.amax(1) != samples.amin(1)).any(0).cpu())[:, 0].tolist() or [0]
    return slice(moves[0], moves[-1] + 1) if moves[-1] - moves[0] == len(moves) - 1 else moves


def _with_still_coordinates(
    found: _Parameters, moving: slice | list[int], first: Tensor, reg_covar: float
) -> _Parameters:
    """The parameters of all coordinates, from those of the moving ones and the first samples (B, 1, D)."""
    dim = first.shape[-1]
    if found.means.shape[-1] == dim:
        return found
    means = first.repeat(1, found.means.shape[1], 1)
    means[..., moving] = found.means
    covariances = _embedded(found.covariances, moving, dim, reg_covar)
    return _Parameters(found.weights, means, covariances, _embedded(found.cholesky, moving, dim, math.sqrt(reg_covar)))


def _embedded(matrices: Tensor, moving: slice | list[int], dim: int, diagonal: float) -> Tensor:
    """(..., D, D) matrices of the coordinates that move as part of (..., dim, dim) ones, diagonal elsewhere."""
    whole = matrices.new_zeros((*matrices.shape[:-2], dim, dim))
    whole.diagonal(dim1=-2, dim2=-1).fill_(diagonal)
    if isinstance(moving, slice):
        whole[..., moving, moving] = matrices
    else:
        whole[..., torch.tensor(moving)[:, None], torch.tensor(moving)] = matrices
    return whole


def _check_samples(samples: Tensor) -> None:
    if samples.ndim != 3 or samples.shape[-1] < 1:
        raise InvalidInput(f"samples should have the shape of (B, N, D), but got {tuple(samples.shape)}")
    if samples.dtype not in (torch.float32, torch.float64):
        raise InvalidInput(f"samples should be float32 or float64, but got {samples.dtype}")
    # A sum is many times as fast as a look at every number, and not finite if one of them isn't.
    if not bool(torch.isfinite(samples.sum())) and not bool(torch.isfinite(samples).all()):
        raise InvalidInput("samples should hold finite numbers, but got NaN or infinity")


def _check_parameters(shape: tuple[int, ...], n_components: int, reg_covar: float, max_iter: int, tol: float) -> None:
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
