"""Files that are a little other than their format says, as people have them: read as they are meant, or refused."""

from __future__ import annotations

import io
import json
import pickle
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import pose_files as write
from diffpose_core.io.clips import clip_to_json, save_clip
from diffpose_core.io.exports import export_bytes
from diffpose_core.io.formats import LAYOUTS, Choice, read_pose_file, to_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import InvalidInput, PoseClip2D

FRAMES = 8
POSES = write.walking(FRAMES)
COCO, BODY, BLAZE = (write.detected(POSES, name) for name in ("COCO-17", "BODY_25 (OpenPose)", "MediaPipe-33"))
NAMES = LAYOUTS["COCO-17"].names
OPENPOSE = {f"out/json/{name}": content for name, content in write.openpose_frames([BODY]).items()}


def own(form: str) -> bytes:
    clip = PoseClip2D("own", POSES.astype(np.float32), np.ones((FRAMES, 17), np.float32), 1000, 1000, 25.0)
    if form == "json":
        return clip_to_json(clip)
    file = io.BytesIO()
    save_clip(clip, file)
    return file.getvalue()


def changed(content: bytes, change: Callable[..., object]) -> bytes:
    """The JSON after a change."""
    data = json.loads(content)
    return json.dumps(change(data) or data).encode()


def alphapose_of(image: Callable[[int], str]) -> bytes:
    def rename(rows: list) -> None:
        for number, row in enumerate(rows):
            row["image_id"] = image(number)

    return changed(write.alphapose([COCO]), rename)


def mmpose_of(frame: Callable[[dict, int], object]) -> bytes:
    def each(data: dict) -> dict:
        frames = data["instance_info"]
        return {**data, "instance_info": [frame(f, number) or f for number, f in enumerate(frames)]}

    return changed(write.mmpose([COCO], names=NAMES), each)


def table(lines: Callable[[str, int], str]) -> bytes:
    text = write.plain_csv(COCO, NAMES).decode().splitlines()
    return "\n".join(lines(line, number) for number, line in enumerate(text)).encode()


def later(person: np.ndarray, first: int) -> np.ndarray:
    """A person who is seen from a frame on."""
    return np.where(np.arange(FRAMES)[:, None, None] < first, np.nan, person)


