"""The Gaussian mixture over whole poses that H_K is summed up by (main paper, section 4.2; supplement, section 1).

A pose of J joints is a vector of D = 3J numbers here (x, y, z of joint 0, then of joint 1, ...), in practice metres,
root-relative, camera frame. M is the number of components. Every function takes any number of leading axes: one
mixture per frame, say.

Two ways to fit one: `fit_gmm`, scikit-learn's EM, the reference for a single set of samples; and `fit_gmm_batch`,
EM in torch for many frames at once, which is what training and lifting use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffpose_core.products import by_onednn, onednn
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.draws import drawn_once

#: Frames whose samples are worked on together: on a CPU so few that what is made of them stays in its caches, and that
#: memory which one block gives back serves the next one.
_BLOCK_FRAMES_CPU = 8
_BLOCK_FRAMES_GPU = 512


def block_frames(device: torch.device) -> int:
    """How many frames' samples are worked on together on a device."""
    return _BLOCK_FRAMES_CPU if device.type == "cpu" else _BLOCK_FRAMES_GPU


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)


@dataclass(frozen=True, eq=False)
class PoseGMM:
    """A mixture of M Gaussians with full covariances over poses of D numbers, one per leading index.

    weights: (..., M), pi_m, not negative and summing to 1. means: (..., M, D), mu_m. covariances: (..., M, D, D),
    Sigma_m, symmetric and positive definite. Floating-point tensors of one dtype on one device; metres (squared).
    cholesky: (..., M, D, D), the lower Cholesky factors of the covariances, made at validation and kept.
    Raises InvalidInput on wrong types, shapes, ranges or sums, with the value that was found.
    Source: main paper, section 4.2 (phi_GMM).
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor
    cholesky: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        w, mu, cov = self.weights, self.means, self.covariances
        for name, value in (("weights", w), ("means", mu), ("covariances", cov)):
            if not isinstance(value, Tensor) or not value.is_floating_point():
                kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
                raise InvalidInput(f"the parameter '{name}' should be a floating-point tensor, but got {kind}")
            if value.dtype != w.dtype or value.device != w.device:
                raise InvalidInput(
                    f"the parameter '{name}' should be {w.dtype} on {w.device} like the weights, "
                    f"but got {value.dtype} on {value.device}"
                )
        if w.ndim < 1 or w.shape[-1] < 1:
            raise InvalidInput(f"the parameter 'weights' should have the shape of (..., M), but got {_shape(w)}")
        if mu.ndim != w.ndim + 1 or mu.shape[:-1] != w.shape or mu.shape[-1] < 1:
            raise InvalidInput(
                f"the parameter 'means' should have the shape of {(*_shape(w), 'D')}, but got {_shape(mu)}"
            )
        if cov.shape != (*mu.shape, mu.shape[-1]):
            raise InvalidInput(
                f"the parameter 'covariances' should have the shape of {(*_shape(mu), mu.shape[-1])}, "
                f"but got {_shape(cov)}"
            )
        for name, value in (("weights", w), ("means", mu), ("covariances", cov)):
            if not bool(torch.isfinite(value).all()):
                raise InvalidInput(f"the parameter '{name}' should hold finite numbers, but got NaN or infinity")
        if w.numel() and bool(((w < 0) | (w > 1 + 1e-4)).any()):
            raise InvalidInput(
                "the parameter 'weights' should be in the range [0, 1], "
                f"but got max value {float(w.max()):.5f}, min value {float(w.min()):.5f}"
            )
        total = w.sum(-1)
        if bool(((total - 1).abs() > 1e-4).any()):
            worst = float(total.flatten()[(total - 1).abs().argmax()])
            raise InvalidInput(f"the parameter 'weights' should be normalized, but got sum(weights) = {worst:.5f}")
        # Covariances are stored to the precision of their own largest entry.
        slack = 1e-4 * cov.diagonal(dim1=-2, dim2=-1).abs().amax(-1)[..., None, None]
        asymmetry = (cov - cov.mT).abs()
        if bool((asymmetry > slack).any()):
            raise InvalidInput(
                "the parameter 'covariances' should be symmetric, "
                f"but got entries that differ by {float(asymmetry.max()):.3g} from their mirror image"
            )
        factor, info = torch.linalg.cholesky_ex(cov)
        if bool((info != 0).any()):
            where = tuple(int(i) for i in torch.nonzero(info)[0])
            smallest = float(torch.linalg.eigvalsh(cov[where].double()).min())
            raise InvalidInput(
                "the parameter 'covariances' should be positive definite, "
                f"but got the smallest eigenvalue {smallest:.3g} at component {where}"
            )
        object.__setattr__(self, "cholesky", factor)

    @property
    def num_components(self) -> int:
        """M."""
        return int(self.weights.shape[-1])

    @property
    def dim(self) -> int:
        """D, numbers per pose."""
        return int(self.means.shape[-1])

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading axes: () for a single mixture, (F,) for one per frame."""
        return _shape(self.weights)[:-1]

    def __getitem__(self, index: Any) -> PoseGMM:
        """The mixtures that `index` (an int, a slice, an integer or boolean tensor) picks from the first axis."""
        if not self.batch_shape:
            raise InvalidInput("a single mixture has no leading axis to index")
        return self._known_good(*(t[index] for t in (self.weights, self.means, self.covariances, self.cholesky)))

    @classmethod
    def _known_good(cls, weights: Tensor, means: Tensor, covariances: Tensor, cholesky: Tensor) -> PoseGMM:
        """A mixture whose numbers hold by the way they were made, factors included: nothing is checked."""
        gmm = object.__new__(cls)
        named = {"weights": weights, "means": means, "covariances": covariances, "cholesky": cholesky}
        for name, value in named.items():
            object.__setattr__(gmm, name, value)
        return gmm

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> PoseGMM:
        """The same mixture on another device or in another floating-point type."""
        w, mu, cov = (t.to(device=device, dtype=dtype) for t in (self.weights, self.means, self.covariances))
        return PoseGMM(w, mu, cov)

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draws n poses from each mixture: first a component by its weight, then a pose of that component.

        Returns (samples (..., n, D), components (..., n) int64). Source: supplement, section 1 (Prob(1_m = 1) = pi_m).
        """
        if n < 0:
            raise InvalidInput(f"the number of samples should not be negative, but got {n}")
        components = self.draw_components(n, generator)
        return self.mean_of(components) + self.noise(components, generator), components

    def draw_components(
        self, n: int, generator: torch.Generator, shared: bool = False, balanced: bool = False
    ) -> Tensor:
        """Draws n component numbers from each mixture by weight, (..., n) int64.

        shared: use the same random numbers for every mixture, so that the mixtures of neighbouring frames give
        neighbouring draws, whatever other frames are in the batch. balanced: spread the n draws evenly over the
        weights (one random number, n equal strata); each draw by itself still follows them.
        """
        lead = (1,) * len(self.batch_shape) if shared else self.batch_shape
        uniform = torch.rand((*lead, n), generator=generator, device=generator.device, dtype=torch.float64)
        if balanced and n > 1:
            uniform = (uniform[..., :1] + torch.arange(n, device=uniform.device) / n) % 1.0
        uniform = uniform.expand(*self.batch_shape, n)
        edges = self.weights.double().cumsum(-1)
        # Scaled by the last edge, so that rounding can't pick a component of weight 0 beyond it.
        drawn = torch.searchsorted(edges, uniform.to(edges.device) * edges[..., -1:], right=True)
        return drawn.clamp_(max=self.num_components - 1)

    def mean_of(self, components: Tensor) -> Tensor:
        """mu^G: the means of the chosen components, (..., n) integers -> (..., n, D)."""
        self._check_components(components)
        index = components[..., None].expand(*components.shape, self.dim)
        return torch.gather(self.means, -2, index)

    def noise(
        self, components: Tensor, generator: torch.Generator, shared: bool = False, balanced: bool = False
    ) -> Tensor:
        """eps^G: a zero-mean draw of N(0, Sigma_m) for each chosen component m, (..., n) integers -> (..., n, D).

        shared: colour the same white noise for every mixture (see `draw_components`). balanced: white noise whose mean
        over the n draws is 0, so that the mean of what comes of few draws is not at the mercy of their noise; each draw
        by itself still follows N(0, Sigma_m).
        Source: supplement, section 1, Eq. 1 and 2.
        """
        self._check_components(components)
        shape = (*components.shape, self.dim)
        lead = (1,) * len(self.batch_shape) if shared else self.batch_shape
        drawn = (*lead, *shape[len(self.batch_shape) :])
        white = torch.randn(drawn, generator=generator, device=generator.device, dtype=self.means.dtype)
        if balanced and shape[-2] > 1:
            white = (white - white.mean(-2, keepdim=True)) * (shape[-2] / (shape[-2] - 1)) ** 0.5
        white = white.to(self.means.device).expand(shape)
        if components.shape[-1] < self.num_components:
            # Few draws a mixture: fetching their factors is cheaper than colouring with all of them.
            index = components[..., None, None].expand(*shape, self.dim)
            return (torch.gather(self.cholesky, -3, index) @ white[..., None])[..., 0]
        coloured = white[..., None, :, :] @ self.cholesky.mT
        chosen = components[..., None, :, None].expand(*self.batch_shape, 1, *shape[-2:])
        return torch.gather(coloured, -3, chosen)[..., 0, :, :]

    def component_log_prob(self, x: Tensor) -> Tensor:
        """log N(x; mu_m, Sigma_m) of every pose under every component, (..., n, D) -> (..., n, M), nats."""
        if x.shape[-1:] != (self.dim,) or _shape(x)[:-2] != self.batch_shape or x.ndim < 2:
            raise InvalidInput(f"poses should have the shape of {(*self.batch_shape, 'n', self.dim)}, got {_shape(x)}")
        centred = (x[..., None, :, :] - self.means[..., :, None, :]).mT
        white = torch.linalg.solve_triangular(self.cholesky, centred, upper=False)
        half_log_det = self.cholesky.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        constant = half_log_det + 0.5 * self.dim * math.log(2 * math.pi)
        return (-0.5 * white.square().sum(-2) - constant[..., None]).mT

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of poses under the mixture, (..., n, D) -> (..., n), nats."""
        return torch.logsumexp(self.component_log_prob(x) + self.weights.log()[..., None, :], dim=-1)

    @property
    def mean(self) -> Tensor:
        """The mixture's mean, (..., D)."""
        return (self.weights[..., None] * self.means).sum(-2)

    @property
    def covariance(self) -> Tensor:
        """The mixture's covariance, (..., D, D): the components' own plus that of their means (total variance)."""
        apart = self.means - self.mean[..., None, :]
        within = (self.weights[..., None, None] * self.covariances).sum(-3)
        return within + (self.weights[..., None] * apart).mT @ apart

    @property
    def variance(self) -> Tensor:
        """The mixture's variances, the diagonal of `covariance`, (..., D)."""
        apart = self.means - self.mean[..., None, :]
        own = self.covariances.diagonal(dim1=-2, dim2=-1)
        return (self.weights[..., None] * (own + apart.square())).sum(-2)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The parameters as numpy arrays, for a file: "weights", "means", "covariances"."""
        named = {"weights": self.weights, "means": self.means, "covariances": self.covariances}
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in named.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> PoseGMM:
        """Undoes `to_arrays`. Raises InvalidInput when an array is missing or doesn't fit."""
        missing = [name for name in ("weights", "means", "covariances") if name not in arrays]
        if missing:
            raise InvalidInput(f"a pose GMM needs {', '.join(missing)}, found only {', '.join(arrays) or 'nothing'}")
        weights, means, covariances = (
            torch.from_numpy(np.array(arrays[name])) for name in ("weights", "means", "covariances")
        )
        return cls(weights, means, covariances)

    def _check_components(self, components: Tensor) -> None:
        if components.ndim < 1 or _shape(components)[:-1] != self.batch_shape:
            raise InvalidInput(
                f"component numbers should have the shape of {(*self.batch_shape, 'n')}, got {_shape(components)}"
            )
        on_cpu = components.device.type == "cpu" and components.numel() > 0
        if on_cpu and (int(components.min()) < 0 or int(components.max()) >= self.num_components):
            raise InvalidInput(
                f"component numbers should be from 0 to {self.num_components - 1}, "
                f"but got values from {int(components.min())} to {int(components.max())}"
            )


