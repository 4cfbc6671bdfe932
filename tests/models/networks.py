"""Small networks with seeded weights, and inputs for them."""

import torch

from diffpose_core.config import DenoiserConfig, GraformerConfig
from diffpose_core.models.denoiser import Conditioning, Denoiser
from diffpose_core.models.graformer import Graformer
from diffpose_core.models.layers import root_relative


def randn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def fill(network, seed=0):
    """Weights from one stream, in the order of their names, whatever torch does when it initialises."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, parameter in sorted(network.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(0.3 * noise / max(1, parameter.shape[-1]) ** 0.5 + (parameter.ndim == 1))
    return network.eval()


def graformer(**changes):
    return fill(Graformer(GraformerConfig(**{"channels": 16, "num_blocks": 2, "num_heads": 2, **changes})))


def denoiser(**changes):
    return fill(Denoiser(DenoiserConfig(**{"channels": 32, "context_channels": 16, "num_blocks": 2, **changes})))


DENOISERS = {
    "gmm": {},
    "no_context": {"use_context": False, "anchor": "mixture"},
    "gmm only": {"conditioning": "gmm"},
    "paper": {"conditioning": "none", "anchor": "none", "prediction_type": "previous"},
}


def inputs(batch=4, dtype=torch.float32):
    """h_k, k and everything that a denoiser may be conditioning."""
    conditioning = Conditioning(
        features=randn(batch, 17, 16, seed=2, dtype=dtype),
        pose=root_relative(randn(batch, 17, 3, seed=4, dtype=dtype)),
        gmm=randn(batch, 17, 12, seed=3, dtype=dtype),
        heatmaps=randn(batch, 17, 12, seed=5, dtype=dtype),
    )
    return randn(batch, 17, 3, seed=1, dtype=dtype), torch.tensor([1, 7, 30, 50])[torch.arange(batch) % 4], conditioning


def rows(conditioning, index):
    """The given things of some rows of the batch."""
    return Conditioning(
        conditioning.features[index], conditioning.pose[index], conditioning.gmm[index], conditioning.heatmaps[index]
    )