#: What is odd -> (content, the format it is taken for, frames of the clip, words of a note or "").
READ: dict[str, tuple[bytes, str, int, str]] = {
    "OpenPose beside pictures": (
        write.zipped({"out/readme.txt": b"x", "out/video_rendered.png": b"\x89PNG", **OPENPOSE}), "OpenPose", FRAMES,
        "no .json are left out: 2, such as 'out/readme.txt'",
    ),
    "OpenPose, one frame beside its video": (
        write.zipped({"v.avi": b"RIFF", **dict([*OPENPOSE.items()][:1])}), "OpenPose", 1, "left out: 1",
    ),
    "OpenPose with byte order marks": (
        write.zipped({name: b"\xef\xbb\xbf" + content for name, content in OPENPOSE.items()}), "OpenPose", FRAMES, "",
    ),
    "AlphaPose, images in folders": (
        alphapose_of(lambda n: f"cam1/take 2/frame_{n:05d}.PNG"), "AlphaPose", FRAMES, "",
    ),
    "AlphaPose, images named in letters": (
        alphapose_of(lambda n: f"img-{'abcdefgh'[n]}"), "AlphaPose", FRAMES, "no number of their own",
    ),
    "COCO annotations": (write.coco([COCO]), "AlphaPose", FRAMES, ""),
    "COCO results in an object": (
        changed(write.alphapose([COCO]), lambda rows: {"results": rows}), "AlphaPose", FRAMES, "",
    ),
    "MMPose, nobody at first": (
        mmpose_of(lambda frame, n: {**frame, "instances": []} if n < 3 else None), "MMPose", FRAMES - 3, "",
    ),
    "MMPose, frames without instances": (
        mmpose_of(lambda frame, n: {"frame_id": n + 1} if n == 4 else None), "MMPose", FRAMES, "",
    ),
    "DeepLabCut, one individual comes later": (
        write.deeplabcut({"a": later(COCO, 3), "b": COCO + np.array([90, 0, 0])}, NAMES), "DeepLabCut", FRAMES, "",
    ),
    "DeepLabCut of Windows with a last comma": (
        b"\xef\xbb\xbf" + write.deeplabcut({"": COCO}, NAMES).replace(b"\n", b",\r\n"), "DeepLabCut", FRAMES, "",
    ),
    "VideoPose3D, a camera without a list": (
        write.videopose3d({"S1": {"Walk": POSES}}), "VideoPose3D", FRAMES, "",
    ),
    "VideoPose3D, cameras in one array": (
        write.videopose3d({"S1": {"Walk": np.stack([POSES, POSES])}}), "VideoPose3D", FRAMES, "",
    ),
    "DiffPose GMM of one mode": (
        write.videopose3d({"S1": {"Walk": [write.gmm_poses(POSES, 1)]}}), "DiffPose GMM", FRAMES, "",
    ),
    "Detectron, nobody at first": (write.detectron([COCO], empty=(0, 1, 2)), "Detectron", FRAMES - 3, ""),
    "MediaPipe's messages, without a person at first": (
        changed(write.mediapipe(BLAZE, "messages"), lambda frames: [{"poseLandmarks": None}, *frames[1:]]),
        "MediaPipe Pose", FRAMES - 1, "",
    ),
    "MediaPipe, partly right of the image": (
        write.mediapipe(BLAZE + np.array([800, 0, 0]), "lists"), "MediaPipe Pose", FRAMES, "0 to 1 over the image",
    ),
    "a table with units in its header": (
        table(lambda line, n: line if n else line.replace("_x", "_x (px)").replace("_y", "_y [px]")), "plain CSV",
        FRAMES, "",
    ),
    "a table whose rows end in commas": (table(lambda line, n: line + ",,," if n else line), "plain CSV", FRAMES, ""),
    "a table with the line ends of old Macs": (
        write.plain_csv(COCO, NAMES).replace(b"\n", b"\r"), "plain CSV", FRAMES, "",
    ),
    "a table whose frames end before 0": (
        table(lambda line, n: f"{n - 30},{line.partition(',')[2]}" if n else line), "plain CSV", FRAMES,
        "first frame is number -29",
    ),
    "a table with frames and gaps in numpy's notation": (
        table(lambda line, n: f"{n * n:.18e},{line.partition(',')[2]}" if n in (1, 2, 3) else "" if n else line),
        "plain CSV", 9, "",
    ),
    "a table whose times run backwards": (
        table(lambda line, n: f"{line},{-n / 25}" if n else f"{line},time"), "plain CSV", FRAMES, "don't rise",
    ),
    "a table of a billion frames a second": (
        table(lambda line, n: f"{line},{n * 1e-9:.9f}" if n else f"{line},time"), "plain CSV", FRAMES, "implausible",
    ),
    "MediaPipe, with times at infinity": (
        changed(write.mediapipe(BLAZE, "tasks"), lambda data: {"frames": [
            {**frame, "timestamp": 10**400} for frame in data["frames"]]}), "MediaPipe Pose", FRAMES, "don't rise",
    ),
    "poses with the axis of frames first": (
        write.saved(keypoints=np.stack([COCO, COCO + np.array([300, 0, 0])], axis=1)), "array of poses", FRAMES,
        "first axis is taken as that of 8 frames",
    ),
    "own JSON with a byte order mark": (b"\xef\xbb\xbf" + own("json"), "DiffPose Studio clip", FRAMES, ""),
    "own npz in an archive": (write.zipped({"a/own.npz": own("npz")}), "DiffPose Studio clip", FRAMES, ""),
}  # fmt: skip


@pytest.mark.parametrize("odd", list(READ))
def test_odd_files_are_read_as_they_are_meant(odd: str) -> None:
    content, kind, frames, note = READ[odd]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        poses = read_pose_file(content, "file")
    clip = to_clip(poses, Choice(layout=poses.layouts[0].layout.name)).clip
    assert (poses.format, len(clip)) == (kind, frames)
    assert note in " ".join(poses.notes)
    seen = ~clip.guessed[:, 3]
    assert seen.any() and np.ptp(clip.keypoints_px[seen][:, [3, 10]], axis=1).min() > 0.01, "a foot is below the head"