def component_noise(gmm: PoseGMM, components: Tensor, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
    """A noise source for diffusion that keeps every sample to its component.

    components: (..., n), as drawn by `gmm.sample`. Returns a function that takes a tensor of n poses per mixture,
    (..., n, J, 3) or (..., n, D), and gives a new draw of eps^G of that shape.
    """

    def draw(like: Tensor) -> Tensor:
        return gmm.noise(components, generator).reshape(like.shape).to(like.dtype)

    return draw


def standard_normal(dim: int, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> PoseGMM:
    """The mixture of one component with mean 0 and covariance I, under which GMM diffusion is standard diffusion."""
    if dim < 1:
        raise InvalidInput(f"the dimension should be at least 1, but got {dim}")
    return PoseGMM(
        torch.ones(1, dtype=dtype, device=device),
        torch.zeros(1, dim, dtype=dtype, device=device),
        torch.eye(dim, dtype=dtype, device=device)[None],
    )


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
        raise InvalidInput(f"samples should have the shape of (B, N, D), but got {_shape(samples)}")
    if samples.dtype not in (torch.float32, torch.float64):
        raise InvalidInput(f"samples should be float32 or float64, but got {samples.dtype}")
    _check_fit(_shape(samples), n_components, reg_covar, max_iter, tol)
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
    return PoseGMM._known_good(weights, means, covariances, factors)


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
    one_by_one = by_onednn(x)
    together = len(x)
    if x.device.type == "cpu":
        together = 1 if one_by_one else min(torch.get_num_threads(), len(x))

    def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
        """a b of some frames: (F, P, K) and (F, K, Q). out: may be written to."""
        return onednn(a[0], b[0].mT)[None] if one_by_one else torch.bmm(a, b, out=out)

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
