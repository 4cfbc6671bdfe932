"""The Gaussian mixture over whole poses that sums up H_K (main paper, section 4.2; supplement, section 1).

A pose of J joints is a vector of D = 3J numbers here (x, y, z of joint 0, then of joint 1, ...), in practice metres,
root-relative. M is the number of components. Everything takes any number of leading axes: one mixture per frame, say.
`fit_gmm.py` fits such mixtures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from diffpose_core.structures import InvalidInput


@dataclass(frozen=True, eq=False)
class PoseGMM:
    """Mixture of M Gaussians with full covariances over poses of D numbers, one per leading index.

    All are floating-point tensors of one dtype on one device.

    Attributes:
        weights: pi_m, (..., M), not negative, with sum 1.
        means: mu_m, (..., M, D), metres.
        covariances: Sigma_m, (..., M, D, D), square metres, symmetric and positive definite.
        cholesky: Lower Cholesky factors of the covariances, (..., M, D, D), computed at validation.

    Raises:
        InvalidInput: On wrong types, shapes, ranges or sums, with the value that was found.

    Source: main paper, section 4.2 (phi_GMM).
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor
    cholesky: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        named = {"weights": self.weights, "means": self.means, "covariances": self.covariances}
        _check_types(named)
        _check_shapes(**named)
        for name, value in named.items():
            if not bool(torch.isfinite(value).all()):
                raise InvalidInput(f"the parameter '{name}' should hold finite numbers, but got NaN or infinity")
        _check_weights(self.weights)
        object.__setattr__(self, "cholesky", _checked_cholesky(self.covariances))

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
        return tuple(self.weights.shape[:-1])

    def __getitem__(self, index: Any) -> PoseGMM:
        """The mixtures that `index` (an int, a slice, an integer or boolean tensor) picks from the first axis."""
        if not self.batch_shape:
            raise InvalidInput("a single mixture has no leading axis to index")
        return self.unchecked(*(t[index] for t in (self.weights, self.means, self.covariances, self.cholesky)))

    @classmethod
    def unchecked(cls, weights: Tensor, means: Tensor, covariances: Tensor, cholesky: Tensor) -> PoseGMM:
        """A mixture that is valid by construction, Cholesky factors included."""
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

        Returns:
            Samples (..., n, D) and components (..., n) int64.

        Source: supplement, section 1 (Prob(1_m = 1) = pi_m).
        """
        if n < 0:
            raise InvalidInput(f"the number of samples should not be negative, but got {n}")
        components = self.draw_components(n, generator)
        return self.mean_of(components) + self.noise(components, generator), components

    def draw_components(
        self, n: int, generator: torch.Generator, shared: bool = False, balanced: bool = False
    ) -> Tensor:
        """Draws n component numbers from each mixture by weight, (..., n) int64.

        Args:
            n: Draws from each mixture.
            generator: Source of the random numbers.
            shared: Use the same random numbers for every mixture. Mixtures of neighbouring frames then give
                neighbouring draws, whatever other frames are in the batch.
            balanced: Spread the n draws evenly over the weights (one random number, n equal strata). Each draw by
                itself still follows them.
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
        """eps^G: a zero-mean draw from N(0, Sigma_m) for each chosen component m.

        Args:
            components: (..., n) integers.
            generator: Source of the random numbers.
            shared: Colour the same white noise for every mixture (see `draw_components`).
            balanced: White noise with mean 0 over the n draws, so that their noise does not move the mean of a few
                results. Each draw by itself still follows N(0, Sigma_m).

        Returns:
            (..., n, D) metres.

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
        self._check_poses(x)
        return self._components.log_prob(x.movedim(-2, 0)[..., None, :]).movedim(0, -2)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of poses under the mixture, (..., n, D) -> (..., n), nats."""
        self._check_poses(x)
        # Logits keep a component of weight 0 at density 0, where probabilities would be clamped.
        weights = Categorical(logits=self.weights.log(), validate_args=False)
        mixture = MixtureSameFamily(weights, self._components, validate_args=False)
        return mixture.log_prob(x.movedim(-2, 0)).movedim(0, -1)

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

    @property
    def _components(self) -> MultivariateNormal:
        return MultivariateNormal(self.means, scale_tril=self.cholesky, validate_args=False)

    def _check_poses(self, x: Tensor) -> None:
        if x.shape[-1:] != (self.dim,) or tuple(x.shape[:-2]) != self.batch_shape or x.ndim < 2:
            raise InvalidInput(
                f"poses should have the shape of {(*self.batch_shape, 'n', self.dim)}, got {tuple(x.shape)}"
            )

    def _check_components(self, components: Tensor) -> None:
        shape = tuple(components.shape)
        if components.ndim < 1 or shape[:-1] != self.batch_shape:
            raise InvalidInput(f"component numbers should have the shape of {(*self.batch_shape, 'n')}, got {shape}")
        on_cpu = components.device.type == "cpu" and components.numel() > 0
        if on_cpu and (int(components.min()) < 0 or int(components.max()) >= self.num_components):
            raise InvalidInput(
                f"component numbers should be from 0 to {self.num_components - 1}, "
                f"but got values from {int(components.min())} to {int(components.max())}"
            )


