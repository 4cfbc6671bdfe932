"""The pages Uncertainty, Results and Learn as Streamlit runs them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("streamlit")

from streamlit.testing.v1 import AppTest

from app.compute import clips
from app.compute import uncertainty as compute_uncertainty
from app.session import AppSettings
from app.views.learn import LESSONS
from diffpose_core.io.clips import load_clip


@pytest.mark.usefixtures("trained_weights")
def test_uncertainty_opens_and_its_controls_work(app: AppTest):
    app.session_state["view"] = "Uncertainty"
    app.run()
    assert not app.exception and not app.error
    app.selectbox(key="joint").select("LWrist").run()
    app.slider(key="components").set_value(2).run()
    app.select_slider(key="draws").set_value(200).run()
    assert not app.exception and not app.error


@pytest.mark.usefixtures("trained_weights")
def test_uncertainty_of_a_bare_frame(app: AppTest, clip_file: Callable[..., bytes]):
    app.session_state["view"] = "Uncertainty"
    app.session_state["draws"] = 200
    app.run()
    app.file_uploader[0].set_value(("mine.npz", clip_file(1, blind=True), "application/octet-stream")).run()
    assert not app.exception and not app.error


@pytest.mark.usefixtures("trained_weights")
def test_a_hidden_joint_moves_the_cloud_and_nothing_else_of_the_setting():
    from app.stage.payload import unpack

    clip = load_clip(clips.bundled_clips()[clips.FIRST_CLIP])
    _, arrays = unpack(
        compute_uncertainty.joint_stage(clips.clip_hash(clip), clip, 39, AppSettings(hypotheses=2, steps=1), 3, 5, 200)
    )
    assert arrays["std_across"][-1] > 2 * arrays["std_across"][0]
    assert arrays["moved"][-1] > 10, "millimetres"
    other = abs(arrays["draws"][-1, :, 13] - arrays["draws"][0, :, 13]).max()
    assert other < 0.02, "another limb's draws stay but for the pose's scale (metres)"


@pytest.mark.usefixtures("trained_weights")
def test_results_open_and_their_controls_work(app: AppTest):
    app.session_state["view"] = "Results"
    app.session_state["table"] = "frame"
    app.session_state["metric"] = "p_mpjpe_mm"
    app.run()
    assert not app.exception and not app.error
    assert [s.value for s in app.subheader][:5] == [
        "What the paper reports",
        "What this project measured",
        "How far hypotheses can be trusted",
        "What each part brings",
        "How good hypotheses are as a distribution",
    ]
    app.selectbox(key="ablation").select("hypotheses").run()
    assert not app.exception and not app.error
    tables = [d.value for d in app.dataframe]
    assert tables[0].loc["DiffPose", "Average"] == 39.2
    assert "graformer" in tables[1].index
    app.selectbox(key="card").select("graformer").run()
    assert not app.exception and not app.error


@pytest.mark.usefixtures("trained_weights")
@pytest.mark.parametrize("lesson", [lesson.id for lesson in LESSONS])
def test_every_step_of_the_tour_opens(app: AppTest, lesson: str):
    app.session_state["view"] = "Learn"
    app.session_state["lesson"] = lesson
    app.session_state["hypotheses"] = 2
    app.run()
    assert not app.exception and not app.error
    number = [one.id for one in LESSONS].index(lesson) + 1
    assert app.subheader[0].value.startswith(f"{number} ·")
    assert len(app.latex) == 1, "an equation beside every picture"


@pytest.mark.usefixtures("trained_weights")
def test_the_tour_goes_on_and_back_and_ends_with_doors(app: AppTest):
    app.session_state["view"] = "Learn"
    app.session_state["lesson"] = LESSONS[-2].id
    app.session_state["hypotheses"] = 2
    app.run()
    next(b for b in app.button if b.label.startswith("Next")).click().run()
    assert app.session_state["lesson"] == LESSONS[-1].id
    doors = [b.label for b in app.button if b.label.startswith("Open ")]
    assert {"Open Uncertainty", "Open Forward", "Open Reverse", "Open Compare", "Open Results"} <= set(doors)
    next(b for b in app.button if b.label == "Back").click().run()
    assert app.session_state["lesson"] == LESSONS[-2].id
    next(b for b in app.button if b.label.startswith("Next")).click().run()
    next(b for b in app.button if b.label == "Open Results").click().run()
    assert app.session_state["view"] == "Results"
    assert not app.exception and not app.error


@pytest.mark.usefixtures("trained_weights")
def test_the_tour_of_a_bare_frame(app: AppTest, clip_file: Callable[..., bytes]):
    app.session_state["view"] = "Learn"
    app.run()
    app.file_uploader[0].set_value(("mine.npz", clip_file(1, blind=True), "application/octet-stream")).run()
    app.session_state["lesson"] = "equation"
    app.run()
    assert not app.exception and not app.error
