"""JSON formats: what detectors write comes back as people, with what was assumed said."""

import json

import numpy as np
import pytest

from benchmarks.hostile_files import openpose_zip
from benchmarks.pose_files import (
    alphapose,
    alphapose_by_image,
    detected,
    mediapipe,
    mmpose,
    openpose_frames,
    walking,
    zipped,
)
from diffpose_core.io.formats import LAYOUTS, Choice, openpose_files, read_pose_file, read_pose_files, to_clip
from diffpose_core.structures import InvalidInput

POSES = walking()
LIMBS = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]


@pytest.mark.parametrize("layout", ["COCO-17", "Halpe-26", "Halpe-136"])
def test_alphapose_in_each_of_its_joint_orders(layout):
    poses = read_pose_file(alphapose([detected(POSES, layout)]), "alphapose-results.json")
    assert (poses.format, poses.layouts[0].layout.name) == ("AlphaPose", layout)
    assert not poses.needs_confirmation and poses.coordinates == "pixels"
    chosen = to_clip(poses)
    assert np.allclose(chosen.clip.keypoints_px[:, [1, 2, 3, 11, 12, 13]], POSES[:, [1, 2, 3, 11, 12, 13]], atol=1e-3)
    assert chosen.layout is LAYOUTS[layout] and not chosen.clip.guessed.any()


@pytest.mark.parametrize("layout", ["BODY_25 (OpenPose)", "COCO-18 (OpenPose)", "Halpe-26"])
@pytest.mark.parametrize("way", ["zip", "files", "one"])
def test_openpose_as_archive_as_many_files_and_as_a_single_one(layout, way):
    files = openpose_frames([detected(POSES, layout)])
    if way == "zip":
        poses = read_pose_file(zipped({f"out/{name}": content for name, content in files.items()}), "openpose.zip")
    elif way == "files":
        poses = read_pose_files(dict(reversed(files.items())))
    else:
        poses = read_pose_files(dict(list(files.items())[:1]))
    assert (poses.format, poses.layouts[0].layout.name) == ("OpenPose", layout)
    clip = to_clip(poses).clip
    assert len(clip) == (1 if way == "one" else len(POSES))
    assert np.allclose(clip.keypoints_px[:, [1, 6, 13, 16]], POSES[: len(clip), [1, 6, 13, 16]], atol=1e-3)


def test_the_file_s_own_identities_are_kept_and_the_longest_person_leads():
    short = detected(POSES + 200, "COCO-17")
    short[6:] = np.nan
    poses = read_pose_file(alphapose([short, detected(POSES, "COCO-17")]), "a.json")
    assert [(track.key, len(track)) for track in poses.clip().tracks] == [("2", 12), ("1", 6)]
    assert np.allclose(to_clip(poses, Choice(track="1")).clip.keypoints_px[0, 11], POSES[0, 11] + 200)


def test_people_without_identities_are_followed_also_where_they_cross():
    left, right = detected(walking(30, 12.0), "COCO-17"), detected(walking(30, -12.0) + np.array([300, 60]), "COCO-17")
    content = alphapose([left, right], ids=False).replace(b'"category_id"', b'"kind"')
    tracks = read_pose_file(content, "a.json").clip().tracks
    assert [len(track) for track in tracks] == [30, 30]
    found = sorted((track.keypoints for track in tracks), key=lambda k: k[0, 0, 0])
    assert np.allclose(found[0], left[..., :2], atol=1e-2) and np.allclose(found[1], right[..., :2], atol=1e-2)


# AlphaPose


def rows_of(content):
    return json.loads(content)


def read_rows(rows, name="a.json"):
    return read_pose_file(json.dumps(rows).encode(), name)


@pytest.mark.parametrize("kind", ["open", "cmu"])
def test_alphapose_s_other_forms(kind):
    content = alphapose_by_image(detected(POSES, "COCO-18 (OpenPose)"), kind)
    poses = read_pose_file(content, "alphapose-results.json")
    assert poses.layouts[0].layout.name == "COCO-18 (OpenPose)" and len(to_clip(poses).clip) == 12


def test_identities_may_be_lists_floats_or_text():
    for write in (lambda n: [float(n)], lambda n: float(n), lambda n: str(n), lambda n: [[n]]):
        rows = rows_of(alphapose([detected(POSES, "COCO-17"), detected(POSES + 300, "COCO-17")]))
        for row in rows:
            row["idx"] = write(row["idx"])
        assert sorted(track.key for track in read_rows(rows).clip().tracks) == ["1", "2"]


