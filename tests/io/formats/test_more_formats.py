"""Formats that people have: arrays, PYSKL, one file a frame, Ultralytics, PoseNet, Vision; refusals name the file."""

import io
import json
import pickle

import numpy as np
import pytest

from benchmarks.pose_files import detected, saved, walking, zipped
from diffpose_core.io.formats import LAYOUTS, Choice, read_pose_file, read_pose_files, to_clip
from diffpose_core.structures import InvalidInput

POSES = walking(12)
COCO17 = detected(POSES, "COCO-17")
LIMBS = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]


def assert_limbs(poses, choice=None, frames=slice(None)):
    clip = to_clip(poses, choice).clip
    assert np.allclose(clip.keypoints_px[:, LIMBS], POSES[frames][:, LIMBS], atol=0.1)
    return clip


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["npy", "reconstruction", "keypoints", "three numbers", "scores"])
def test_arrays_of_poses(kind):
    places = COCO17[..., :2].astype(np.float32)
    content = {
        "npy": npy(places), "reconstruction": saved(reconstruction=places[None]), "keypoints": saved(keypoints=places),
        "three numbers": npy(COCO17), "scores": saved(keypoints=places, scores=COCO17[..., 2]),
    }[kind]  # fmt: skip
    poses = read_pose_file(content, "a")
    assert poses.needs_confirmation and poses.layouts[0].layout.name == "COCO-17"
    clip = assert_limbs(poses, Choice(layout="coco"))
    assert np.allclose(clip.confidence[:, LIMBS], 0.9 if kind in ("three numbers", "scores") else 1.0)


def test_arrays_of_several_people_and_in_3d():
    two = np.stack((COCO17, COCO17 + np.array([300, 0, 0])))[..., :2]
    assert [len(track) for track in read_pose_file(npy(two), "a.npy").clip().tracks] == [12, 12]
    for depth in (np.full((12, 17), -0.3), np.full((12, 17), 2.0)):
        with pytest.raises(InvalidInput, match="poses in 3D\\? Expected 2D poses"):
            read_pose_file(npy(np.dstack((COCO17[..., :2], depth))), "a.npy")
    with pytest.raises(InvalidInput, match=r"a.npy: poses must be numbers \(frames, joints, 2\), found \(4, 3\)"):
        read_pose_file(npy(np.ones((4, 3))), "a.npy")


def test_pyskl_s_pickles_are_read_and_run_nothing():
    rows = [
        {"frame_dir": f"S{n}", "label": n, "img_shape": (720, 1280), "original_shape": (720, 1280), "total_frames": 12,
         "keypoint": np.stack((COCO17, COCO17 + 200.0))[..., :2].astype(np.float16 if n else np.float32),
         "keypoint_score": np.full((2, 12, 17), 0.9, np.float16)}
        for n in range(2)
    ]  # fmt: skip
    for data in ({"split": {"train": ["S0"]}, "annotations": rows}, rows):
        poses = read_pose_file(pickle.dumps(data), "p.pkl")
        assert [clip.key for clip in poses.clips] == ["S0", "S1"] and poses.clip().image_size == (1280, 720)
        assert_limbs(poses, Choice(layout="coco", track="1"))
    in_3d = [{**rows[0], "keypoint": np.ones((2, 12, 17, 3))}]
    with pytest.raises(InvalidInput, match="poses in 3D; expected 2D poses"):
        read_pose_file(pickle.dumps(in_3d), "p.pkl")
    with pytest.raises(InvalidInput, match="of those, PYSKL's and MMAction2's are read"):
        read_pose_file(pickle.dumps({"a": 1}), "p.pkl")
    with pytest.raises(InvalidInput, match="pickled objects other than arrays"):
        read_pose_file(pickle.dumps(np.load), "p.pkl")


