"""Own clips in the app: what was understood is confirmed, what is refused changes nothing, the 3D can be taken away."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit")

from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest

from app.compute import clips, exporting, networks
from app.session import AppSettings
from app.widgets import confirm_upload
from app.widgets.uploads import MOST_OWN, MOST_UNSEEN, Uploads
from benchmarks.pose_files import alphapose, detected, mmpose, openpose_frames, videopose3d, walking
from diffpose_core.io.clips import save_clip
from diffpose_core.io.exports import EXPORTS
from diffpose_core.io.formats import read_pose_file, to_clip
from diffpose_core.lifting.finish import finished
from diffpose_core.lifting.image_size import LikelySize
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import PoseClip2D
from tests.app.widgets.uploading import COCO, ambiguous, choice, labels, newest, own, pick, press, said, send, state


def test_joint_orders_that_look_alike_are_asked_for_and_never_guessed(app: AppTest) -> None:
    send(app, ("poses.npz", ambiguous()))
    assert choice(app, "Joint order").value is None
    assert [words.split("**")[1] for words in choice(app, "Joint order").options] == ["COCO-17", "Human3.6M-17"]
    use = next(button for button in app.button if button.label == "Use this clip")
    assert use.disabled and "Nothing in the file says" in said(app) and "First pick the picture" in said(app)
    pick(app, "Joint order", "Human3.6M-17")
    assert "First pick the picture" not in said(app)
    press(app, "Use this clip")
    assert newest(app).provenance["layout"] == "Human3.6M-17"
    assert app.selectbox(key="clip").value == newest(app).name


def test_what_was_recognised_is_shown_and_corrected_values_are_taken(app: AppTest) -> None:
    send(app, ("walk.json", alphapose([COCO])))
    assert "walk.json was recognised as AlphaPose" in said(app).replace("*", "")
    assert "the file doesn't say its image size and frame rate" in said(app).lower()
    for label, value in (("Image width", 1280), ("Image height", 720), ("Frames a second", 50.0)):
        next(field for field in app.number_input if field.label == label).set_value(value)
    press(app, "Use this clip")
    clip = newest(app)
    assert (clip.width, clip.height, clip.fps, len(clip)) == (1280, 720, 50.0, 8)
    assert "8 frames" in app.sidebar.success[0].value
    assert "Use this clip" not in labels(app), "the dialog is closed"
    assert app.session_state["seed"] == 4


def test_a_turn_is_proposed_for_a_person_upside_down_and_sides_can_be_exchanged(app: AppTest) -> None:
    upside_down = COCO.copy()
    upside_down[..., 1] = 1000 - upside_down[..., 1]
    send(app, ("walk.json", alphapose([upside_down])))
    turn = next(box for box in app.selectbox if box.label == "Turn the poses")
    assert turn.value == "flip" and "feet are not down" in said(app)
    next(box for box in app.checkbox if box.label == "Exchange left and right").check().run()
    for label, value in (("Image width", 1280), ("Image height", 1000)):
        next(field for field in app.number_input if field.label == label).set_value(value)
    press(app, "Use this clip")
    clip = newest(app)
    straight = to_clip(read_pose_file(alphapose([COCO]), "walk.json")).clip
    right, left = [1, 2, 3, 14, 15, 16], [4, 5, 6, 11, 12, 13]
    assert np.allclose(clip.keypoints_px[:, right], straight.keypoints_px[:, left], atol=0.01)
    assert clip.provenance["turn"] == "flip" and clip.provenance["sides_exchanged"] is True


def test_cancel_leaves_everything_as_it_was(app: AppTest) -> None:
    before = app.selectbox(key="clip").value
    send(app, ("walk.json", alphapose([COCO, COCO + 100])))
    pick(app, "Person", "2")
    press(app, "Cancel")
    assert app.selectbox(key="clip").value == before and not own(app)
    assert app.session_state["frame"] == 7
    assert "Use this clip" not in labels(app)
    assert state(app).pending is None and "up0__person" not in app.session_state


def test_an_image_size_in_which_the_body_has_its_proportions_is_proposed(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    upright = LikelySize((1080, 1920), (1920, 1080), sure=False)
    monkeypatch.setattr(confirm_upload, "likely_size", lambda *_: upright)
    content = json.dumps({"frames": [{"keypoints": (row / (1280, 720, 1)).tolist()} for row in COCO]}).encode()

    def sides() -> list[object]:
        return [field.value for field in app.number_input if field.label.startswith("Image")]

    send(app, ("phone.json", content))
    pick(app, "Joint order", "COCO-17")
    assert sides() == [1080, 1920] and "1920 x 1080 would stretch it. Another upright" in said(app)
    press(app, "Use this clip")
    clip = newest(app)
    assert (clip.width, clip.height) == (1080, 1920)
    assert clip.provenance["assumed"] == ["frames a second", "image size"]
    assert "1080 x 1920 is taken, in which the body has its proportions" in " ".join(clip.provenance["notes"])
    send(app, ("phone.json", content))
    pick(app, "Joint order", "COCO-17")
    next(field for field in app.number_input if field.label == "Image height").set_value(1440).run()
    press(app, "Use this clip")
    assert newest(app).height == 1440 and newest(app).provenance["assumed"] == ["frames a second"]


@pytest.mark.parametrize("rate", [0.001, 1e5])
def test_a_frame_rate_that_no_camera_has_is_asked_for(app: AppTest, rate: float) -> None:
    content = json.loads(mmpose([COCO]))
    send(app, ("odd.json", json.dumps({**content, "fps": rate}).encode()))
    assert next(field for field in app.number_input if field.label == "Frames a second").value == 30.0


def test_one_of_several_clips_is_picked(app: AppTest) -> None:
    poses = COCO[..., :2]
    send(
        app, ("h36m.npz", videopose3d({"S9": {"Walking": [poses, poses[:4]]}}, "coco", {"S9": {"w": 1000, "h": 1002}}))
    )
    box = next(box for box in app.selectbox if box.label == "Clip, one of 2 in the file")
    box.set_value("S9 / Walking / camera 1").run()
    press(app, "Use this clip")
    clip = newest(app)
    assert len(clip) == 4 and clip.provenance["clip"] == "S9 / Walking / camera 1"


def test_files_of_single_frames_become_one_clip(app: AppTest) -> None:
    send(app, *openpose_frames([detected(walking(6), "Halpe-26")]).items())
    assert "Joint order: Halpe-26" in said(app).replace("*", "")
    press(app, "Use this clip")
    assert len(newest(app)) == 6


def test_our_own_file_says_everything_and_is_opened_at_once(app: AppTest, walking_clip: PoseClip2D) -> None:
    file = io.BytesIO()
    save_clip(walking_clip.frames(slice(0, 3)), file)
    send(app, ("mine.npz", file.getvalue()))
    assert list(own(app)) == ["walk"] and "3 frames" in app.sidebar.success[0].value
    send(app, ("mine.npz", file.getvalue()))
    assert list(own(app)) == ["walk (2)", "walk"] and app.selectbox(key="clip").value == "walk (2)"
    press(app, "Remove this clip")
    assert list(own(app)) == ["walk"] and app.selectbox(key="clip").value == clips.FIRST_CLIP


def test_a_link_to_a_clip_that_is_not_here_is_explained(app: AppTest) -> None:
    app.query_params["clip"] = "walk (yours)"
    app.run()
    assert "walk (yours), which is not here" in app.info[0].value
    send(app, ("walk.json", alphapose([COCO])))
    press(app, "Use this clip")
    assert not app.info


def test_only_so_many_own_clips_are_kept(app: AppTest, walking_clip: PoseClip2D) -> None:
    for number in range(MOST_OWN + 1):
        file = io.BytesIO()
        save_clip(walking_clip.frames(slice(number, number + 1)), file)
        send(app, ("mine.npz", file.getvalue()))
    assert len(own(app)) == MOST_OWN and "walk" not in own(app)


def test_guessed_joints_are_shown_where_there_are_some(app: AppTest) -> None:
    assert "guessed" not in said(app)
    gaps = COCO.copy()
    gaps[2:6, 9] = 0
    send(app, ("gaps.json", alphapose([gaps])))
    assert "They will be guessed" in said(app)
    press(app, "Use this clip")
    assert "most often the left wrist (4 of 8 frames)" in said(app)


def test_the_page_behind_a_dialog_waits_with_its_work_and_takes_it_up(app: AppTest) -> None:
    send(app, ("walk.json", alphapose([COCO])))
    app.segmented_control(key="view").set_value("Compare").run()
    assert not app.exception and not app.dataframe, "the dialog can answer, the clip is not lifted meanwhile"
    press(app, "Cancel")
    assert len(app.dataframe[0].value) == 17


@pytest.mark.parametrize("view", ["Overview", "Uncertainty", "Reverse", "Compare"])
def test_a_person_without_any_extent_is_no_crash(app: AppTest, view: str) -> None:
    send(app, ("point.json", alphapose([np.full((4, 17, 3), 0.5) * [600, 600, 1]])))
    press(app, "Use this clip")
    app.segmented_control(key="view").set_value(view).run()
    assert not app.exception


def test_the_whole_clip_is_lifted_once_and_offered_in_every_format(app: AppTest) -> None:
    send(app, ("walk.json", alphapose([COCO])))
    press(app, "Use this clip")
    press(app, "Download the 3D pose")
    assert not app.get("download_button")
    press(app, "Lift the clip")
    offered = app.get("download_button")
    assert [button.label for button in offered] == [form.label for form in EXPORTS.values()]
    assert all(form.description in said(app) for form in EXPORTS.values())
    assert "as predicted" in said(app) and "seen from above" not in said(app), "no camera, no place in space"
    app.number_input(key="height").set_value(1.8).run()
    assert "the file is scaled by" in said(app) and "Lift the clip" not in labels(app)
    app.number_input(key="seed").set_value(5).run()
    assert "Lift the clip" in labels(app), "other settings, another result"


def test_a_lifted_clip_is_smoothed_and_put_on_the_floor_where_that_is_wanted(
    app: AppTest, walking_clip: PoseClip2D, tiny_models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = lift(walking_clip, tiny_models, LiftSettings(steps=1, hypotheses=1))
    body = walking_clip.pose3d_cam.astype(np.float32)
    warned = replace(result, pose3d=body, provenance={**result.provenance, "warnings": ["The picture is odd."]})
    monkeypatch.setattr(exporting, "lifted", lambda source, settings: warned)
    made: list[Any] = []
    monkeypatch.setattr(
        exporting, "finished", lambda found, clip, *rest: made.append(finished(warned, walking_clip, *rest)) or made[-1]
    )
    press(app, "Download the 3D pose")
    assert [warning.value for warning in app.warning] == ["The picture is odd."]
    assert made[-1].world is None and "smoothed_hz" not in made[-1].provenance
    app.toggle(key="world").set_value(True).run()
    assert made[-1].world is not None and "The direction up is estimated" in said(app)
    assert "against the camera's up" not in said(app)
    app.selectbox(key="angle").set_value("knee_flexion").run()
    assert "Knee flexion: above 0 where the knee is bent" in said(app)
    app.select_slider(key="smooth").set_value(4.0).run()
    assert made[-1].provenance["smoothed_hz"] == 4.0 and made[-1].world is not None
    assert not app.exception


def test_a_file_that_comes_while_another_is_asked_about_waits_for_its_turn(app: AppTest) -> None:
    send(app, ("first.json", alphapose([COCO])))
    send(app, ("second.json", alphapose([COCO[:4]])))
    assert "first.json was recognised" in said(app).replace("*", "")
    press(app, "Use this clip")
    assert "second.json was recognised" in said(app).replace("*", ""), "not lost"
    press(app, "Use this clip")
    assert [len(own.clip) for own in own(app).values()] == [4, 8]
    assert "Use this clip" not in labels(app) and not app.file_uploader[-1].value


def test_unseen_uploaders_stay_until_they_hold_many_files() -> None:
    state = Uploads()
    for _ in range(3):
        state.boxes[max(state.boxes)] += 1
        state.leave()
    assert state.boxes == {0: 1, 1: 1, 2: 1, 3: 0}
    state.boxes[3] += MOST_UNSEEN
    state.leave()
    assert state.boxes == {3: MOST_UNSEEN, 4: 0}, "the last one's next file may be on its way"


def test_files_that_were_read_are_not_kept_twice(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []

    def let_go(manager: MemoryUploadedFileManager, session: str, file: str) -> None:
        remove(manager, session, file)
        left.append(len(manager.file_storage[session]))

    remove = MemoryUploadedFileManager.remove_file
    monkeypatch.setattr(MemoryUploadedFileManager, "remove_file", let_go)
    frames = openpose_frames([detected(walking(3), "Halpe-26")])
    send(app, *frames.items())
    assert left == [2, 1, 0] and state(app).boxes == {0: 3}
    press(app, "Use this clip")
    assert len(newest(app)) == 3 and state(app).boxes == {0: 3, 1: 0}


def test_a_new_file_takes_the_place_of_the_download_window(app: AppTest) -> None:
    press(app, "Download the 3D pose")
    assert "Lift the clip" in labels(app)
    send(app, ("walk.json", alphapose([COCO])))
    assert "Use this clip" in labels(app) and "Lift the clip" not in labels(app)
    press(app, "Cancel")
    assert "Lift the clip" not in labels(app)


def test_where_the_person_was_is_shown_where_a_camera_tells(
    app: AppTest, walking_clip: PoseClip2D, tiny_models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = lift(walking_clip, tiny_models, LiftSettings(steps=1, hypotheses=1))
    way = np.linspace((0, 0, 4.04), (1, 0, 6.06), len(result)).astype(np.float32)
    known = replace(result, root_cam=way, root_error_px=np.zeros(len(result), dtype=np.float32))
    monkeypatch.setattr(exporting, "lifted", lambda source, settings: known)
    press(app, "Download the 3D pose")
    assert "seen from above: 4.0 to 6.1 m from the camera" in said(app)


def test_what_was_lifted_is_found_again_by_its_content(
    walking_clip: PoseClip2D, tiny_models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "models", lambda setting="frame": tiny_models)
    monkeypatch.setattr(exporting.st, "session_state", {})
    clip, settings = walking_clip.frames(slice(0, 6)), AppSettings(steps=1, hypotheses=2)
    seen: list[tuple[int, int]] = []
    assert exporting.lifted("a", settings) is None
    result = exporting.lift_whole("a", clip, settings, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (6, 6) and result.pose3d.shape == (6, 17, 3)
    assert exporting.lifted("a", settings) is result
    assert exporting.lifted("a", AppSettings(steps=2, hypotheses=2)) is None
    assert exporting.lifted("b", settings) is None