def test_one_person_twice_in_a_frame_keeps_the_surer_one():
    rows = rows_of(alphapose([detected(POSES, "COCO-17")]))
    rows.append({**rows[3], "keypoints": [7.0] * 51, "score": 0.1})
    poses = read_rows(rows)
    assert len(poses.clip().tracks) == 1 and any("in a frame twice" in note for note in poses.notes)
    assert np.allclose(to_clip(poses).clip.keypoints_px[3, LIMBS], POSES[3, LIMBS], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "first", "note"),
    [
        ("{}.jpg", 1, "first frame is number 1"),
        ("frame_{:05d}.png", 0, None),
        ("video.mp4_{}.png", 100, "first frame is number 100"),
        ("img-{:06d}_rendered.jpeg", 12345678901234567890123, "first frame is number"),
    ],
)
def test_frame_numbers_come_from_names_and_may_start_anywhere(name, first, note):
    person = detected(POSES, "COCO-17")
    person[4] = np.nan
    poses = read_pose_file(alphapose([person], first=first, name=name), "a.json")
    clip = to_clip(poses).clip
    assert len(clip) == 12 and np.flatnonzero(clip.guessed.all(1)).tolist() == [4]
    assert any(note in sentence for sentence in poses.notes) if note else not poses.notes


def test_names_without_numbers_count_in_their_order_and_steps_are_noticed():
    rows = rows_of(alphapose([detected(POSES[:3], "COCO-17")]))
    for row, name in zip(rows, ("a.jpg", "c.jpg", "b.jpg"), strict=True):
        row["image_id"] = name
    poses = read_rows(rows)
    assert poses.clip().num_frames == 3 and any("no number of their own" in note for note in poses.notes)
    rows = rows_of(alphapose([detected(POSES, "COCO-17")]))
    for row in rows:
        row["image_id"] = int(row["image_id"].split(".")[0]) * 5
    poses = read_rows(rows)
    assert poses.clip().num_frames == 12 and any("steps of 5" in note for note in poses.notes)


def test_frame_numbers_that_span_too_much_are_refused():
    rows = rows_of(alphapose([detected(POSES, "COCO-17")]))
    rows[-1]["image_id"] = "250000.jpg"
    with pytest.raises(InvalidInput, match="250001 frames; the limit is 100,000"):
        read_rows(rows)
    rows[-1]["image_id"] = f"{10**17}.jpg"
    with pytest.raises(InvalidInput, match="frame numbers with many digits"):
        read_rows(rows)


def test_seventeen_joints_that_look_like_human36m_are_not_taken_for_coco():
    poses = read_pose_file(alphapose([detected(POSES, "Human3.6M-17")]), "a.json")
    assert poses.needs_confirmation and poses.layouts[0].layout.name == "Human3.6M-17"


# Confidences and coordinates


@pytest.mark.parametrize(
    ("top", "expected", "note"),
    [
        (1.0, 0.9, None),
        (1.3, 1.0, "above 1 are taken as 1"),
        (100.0, 0.9, "percent"),
        (6.0, 1.0, "divided by the largest"),
    ],
)
def test_confidences_of_any_range(top, expected, note):
    person = detected(POSES, "COCO-17", 0.9 * top)
    person[0, 0, 2] = 0.9 * top if top == 1.3 else 0.1 * top
    poses = read_pose_file(mmpose([person], names=LAYOUTS["COCO-17"].names), "m.json")
    assert np.isclose(to_clip(poses).clip.confidence[5, 13], expected, atol=1e-3)
    assert any(note in sentence for sentence in poses.notes) if note else len(poses.notes) == 1


def test_what_is_no_place_is_missing():
    person = detected(POSES, "COCO-17")
    person[1, 9, :2] = np.nan
    person[2, 9, :2] = np.inf
    person[3, 9, :2] = 0
    person[4, 9, 2] = 0
    person[5, 9, :2] = 1e30
    person[6, 9, 2] = np.nan
    person[7, 9, 2] = -0.5
    rows = rows_of(alphapose([person]))
    rows[8]["keypoints"][27:30] = [None, None, None]
    poses = read_rows(rows)
    chosen = to_clip(poses)
    assert np.flatnonzero(chosen.clip.guessed[:, 13]).tolist() == list(range(1, 9)) and chosen.clip.guessed.sum() == 8
    assert np.isnan(chosen.source_px[1, 9]).all() and np.isfinite(chosen.clip.keypoints_px).all()
    for said in ("at infinity or more than a million", "(0, 0)", "confidence isn't a number", "below 0"):
        assert any(said in note for note in poses.notes), said


