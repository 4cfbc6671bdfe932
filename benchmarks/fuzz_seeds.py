"""One small file or more of every format: seeds of the fuzzer, and of the tests."""

from __future__ import annotations

import io
import json
import pickle

import numpy as np

from benchmarks import pose_files as write
from diffpose_core.io.clips import clip_to_json, save_clip
from diffpose_core.io.formats import LAYOUTS
from diffpose_core.structures import PoseClip2D
from diffpose_core.uncertainty.gaps import fill_gaps


def seeds(frames: int = 3) -> dict[str, bytes]:
    """One small file or more of every format, by name."""
    poses = write.walking(frames)

    def person(layout: str, shift: float = 0.0) -> np.ndarray:
        return write.detected(poses + shift, layout)

    keypoints, mixture = fill_gaps(poses, np.full(poses.shape[:2], 0.9), 30.0)
    clip = PoseClip2D("c", keypoints, np.full(poses.shape[:2], 0.9), 1280, 720, 30.0, mixture=mixture)
    npz = io.BytesIO()
    save_clip(clip, npz)
    two = [person("COCO-17"), person("COCO-17", 200.0)]
    names = {name: LAYOUTS[name].names for name in LAYOUTS}
    h36m = {"S1": {"Walk": [poses.astype(np.float32)] * 2}}
    return {
        "own npz": npz.getvalue(),
        "own json": clip_to_json(clip),
        "alphapose": write.alphapose(two),
        "alphapose untracked": write.alphapose(two, ids=False),
        "alphapose halpe": write.alphapose([person("Halpe-26")]),
        "alphapose open": write.alphapose_by_image(person("COCO-18 (OpenPose)"), "open"),
        "alphapose cmu": write.alphapose_by_image(person("COCO-18 (OpenPose)"), "cmu"),
        "coco annotations": write.coco(two),
        "mmpose": write.mmpose(two),
        "mmpose names": write.mmpose([person("COCO-17")], names=names["COCO-17"]),
        "mmpose bare": write.mmpose(two, "bare"),
        "openpose zip": write.zipped(write.openpose_frames([person("BODY_25 (OpenPose)")])),
        "openpose zip beside others": write.zipped(
            {
                "out/a.txt": b"x",
                **write.openpose_frames([person("BODY_25 (OpenPose)")], prefix="out/json/video"),
            }
        ),
        "openpose one": next(iter(write.openpose_frames([person("BODY_25 (OpenPose)")]).values())),
        **{
            f"mediapipe {form}": write.mediapipe(person("MediaPipe-33"), form)
            for form in ("lists", "tasks", "messages", "wide", "numbered", "long")
        },
        "deeplabcut": write.deeplabcut({"": person("COCO-17")}, names["COCO-17"]),
        "deeplabcut people": write.deeplabcut({"a": two[0], "b": two[1]}, names["COCO-17"]),
        "deeplabcut hdf5": write.deeplabcut_hdf5({"": two[0]}, names["COCO-17"]),
        "deeplabcut hdf5 people": write.deeplabcut_hdf5({"a": two[0], "b": two[1]}, names["COCO-17"], fixed=True),
        "sleap": write.sleap(two, names["COCO-17"], tracks=("a", "b")),
        "sleap standard": write.sleap(two, names["COCO-17"], "ftnx"),
        "csv": write.plain_csv(person("Halpe-26"), names["Halpe-26"], fps=25.0),
        "csv numbered": write.plain_csv(person("COCO-17"), tuple(map(str, range(17))), ";"),
        "videopose3d": write.videopose3d(h36m),
        "videopose3d video": write.videopose3d({"v": {"custom": [poses]}}, "coco", {"v": {"w": 1280, "h": 720}}),
        "diffpose gmm": write.videopose3d({"S1": {"Walk": [write.gmm_poses(poses)]}}),
        "detectron": write.detectron(two, empty=(1,)),
        "detectron2": write.detectron(two, logits=False),
        **_other_seeds(person("COCO-17"), names["COCO-17"]),
    }


def _other_seeds(person: np.ndarray, names: tuple[str, ...]) -> dict[str, bytes]:
    """Seeds of the formats that have no writer of their own.

    Args:
        person: (F, 17, 3), COCO's order.
        names: of its joints.
    """
    array = io.BytesIO()
    np.save(array, person[..., :2])
    pyskl = [{"frame_dir": "a", "img_shape": (720, 1280), "keypoint": person[None, ..., :2],
              "keypoint_score": person[None, ..., 2]}]  # fmt: skip
    points = [
        [{"name": name, "x": x, "y": y, "score": c} for name, (x, y, c) in zip(names, row, strict=True)]
        for row in person.tolist()
    ]
    labels = {
        f"a_{frame}.txt": f"0 0.5 0.5 0.2 0.2 {' '.join(f'{v / 1500:.4f}' for v in row.ravel())}".encode()
        for frame, row in enumerate(person)
    }
    boxes = {
        f"a_{frame}.txt": f"0 0 400 400 90 300 0.9 {' '.join(f'{v:.2f}' for v in row.ravel())}".encode()
        for frame, row in enumerate(person)
    }
    lists = [
        [{"name": "person", "class": 0, "confidence": 0.9, "box": {"x1": 1, "y1": 2, "x2": 3, "y2": 4},
          "keypoints": dict(zip(("x", "y", "visible"), row.T.tolist(), strict=True))}]
        for row in person
    ]  # fmt: skip
    vitpose = {
        "keypoints": [{"0": row[:, [1, 0, 2]].tolist()} for row in person],
        "skeleton": {str(number): name for number, name in enumerate(names)},
    }
    one_a_frame = {
        f"{frame}.json": json.dumps([{"keypoints": row.ravel().tolist(), "score": 0.9}]).encode()
        for frame, row in enumerate(person)
    }
    return {
        "npy": array.getvalue(),
        "npz array": write.saved(reconstruction=person[None, ..., :2]),
        "pyskl": pickle.dumps({"annotations": pyskl}),
        "named points": json.dumps([{"keypoints": row} for row in points]).encode(),
        "yolo zip": write.zipped(labels),
        "yolo txt": next(iter(labels.values())),
        "yolov7 zip": write.zipped(boxes),
        "yolov7 txt": next(iter(boxes.values())),
        "ultralytics": json.dumps(lists).encode(),
        "ultralytics as text": json.dumps([json.dumps(people) for people in lists]).encode(),
        "vitpose": json.dumps(vitpose).encode(),
        "pifpaf zip": write.zipped(one_a_frame),
    }
