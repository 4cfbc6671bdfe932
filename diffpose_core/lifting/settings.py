"""The settings of a lift: one value, made once where a request comes in and handed down unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeGuard, get_args

import numpy as np

from diffpose_core.config import UncertaintyConfig
from diffpose_core.diffusion.samplers import DDIM, sampler_named
from diffpose_core.diffusion.schedule import ScheduleName, ddim_steps
from diffpose_core.lifting.facts import ClipFacts
from diffpose_core.models.conditions import GIVEN_STD, USUAL_PROPORTIONS
from diffpose_core.structures import InvalidInput

#: Input of the context encoder: single frames, or windows of a video.
Setting = Literal["frame", "video"]
#: Noise of the diffusion: of the pose's fitted GMM, or standard normal; or rectified flow from the GMM.
Diffusion = Literal["gmm", "standard", "flow"]
#: A fact about a clip that is estimated from the whole clip.
_Estimate = Literal["estimate", "auto"]
#: The direction that is up: in the camera's frame; "estimate" takes it from the clip of a camera that stands still,
#: "auto" does so where the camera seems to stand still.
Up = Sequence[float] | np.ndarray | _Estimate
#: The person's proportions: nine lengths in any unit, in the order of `datasets.bodies.MEASURES`; "estimate" and "auto"
#: take them from the clip, "auto" where it has enough frames and the networks can use them.
Body = Sequence[float] | np.ndarray | _Estimate
#: Largest spread of the direction up, radians, and of the body's lengths, of their logarithm.
MAX_UP_STD = MAX_BODY_STD = 1.0
#: Largest H.
MAX_HYPOTHESES = 200
#: Streams of random numbers. Each stage has its own, so that none depends on how much another one draws.
FIT_STREAM, START_STREAM, FORWARD_STREAM = 1, 2, 3


@dataclass(frozen=True)
class LiftSettings:
    """Settings of a lift. The same for the command line, folders, the app and evaluation.

    The context encoder (single frames or video) is no setting: it comes with the loaded `Models`.

    Attributes:
        steps: DDIM steps, 1 to K (50), evenly spread; or all k that are visited, from K down to 0.
        hypotheses: H, poses drawn from H_K, 1 to 200; the prediction is their mean.
        eta: 0 for deterministic DDIM, 1 for ancestral sampling.
        sampler: rule of the reverse steps, a name in `diffusion.samplers.SAMPLERS`.
        seed: of every random number.
        balanced: whether hypotheses are spread evenly over the mixture's components and their noise has mean 0, which
            keeps their mean near the mixture's; otherwise they are drawn independently, as in the paper.
        context: whether the denoiser reads f_ST.
        diffusion: noise that the denoiser was trained with.
        schedule: noise schedule that the denoiser was trained with.
        rigid_bones: whether bones of prediction and baseline keep their lengths over the clip
            (`skeleton.constant_bones`). Hypotheses and trace stay as they are.
        mirror: whether every pose is averaged with that of the mirrored clip, mirrored back. It takes twice the time.
            Hypotheses move with their mean; a trace stays that of the clip itself.
        mixed_precision: bfloat16 inside g, nowhere else; None where the processor is fast at it.
        up: direction that is up, (3,) of any length in the camera's frame; "estimate" to estimate it from the whole
            clip; "auto" to do so where the camera seems to stand still; None where nothing is known.
        up_std: spread of that direction's error along an axis, radians; an estimate brings its own.
        body: the person's proportions, (9,) lengths in any unit; "estimate" to estimate them from the whole clip;
            "auto" to do so where it has enough frames; None where nothing is known.
        body_std: spread of those lengths' errors, of their logarithm; an estimate brings its own.
        uncertainty: how H_K is drawn and its GMM fitted.

    Raises:
        InvalidInput: hypotheses, eta, up_std or body_std are out of range, the sampler is unknown, `up` is no
            direction or `body` no lengths.
    """

    steps: int | Sequence[int] = 5
    hypotheses: int = 5
    eta: float = 0.0
    sampler: str = DDIM
    seed: int = 0
    balanced: bool = True
    context: bool = True
    diffusion: Diffusion = "gmm"
    schedule: ScheduleName = "converging"
    rigid_bones: bool = True
    mirror: bool = False
    mixed_precision: bool | None = None
    up: Up | None = "auto"
    up_std: float = GIVEN_STD
    body: Body | None = "auto"
    body_std: float = GIVEN_STD
    uncertainty: UncertaintyConfig = field(default_factory=UncertaintyConfig)

    def __post_init__(self) -> None:
        if not 1 <= self.hypotheses <= MAX_HYPOTHESES:
            raise InvalidInput(f"hypotheses must lie between 1 and {MAX_HYPOTHESES}, found {self.hypotheses}")
        if not 0.0 <= self.eta <= 1.0:
            raise InvalidInput(f"eta must lie between 0 and 1, found {self.eta}")
        sampler_named(self.sampler)
        if not 0.0 <= self.up_std <= MAX_UP_STD:
            raise InvalidInput(f"up_std must lie between 0 and {MAX_UP_STD} radians, found {self.up_std}")
        if not 0.0 <= self.body_std <= MAX_BODY_STD:
            raise InvalidInput(f"body_std must lie between 0 and {MAX_BODY_STD}, found {self.body_std}")
        # Tuples can be hashed and compared.
        if isinstance(self.steps, Sequence | np.ndarray):
            object.__setattr__(self, "steps", tuple(int(k) for k in self.steps))
        object.__setattr__(self, "up", _checked_direction(self.up))
        object.__setattr__(self, "body", _checked_lengths(self.body))

    @property
    def up_cam(self) -> np.ndarray | None:
        """The direction that is up, (3,) float32 of length 1, camera frame; None where it is not known (yet)."""
        if self.up is None or isinstance(self.up, str):
            return None
        direction = np.array(self.up)
        return (direction / np.linalg.norm(direction)).astype(np.float32)

    @property
    def facts(self) -> ClipFacts:
        """The facts about the clip that are known (by now)."""
        body = None if self.body is None or isinstance(self.body, str) else np.array(self.body, dtype=np.float32)
        return ClipFacts(self.up_cam, self.up_std, body, self.body_std)

    def timesteps(self, num_steps: int) -> tuple[int, ...]:
        """All k that a reverse process visits, from K down to 0.

        Args:
            num_steps: K of the network.

        Raises:
            InvalidInput: the settings ask for no step, or for more than K.
        """
        return ddim_steps(num_steps, self.steps)


def _is_estimated(value: object, words: str) -> TypeGuard[_Estimate]:
    """Whether a fact is to be estimated from the clip. words: what else it can be, for the message."""
    if isinstance(value, str) and value not in get_args(_Estimate):
        raise InvalidInput(f"{words}, 'estimate' or 'auto', found {value!r}")
    return isinstance(value, str)


def _checked_direction(up: Up | None) -> tuple[float, ...] | _Estimate | None:
    """The direction as three floats, of any length above 0."""
    if up is None or _is_estimated(up, "up must be a direction in the camera's frame"):
        return up
    direction = np.asarray(up, dtype=np.float64)
    length = float(np.linalg.norm(direction)) if direction.shape == (3,) else 0.0
    if not (np.isfinite(length) and length > 1e-9):
        raise InvalidInput(f"up must be three finite numbers, not all of them 0, found {np.asarray(up).tolist()}")
    return tuple(direction.tolist())


def _checked_lengths(body: Body | None) -> tuple[float, ...] | _Estimate | None:
    """The lengths as nine floats above 0."""
    if body is None or _is_estimated(body, "body must be nine lengths"):
        return body
    lengths = np.asarray(body, dtype=np.float64)
    if lengths.shape != (len(USUAL_PROPORTIONS),) or not (np.isfinite(lengths).all() and (lengths > 1e-6).all()):
        raise InvalidInput(
            f"body must be {len(USUAL_PROPORTIONS)} lengths above 0 (half hips, thigh, shank, trunk, half shoulders, "
            f"upper arm, forearm, neck, head), found {np.asarray(body).tolist()}"
        )
    return tuple(lengths.tolist())
