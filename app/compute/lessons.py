"""Stage data of the guided tour: excerpts of the other views, made from the clip that is open."""

from __future__ import annotations

import numpy as np

from app.compute import lifting, stages, uncertainty
from app.compute.cache import clip_cached
from app.figures import learn as figures
from app.figures.learn import Equation
from app.figures.scenes import ClipFrames
from app.session import SCHEDULES, Session
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.rng import seeded

#: Poses that the first picture flips through.
POSES = 12
_NOISE = 5  # a stream of random numbers of its own


@clip_cached
def _one_picture(source: str, _session: Session, frame: int) -> bytes:
    ready = lifting.prepared(source, _session.clip, (frame,))
    view = ClipFrames(_session.clip, np.array([frame]), ready.baseline, 0, source)
    return figures.one_picture(view, ready.h_samples[0, :POSES])


def one_picture(session: Session) -> bytes:
    """A picture and poses that fit it."""
    return _one_picture(session.source, session, session.frame)


def components(session: Session) -> bytes:
    """The mixture fitted to H_K."""
    data = uncertainty.mixture_stage(session.source, session.clip, session.frame, 5, 1000, None)
    return figures.excerpt(data, "learn-mixture", ("components", "weights"))


@clip_cached
def _live_equation(source: str, _session: Session, frame: int, seed: int) -> bytes:
    ready = lifting.prepared(source, _session.clip, (frame,))
    gmm = ready.gmm_cam[0]
    chosen = gmm.draw_components(1, seeded("cpu", seed, _NOISE))
    noise = gmm.noise(chosen, seeded("cpu", seed, _NOISE, 1)).reshape(17, 3).numpy()
    mean = gmm.mean_of(chosen).reshape(17, 3).numpy()
    truth = _session.clip.pose3d_cam
    equation = Equation(
        ready.baseline[0] if truth is None else truth[frame],
        mean - mean[0],
        noise - noise[0],
        # The one that arrives first: there every term is seen to work.
        {name: make_schedule(name).alphas_cumprod for name in reversed(SCHEDULES)},
    )
    return figures.live_equation(equation, truth is not None, source, _session.clip.name, frame)


def live_equation(session: Session) -> bytes:
    """Eq. 1 with its values."""
    return _live_equation(session.source, session, session.frame, session.settings.seed)


def forward(session: Session) -> bytes:
    """Standard beside GMM noise."""
    data = stages.forward_stage(session.source, session.clip, session.frame, session.settings)
    return figures.excerpt(data, "learn-forward", ("standard", "gmm"))


def reverse(session: Session) -> bytes:
    """Reverse diffusion without and with f_ST."""
    data = stages.reverse_stage(session.source, session.clip, session.frame, session.settings.of_one_frame())
    return figures.excerpt(data, "learn-reverse", ("no_context", "context"))


def compare(session: Session) -> bytes:
    """The answer beside Graformer's."""
    data = stages.compare_stage(
        session.source, session.clip, session.frame, session.settings.of_one_frame(), overlaid=False
    )
    return figures.excerpt(data, "learn-compare", ("baseline", "diffpose"))
