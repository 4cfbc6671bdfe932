"""Own clips in the app: what was understood is confirmed, what is refused changes nothing, the 3D can be taken away."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit")

import streamlit as st
from PIL import Image
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest

from app.compute import clips, exporting, networks
from app.compute.cache import CACHE
from app.session import AppSettings
from app.stage.payload import unpack
from app.text import plain
from app.views import everybody
from app.widgets import confirm_upload, find_people, other_ways, uploader
from app.widgets.uploads import MOST_OWN, MOST_UNSEEN, OwnClip, Uploads
from benchmarks.pose_files import alphapose, detected, mmpose, openpose_frames, videopose3d, walking
from diffpose_core.io.clips import save_clip
from diffpose_core.io.detectors import DetectorKind
from diffpose_core.io.detectors.detector import Detector, Found
from diffpose_core.io.exports import EXPORTS
from diffpose_core.io.formats import read_pose_file, to_clip
from diffpose_core.io.formats.layouts import COCO17
from diffpose_core.lifting.finish import finished
from diffpose_core.lifting.image_size import LikelySize
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import InvalidInput, PoseClip2D
from tests.io.test_video import made_video

ROOT = Path(__file__).resolve().parents[3]
COCO = detected(walking(8), "COCO-17")


@pytest.fixture
def app(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """The app with small random networks, at a page that lifts nothing: nothing holds it up."""

    def forget() -> None:
        st.cache_data.clear()
        st.cache_resource.clear()
        CACHE.clear()

    monkeypatch.setenv("DIFFPOSE_CHECKPOINTS", str(tiny_weights))
    forget()
    test = AppTest.from_file(str(ROOT / "app" / "streamlit_app.py"), default_timeout=60)
    for key, value in {"view": "Results", "steps": 1, "hypotheses": 1, "frame": 7, "seed": 4}.items():
        test.session_state[key] = value
    test.run()
    assert not test.exception
    yield test
    forget()


def send(app: AppTest, *files: tuple[str, bytes]) -> None:
    app.file_uploader[-1].set_value([(name, content, "") for name, content in files]).run()
    assert not app.exception


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


def choice(app: AppTest, label: str) -> Any:
    """The choice among pictures of this name."""
    return next(found for found in app.segmented_control if found.label == label)


def pick(app: AppTest, label: str, option: str) -> None:
    choice(app, label).set_value(option).run()
    assert not app.exception


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def state(app: AppTest) -> Uploads:
    return app.session_state["uploads"]


def own(app: AppTest) -> dict[str, OwnClip]:
    return state(app).own


def newest(app: AppTest) -> PoseClip2D:
    return next(iter(own(app).values())).clip


def said(app: AppTest) -> str:
    return " ".join(e.value for kind in (app.markdown, app.caption, app.warning) for e in kind).replace("\\", "")


def ambiguous() -> bytes:
    return videopose3d({"S1": {"Walking": [COCO[..., :2]]}}, layout=None)


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


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


class Payload:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("code of the file was run",))


def hostile_npz() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
        archive.writestr("positions_2d.npy", header.getvalue() + pickle.dumps(Payload()))
    return file.getvalue()


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"{number}.json", b" " * 60_000_000)
    return file.getvalue()


REFUSED = {
    "empty.json": b"",
    "zeros.npz": b"\0" * 64,
    "truncated.json": b'{"people": [1,',
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(40),
    "deep.json": b"[" * 100_000,
    "nobody.json": b'{"people": []}',
    "words.csv": b"one,two\nthree,four\n",
    "nan.npz": videopose3d({"S1": {"A": [np.full((4, 17, 2), np.nan)]}}),
    "code.npz": hostile_npz(),
    "other.npz": npz(weights=np.ones(3)),
    "bomb.zip": bomb(),
    "cut.npz": videopose3d({"S1": {"A": [COCO[..., :2]]}})[:-200],
}


def test_a_refused_file_changes_nothing_and_says_why(app: AppTest) -> None:
    send(app, ("walk.json", alphapose([COCO])))
    press(app, "Use this clip")
    app.slider(key="frame").set_value(5).run()
    kept = {key: app.session_state[key] for key in ("clip", "frame", "seed", "steps", "hypotheses", "view", "eta")}
    for name, content in REFUSED.items():
        send(app, (name, content))
        message = app.error[0].value.replace("\\", "")
        assert name in message and "nothing else has changed" in message
        assert len(message) < 900, message
        assert {key: app.session_state[key] for key in kept} == kept
        assert list(own(app)) == ["walk"] and "Use this clip" not in labels(app)
    press(app, "Close")
    assert not app.error and list(own(app)) == ["walk"]
    send(app, ("again.json", alphapose([COCO])))
    assert not app.error, "the next file begins afresh"


def test_a_mistake_in_a_reader_is_told_too(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(files: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(uploader, "read_pose_files_apart", broken)
    send(app, ("odd.json", b"{}"))
    assert "odd.json: reading it failed" in app.error[0].value.replace("\\", "")
    assert not own(app)


def test_one_of_several_people_is_picked_by_its_picture(app: AppTest) -> None:
    send(app, ("two.json", alphapose([COCO, detected(walking(5) + 150, "COCO-17")])))
    assert "2 people" in said(app)
    pick(app, "Person", "2")
    press(app, "Use this clip")
    clip = newest(app)
    assert len(clip) == 5 and clip.provenance["person"] == "2"


def test_everybody_of_a_file_is_one_scene_of_the_comparison(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    send(app, ("two.json", alphapose([COCO, detected(walking(8) + 300, "COCO-17")])))
    pick(app, "Person", "2")
    press(app, "Use this clip")
    assert list(next(iter(own(app).values())).people) == ["2", "1"]
    monkeypatch.setattr(everybody, "stage", lambda packed, key: shown.append(unpack(packed)))
    shown: list[Any] = []
    app.segmented_control(key="view").set_value("Compare").run()
    app.segmented_control(key="layout").set_value("Everybody").run()
    assert not app.exception
    ((header, arrays),) = shown
    assert [layer["label"] for layer in header["panels"][0]["layers"]] == ["Person 2", "Person 1"]
    assert arrays["person0"].shape == (8, 17, 3) and np.isfinite(arrays["person1"]).all()
    assert next(button.label for button in app.get("download_button")) == "Everybody as glTF (3D scene)"
    app.segmented_control(key="layout").set_value("Overlaid").run()
    assert not app.exception and not app.get("download_button")


def test_one_of_many_people_is_picked_from_the_list(app: AppTest) -> None:
    people = [detected(walking(10 - number) + 100 * number, "COCO-17") for number in range(8)]
    send(app, ("many.json", alphapose(people)))
    everybody = next(box for box in app.selectbox if box.label.startswith("Everybody"))
    assert len(everybody.options) == 8
    pick(app, "Person", "2")
    assert everybody.value == "2"
    everybody.set_value("8").run()
    assert choice(app, "Person").value is None, "no picture shows this person"
    press(app, "Use this clip")
    assert newest(app).provenance["person"] == "8" and len(newest(app)) == 3


def test_the_largest_of_many_people_is_among_the_pictures(app: AppTest) -> None:
    people = [detected(walking(10 - number) + 100 * number, "COCO-17") for number in range(8)]
    people[7] = people[7] * (2, 2, 1)
    send(app, ("many.json", alphapose(people)))
    shown = {words.split("**")[1]: words for words in choice(app, "Person").options}
    assert "Person 8" in shown and "Person 6" not in shown
    assert ["largest" in words for words in shown.values()].count(True) == 1 and "largest" in shown["Person 8"]


def test_a_piece_that_may_be_the_same_person_is_joined_where_it_is_chosen(app: AppTest) -> None:
    walker = detected(walking(60, 2.0), "COCO-17")
    first, second = walker.copy(), walker.copy()
    first[20:], second[:45] = np.nan, np.nan
    send(app, ("lost.json", alphapose([first, second])))
    pick(app, "Person", "1")
    (offer,) = app.multiselect
    assert offer.options == ["Person 2: frames 45 to 59"] and offer.value == []
    offer.set_value(["2"]).run()
    press(app, "Use this clip")
    clip = newest(app)
    assert len(clip) == 60 and clip.provenance["person"] == "1+2"


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


def test_text_of_a_file_does_nothing_in_markdown() -> None:
    assert plain("![x](http://a.b/c)") == "\\!\\[x\\](http\\:\u2060//a.b/c)"
    assert plain("$a$ `b` <i> :red[c]") == r"\$a\$ \`b\` \<i\> \:red\[c\]"
    assert plain("walk-1 (2).json") == "walk-1 (2).json"


class MadeUp:
    """A made-up detector in BlazePose's place; what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.network = True

    def people(self, image: np.ndarray) -> Found:
        self.asked.append("look")
        return Found(COCO[:1, :, :2] / 20, COCO[:1, :, 2])

    def load(self) -> Detector:
        self.asked.append("load")
        return Detector("MadeUp", COCO17, self.people)

    def download(self, progress: Any) -> None:
        if not self.network:
            raise InvalidInput("no network")
        self.asked.append("download")


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    made = MadeUp()
    kind = DetectorKind(
        "MadeUp", "video", "17 joints", "3 bytes from nowhere",
        lambda: True, lambda: "download" in made.asked, made.download, made.load,
    )  # fmt: skip
    for module in (uploader, find_people):
        monkeypatch.setattr(module, "DETECTORS", {"madeup": kind})
    return made