def test_coco_annotations_say_their_image_size() -> None:
    clip = to_clip(read_pose_file(write.coco([COCO], (1920, 1080)), "a.json")).clip
    assert (clip.width, clip.height) == (1920, 1080)


def test_a_result_of_ours_is_no_file_of_2d_poses(walking_clip: PoseClip2D, tiny_models: object) -> None:
    result = lift(walking_clip.frames(slice(0, 2)), tiny_models, LiftSettings(steps=1, hypotheses=1))
    for form in ("npz", "json"):
        with pytest.raises(InvalidInput, match="a result of lifting, in 3D; expected 2D poses"):
            read_pose_file(*export_bytes(result, form))


def test_rows_that_are_too_long_are_refused_in_one_sentence() -> None:
    with warnings.catch_warnings(), pytest.raises(InvalidInput, match="row 2 has more cells than the 52 columns"):
        warnings.simplefilter("error")
        read_pose_file(table(lambda line, n: line + ",1,2" if n else line), "p.csv")


@pytest.mark.parametrize("kind", [">f4", "f2", np.longdouble])
def test_own_clips_are_read_in_single_precision(kind: str) -> None:
    arrays = dict(np.load(io.BytesIO(own("npz"))))
    arrays["keypoints_px"] = arrays["keypoints_px"].astype(kind)
    poses = read_pose_file(write.saved(**arrays), "own.npz")
    assert to_clip(poses).clip.keypoints_px.dtype == np.dtype(np.float32).newbyteorder("=")
    assert np.allclose(to_clip(poses).clip.keypoints_px, POSES, rtol=1e-3)


def test_own_clips_without_numbers_or_without_a_joint_are_refused() -> None:
    arrays = dict(np.load(io.BytesIO(own("npz"))))
    with pytest.raises(InvalidInput, match="keypoints_px must hold real numbers, found bool"):
        read_pose_file(write.saved(**{**arrays, "keypoints_px": POSES > 100}), "own.npz")
    nobody = read_pose_file(write.saved(**{**arrays, "confidence": np.zeros((FRAMES, 17), np.float32)}), "own.npz")
    with pytest.raises(InvalidInput, match=r"own\.npz: every joint of every frame is missing"):
        to_clip(nobody)


def test_confidences_of_other_axes_are_not_given_to_other_joints() -> None:
    def note(scores: np.ndarray) -> str:
        return " ".join(read_pose_file(write.saved(keypoints=COCO[..., :2], scores=scores), "a.npz").notes)

    assert note(COCO[None, ..., 2]) == note(COCO[..., 2:]) == ""
    assert "(17, 8) don't fit" in note(np.ascontiguousarray(COCO[..., 2].T))


def test_one_person_whose_identity_is_a_number_or_a_text() -> None:
    def rename(rows: list) -> None:
        for number, row in enumerate(rows):
            row["idx"] = "1" if number % 2 else 1

    (track,) = read_pose_file(changed(write.alphapose([COCO]), rename), "a.json").clip().tracks
    assert (track.key, len(track)) == ("1", FRAMES)


def test_a_joint_a_row_with_times_says_its_frame_rate() -> None:
    rows = [f"{frame},{frame / 50:.2f},{name},{x},{y},{sure}" for frame, person in enumerate(COCO)
            for name, (x, y, sure) in zip(NAMES, person, strict=True)]  # fmt: skip
    poses = read_pose_file("\n".join(["frame,time,joint,x,y,conf", *rows]).encode(), "long.csv")
    assert poses.clip().fps == 50.0 and len(poses.clip().tracks[0]) == FRAMES


def test_a_pickled_number_of_thousands_of_digits_is_no_text() -> None:
    row = {"frame_dir": 10**5000, "keypoint": COCO[None, ..., :2], "total_frames": -(10**5000)}
    assert read_pose_file(pickle.dumps({"annotations": [row]}), "a.pkl").clip().key == "inf"
