"""The samplers of the reverse process by name, as `LiftSettings.sampler` and `--sampler` choose them."""

from __future__ import annotations

from diffpose_core.diffusion.reverse import Sampler, ddim
from diffpose_core.structures import InvalidInput

#: The sampler of the paper, for which expected errors were measured.
DDIM = "ddim"
SAMPLERS: dict[str, Sampler] = {DDIM: ddim}


def sampler_named(name: str) -> Sampler:
    """The sampler of that name.

    Raises:
        InvalidInput: there is none.
    """
    if name not in SAMPLERS:
        raise InvalidInput(f"the sampler must be one of {', '.join(SAMPLERS)}, found {name!r}")
    return SAMPLERS[name]
