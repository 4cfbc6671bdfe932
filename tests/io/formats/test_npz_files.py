"""VideoPose3D, DiffPose GMM and Detectron files in the layouts that their scripts write."""

import numpy as np
import pytest

from benchmarks.hostile_files import mixtures, shared_array
from benchmarks.pose_files import detected, detectron, gmm_poses, saved, videopose3d, walking
from diffpose_core.io.formats import Choice, npz_files, read_pose_file, to_clip
from diffpose_core.structures import InvalidInput

POSES = walking()
COCO = detected(POSES, "COCO-17")[..., :2]
LIMBS = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]


def test_every_camera_of_every_action_is_a_clip():
    content = videopose3d(
        {"S9": {"Walking 1": [POSES, POSES + 50], "Eating": [POSES[:5]]}, "S11": {"Sitting": [POSES]}}
    )
    poses = read_pose_file(content, "data_2d.npz")
    assert poses.format == "VideoPose3D" and not poses.needs_confirmation
    keys = ["S9 / Walking 1 / camera 0", "S9 / Walking 1 / camera 1", "S9 / Eating", "S11 / Sitting"]
    assert [(clip.key, clip.num_frames) for clip in poses.clips] == list(zip(keys, (12, 12, 5, 12), strict=True))
    chosen = to_clip(poses, Choice(clip=keys[1]))
    assert np.allclose(chosen.clip.keypoints_px, POSES + 50) and chosen.clip.provenance["clip"] == keys[1]
    with pytest.raises(InvalidInput, match=r"no clip 'S1'; there are: 'S9 / Walking 1 / camera 0'"):
        to_clip(poses, Choice(clip="S1"))


@pytest.mark.parametrize(("name", "layout"), [("h36m", "Human3.6M-17"), ("coco", "COCO-17")])
def test_the_layout_that_metadata_names_is_taken(name, layout):
    points = POSES if name == "h36m" else COCO
    poses = read_pose_file(videopose3d({"S1": {"W": [points]}}, name), "d.npz")
    assert poses.layouts[0].layout.name == layout and "layout_name" in poses.layouts[0].reason
    assert not poses.needs_confirmation
    assert np.allclose(to_clip(poses).clip.keypoints_px[:, LIMBS], POSES[:, LIMBS], atol=1e-3)


@pytest.mark.parametrize(("points", "layout"), [(POSES, "Human3.6M-17"), (COCO, "COCO-17")])
def test_without_metadata_geometry_proposes_and_a_person_confirms(points, layout):
    poses = read_pose_file(videopose3d({"S1": {"W": [points]}}, None), "d.npz")
    assert poses.needs_confirmation and len(poses.layouts) == 2
    assert poses.layouts[0].layout.name == layout
    with pytest.raises(InvalidInput, match=r"nothing in the file says which joint order it is: .*Choose one"):
        to_clip(poses)
    assert np.allclose(to_clip(poses, Choice(layout=layout)).clip.keypoints_px[:, LIMBS], POSES[:, LIMBS], atol=1e-3)


def test_metadata_that_the_poses_contradict_has_to_be_confirmed():
    poses = read_pose_file(videopose3d({"S1": {"W": [COCO]}}, "h36m"), "d.npz")
    assert poses.needs_confirmation and poses.layouts[0].layout.name == "Human3.6M-17"
    assert any("look like COCO-17" in note for note in poses.notes)


def test_image_sizes_of_a_video_s_metadata():
    content = videopose3d({"v.mp4": {"custom": [COCO]}}, "coco", {"v.mp4": {"w": 1080, "h": 1920}})
    clip = to_clip(read_pose_file(content, "d.npz")).clip
    assert (clip.width, clip.height) == (1080, 1920)


def test_zeros_are_missing_and_an_empty_clip_is_left_out():
    points = POSES.copy()
    points[3:6, 13] = 0
    points[8] = 0
    poses = read_pose_file(videopose3d({"S1": {"W": [points], "E": [np.zeros((4, 17, 2))]}}), "d.npz")
    assert [clip.key for clip in poses.clips] == ["S1 / W"] and any("left out" in note for note in poses.notes)
    guessed = to_clip(poses).clip.guessed
    assert guessed[3:6, 13].all() and guessed[8].all() and guessed.sum() == 3 + 17


def test_screen_normalised_coordinates_come_back_to_pixels():
    width, height = 1280, 720
    normalised = POSES / width * 2 - np.array([1.0, height / width])
    poses = read_pose_file(videopose3d({"S1": {"W": [normalised]}}), "d.npz")
    assert poses.coordinates == "screen" and any("as VideoPose3D normalises" in note for note in poses.notes)
    clip = to_clip(poses, Choice(image_size=(width, height))).clip
    assert np.allclose(clip.keypoints_px, POSES, atol=1e-2)


def test_diffpose_mixtures_reach_the_clip():
    poses = read_pose_file(videopose3d({"S1": {"W": [gmm_poses(POSES)]}}), "gmm.npz")
    assert poses.format == "DiffPose GMM"
    mixture = to_clip(poses).clip.mixture
    assert np.allclose(mixture.weights, [0.7, 0.3, 0.0], atol=1e-6)
    assert np.allclose(mixture.means_px[:, :, 1], POSES + 15, atol=1e-3)
    assert np.allclose(mixture.variances_px2[:, :, 1], 25.0)


