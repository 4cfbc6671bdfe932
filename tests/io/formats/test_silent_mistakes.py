"""Files that used to be read wrongly without a word: each is read rightly, refused, or said to be doubtful."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.pose_files import alphapose, coco, detected, mmpose, plain_csv, walking
from diffpose_core.io.formats import LAYOUTS, Choice, read_pose_file, to_clip
from diffpose_core.io.formats.body_score import body_score
from diffpose_core.structures import InvalidInput

POSES = walking(30)
COCO17 = detected(POSES, "COCO-17")
RIGHT, LEFT = [1, 2, 3, 14, 15, 16], [4, 5, 6, 11, 12, 13]


def notes_of(poses):
    return " ".join(to_clip(poses).notes)


def assert_limbs(poses, choice=None, shift=(0.0, 0.0), atol=0.05):
    """Shoulders, hips, elbows, wrists, knees and ankles are where they were drawn."""
    clip = to_clip(poses, choice).clip
    limbs = [*RIGHT, *LEFT]
    assert np.allclose(clip.keypoints_px[:, limbs], POSES[:, limbs] + shift, atol=atol)
    return clip


# 1. Numbers without names


def rows_csv(values, trailing=""):
    return "\n".join(",".join(f"{x:.4f}" for x in row.ravel()) + trailing for row in values).encode()


@pytest.mark.parametrize("trailing", ["", ","])
def test_a_depth_is_no_confidence_and_an_empty_column_no_joint(trailing):
    found = detected(POSES, "MediaPipe-33")
    depth = 40 * np.sin(np.arange(33))[None] + np.zeros((30, 1))
    upwards = np.stack([found[..., 0], 720 - found[..., 1], depth], axis=-1)
    poses = read_pose_file(rows_csv(upwards, trailing), "p.csv")
    assert poses.layouts[0].layout.name == "MediaPipe-33" and "33 joints of x, y, z are assumed" in notes_of(poses)
    assert poses.turn == "flip"
    clip = assert_limbs(poses, Choice(turn="flip", image_size=(1280, 720)))
    assert (clip.confidence == 1).all()


def test_numbers_that_make_no_body_are_refused():
    scattered = np.random.default_rng(0).uniform(0, 900, (20, 17, 2))
    with pytest.raises(InvalidInput, match="In no known joint order do the numbers make a body"):
        read_pose_file(rows_csv(scattered), "p.csv")
    assert body_score(LAYOUTS["COCO-17"], COCO17[..., :2]) < 0.8 < body_score(LAYOUTS["COCO-17"], scattered)


def test_joints_that_lie_as_no_body_s_are_said_to():
    scattered = np.random.default_rng(0).permutation(25)
    found = detected(POSES, "BODY_25 (OpenPose)")
    assert "don't lie as a body's" not in notes_of(read_pose_file(alphapose([found]), "a.json"))
    said = notes_of(read_pose_file(alphapose([found[:, scattered]]), "a.json"))
    assert "Taken as BODY_25 (OpenPose), the joints don't lie as a body's: is it another joint order?" in said


# 2. Upside down, on its side, mirrored


@pytest.mark.parametrize(
    ("seen", "turn", "size"),
    [
        (lambda x, y: (x, 480 - y), "flip", (640, 480)),
        (lambda x, y: (y, 640 - x), "right", (480, 640)),
        (lambda x, y: (480 - y, x), "left", (480, 640)),
        (lambda x, y: (640 - x, 480 - y), "flip", (640, 480)),
    ],
)
def test_people_who_are_not_upright_are_noticed_and_can_be_turned(seen, turn, size):
    small = POSES * 0.5
    found = detected(small, "COCO-17")
    found[..., 0], found[..., 1] = seen(found[..., 0].copy(), found[..., 1].copy())
    poses = read_pose_file(alphapose([found]), "a.json")
    assert poses.turn == turn and f"--turn {turn}" in notes_of(poses)
    clip = to_clip(poses, Choice(turn=turn, image_size=size)).clip
    assert (clip.width, clip.height) == (640, 480)
    assert (clip.keypoints_px[:, 8, 1] < clip.keypoints_px[:, [3, 6], 1].min(1)).all(), "feet are down"
    if seen(0, 0)[0] != 640:
        assert np.allclose(clip.keypoints_px[:, RIGHT + LEFT], small[:, RIGHT + LEFT], atol=0.01)
    again = read_pose_file(alphapose([np.dstack((clip.keypoints_px, clip.confidence))]), "b.json")
    assert again.turn == "none"


def test_left_and_right_of_a_mirrored_video_can_be_exchanged():
    mirrored = detected(POSES, "COCO-17")
    mirrored[..., 0] = 1280 - mirrored[..., 0]
    clip = to_clip(read_pose_file(alphapose([mirrored]), "a.json"), Choice(exchange_sides=True)).clip
    assert np.allclose(clip.keypoints_px[:, RIGHT][..., 0], 1280 - POSES[:, LEFT][..., 0], atol=0.01)


# 3. Units


def test_a_person_who_reaches_out_of_the_picture_is_not_in_pixels():
    found = detected(POSES, "MediaPipe-33")
    found[..., :2] = found[..., :2] / (1280, 260)
    assert found[..., 1].max() > 2.4
    poses = read_pose_file(plain_csv(found, LAYOUTS["MediaPipe-33"].names), "p.csv")
    assert poses.coordinates == "unit" and "partly outside of the picture" in notes_of(poses)
    assert_limbs(poses, Choice(image_size=(1280, 260)), atol=1.0)


def test_some_joints_left_of_the_picture_do_not_make_it_symmetric():
    found = detected(POSES, "MediaPipe-33")
    found[..., :2] = (found[..., :2] - (430, 0)) / (1280, 720)
    below = (found[..., :2] < -0.02).mean()
    assert below > 0.02
    poses = read_pose_file(plain_csv(found, LAYOUTS["MediaPipe-33"].names), "p.csv")
    assert poses.coordinates == "unit"
    assert_limbs(poses, Choice(image_size=(1280, 720)), shift=(-430.0, 0.0), atol=1.0)


def test_poses_centred_on_the_hip_are_refused():
    found = detected(POSES, "MediaPipe-33")
    middle = found[:, [23, 24], :2].mean(1, keepdims=True)
    found[..., :2] = (found[..., :2] - middle) / 180
    with pytest.raises(InvalidInput, match="centred on the hip, as 3D poses in metres are"):
        read_pose_file(plain_csv(found, LAYOUTS["MediaPipe-33"].names), "p.csv")


# 4. Names in the file


def test_the_names_in_coco_s_categories_decide():
    order = [0, 2, 1, *range(3, 17)]
    swapped = [j + 1 if j % 2 else j - 1 for j in range(1, 17)]
    for places in (order, [0, *swapped]):
        data = json.loads(coco([COCO17[:, places]]))
        names = [LAYOUTS["COCO-17"].names[j] for j in places]
        data["categories"] = [{"id": 1, "name": "person", "keypoints": names}]
        assert_limbs(read_pose_file(json.dumps(data).encode(), "coco.json"))


def test_posetrack_s_head_is_no_eye():
    names = list(LAYOUTS["COCO-17"].names)
    names[1:3] = "head_bottom", "head_top"
    found = COCO17.copy()
    found[:, 1, :2], found[:, 2, :2] = POSES[:, 9] + (0, 15), POSES[:, 10]
    found[:, 3:5] = 0
    data = json.loads(coco([found]))
    data["categories"] = [{"keypoints": names}]
    clip = assert_limbs(read_pose_file(json.dumps(data).encode(), "coco.json"))
    assert np.allclose(clip.keypoints_px[:, 10], POSES[:, 10], atol=0.05)


@pytest.mark.parametrize("keep", [17, 14])
def test_points_with_names_may_come_in_any_order_and_number(keep):
    names = sorted(LAYOUTS["COCO-17"].names)[:keep]
    assert {"left_hip", "right_hip"} <= set(names)
    names = sorted({*names, "left_shoulder", "right_shoulder", "left_wrist", "right_wrist"})
    place = LAYOUTS["COCO-17"].names.index
    frames = [
        {"frame": frame, "keypoints": [
            {"name": name, "x": row[place(name)][0], "y": row[place(name)][1], "score": 0.9} for name in names]}
        for frame, row in enumerate(COCO17.tolist())
    ]  # fmt: skip
    clip = to_clip(read_pose_file(json.dumps(frames).encode(), "p.json")).clip
    for joint, name in ((1, "right_hip"), (4, "left_hip"), (11, "left_shoulder"), (14, "right_shoulder")):
        assert np.allclose(clip.keypoints_px[:, joint], POSES[:, joint], atol=0.05), name


# 5. One identity for several people


def test_people_who_share_an_identity_are_told_apart():
    other = COCO17 + np.array([300.0, 0, 0])
    rows = json.loads(alphapose([COCO17, other]))
    for row in rows:
        row["idx"] = 0
    poses = read_pose_file(json.dumps(rows).encode(), "a.json")
    assert [(track.key, len(track)) for track in poses.clip().tracks] == [("0", 30), ("0.2", 30)]
    assert "Several people share the identity 0" in notes_of(poses)
    assert_limbs(poses, Choice(track="0"))
    assert_limbs(poses, Choice(track="0.2"), shift=(300.0, 0.0))


def test_an_identity_that_changes_in_the_middle_is_one_person():
    rows = json.loads(alphapose([COCO17]))
    for frame, row in enumerate(rows):
        row["idx"] = 1 if frame < 14 else 7
    poses = read_pose_file(json.dumps(rows).encode(), "a.json")
    assert [(track.key, len(track)) for track in poses.clip().tracks] == [("1", 30)]
    assert "Person 1 ends where person 7 begins (frame 14): taken as one" in notes_of(poses)
    far = json.loads(alphapose([np.concatenate((COCO17[:14], COCO17[14:] + np.array([600.0, 0, 0])))]))
    for frame, row in enumerate(far):
        row["idx"] = 1 if frame < 14 else 7
    assert len(read_pose_file(json.dumps(far).encode(), "a.json").clip().tracks) == 2


# 6. Frames out of order


def test_coco_s_file_names_tell_the_time_and_not_its_ids():
    data = json.loads(coco([COCO17]))
    ids = np.random.default_rng(0).permutation(30) + 500
    for frame, (image, row) in enumerate(zip(data["images"], data["annotations"], strict=True)):
        image["id"] = row["image_id"] = int(ids[frame])
        image["file_name"] = f"frame_{frame:05d}.jpg"
    assert_limbs(read_pose_file(json.dumps(data).encode(), "coco.json"))


def test_ids_that_leave_gaps_everywhere_are_names():
    rows = json.loads(alphapose([COCO17]))
    for frame, row in enumerate(rows):
        row["image_id"] = 139 + 7 * frame**2
    poses = read_pose_file(json.dumps(rows).encode(), "a.json")
    assert poses.clip().num_frames == 30 and "leave gaps almost everywhere" in notes_of(poses)
    assert_limbs(poses)


def test_videos_of_one_picture_each_are_clips_of_their_own():
    data = json.loads(coco([COCO17[:3]]))
    for number, (image, row) in enumerate(zip(data["images"], data["annotations"], strict=True)):
        image["id"] = row["image_id"] = 10_000 * (number + 1)
        image["file_name"] = f"images/val/{number:06d}_mpii_test/000{number * 7:03d}.jpg"
    poses = read_pose_file(json.dumps(data).encode(), "coco.json")
    assert [clip.num_frames for clip in poses.clips] == [1, 1, 1]


# 7. 3D taken as 2D


def test_poses_in_3d_are_refused():
    people = json.loads(mmpose([COCO17]))
    for frame in people["instance_info"]:
        for person in frame["instances"]:
            person["keypoints"] = [[x / 500, 0.3, y / 500] for x, y in person["keypoints"]]
    with pytest.raises(InvalidInput, match="poses in 3D, as MMPose's body3d writes them"):
        read_pose_file(json.dumps(people).encode(), "m.json")
    world = [{"pose_world_landmarks": [{"x": 0.1, "y": 0.2, "z": 0.3, "visibility": 1.0}] * 33}] * 3
    with pytest.raises(InvalidInput, match="landmarks in metres around the hip only: poses in 3D"):
        read_pose_file(json.dumps(world).encode(), "w.json")


# 8. Time and size


@pytest.mark.parametrize(
    ("name", "times", "fps", "word"),
    [
        ("t", [str(n) for n in range(30)], None, "count 0, 1, 2"),
        ("time", [str(n) for n in range(30)], None, "count 0, 1, 2"),
        ("time_ms", [str(n * 100 // 3) for n in range(30)], 30.0, "mean 30 frames a second"),
        ("timestamp", [f"00:00:{n / 25:06.3f}" for n in range(30)], 25.0, "mean 25 frames a second"),
        ("timestamp", [f"2024-05-01T12:00:{n / 50:09.6f}" for n in range(30)], 50.0, "mean 50 frames a second"),
        ("timestamp", ["noon"] * 30, None, "are not understood"),
    ],
)
def test_a_table_s_times(name, times, fps, word):
    lines = plain_csv(COCO17, LAYOUTS["COCO-17"].names).decode().splitlines()
    rows = [f"{name},{lines[0]}", *(f"{time},{line}" for time, line in zip(times, lines[1:], strict=True))]
    poses = read_pose_file("\n".join(rows).encode(), "p.csv")
    assert poses.clip().fps == fps and word in notes_of(poses)
    assert_limbs(poses)


def test_times_and_video_information_in_json():
    frames = [
        {"timestamp": round(1000 * n / 60), "landmarks": [{"x": x, "y": y, "visibility": c} for x, y, c in row]}
        for n, row in enumerate(detected(POSES, "MediaPipe-33").tolist())
    ]  # fmt: skip
    poses = read_pose_file(json.dumps(frames).encode(), "p.json")
    assert poses.clip().fps == pytest.approx(60, rel=0.01)
    content = {"video_info": {"fps": 48, "width": 800, "height": 900}, "frames": frames}
    clip = read_pose_file(json.dumps(content).encode(), "p.json").clip()
    assert (clip.fps, clip.image_size) == (48.0, (800, 900))


# 9. Left-right leg swaps


def test_legs_that_change_places_are_noticed():
    found = COCO17.copy()
    apart = found.copy()
    apart[:, [11, 13, 15], 0] += 60
    assert "change places" not in notes_of(read_pose_file(alphapose([apart]), "a.json"))
    swapped = apart.copy()
    for frame in range(5, 30, 10):
        swapped[frame, [11, 12, 13, 14, 15, 16]] = apart[frame, [12, 11, 14, 13, 16, 15]]
    said = notes_of(read_pose_file(alphapose([swapped]), "a.json"))
    assert "Left and right leg of person 1 change places at frame 5 and 5 times more" in said


# 10. A joint that is absent


def test_a_joint_that_one_frame_lacks_is_a_gap():
    names = LAYOUTS["COCO-17"].names
    frames = [
        {name: {"x": x, "y": y, "c": c} for name, (x, y, c) in zip(names, row, strict=True)} for row in COCO17.tolist()
    ]
    del frames[4]["left_wrist"]
    clip = to_clip(read_pose_file(json.dumps({"frames": frames}).encode(), "p.json")).clip
    assert np.argwhere(clip.guessed).tolist() == [[4, 13]]


# Assumptions stay with the result


def test_what_was_assumed_is_in_the_provenance():
    poses = read_pose_file(alphapose([COCO17]), "a.json")
    about = to_clip(poses).clip.provenance
    assert about["assumed"] == ["frames a second", "image size"] and about["turn"] == "none"
    assert about["source"] == "a.json" and about["source_sha256"] == hashlib.sha256(alphapose([COCO17])).hexdigest()
    about = to_clip(poses, Choice(fps=25.0, image_size=(1280, 720), turn="half")).clip.provenance
    assert about["assumed"] == [] and about["turn"] == "half"
    assert replace(poses, turn="left").turn == "left"
