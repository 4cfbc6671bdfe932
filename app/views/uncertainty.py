"""The detector's uncertainty: heatmaps, H_K, and the mixture that is fitted to it."""

from __future__ import annotations

import streamlit as st

from app.compute import uncertainty as study
from app.session import Session
from app.stage.component import Asked, stage
from app.views.equations import EQ_GMM, EQ_H_K
from app.views.layout import choice, explanation, options, pick_frame
from diffpose_core.skeleton import JOINT_NAMES, joint_label

#: The hip is the origin of every pose: it has a place in the picture, but no uncertainty in 3D.
FIRST_JOINT = "RFoot"
PARTS = ("Heatmaps", "Mixture")


def _pick_joint(joint: int) -> None:
    st.session_state["joint"] = JOINT_NAMES[joint]


def _pick_components(count: int) -> None:
    st.session_state["components"] = count


def _controls() -> tuple[int, int, int]:
    """Joint, M and N_GMM."""
    name = st.selectbox(
        "Joint to make less certain",
        list(JOINT_NAMES[1:]),
        JOINT_NAMES[1:].index(FIRST_JOINT),
        format_func=lambda n: joint_label(JOINT_NAMES.index(n)).capitalize(),
        key="joint",
        bind="query-params",
        help="The joint whose confidence the slider below takes away. A click on a joint in the picture picks it too.",
    )
    components = st.slider(
        "Components $M$",
        1,
        study.MOST_COMPONENTS,
        5,
        key="components",
        bind="query-params",
        help="How many Gaussians make up the mixture that is fitted to H_K; the paper uses 5.",
    )
    draws = st.select_slider(
        "Poses drawn from $H_K$",
        study.DRAWS,
        1000,
        key="draws",
        bind="query-params",
        help="How many poses are drawn from H_K before the mixture is fitted to them; the paper uses 1000.",
    )
    return JOINT_NAMES.index(name), int(components), int(draws)


def uncertainty(session: Session) -> None:
    """The joints' mixtures and H_K, or the GMM that is fitted to it."""
    with st.container(key="parts"):
        part = choice(
            "Show",
            PARTS,
            "part",
            "Heatmaps: what the picture leaves open. Mixture: the Gaussians that are fitted to it.",
        )
    with options():
        joint, components, draws = _controls()
    if part == PARTS[0]:
        _heatmaps(session, joint, components, draws)
    else:
        _mixture(session, components, draws)


def _heatmaps(session: Session, joint: int, components: int, draws: int) -> None:
    """Take a joint's confidence away and see H_K and the result change."""
    explanation(
        "Uncertainty: what the picture does not say",
        "A detector gives every joint a **heatmap**: a small glow where it is certain, a wide one, or even two, where "
        "the joint is hidden. A picture has no depth at all. This leaves $H_K$, all the 3D poses that the picture "
        "allows. "
        "**Take a joint's confidence away with the slider and watch $H_K$ and the result.**",
        EQ_H_K,
        "$x$ and $y$ of joint $j$ come from the modes of its heatmap, $z$ from the encoder's depth and the error that "
        "it had in training: larger for joints whose heatmap is wide.",
    )
    with st.spinner(f"Lifting the frame at {study.LEVELS} levels of confidence", show_time=True):
        data = study.joint_stage(
            session.source, session.clip, session.frame, session.settings, joint, components, draws
        )
    stage(
        data,
        "uncertainty",
        Asked(len(session.clip), pick_frame, picks=range(1, len(JOINT_NAMES)), pick=_pick_joint),
    )


def _mixture(session: Session, components: int, draws: int) -> None:
    """The components of the mixture, and how many there should be."""
    explanation(
        "The mixture: $H_K$ in a form that noise can be drawn from",
        f"EM fits $M$ Gaussians over whole poses to $N$ = {draws} draws of $H_K$. Forward diffusion takes its noise "
        "from them, and the reverse process starts with samples of them. **Play through the components**, or change "
        "$M$.",
        EQ_GMM,
        "Each component has 1,225 free numbers, so the draws that it was fitted to look better with every one. **New** "
        "draws of the same $H_K$ tell whether a component was worth it, and BIC adds a penalty for its numbers.",
    )
    clip, source, frame = session.clip, session.source, session.frame
    bar = st.empty()
    scores = []
    for m in range(1, study.MOST_COMPONENTS + 1):
        bar.progress(m / study.MOST_COMPONENTS, f"Fitting mixtures to draw the curves: {m} components")
        scores.append(study.mixture_score(source, clip, frame, draws, m))
    bar.empty()
    with st.spinner("Fitting the mixture"):
        data = study.mixture_stage(source, clip, frame, components, draws, tuple(scores))
    numbers = range(1, study.MOST_COMPONENTS + 1)
    stage(data, "mixture", Asked(len(session.clip), pick_frame, picks=numbers, pick=_pick_components))
