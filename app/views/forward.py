"""Forward diffusion: standard noise beside noise from the mixture."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import streamlit as st

from app.compute import networks, stages
from app.session import SCHEDULES, Session
from app.stage.component import Asked, stage
from app.views.blocks import plan_neighbours
from app.views.equations import EQ_FORWARD
from app.views.layout import choice, explanation, options, pick_frame

NOISES = {"eq1": "One draw (Eq. 1)", "eq2": "New at every step (Eq. 2)"}


def _ends() -> str:
    """The clouds at k = 50 in words."""
    return "Violet is $H_K$, where the reverse process starts at test time. " + " ".join(
        f"The {SCHEDULES[name].lower()} schedule still keeps {networks.alpha_end(name) ** 0.5:.0%} of $h_0$ at "
        f"$k = 50$ ($\\sqrt{{\\alpha_{{50}}}} = {networks.alpha_end(name) ** 0.5:.3f}$)"
        + (", so its cloud does **not** reach $H_K$." if name == "supplement" else ", so its cloud arrives there.")
        for name in SCHEDULES
    )


def forward(session: Session) -> None:
    """Forward diffusion: standard beside GMM."""
    explanation(
        "Forward diffusion: what noise does to a pose",
        "Training starts from a known pose $h_0$ and adds noise for 50 steps. Standard diffusion adds the same "
        "noise to every joint, so the body dissolves. DiffPose draws its noise from **this image's uncertainty**: "
        "a mixture of Gaussians (GMM) fitted to the poses that the 2D picture allows.",
        EQ_FORWARD,
        "Eq. 1 of the supplement. $\\mu^G$ and $\\Sigma_m$ belong to one component of the mixture, drawn once per "
        "sample. Standard diffusion: $\\mu^G = 0$, $\\Sigma = I$.",
        _ends(),
    )
    with options():
        schedule = choice(
            "Schedule",
            list(SCHEDULES),
            "schedule",
            "How much noise every step adds in the first two scenes; the third shows the other schedule.",
            lambda name: SCHEDULES[name],
        )
        noise = choice(
            "Noise",
            list(NOISES),
            "noise",
            "Eq. 1 keeps one draw of noise for all k, so that paths are smooth; Eq. 2 adds a new draw at every step.",
            lambda name: NOISES[name],
        )
    settings = replace(session.settings, schedule=schedule, stepwise=noise == "eq2")
    pack = partial(stages.forward_stage, session.source, session.clip, settings=settings)
    with st.spinner("Adding noise, 50 steps, 200 samples"):
        data = pack(session.frame)
    stage(data, "forward", Asked(len(session.clip), pick_frame))
    plan_neighbours(session, pack)
