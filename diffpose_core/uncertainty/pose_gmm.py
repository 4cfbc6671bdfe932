"""The Gaussian mixture over whole poses that H_K is summed up by (main paper, section 4.2; supplement, section 1).

A pose of J joints is a vector of D = 3J numbers here (x, y, z of joint 0, then of joint 1, ...), in practice metres,
root-relative, camera frame. M is the number of components. Every function takes any number of leading axes: one
mixture per frame, say.
Fitted by `fit_gmm`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffpose_core.structures import InvalidInput


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
        return self.unchecked(*(t[index] for t in (self.weights, self.means, self.covariances, self.cholesky)))

    @classmethod
    def unchecked(cls, weights: Tensor, means: Tensor, covariances: Tensor, cholesky: Tensor) -> PoseGMM:
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
