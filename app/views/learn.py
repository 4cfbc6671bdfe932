"""A guided tour of a few minutes: from one picture to one pose, an equation at every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from app.compute import lessons, networks
from app.session import Session
from app.stage.component import Asked, stage
from app.views.equations import EQ_GMM, EQ_MEAN, EQ_REVERSE
from app.views.layout import hide_sidebar, pick_frame


@dataclass(frozen=True)
class Lesson:
    """One step of the tour. words: Markdown. task: a suggestion. picture: packed stage data, or None for the last."""

    id: str
    title: str
    words: str
    equation: str | Callable[[Session], str]
    task: str
    picture: Callable[[Session], bytes] | None = None


def _reverse_equation(session: Session) -> str:
    return EQ_REVERSE[networks.predicts(session.settings)]


LESSONS = (
    Lesson(
        "picture",
        "One picture, many poses",
        "A camera divides by the depth $z$, and the picture keeps no trace of it. Hidden joints have to be guessed as "
        "well. So **many** 3D poses fit one picture.",
        r"u = f\,\frac{x}{z} + c_x \qquad v = f\,\frac{y}{z} + c_y",
        "Press play. From **Camera** the poses look alike, from **Side** they don't.",
        lessons.one_picture,
    ),
    Lesson(
        "mixture",
        "Uncertainty gets a shape",
        "The poses that the picture allows form a distribution, $H_K$. DiffPose draws a thousand of them and fits a "
        "**mixture of Gaussians** over whole poses: $M = 5$ means $\\mu_m$ with covariances $\\Sigma_m$.",
        EQ_GMM,
        "Click a component to see it alone. Certain joints have small ellipsoids, uncertain ones large ones.",
        lessons.components,
    ),
    Lesson(
        "equation",
        "Forward: noise that fits the picture",
        "To learn how to remove uncertainty, the network is shown how it comes in. One component of the mixture is "
        "picked. Eq. 1 moves the true pose $h_0$ towards its mean $\\mu^G$ and adds noise "
        "$\\epsilon^G \\sim \\mathcal N(0, \\Sigma_m)$.",
        r"\hat h_k = \mu^G + \sqrt{\alpha_k}\,(h_0 - \mu^G) + \sqrt{1-\alpha_k}\;\epsilon^G",
        "Move $k$ and watch how three terms add up to $h_k$. Then choose the supplement's schedule: does $h_k$ ever "
        "leave $h_0$?",
        lessons.live_equation,
    ),
    Lesson(
        "forward",
        "Why not any noise?",
        "Standard diffusion adds the same noise to every joint: it is Eq. 1 with $\\mu^G = 0$ and $\\Sigma = I$. "
        "The body dissolves, and what the picture does show is lost. GMM noise keeps it.",
        r"\begin{aligned} \hat h_k &= \sqrt{\alpha_k}\,h_0 + \sqrt{1-\alpha_k}\;\epsilon \\"
        r" \epsilon &\sim \mathcal N(0, I) \end{aligned}",
        "Play both from $k = 0$, and compare how many bones become impossible.",
        lessons.forward,
    ),
    Lesson(
        "reverse",
        "Reverse: from many poses to one",
        "Now the other way round. The network $g$ starts from samples of the mixture and removes the noise step by "
        "step. The feature $f_{ST}$, which the context encoder makes from the whole 2D pose, tells it where to go.",
        _reverse_equation,
        "Play from $k = 50$ to 0: which limbs settle last?",
        lessons.reverse,
    ),
    Lesson(
        "compare",
        "The answer is a mean",
        "Every sample ends as a pose of its own, and DiffPose's answer is their **mean**. Graformer makes a single "
        "guess. Red is the true pose, if the clip comes with it.",
        EQ_MEAN,
        "Turn the scenes: circles mark the joints where the two differ most.",
        lessons.compare,
    ),
    Lesson(
        "next",
        "Where to go from here",
        "You have seen the whole way: a picture, its uncertainty, noise of the same shape, and a network that removes "
        "the noise again. Every part has a view of its own, with all its settings.",
        r"\text{2D} \to H_K \to \phi_{GMM} \to h_K \to \dots \to h_0",
        "",
    ),
)

#: Views that the last step leads to, each with a suggestion.
VIEWS = {
    "Uncertainty": "Hide a joint and see $H_K$ and the result change.",
    "Forward": "Both schedules, 200 samples, distance to $H_K$.",
    "Reverse": "With and without $f_{ST}$, any number of steps.",
    "Compare": "DiffPose, Graformer and the truth over a clip.",
    "Results": "The paper's tables, and what was measured here.",
    "Overview": "From the picture to the pose on one page.",
}


def _go(number: int) -> None:
    st.session_state["lesson"] = LESSONS[number].id


def _open(view: str) -> None:
    st.session_state["view"] = view


def _steps() -> int:
    """The steps as numbers to click; the address remembers the one that is open. Returns its number."""
    ids = [lesson.id for lesson in LESSONS]
    chosen = st.segmented_control(
        "Step of the tour",
        ids,
        default=ids[0],
        required=True,
        format_func=lambda i: str(ids.index(i) + 1),
        key="lesson",
        bind="query-params",
        label_visibility="collapsed",
        help="Go to a step of the tour.",
    )
    return ids.index(chosen) if chosen in ids else 0


def _buttons(number: int) -> None:
    where = st.container()
    following = st.container()
    if number > 0:
        back, following = following.columns([1, 2], vertical_alignment="center")
        back.button(
            "Back",
            icon=":material/arrow_back:",
            on_click=_go,
            args=(number - 1,),
            width="stretch",
            help="The step before.",
        )
    where.html(f"<p style='text-align:center;margin:0;opacity:.75'>Step {number + 1} of {len(LESSONS)}</p>")
    last = number == len(LESSONS) - 1
    following.button(
        "From the start" if last else "Next",
        icon=":material/arrow_forward:",
        icon_position="right",
        type="secondary" if last else "primary",
        on_click=_go,
        args=(0 if last else number + 1,),
        width="stretch",
        help="Start again." if last else LESSONS[number + 1].title,
    )


def _doors() -> None:
    """The other views, each with a sentence."""
    doors = list(VIEWS.items())
    for row in (doors[:3], doors[3:]):
        for column, (view, words) in zip(st.columns(3, gap="medium"), row, strict=True):
            with column.container(border=True, height="stretch"):
                st.markdown(f"**{view}**  \n{words}")
                st.button(f"Open {view}", key=f"open_{view}", on_click=_open, args=(view,), help=f"Go to {view}.")


def learn(session: Session) -> None:
    """One step of the tour, as the address names it."""
    hide_sidebar()
    number = _steps()
    lesson = LESSONS[number]
    left, right = st.container(key="lesson_row").columns([1, 2.4], gap="medium")
    with left:
        st.subheader(f"{number + 1} · {lesson.title}", anchor=False)
        st.markdown(lesson.words)
        st.latex(lesson.equation if isinstance(lesson.equation, str) else lesson.equation(session))
        if lesson.task:
            st.info(lesson.task, icon=":material/touch_app:")
        _buttons(number)
    with right:
        if lesson.picture is None:
            _doors()
        else:
            with st.spinner("Preparing this step", show_time=True):
                data = lesson.picture(session)
            stage(data, f"learn-{lesson.id}", Asked(len(session.clip), pick_frame))