def test_every_joint_missing_and_nobody_at_all():
    zero = np.zeros((5, 17, 3))
    for content in (
        alphapose([zero]),
        mmpose([zero]),
        zipped(openpose_frames([np.zeros((5, 25, 3))])),
    ):
        with pytest.raises(InvalidInput, match="every joint of every frame is missing"):
            read_pose_file(content, "a")
    for content in (
        b"[]",
        mmpose([np.full((3, 17, 3), np.nan)]),
        zipped(openpose_frames([np.full((3, 25, 3), np.nan)])),
    ):
        with pytest.raises(InvalidInput, match=r"nobody in any of its frames|a list of 0 entries"):
            read_pose_file(content, "a")


def test_a_joint_that_never_moves_and_a_person_on_one_point_can_be_read():
    person = detected(POSES, "COCO-17")
    person[:, 9, :2] = (300, 300)
    assert len(to_clip(read_pose_file(alphapose([person]), "a.json")).clip) == 12
    point = np.full((4, 26, 3), 50.0)
    point[..., 2] = 0.9
    clip = to_clip(read_pose_file(alphapose([point]), "a.json")).clip
    assert np.isfinite(clip.mixture.variances_px2).all()


@pytest.mark.parametrize(("scale", "unit"), [((1 / 1280, 1 / 720), "unit"), (None, "symmetric")])
def test_openpose_s_normalised_coordinates(scale, unit):
    person = detected(POSES, "BODY_25 (OpenPose)")
    size = np.array([1280, 720])
    person[..., :2] = person[..., :2] * scale if scale else person[..., :2] / size * 2 - 1
    poses = read_pose_files(openpose_frames([person]))
    assert poses.coordinates == unit
    clip = to_clip(poses, Choice(image_size=(1280, 720))).clip
    assert np.allclose(clip.keypoints_px[:, LIMBS], POSES[:, LIMBS], atol=1e-2)


# OpenPose


def test_missing_frames_numbers_from_one_and_partly_hidden_heads():
    person = detected(POSES, "BODY_25 (OpenPose)")
    person[:, 15] = 0
    person[2:4] = np.nan
    files = openpose_frames([person], first=1)
    del files["video_000000000006_keypoints.json"]
    poses = read_pose_files(files)
    clip = to_clip(poses).clip
    assert len(clip) == 12 and np.flatnonzero(clip.guessed.all(1)).tolist() == [2, 3, 5]
    # One eye is enough for the head, with less confidence.
    assert np.allclose(clip.confidence[0, 10], 0.45) and not clip.guessed[0, 10]


def test_files_of_several_clips_become_several_clips():
    files = {
        **openpose_frames([detected(POSES, "BODY_25 (OpenPose)")], prefix="left/cam1"),
        **openpose_frames([detected(POSES[:5], "BODY_25 (OpenPose)")], prefix="right/cam2"),
    }
    poses = read_pose_file(zipped(files), "a.zip")
    assert [(clip.key, clip.num_frames) for clip in poses.clips] == [("left/cam1", 12), ("right/cam2", 5)]


def test_the_same_person_in_two_orders_of_the_list_stays_one():
    left, right = detected(POSES, "BODY_25 (OpenPose)"), detected(POSES + np.array([400, 0]), "BODY_25 (OpenPose)")
    files = {}
    for frame in range(12):
        order = [left[frame : frame + 1], right[frame : frame + 1]]
        files.update(openpose_frames(order if frame % 2 else order[::-1], first=frame))
    tracks = read_pose_files(files).clip().tracks
    assert sorted(float(np.ptp(track.keypoints[:, 1, 0])) < 150 for track in tracks) == [True, True]
    assert [len(track) for track in tracks] == [12, 12]


# MMPose


@pytest.mark.parametrize("form", ["instance_info", "frames"])
def test_mmpose_videos(form):
    poses = read_pose_file(mmpose([detected(POSES, "Halpe-26")], form), "results.json")
    assert (poses.format, poses.layouts[0].layout.name) == ("MMPose", "Halpe-26")
    assert np.allclose(to_clip(poses).clip.keypoints_px[:, LIMBS], POSES[:, LIMBS], atol=1e-3)


def test_mmpose_s_instances_of_one_image():
    poses = read_pose_file(mmpose([detected(POSES, "COCO-17"), detected(POSES + 300, "COCO-17")], "bare"), "r.json")
    assert (poses.clip().num_frames, len(poses.clip().tracks)) == (1, 2)


