"""The app as Streamlit runs it: no exception with a bundled clip, settings that change it, uploads good and bad."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("streamlit")

from streamlit.testing.v1 import AppTest

from app.compute import clips, lifting, networks, stages
from app.compute.cache import CACHE
from app.jobs.lifting import Blocks
from app.session import AppSettings
from diffpose_core.io.clips import load_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.settings import LiftSettings


def test_there_are_bundled_clips_and_the_first_one_is_among_them() -> None:
    bundled = clips.bundled_clips()
    assert len(bundled) >= 6
    assert clips.FIRST_CLIP in bundled


@pytest.mark.usefixtures("trained_weights")
def test_opens_with_a_clip_and_no_click(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "DiffPose Studio"
    assert app.main  # components show as unknown elements here; the browser test looks at them


@pytest.mark.usefixtures("trained_weights")
def test_controls_of_the_reverse_process_are_greyed_in_the_forward_view_and_keep_their_values(app: AppTest) -> None:
    app.session_state["view"] = "Forward"
    app.session_state["steps"] = 1
    app.session_state["noise"] = "eq2"
    app.run()
    assert not app.exception
    steps = app.sidebar.select_slider(key="steps")
    assert (steps.disabled, steps.value) == (True, 1)
    app.session_state["view"] = "Reverse"
    app.run()
    steps = app.sidebar.select_slider(key="steps")
    assert (steps.disabled, steps.value) == (False, 1)


@pytest.mark.usefixtures("trained_weights")
def test_the_frames_beside_the_picked_one_are_computed_while_the_person_looks(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("this was to be there already")

    app.session_state["view"] = "Forward"
    app.session_state["seed"] = 77  # nothing that another test has computed
    app.run()
    prefetcher, frame = app.session_state["prefetcher"], app.session_state["frame"]
    prefetcher._timer.join(60)
    monkeypatch.setattr(stages, "forward_parts", refuse)
    for beside in (frame + 1, frame - 1):
        app.session_state["frame"] = beside
        app.run()
        assert not app.exception
        assert not app.error
    prefetcher.drop()


@pytest.mark.usefixtures("trained_weights")
def test_compare_lifts_the_whole_clip_and_shows_the_joints_in_a_table(
    app: AppTest, clip_file: Callable[..., bytes]
) -> None:
    app.session_state["view"] = "Compare"
    app.session_state["steps"] = 1
    app.session_state["hypotheses"] = 1
    app.session_state["layout"] = "Overlaid"
    app.run()
    app.file_uploader[0].set_value(("mine.npz", clip_file(20), "application/octet-stream")).run()
    assert not app.exception
    assert "mean of 20 frames" in app.expander[0].label
    table = app.dataframe[0].value
    assert len(table) == 17
    # A clip of a visitor's own is read as video where it is long enough, and frame by frame where it isn't.
    np.testing.assert_allclose(table["Gain"], table["MixSTE"] - table["DiffPose"])
    app.file_uploader[0].set_value(("short.npz", clip_file(8), "application/octet-stream")).run()
    table = app.dataframe[0].value
    np.testing.assert_allclose(table["Gain"], table["Graformer"] - table["DiffPose"])
    assert any(text.value == "Now: one frame, body and tilt of the clip" for text in app.sidebar.caption)


@pytest.mark.usefixtures("trained_weights")
@pytest.mark.parametrize("view", ["Overview", "Reverse", "Compare"])
def test_a_clip_is_lifted_once_though_others_push_it_out_of_what_all_share(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    """A visitor keeps a half-finished lift though others push it out of the shared cache."""
    asked = []
    advance = Blocks.advance

    def advance_among_many(blocks: Blocks) -> None:
        asked.append(blocks.done)
        assert len(asked) < 60, "the same frames are lifted again and again"
        advance(blocks)
        for shared in (lifting.spaced, lifting.whole_clip, lifting.lift):
            shared.clear()

    monkeypatch.setattr(Blocks, "advance", advance_among_many)
    app.session_state["view"] = view
    app.session_state["steps"] = 1
    app.session_state["seed"] = 78  # nothing that another test has computed
    app.run()
    assert not app.exception
    assert not app.error
    assert len(asked) > 1
    if view == "Compare":
        assert len(app.dataframe) == 1, "the joints over the whole clip"


@pytest.mark.usefixtures("trained_weights")
def test_the_video_setting_compares_with_its_own_context_encoder(
    app: AppTest, clip_file: Callable[..., bytes], tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFFPOSE_CHECKPOINTS", str(tiny_weights))
    networks.st.cache_resource.clear()
    networks.st.cache_data.clear()
    CACHE.clear()
    app.session_state["view"] = "Compare"
    app.session_state["hypotheses"] = 1
    app.run()
    assert app.sidebar.selectbox(key="setting").value == "auto"
    assert any(text.value == "Now: one frame alone (Graformer)" for text in app.sidebar.caption), "a bundled clip"
    assert networks.trained_settings() == ["frame", "video"], "nothing among these weights knows a camera's tilt"
    app.sidebar.selectbox(key="setting").select("video").run()
    app.file_uploader[0].set_value(("mine.npz", clip_file(20), "application/octet-stream")).run()
    assert not app.exception
    table = app.dataframe[0].value
    np.testing.assert_allclose(table["Gain"], table["MixSTE"] - table["DiffPose"])
    assert any(
        "MixSTE answers at once from the 2D poses of 27 frames, and the body" in text.value for text in app.markdown
    )
    # A view into one frame says that the choice changes nothing there.
    app.session_state["view"] = "Uncertainty"
    app.run()
    assert not app.exception
    assert app.sidebar.selectbox(key="setting").disabled
    networks.st.cache_resource.clear()
    networks.st.cache_data.clear()
    CACHE.clear()


@pytest.mark.usefixtures("trained_weights")
def test_what_the_whole_clip_shows(app: AppTest, clip_file: Callable[..., bytes]) -> None:
    app.session_state["view"] = "Compare"
    app.session_state["hypotheses"] = 2
    app.run()
    app.sidebar.selectbox(key="setting").select("clip").run()
    app.file_uploader[0].set_value(("mine.npz", clip_file(20), "application/octet-stream")).run()
    assert not app.exception and not app.error
    assert any("the camera's tilt as estimated from the whole clip" in text.value for text in app.markdown)
    told = app.dataframe[0].value
    app.sidebar.selectbox(key="setting").select("frame").run()
    assert (app.dataframe[0].value["Graformer"] - told["Graformer"]).abs().max() > 1.0, "millimetres"
    clip, settings = load_clip(clips.bundled_clips()[clips.FIRST_CLIP]), AppSettings(steps=1, setting="clip")
    lifted = lifting.lift("standing still", clip, (3, 9), settings, True)
    frames = networks.models("frame")
    whole = lift(clip, frames, LiftSettings(steps=1, rigid_bones=False), frames=[3, 9])
    np.testing.assert_allclose(lifted.trace.samples[:, -1], whole.hypotheses, atol=1e-4)
    assert lifted.expected_error is not None


@pytest.mark.usefixtures("trained_weights")
def test_the_cameras_tilt_can_be_given(app: AppTest, clip_file: Callable[..., bytes]) -> None:
    app.session_state["view"] = "Compare"
    app.session_state["hypotheses"] = 2
    app.run()
    app.sidebar.selectbox(key="setting").select("clip").run()
    app.file_uploader[0].set_value(("mine.npz", clip_file(20), "application/octet-stream")).run()
    estimated = app.dataframe[0].value
    app.sidebar.toggle(key="tilt_known").set_value(True).run()
    app.sidebar.slider(key="tilt").set_value(30).run()
    assert not app.exception and not app.error
    assert (app.dataframe[0].value["Graformer"] - estimated["Graformer"]).abs().max() > 1.0, "millimetres"
    assert any("the camera's tilt that you gave" in text.value for text in app.markdown)
    assert np.allclose(AppSettings(setting="clip", tilt_deg=0).up, [0, -1, 0])
    assert AppSettings(setting="frame", tilt_deg=30).up is None and AppSettings(setting="frame").body is None


@pytest.mark.usefixtures("trained_weights")
@pytest.mark.parametrize("view", ["Forward", "Reverse", "Compare"])
def test_every_view_runs_with_other_settings(app: AppTest, view: str) -> None:
    app.session_state["view"] = view
    app.session_state["steps"] = 2
    app.session_state["hypotheses"] = 2
    app.session_state["eta"] = 0.5
    app.session_state["seed"] = 3
    app.session_state["schedule"] = "converging"
    app.run()
    assert not app.exception
    assert not app.error


@pytest.mark.usefixtures("trained_weights")
def test_upload_of_our_own_format_is_shown_and_a_bad_one_keeps_it(
    app: AppTest, clip_file: Callable[..., bytes]
) -> None:
    app.session_state["view"] = "Forward"
    app.run()
    app.file_uploader[0].set_value(("mine.npz", clip_file(), "application/octet-stream")).run()
    assert not app.exception
    assert "3 frames" in app.sidebar.success[0].value
    app.file_uploader[0].set_value(("broken.npz", b"not a clip", "application/octet-stream")).run()
    assert not app.exception
    assert "broken.npz" in app.error[0].value
    assert "3 frames" in app.sidebar.success[0].value, "the clip before it is still shown"


@pytest.mark.usefixtures("trained_weights")
@pytest.mark.parametrize("view", ["Overview", "Forward", "Reverse", "Compare"])
def test_a_single_frame_without_truth_mixture_or_camera(
    app: AppTest, view: str, clip_file: Callable[..., bytes]
) -> None:
    app.session_state["view"] = view
    app.session_state["steps"] = 1
    app.session_state["hypotheses"] = 1
    app.run()
    app.file_uploader[0].set_value(("mine.npz", clip_file(1, blind=True), "application/octet-stream")).run()
    assert not app.exception
    assert not app.error
    assert "1 frame," in app.sidebar.success[0].value


def test_missing_weights_are_told_in_words(app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFPOSE_CHECKPOINTS", str(tmp_path))
    networks.models.clear()
    app.run()
    networks.models.clear()
    assert not app.exception
    assert "weights can't be loaded" in app.error[0].value


@pytest.mark.usefixtures("trained_weights")
def test_networks_are_loaded_once(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    load, loaded = networks.load_models, []
    monkeypatch.setattr(networks, "load_models", lambda *args: loaded.append(args[-1]) or load(*args))
    networks.models.clear()
    app.run()
    assert not app.exception
    assert loaded == ["frame"]


def test_clip_hash_sees_every_part_of_a_clip() -> None:
    clip = load_clip(clips.bundled_clips()[clips.FIRST_CLIP]).frames(slice(0, 2))
    assert clips.clip_hash(clip) == clips.clip_hash(clip)
    assert clip.pose3d_cam is not None
    moved = clip.pose3d_cam.copy()
    moved[0, 5] += 0.01
    assert clips.clip_hash(dataclasses.replace(clip, pose3d_cam=moved)) != clips.clip_hash(clip)


def test_spaced_frames_stay_within_the_budget() -> None:
    clip = load_clip(clips.bundled_clips()[clips.FIRST_CLIP])
    for steps in (1, 5, 50):
        for hypotheses in (1, 10, 50):
            frames = lifting.spaced_frames(clip, AppSettings(steps=steps, hypotheses=hypotheses), 1600, 8, 32)
            assert frames[0] == 0
            assert frames[-1] == len(clip) - 1
            assert np.all(np.diff(frames) > 0)
            assert 8 <= len(frames) <= 32
            assert len(frames) == 8 or len(frames) * steps * hypotheses <= 1600


def test_the_forward_views_settings_do_not_compute_the_reverse_process_again() -> None:
    one, two = AppSettings(schedule="supplement", seed=3), AppSettings(schedule="converging", seed=3, samples=7)
    assert one.of_reverse() == two.of_reverse()
    assert one.of_reverse() != AppSettings(seed=4).of_reverse()


def test_the_page_knows_the_names_of_all_views() -> None:
    from app.page import VIEWS

    code = (Path(__file__).resolve().parents[2] / "app" / "streamlit_app.py").read_text(encoding="utf-8")
    assert tuple(re.findall(r'^    "(\w+)": \w+[.\w]*,$', code.split("\nVIEWS = {")[1].split("\n}")[0], re.M)) == VIEWS
