"""The parts of the story; the overview shows all of them, each page one."""

from __future__ import annotations

import streamlit as st

from app import services
from app.stage import stage
from app.views.common import Session, section

EQ_FORWARD = (
    r"\hat h_k = \mu^G + \sqrt{\alpha_k}\,(h_0 - \mu^G) + \sqrt{1-\alpha_k}\;\epsilon^G,"
    r"\quad \epsilon^G \sim \mathcal N(0, \Sigma_m)"
)
EQ_REVERSE = {
    "previous": r"h_{k-1} = g\big(h_k,\; f_{ST},\; f_D^k\big)\qquad k = K, \dots, 1",
    "x_start": r"""\begin{aligned} \hat h_0 &= g\big(h_k,\; f_{ST},\; f_D^k\big) \\
        h_{k-1} &= \mu^G + \sqrt{\alpha_{k-1}}\,(\hat h_0 - \mu^G) + \sqrt{1-\alpha_{k-1}}\;\hat\epsilon
        \end{aligned}""",
    "noise": r"\hat\epsilon = g\big(h_k,\; f_{ST},\; f_D^k\big)\qquad h_{k-1} \text{ from Eq. 1}",
}
EQ_MEAN = r"\text{prediction} = \tfrac1N \textstyle\sum_{n=1}^{N} h_0^{(n)}"


def _pick_frame(frame: int) -> None:
    st.session_state["frame"] = frame


def overview(session: Session) -> None:
    """The whole way on one stage."""
    with st.spinner("Lifting the clip from 2D to 3D", show_time=True):
        data = services.overview_stage(session.source, session.clip, session.frame, session.settings)
    stage(data, "overview")


def forward(session: Session, number: str = "") -> None:
    """Forward diffusion: standard beside GMM."""
    section(
        number,
        "Forward diffusion: what noise does to a pose",
        "Training starts from a known pose $h_0$ and adds noise for 50 steps. Standard diffusion adds the same "
        "noise to every joint, so the body dissolves. DiffPose draws its noise from **this image's uncertainty**: "
        "a mixture of Gaussians (GMM) fitted to the poses that the 2D picture allows.",
        EQ_FORWARD,
        "Eq. 1 of the supplement. $\\mu^G$ and $\\Sigma_m$ belong to one component of the mixture, drawn once per "
        "sample. Standard diffusion: $\\mu^G = 0$, $\\Sigma = I$.",
    )
    with st.spinner("Adding noise, 50 steps, 200 samples"):
        data = services.forward_stage(session.source, session.clip, session.frame, session.settings)
    stage(data, "forward", on_frame=_pick_frame)
    kept = services.alpha_end(session.settings.schedule) ** 0.5
    sentence = (
        f"With this schedule $\\sqrt{{\\alpha_{{50}}}} = {kept:.3f}$: at the last step {kept:.0%} of $h_0$'s offset "
        "from the mixture is still there"
    )
    if kept > 0.5:
        sentence += (
            ", so the cloud has **not** reached $H_K$. Choose the converging schedule in the sidebar to see it arrive."
        )
    else:
        sentence += ", so the cloud arrives at $H_K$, where the reverse process will start."
    st.caption(sentence)


def reverse(session: Session, number: str = "") -> None:
    """Reverse diffusion: without beside with f_ST."""
    section(
        number,
        "Reverse diffusion: from many poses to one",
        "Now backwards: the network $g$ takes uncertain poses and removes the noise step by step. Both sides "
        "start from the same samples, use the same noise and know the same mixture. Only the right one also gets "
        "$f_{ST}$, what the context encoder made of the whole 2D pose.",
        EQ_REVERSE[services.predicts(session.settings)],
        "$f_D^k$ tells the network which step it is at; $\\hat\\epsilon$ is the noise that is left (DDIM). The slider "
        "runs from $k = 50$ down to 0.",
    )
    with st.spinner("Running the reverse process with and without f_ST", show_time=True):
        data = services.reverse_stage(session.source, session.clip, session.frame, session.settings)
    stage(data, "reverse")


def compare(session: Session, number: str = "") -> None:
    """DiffPose beside Graformer beside the truth."""
    section(
        number,
        "The result: DiffPose, Graformer and the truth",
        "Graformer answers at once from the 2D pose. DiffPose averages its hypotheses after the last step. "
        "The **red** skeleton is where the joints really are."
        if session.clip.pose3d_cam is not None
        else "Graformer answers at once from the 2D pose. DiffPose averages its hypotheses after the last step. "
        "This clip doesn't come with its exact 3D, so there is no error to show.",
        EQ_MEAN,
        f"$N$ = {session.settings.hypotheses} hypotheses here; bones then keep their lengths over the clip.",
    )
    with st.spinner("Comparing the two"):
        data = services.compare_stage(session.source, session.clip, session.frame, session.settings)
    stage(data, "compare")
