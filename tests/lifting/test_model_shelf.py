"""The choice between single frames and windows of video, clip by clip."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.lifting import lift as lifting
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.model_shelf import ModelShelf, movement, setting_for
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import InvalidInput

FEW = LiftSettings(steps=1, hypotheses=1, up=None, body=None)


@pytest.mark.parametrize(
    ("frames", "fps", "setting"),
    [(1, 30, "frame"), (8, 30, "frame"), (9, 30, "video"), (9, 15, "video"), (70, 14.9, "frame"), (70, 240, "video")],
)
def test_video_needs_frames_enough_and_close_enough(walking_clip, frames, fps, setting):
    assert setting_for(replace(walking_clip.frames(slice(0, frames)), fps=fps)) == setting


def test_video_needs_somebody_who_moves(walking_clip):
    still = walking_clip.frames(np.full(30, 7))
    assert movement(still) == 0 and setting_for(still) == "frame"
    # A person of 400 px whose wrist, one of the 17 joints, swings by 40 px to both sides.
    pose = np.zeros((2, 17, 2), np.float32)
    pose[:, 3, 1] = 400
    pose[:, 16, 0] = [-40, 40]
    clip = replace(walking_clip.frames(slice(0, 2)), keypoints_px=pose, confidence=np.ones((2, 17), np.float32))
    assert movement(clip) == pytest.approx(0.1 / np.sqrt(17))
    # Frames in which a joint was not found say nothing about it.
    unseen = clip.confidence.copy()
    unseen[1, 16] = 0
    assert movement(replace(clip, confidence=unseen)) == 0
    unseen[0, 3] = 0
    assert movement(replace(clip, confidence=clip.confidence * unseen[:1])) == pytest.approx(0.1 / 4)
    assert movement(replace(clip, confidence=np.zeros((2, 17), np.float32))) == 0


def test_what_there_are_no_weights_for_is_not_chosen(walking_clip):
    assert setting_for(walking_clip, ["frame"]) == "frame"
    assert setting_for(walking_clip.frames(slice(0, 1)), ["video"]) == "video"


def test_each_clip_gets_its_networks_and_they_are_loaded_once(walking_clip, tiny_weights):
    shelf = ModelShelf(tiny_weights)
    long, short = shelf.for_clip(walking_clip), shelf.for_clip(walking_clip.frames(slice(0, 5)))
    assert (long.setting, short.setting) == ("video", "frame")
    assert shelf.for_clip(walking_clip) is long and shelf.first is short


def test_a_chosen_setting_holds_for_every_clip(walking_clip, tiny_weights):
    assert ModelShelf(tiny_weights, "frame").for_clip(walking_clip).setting == "frame"
    assert ModelShelf(tiny_weights, "video").for_clip(walking_clip.frames(slice(0, 5))).setting == "video"
    with pytest.raises(InvalidInput, match="the setting must be auto, frame or video; found 'film'"):
        ModelShelf(tiny_weights, "film")


def test_a_folder_with_weights_of_one_setting_is_used_for_all_clips(walking_clip, tiny_weights, tmp_path):
    for name in ("graformer", "diffpose"):
        shutil.copy(tiny_weights / f"{name}.safetensors", tmp_path)
    assert ModelShelf(tmp_path).for_clip(walking_clip).setting == "frame"


def test_a_denoiser_that_only_frames_have_is_found(walking_clip, tiny_weights):
    shelf = ModelShelf(tiny_weights)
    assert shelf.for_clip(walking_clip, LiftSettings(schedule="supplement")).setting == "frame"
    # The message of a denoiser that nobody has comes from the lift.
    nobody = LiftSettings(schedule="supplement", diffusion="flow")
    with pytest.raises(InvalidInput, match="no weights for flow diffusion"):
        lift(walking_clip, shelf.for_clip(walking_clip, nobody), nobody)


def test_lift_chooses_by_the_clip(walking_clip, tiny_weights, monkeypatch):
    monkeypatch.setattr(lifting, "ModelShelf", lambda: ModelShelf(tiny_weights))
    assert lift(walking_clip, settings=FEW).provenance["weights"] == "diffpose_video"
    assert lift(walking_clip.frames(slice(0, 4)), settings=FEW).provenance["weights"] == "diffpose"
    assert lift(replace(walking_clip, fps=5.0), settings=FEW).provenance["weights"] == "diffpose"