def test_mixtures_with_gaps_weights_and_variances_that_are_off():
    values = gmm_poses(POSES)
    values[2, 5, :, 0] = 0
    values[3, 6, 0, 3] = 0
    values[4, 7, :, 0] *= 2
    values[5, 8, 1, 1] = np.nan
    poses = read_pose_file(videopose3d({"S1": {"W": [values]}}), "gmm.npz")
    clip = to_clip(poses).clip
    assert np.argwhere(clip.guessed).tolist() == [[2, 5]]
    assert np.allclose(clip.mixture.weights[3, 6], [0, 1, 0]) and np.allclose(clip.mixture.weights[5, 8], [1, 0, 0])
    assert np.allclose(clip.mixture.weights[4, 7], [0.7, 0.3, 0], atol=1e-6)
    assert {"divided by their sum" in n or "left out" in n for n in poses.notes} == {True}


def test_mixtures_in_coco_s_order_are_moved_with_their_joints():
    values = gmm_poses(COCO)
    clip = to_clip(read_pose_file(videopose3d({"S1": {"W": [values]}}, "coco"), "gmm.npz")).clip
    assert np.allclose(clip.mixture.means_px[:, 13, 0], COCO[:, 9]) and clip.mixture.weights[0, 13, 1] > 0.2
    # The hip lies between two joints: one mode, in the middle of both mixtures.
    assert np.allclose(clip.mixture.weights[:, 0], [1, 0, 0])
    assert np.allclose(clip.mixture.means_px[:, 0, 0], COCO[:, 11:13].mean(1) + 0.3 * 15, atol=1e-2)


@pytest.mark.parametrize("logits", [True, False], ids=["detectron", "detectron2"])
def test_detectron_people_frames_without_anybody_and_confidences(logits):
    people = [detected(POSES, "COCO-17"), detected(POSES + 300, "COCO-17")]
    poses = read_pose_file(detectron(people, empty=(4, 5), logits=logits), "v.mp4.npz")
    assert poses.format == "Detectron" and poses.clip().image_size == (1280, 720)
    assert [len(track) for track in poses.clip().tracks] == [10, 10] and not poses.needs_confirmation
    chosen = to_clip(poses)
    assert np.flatnonzero(chosen.clip.guessed.all(1)).tolist() == [4, 5]
    seen = chosen.clip.confidence[~chosen.clip.guessed]
    assert seen.min() > 0.85 and any("counts as half sure" in note for note in chosen.notes)


def test_a_frame_count_of_one_and_too_many():
    assert len(to_clip(read_pose_file(videopose3d({"S1": {"W": [POSES[:1]]}}), "d.npz")).clip) == 1
    long = np.broadcast_to(POSES[:1], (100_001, 17, 2)).astype(np.float32)
    with pytest.raises(InvalidInput, match=r"100001 frames; the limit is 100,000 frames. Cut the clip"):
        read_pose_file(videopose3d({"S1": {"W": [long]}}), "d.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"positions_2d": np.array({"S1": [1]}, dtype=object)}, r"positions_2d\['S1'\] must be a dict of actions"),
        ({"positions_2d": np.array({"S1": {"W": 3}}, dtype=object)}, "must be a list of cameras' poses"),
        ({"positions_2d": np.array({"S1": {"W": ["x"]}}, dtype=object)}, "an array of poses expected, found a str"),
        ({"positions_2d": np.array([1, 2])}, "must be a dict of subjects, found a ndarray"),
        ({"positions_2d": np.array({}, dtype=object)}, "no clip with poses"),
        ({"positions_2d": np.array({"S1": {"W": [np.zeros((5, 17, 4))]}}, dtype=object)}, r"found \(5, 17, 4\)"),
        (
            {"positions_2d": np.array({"S1": {"W": [np.ones((5, 21, 2))]}}, dtype=object)},
            "21 joints a person; known are",
        ),
        ({"boxes": np.zeros(3), "keypoints": np.zeros(4)}, "keypoints of 4 frames, but boxes of 3"),
        ({"places": np.zeros((5, 17, 2))}, "an .npz with the arrays places; expected"),
        ({"pose3d": np.zeros((5, 17, 3)), "provenance": np.array("{}")}, "a result of lifting, in 3D"),
    ],
)
def test_what_is_wrong_is_said(arrays, message):
    with pytest.raises(InvalidInput, match=message):
        read_pose_file(saved(**arrays), "d.npz")


def test_numbers_are_bounded_in_a_clip_and_over_all_clips(monkeypatch):
    with pytest.raises(InvalidInput, match=r"more than 20,000,000 numbers in one clip"):
        read_pose_file(mixtures(4_000, 64), "mixtures.npz")
    monkeypatch.setattr(npz_files, "MAX_FILE_NUMBERS", 10 * 1000 * 17 * 3)
    assert len(read_pose_file(shared_array(10, (1000, 17, 2)), "shared.npz").clips) == 10
    with pytest.raises(InvalidInput, match="numbers in all its clips; cut it into parts"):
        read_pose_file(shared_array(11, (1000, 17, 2)), "shared.npz")