@pytest.mark.parametrize("kind", ["alphapose", "sapiens", "openpifpaf"])
def test_one_file_a_frame_of_other_detectors(kind):
    def content(row):
        flat = row.ravel().tolist()
        return {
            "alphapose": {"version": "AlphaPose v0.3", "bodies": [{"joints": flat}]},
            "sapiens": {"instance_info": [{"keypoints": row[:, :2].tolist(), "keypoint_scores": row[:, 2].tolist()}]},
            "openpifpaf": [{"keypoints": flat, "bbox": [1, 2, 3, 4], "score": 0.9, "category_id": 1}],
        }[kind]

    files = {f"{frame:06d}.json": json.dumps(content(row)).encode() for frame, row in enumerate(COCO17)}
    for poses in (read_pose_files(files), read_pose_file(zipped(files), "frames.zip")):
        assert_limbs(poses, Choice(layout="coco"))


def test_ultralytics_text_files():
    size = np.array([1280.0, 720.0])
    files = {}
    for frame, row in enumerate(COCO17):
        joints = " ".join(f"{x:.6f} {y:.6f} {c:.2f}" for x, y, c in np.column_stack((row[:, :2] / size, row[:, 2])))
        files[f"walk_{frame}.txt"] = f"0 0.5 0.5 0.2 0.4 {joints} 0.93 4\n".encode()
    poses = read_pose_file(zipped(files), "labels.zip")
    assert poses.format == "Ultralytics YOLO" and poses.coordinates == "unit" and poses.clip().tracks[0].key == "4"
    assert_limbs(poses, Choice(layout="coco", image_size=(1280, 720)))
    assert read_pose_file(files["walk_3.txt"], "walk_3.txt").clip().num_frames == 1


def test_posenet_and_movenet():
    names = LAYOUTS["COCO-17"].names
    posenet = [
        {"score": 0.9, "keypoints": [
            {"part": part, "position": {"x": x, "y": y}, "score": c} for part, (x, y, c) in zip(names, row, strict=True)
        ]}
        for row in COCO17.tolist()
    ]  # fmt: skip
    movenet = [{"poses": [{"keypoints": [
        {"name": name, "x": x, "y": y, "score": c} for name, (x, y, c) in zip(names, row, strict=True)]}]}
        for row in COCO17.tolist()]  # fmt: skip
    for data in (posenet, movenet):
        poses = read_pose_file(json.dumps(data).encode(), "p.json")
        assert not poses.needs_confirmation
        assert_limbs(poses)


def test_the_names_of_apple_s_vision():
    words = {
        "nose": "head_joint", "left_shoulder": "left_shoulder_1_joint", "left_elbow": "left_forearm_joint",
        "left_wrist": "left_hand_joint", "left_hip": "left_upLeg_joint", "left_knee": "left_leg_joint",
        "left_ankle": "left_foot_joint",
    }  # fmt: skip
    words |= {
        key.replace("left", "right"): word.replace("left", "right") for key, word in words.items() if key != "nose"
    }
    names = LAYOUTS["COCO-17"].names
    frames = [
        {words[n]: {"x": x, "y": y, "confidence": c} for n, (x, y, c) in zip(names, row, strict=True) if n in words}
        for row in COCO17.tolist()
    ]
    assert_limbs(read_pose_file(json.dumps({"frames": frames}).encode(), "vision.json"))


@pytest.mark.parametrize("name", ["MPI-15 (OpenPose)", "MPII-16", "AIC-14", "CrowdPose-14", "JHMDB-15"])
def test_small_joint_orders_by_their_number_and_places(name):
    poses = read_pose_file(npy(detected(POSES, name)[..., :2]), "a.npy")
    assert poses.layouts[0].layout.name == name
    assert poses.needs_confirmation == (name != "MPII-16")
    assert_limbs(poses, Choice(layout=name))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"\x89PNG\r\n\x1a\n", "a picture \\(PNG\\)"), (b"%PDF-1.7", "a PDF"), (b"\x1f\x8b\x08", "packed by gzip"),
        (b"PathFileType\t4\t(X/Y/Z)", "marker positions of motion capture, in 3D \\(TRC\\)"),
        (b"\x02P\x05\x00", "marker positions of motion capture, in 3D \\(C3D\\)"), (b"HIERARCHY\nROOT", "a BVH"),
        (b"SQLite format 3\0", "a database"), (b"PAR1", "a Parquet table"),
        (b"RIFF\x10\0\0\0WEBP", "a picture \\(WebP\\)"), (b"RIFF\x10\0\0\0WAVE", "a sound file"),
        ((b"G" + bytes(187)) * 3, "a video \\(MPEG-TS\\)"), (b"FLV\x01", "a video \\(FLV\\)"),
    ],
)  # fmt: skip
def test_files_of_other_kinds_are_named(content, word):
    with pytest.raises(InvalidInput, match=f"^a: {word}.*expected"):
        read_pose_file(content + bytes(range(64)), "a")