def test_without_the_extra_the_way_to_get_it_is_named(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploader, "DETECTORS", {})
    send(app, ("walk.mp4", made_video()))
    assert 'pip install ".[video]"' in app.error[0].value.replace("\\", "")


def test_a_video_goes_through_a_detector_and_is_confirmed_like_a_file(app: AppTest, detector: MadeUp) -> None:
    send(app, ("walk.mp4", made_video()))
    assert "64 x 48 px, 6 frames, 25 frames a second" in said(app)
    assert "not on this machine yet" in app.info[0].value and "3 bytes from nowhere" in app.info[0].value
    assert not detector.asked, "nothing is downloaded before it is asked for"
    press(app, "Download and find the people")
    assert detector.asked == ["download", "load", *["look"] * 6]
    assert "recognised as video, by MadeUp" in said(app).replace("*", "")
    press(app, "Use this clip")
    assert len(newest(app)) == 6 and newest(app).fps == 25.0
    kept = next(iter(state(app).own.values()))
    assert b'"frames": [0, 1, 2, 3, 4, 5]' in kept.footage and kept.source.encode() in kept.footage


def test_the_demo_video_is_fetched_on_request_and_searched(
    app: AppTest, detector: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[int] = []

    def demo(progress: Any) -> bytes:
        progress(10, 100)
        fetched.append(1)
        return made_video(6)

    monkeypatch.setattr(other_ways, "demo_video", demo)
    press(app, "No file at hand?")
    assert "BSD 3-Clause licence" in said(app) and "49 MiB" in said(app) and not fetched
    press(app, "Fetch the demo video")
    assert fetched and "balancing.mp4" in said(app)
    press(app, "Download and find the people")
    press(app, "Use this clip")
    assert len(newest(app)) == 6 and "No file at hand?" in labels(app)


def test_a_demo_video_that_can_t_be_had_is_told(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def demo(progress: Any) -> bytes:
        raise InvalidInput("The demo videos can't be downloaded")

    monkeypatch.setattr(other_ways, "demo_video", demo)
    press(app, "No file at hand?")
    press(app, "Fetch the demo video")
    assert any("can't be downloaded" in error.value for error in app.error) and state(app).pending is None


def test_a_picture_is_a_clip_of_one_frame(app: AppTest, detector: MadeUp) -> None:
    file = io.BytesIO()
    Image.fromarray(np.full((300, 480, 3), 90, np.uint8)).save(file, "JPEG")
    state(app).brought = {"camera.jpg": file.getvalue()}
    app.run()
    assert "480 x 300 px, 1 frames" in said(app)
    press(app, "Download and find the people")
    press(app, "Use this clip")
    assert len(newest(app)) == 1 and (newest(app).width, newest(app).height) == (480, 300)


def test_pictures_of_a_video_are_not_kept_where_they_are_not_wanted(app: AppTest, detector: MadeUp) -> None:
    send(app, ("walk.mp4", made_video()))
    next(t for t in app.toggle if t.label.startswith("Show the video")).set_value(False)
    press(app, "Download and find the people")
    press(app, "Use this clip")
    assert next(iter(state(app).own.values())).footage == b""


def test_a_video_that_is_cancelled_leaves_everything_as_it_was(app: AppTest, detector: MadeUp) -> None:
    kept = {key: app.session_state[key] for key in ("clip", "frame", "seed", "view")}
    send(app, ("walk.mp4", made_video()))
    press(app, "Cancel")
    assert {key: app.session_state[key] for key in kept} == kept and not own(app) and not detector.asked
    assert state(app).pending is None and "Download and find the people" not in labels(app)


def test_weights_that_cannot_be_had_are_told_and_can_be_tried_again(app: AppTest, detector: MadeUp) -> None:
    detector.network = False
    send(app, ("walk.mp4", made_video()))
    press(app, "Download and find the people")
    assert any("no network" in error.value for error in app.error)
    detector.network = True
    press(app, "Try again")
    assert "Use this clip" in labels(app)


def test_a_part_of_a_video_and_one_that_holds_nothing(app: AppTest, detector: MadeUp) -> None:
    send(app, ("walk.mp4", made_video(12)))
    start, end, every = (n for n in app.number_input if n.label in ("From second", "To second", "Every nth frame"))
    start.set_value(0.3)
    end.set_value(0.1)
    press(app, "Download and find the people")
    assert any("a part ends after it begins" in error.value for error in app.error) and not detector.asked
    start, end, every = (n for n in app.number_input if n.label in ("From second", "To second", "Every nth frame"))
    end.set_value(None)
    start.set_value(0.0)
    every.set_value(3)
    press(app, "Try again")
    assert detector.asked.count("look") == 4
    press(app, "Use this clip")
    assert newest(app).fps == pytest.approx(25 / 3)