def test_names_in_meta_info_decide_about_seventeen_joints():
    human36m = ("root", "right_hip", "right_knee", "right_foot", "left_hip", "left_knee", "left_foot", "spine",
                "thorax", "neck_base", "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder",
                "right_elbow", "right_wrist")  # fmt: skip
    for names, layout in ((LAYOUTS["COCO-17"].names, "COCO-17"), (human36m, "Human3.6M-17")):
        poses = read_pose_file(mmpose([detected(POSES, layout)], names=names), "r.json")
        assert poses.layouts[0].layout.name == layout and not poses.needs_confirmation
    unnamed = tuple(f"kp_{n}" for n in range(17))
    assert read_pose_file(mmpose([detected(POSES, "COCO-17")], names=unnamed), "r.json").needs_confirmation


# MediaPipe


@pytest.mark.parametrize("form", ["lists", "tasks", "messages"])
def test_mediapipe_json(form):
    poses = read_pose_file(mediapipe(detected(POSES, "MediaPipe-33"), form), "landmarks.json")
    assert (poses.format, poses.coordinates) == ("MediaPipe Pose", "unit") and not poses.needs_confirmation
    chosen = to_clip(poses, Choice(image_size=(1280, 720)))
    assert np.allclose(chosen.clip.keypoints_px[:, LIMBS], POSES[:, LIMBS], atol=1e-2)
    if form == "tasks":
        assert (chosen.clip.width, chosen.clip.height, chosen.clip.fps) == (1280, 720, 25.0)


def test_mediapipe_frames_without_anybody_and_a_single_frame():
    frames = json.loads(mediapipe(detected(POSES, "MediaPipe-33"), "lists"))
    frames[0], frames[5] = None, []
    clip = to_clip(read_rows(frames)).clip
    assert (
        len(clip) == 11 and np.flatnonzero(clip.guessed.all(1)).tolist() == [4] and clip.provenance["first_frame"] == 1
    )
    assert len(to_clip(read_rows(frames[1])).clip) == 1


def test_landmarks_by_name_decide_by_their_names():
    person = detected(POSES, "COCO-17")
    frames = [
        {
            name.upper(): {"x": x, "y": y, "score": c}
            for name, (x, y, c) in zip(LAYOUTS["COCO-17"].names, frame, strict=True)
        }
        for frame in person.tolist()
    ]
    poses = read_rows(frames)
    assert poses.layouts[0].layout.name == "COCO-17" and not poses.needs_confirmation


# What is no format


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": 1}, r"JSON with the keys 'a'; expected AlphaPose"),
        (7, None),
        ([1, 2], "a list of 2 entries, each with a single int"),
        ([{"image_id": 1, "keypoints": [1, 2]}], "2 numbers; expected 3 a joint"),
        ([{"image_id": 1, "keypoints": ["a", "b", "c"]}], "a list of numbers expected"),
        ([{"image_id": [1], "keypoints": [1, 2, 3]}], "image_id must be a number or a file name"),
        ([{"image_id": 1, "keypoints": [1.0] * 63}], "21 joints a person; known are"),
        ([{"image_id": n, "keypoints": [1.0] * k} for n, k in ((1, 51), (2, 78))], "different numbers of joints"),
        ({"people": 3}, "a list of people expected"),
        ({"people": [3]}, "a person must be an object"),
        ([{"instances": 3}], "must be a list"),
        ([{"instances": [{}]}], "has no keypoints"),
        ([{"instances": [{"keypoints": [[1, 2]], "keypoint_scores": [1, 2]}]}], "1 keypoints, but 2 keypoint_scores"),
        ([{"instances": [{"keypoints": [[1, 2, 3, 4]]}]}], "found 4 numbers a joint"),
        ([[{"x": 1, "y": "left"}] * 33], "a landmark without numbers"),
        ({"schema": "diffpose-result/1", "pose3d": []}, "schema 'diffpose-result/1' found"),
    ],
)
def test_what_is_wrong_is_said(data, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        read_rows(data)
    assert "a.json" in str(caught.value)


def test_many_files_that_are_not_openpose_s():
    with pytest.raises(InvalidInput, match="is no frame of OpenPose"):
        read_pose_files({"a.json": b"{}", "b.json": b"{}"})
    with pytest.raises(InvalidInput, match="no file; expected"):
        read_pose_files({})


def test_numbers_are_bounded_over_all_clips_of_an_archive(monkeypatch):
    monkeypatch.setattr(openpose_files, "MAX_NUMBERS", 3 * 4 * 75)
    assert len(read_pose_file(openpose_zip(3, 2, 2), "o.zip").clips) == 3
    with pytest.raises(InvalidInput, match="numbers in all its files; read them in parts"):
        read_pose_file(openpose_zip(4, 2, 2), "o.zip")
