"""Files in the layouts that detectors write, made of one walking person: seeds of the fuzzer, and of the tests."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np

from diffpose_core.io.formats.layouts import LAYOUTS

#: Human3.6M joints that a detector's joint is at; what is not named here is put near the head or the foot.
_AT = {
    "nose": 9, "head": 10, "neck": 8, "hip": 0,
    "left_shoulder": 11, "left_elbow": 12, "left_wrist": 13, "right_shoulder": 14, "right_elbow": 15, "right_wrist": 16,
    "right_hip": 1, "right_knee": 2, "right_ankle": 3, "left_hip": 4, "left_knee": 5, "left_ankle": 6,
}  # fmt: skip


def walking(frames: int = 12, speed: float = 8.0) -> np.ndarray:
    """A person who walks to the right, Human3.6M's joints in pixels, (F, 17, 2); the left side is at larger u."""
    standing = np.array([
        (0, 0), (-20, 0), (-22, 80), (-24, 160), (20, 0), (22, 80), (24, 160), (0, -40), (0, -90), (0, -115), (0, -140),
        (28, -88), (40, -40), (44, 5), (-28, -88), (-40, -40), (-44, 5),
    ], dtype=np.float64)  # fmt: skip
    time = np.arange(frames)[:, None]
    swing = 25 * np.sin(time / 3.0) * np.array([0, 0, 0.5, 1, 0, -0.5, -1, 0, 0, 0, 0, 0, 0.5, 1, 0, -0.5, -1])
    poses = np.repeat(standing[None], frames, axis=0)
    poses[..., 0] += 400 + speed * time + swing
    poses[..., 1] += 500
    return poses


def detected(poses: np.ndarray, layout: str, confidence: float = 0.9) -> np.ndarray:
    """A walking person as a detector with that joint order gives it, (F, J, 3) of x, y and confidence."""
    names = LAYOUTS[layout].names
    out = np.full((len(poses), len(names), 3), confidence)
    for joint, name in enumerate(names):
        side = -1.0 if "right" in name else 1.0 if "left" in name else 0.0
        if layout == "Human3.6M-17":
            out[:, joint, :2] = poses[:, joint]
        elif name in _AT:
            out[:, joint, :2] = poses[:, _AT[name]]
        elif any(part in name for part in ("eye", "ear", "mouth")):
            far = 12.0 if "ear" in name else 6.0
            out[:, joint, :2] = poses[:, 10] + (far * side, 12.0)
        elif any(part in name for part in ("toe", "heel", "foot")):
            out[:, joint, :2] = poses[:, 6 if side > 0 else 3] + (8.0 * side, 8.0)
        else:
            out[:, joint, :2] = poses[:, 13 if side > 0 else 16] + (3.0 * side, 6.0)
    return out


def alphapose(people: list[np.ndarray], ids: bool = True, first: int = 0, name: str = "{}.jpg") -> bytes:
    """AlphaPose's JSON. people: (F, J, 3) each, frames that are all NaN are left out."""
    rows = [
        {"image_id": name.format(frame + first), "category_id": 1, "keypoints": person[frame].ravel().tolist(),
         "score": 2.9, "box": [1, 2, 3, 4], **({"idx": number + 1} if ids else {})}
        for frame in range(max(map(len, people))) for number, person in enumerate(people)
        if frame < len(person) and not np.isnan(person[frame]).all()
    ]  # fmt: skip
    return json.dumps(rows).encode()


def openpose_frames(people: list[np.ndarray], first: int = 0, prefix: str = "video") -> dict[str, bytes]:
    """OpenPose's files, one a frame. people: (F, J, 3) each; frames that are all NaN are left out."""
    files = {}
    for frame in range(max(map(len, people))):
        found = [
            {"person_id": [-1], "pose_keypoints_2d": person[frame].ravel().tolist(), "face_keypoints_2d": [],
             "hand_left_keypoints_2d": [], "pose_keypoints_3d": []}
            for person in people if frame < len(person) and not np.isnan(person[frame]).all()
        ]  # fmt: skip
        content = json.dumps({"version": 1.3, "people": found}).encode()
        files[f"{prefix}_{frame + first:012d}_keypoints.json"] = content
    return files


def zipped(files: dict[str, bytes]) -> bytes:
    """An archive of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