@pytest.mark.parametrize("kind", ["frames", "texts", "one frame"])
def test_ultralytics_lists_of_people(kind):
    def person(pose):
        x, y, visible = pose.T.tolist()
        return {"name": "person", "class": 0, "confidence": 0.9, "box": {"x1": 0, "y1": 0, "x2": 9, "y2": 9},
                "keypoints": {"x": x, "y": y, "visible": visible}}  # fmt: skip

    frames = [[], *([person(pose)] for pose in COCO17[1:])]
    content = {
        "frames": frames, "texts": [json.dumps(frame) for frame in frames], "one frame": [person(COCO17[1])],
    }[kind]  # fmt: skip
    poses = read_pose_file(json.dumps(content).encode(), "a.json")
    assert poses.format == "Ultralytics YOLO" and poses.layouts[0].layout.name == "COCO-17"
    clip = assert_limbs(poses, Choice(layout="coco"), slice(1, 2) if kind == "one frame" else slice(1, None))
    assert np.allclose(clip.confidence[:, LIMBS], 0.9)
    with pytest.raises(InvalidInput, match=r"a\.json: frame 1: a list of people expected"):
        read_pose_file(json.dumps([[person(COCO17[0])], {"boxes": []}]).encode(), "a.json")


def test_easy_vitpose_has_y_first_and_names():
    names = [name.replace(" ", "_") for name in LAYOUTS["COCO-17"].names]
    order = [*range(5, 17), *range(5)]
    frames = [{"3": pose[order][:, [1, 0, 2]].tolist()} for pose in COCO17]
    content = {"keypoints": frames, "skeleton": {str(n): names[joint] for n, joint in enumerate(order)}}
    poses = read_pose_file(json.dumps(content).encode(), "a.json")
    assert poses.format == "easy_ViTPose" and not poses.needs_confirmation
    clip = assert_limbs(poses)
    assert clip.provenance["person"] == "3"
    content["keypoints"][4]["3"].pop()
    with pytest.raises(InvalidInput, match="frame 4: 16 joints, but 17 names in skeleton"):
        read_pose_file(json.dumps(content).encode(), "a.json")
    content["keypoints"] = [[1, 2]]
    with pytest.raises(InvalidInput, match="people by identity expected"):
        read_pose_file(json.dumps(content).encode(), "a.json")


@pytest.mark.parametrize("whole", ["0", "0.0"])
def test_yolov7_rows_are_pixels_behind_image_class_box_and_score(whole):
    lines = {
        f"walk_{number}.txt": " ".join([whole, whole, "640", "360", "200", "500", "0.87", *map(str, pose.ravel())])
        for number, pose in enumerate(COCO17)
    }
    poses = read_pose_file(zipped(lines), "a.zip")
    assert poses.coordinates == "pixels"
    assert_limbs(poses, Choice(layout="coco"))
    assert read_pose_file(next(iter(lines.values())).encode(), "a.txt").coordinates == "pixels"


def test_a_line_of_millions_of_numbers_is_refused_before_it_is_split():
    with pytest.raises(InvalidInput, match=r"a line of 450,017 characters; a person's has at most 50,000"):
        read_pose_file(b"0 0.5 0.5 0.2 0.2" + b" 0.5 0.5 1" * 45_000, "a.txt")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_label_files_end_their_lines_as_they_like(end):
    person = "0 0.5 0.5 0.2 0.2 " + " ".join(f"{0.3 + 0.01 * n} {0.2 + 0.03 * n} 1" for n in range(17))
    poses = read_pose_file(end.join(["", person, person, ""]).encode(), "a.txt")
    assert len(poses.clips[0].tracks) == 2