def component_noise(gmm: PoseGMM, components: Tensor, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
    """A noise source for diffusion that keeps every sample to its component.

    Args:
        gmm: The mixtures.
        components: (..., n), as drawn by `gmm.sample`.
        generator: Source of the random numbers.

    Returns:
        A function from a tensor of n poses per mixture, (..., n, J, 3) or (..., n, D), to a new draw of eps^G of that
        shape.
    """

    def draw(like: Tensor) -> Tensor:
        return gmm.noise(components, generator).reshape(like.shape).to(like.dtype)

    return draw


def standard_normal(dim: int, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> PoseGMM:
    """The mixture of one component with mean 0 and covariance I: GMM diffusion under it is standard diffusion."""
    if dim < 1:
        raise InvalidInput(f"the dimension should be at least 1, but got {dim}")
    return PoseGMM(
        torch.ones(1, dtype=dtype, device=device),
        torch.zeros(1, dim, dtype=dtype, device=device),
        torch.eye(dim, dtype=dtype, device=device)[None],
    )


def _check_types(named: dict[str, Tensor]) -> None:
    w = named["weights"]
    for name, value in named.items():
        if not isinstance(value, Tensor) or not value.is_floating_point():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise InvalidInput(f"the parameter '{name}' should be a floating-point tensor, but got {kind}")
        if value.dtype != w.dtype or value.device != w.device:
            raise InvalidInput(
                f"the parameter '{name}' should be {w.dtype} on {w.device} like the weights, "
                f"but got {value.dtype} on {value.device}"
            )


def _check_shapes(weights: Tensor, means: Tensor, covariances: Tensor) -> None:
    w, mu, cov = tuple(weights.shape), tuple(means.shape), tuple(covariances.shape)
    if len(w) < 1 or w[-1] < 1:
        raise InvalidInput(f"the parameter 'weights' should have the shape of (..., M), but got {w}")
    if len(mu) != len(w) + 1 or mu[:-1] != w or mu[-1] < 1:
        raise InvalidInput(f"the parameter 'means' should have the shape of {(*w, 'D')}, but got {mu}")
    if cov != (*mu, mu[-1]):
        raise InvalidInput(f"the parameter 'covariances' should have the shape of {(*mu, mu[-1])}, but got {cov}")


def _check_weights(w: Tensor) -> None:
    if w.numel() and bool(((w < 0) | (w > 1 + 1e-4)).any()):
        raise InvalidInput(
            "the parameter 'weights' should be in the range [0, 1], "
            f"but got max value {float(w.max()):.5f}, min value {float(w.min()):.5f}"
        )
    total = w.sum(-1)
    if bool(((total - 1).abs() > 1e-4).any()):
        worst = float(total.flatten()[(total - 1).abs().argmax()])
        raise InvalidInput(f"the parameter 'weights' should be normalized, but got sum(weights) = {worst:.5f}")


def _checked_cholesky(cov: Tensor) -> Tensor:
    """The lower Cholesky factors of symmetric, positive definite covariances."""
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
    return factor
