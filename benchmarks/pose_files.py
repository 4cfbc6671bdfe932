"""Files in the layouts that detectors write, made of one walking person: seeds of the fuzzer, and of the tests."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import h5py
import numpy as np

from diffpose_core.io.formats.layouts import LAYOUTS

#: Human3.6M joints that a detector's joint is at; other joints are put near the head or the foot.
_AT = {
    "nose": 9, "head": 10, "neck": 8, "hip": 0, "thorax": 8, "spine": 7,
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
            # Beside a thorax, the neck is the upper one.
            out[:, joint, :2] = poses[:, 9 if name == "neck" and "thorax" in names else _AT[name]]
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


def coco(people: list[np.ndarray], size: tuple[int, int] = (1280, 720)) -> bytes:
    """COCO's annotations of images of that size. people: (F, J, 3) each."""
    rows = json.loads(alphapose(people, ids=False, name="{}"))
    images = [{"id": row["image_id"], "width": size[0], "height": size[1]} for row in rows]
    return json.dumps({"images": images, "annotations": rows}).encode()


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


def alphapose_by_image(person: np.ndarray, kind: str) -> bytes:
    """AlphaPose's JSON by image. kind: "open" (people) or "cmu" (bodies)."""
    flat = [frame.ravel().tolist() for frame in person]
    content = {
        "open": [{"version": 0.1, "people": [{"pose_keypoints_2d": values}]} for values in flat],
        "cmu": [{"version": "AlphaPose v0.3", "bodies": [{"joints": values}]} for values in flat],
    }[kind]
    return json.dumps({f"{frame}.jpg": one for frame, one in enumerate(content)}).encode()


def mmpose(people: list[np.ndarray], form: str = "instance_info", names: tuple[str, ...] | None = None,
           first: int = 1) -> bytes:  # fmt: skip
    """MMPose's JSON. people: (F, J, 3) each. form: "instance_info" (as its demos write videos), "frames" or "bare"
    (one image's instances). names: of the joints, for its meta information.
    """
    frames = [
        {"frame_id": frame + first, "instances": [
            {"keypoints": person[frame, :, :2].tolist(), "keypoint_scores": person[frame, :, 2].tolist(),
             "bbox": [[1.0, 2.0, 3.0, 4.0]], "bbox_score": 0.9}
            for person in people if frame < len(person) and not np.isnan(person[frame]).all()
        ]}
        for frame in range(max(map(len, people)))
    ]  # fmt: skip
    if form == "bare":
        return json.dumps(frames[0]["instances"]).encode()
    if form == "frames":
        return json.dumps(frames).encode()
    meta = {} if names is None else {
        "dataset_name": "some", "num_keypoints": len(names),
        "keypoint_id2name": {str(number): name for number, name in enumerate(names)},
    }  # fmt: skip
    return json.dumps({"meta_info": meta, "instance_info": frames}).encode()


MEDIAPIPE_NAMES = tuple(name.upper() for name in LAYOUTS["MediaPipe-33"].names)


def mediapipe(person: np.ndarray, form: str, size: tuple[int, int] = (1280, 720)) -> bytes:
    """MediaPipe's landmarks, normalised by the image size, as scripts write them.

    form: "lists" (a list of 33 objects a frame), "tasks" (frames with people's landmarks), "messages" (as its own
    messages become JSON), "wide" (a row a frame, named joints), "numbered" (x0, y0, z0, v0 ...), "long" (a row a
    landmark).
    """
    scaled = person.copy()
    scaled[..., :2] /= size
    points = [
        [{"x": x, "y": y, "z": -0.1, "visibility": c} for x, y, c in frame] for frame in scaled.tolist()
    ]  # fmt: skip
    if form == "lists":
        return json.dumps(points).encode()
    if form == "tasks":
        frames = [{"frame": frame, "landmarks": [one]} for frame, one in enumerate(points)]
        return json.dumps({"fps": 25, "width": size[0], "height": size[1], "frames": frames}).encode()
    if form == "messages":
        return json.dumps([{"poseLandmarks": {"landmark": one}} for one in points]).encode()
    if form == "long":
        lines = ["frame,landmark,x,y,z,visibility"]
        lines += [
            f"{frame},{name},{p['x']:.6f},{p['y']:.6f},{p['z']},{p['visibility']}"
            for frame, one in enumerate(points) for name, p in zip(MEDIAPIPE_NAMES, one, strict=True)
        ]  # fmt: skip
        return "\n".join(lines).encode()
    columns = {
        "wide": [f"{name}_{axis}" for name in MEDIAPIPE_NAMES for axis in ("x", "y", "z", "visibility")],
        "numbered": [f"{axis}{number}" for number in range(33) for axis in "xyzv"],
    }[form]
    lines = [",".join(columns)]
    lines += [",".join(f"{p[key]:.6f}" for p in one for key in ("x", "y", "z", "visibility")) for one in points]
    return "\r\n".join(lines).encode()


def deeplabcut(people: dict[str, np.ndarray], names: tuple[str, ...]) -> bytes:
    """DeepLabCut's CSV. people: name -> (F, J, 3); one person without a name ("") has no row of individuals."""
    scorer, parts, axes, who = ["scorer"], ["bodyparts"], ["coords"], ["individuals"]
    for person in people:
        for part in names:
            for axis in ("x", "y", "likelihood"):
                scorer.append("DLC_resnet50")
                parts.append(part)
                axes.append(axis)
                who.append(person)
    rows = [scorer, *([] if "" in people else [who]), parts, axes]
    for frame in range(len(next(iter(people.values())))):
        values = np.concatenate([person[frame].ravel() for person in people.values()])
        rows.append([str(frame), *("" if np.isnan(v) else f"{v:.4f}" for v in values)])
    return "\n".join(",".join(row) for row in rows).encode()


def deeplabcut_hdf5(people: dict[str, np.ndarray], names: tuple[str, ...], fixed: bool = False) -> bytes:
    """DeepLabCut's HDF5, as pandas writes it: with a record a row, or as arrays. people: as in `deeplabcut`."""
    columns = [
        ("DLC_resnet50", *([person] if person else []), part, axis)
        for person in people for part in names for axis in ("x", "y", "likelihood")
    ]  # fmt: skip
    count = len(next(iter(people.values())))
    values = np.concatenate([poses.reshape(count, -1) for poses in people.values()], axis=1)
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        group = file.create_group("df_with_missing")
        if not fixed:
            for key, word in (("pandas_type", "frame_table"), ("table_type", "appendable_frame")):
                group.attrs[key] = np.bytes_(word)
            rows = np.zeros(count, [("index", "<i8"), ("values_block_0", "<f8", (values.shape[1],))])
            rows["index"], rows["values_block_0"] = np.arange(count), values
            table = group.create_dataset("table", data=rows, chunks=True, compression="gzip")
            table.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(columns, 0))
            return _closed(file, content)
        group.attrs["pandas_type"] = np.bytes_("frame")
        group["block0_values"], group["axis1"] = values, np.arange(count)
        for level, words in enumerate(zip(*columns, strict=True)):
            known = sorted(set(words))
            group[f"block0_items_level{level}"] = np.array(known, "S")
            group[f"block0_items_label{level}"] = np.array([known.index(word) for word in words], "i1")
        return _closed(file, content)


def sleap(people: list[np.ndarray], names: tuple[str, ...], order: str = "", tracks: tuple[str, ...] = ()) -> bytes:
    """SLEAP's analysis export.

    Args:
        people: (F, J, 3) each.
        names: of the joints.
        order: axes of `tracks` by their first letters (t, x, n, f), which newer files say; MATLAB's by default, unsaid.
        tracks: names of the people.
    """
    whole = np.stack(people)
    axes = {"t": "track", "f": "frame", "n": "node", "x": "xy"}
    wanted = order or "txnf"
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_dataset("tracks", data=whole[..., :2].transpose(["tfnx".index(axis) for axis in wanted]),
                            compression="gzip")  # fmt: skip
        scores = wanted.replace("x", "")
        file["point_scores"] = whole[..., 2].transpose(["tfn".index(axis) for axis in scores]).astype(np.float32)
        if order:
            file["tracks"].attrs["dims"] = json.dumps([axes[axis] for axis in wanted])
        # Older files hold bytes of one length, newer ones texts of any.
        file["node_names"] = list(names) if order else np.array(names, "S")
        file["track_names"] = list(tracks) if order else np.array(tracks, "S8")
        return _closed(file, content)


def _closed(file: h5py.File, content: io.BytesIO) -> bytes:
    file.close()
    return content.getvalue()


def plain_csv(person: np.ndarray, names: tuple[str, ...], separator: str = ",", fps: float | None = None) -> bytes:
    """A table with a frame a row and columns name_x, name_y, name_conf."""
    lead = ["frame"] if fps is None else ["frame", "time"]
    lines = [separator.join([*lead, *(f"{name}_{axis}" for name in names for axis in ("x", "y", "conf"))])]
    for frame, values in enumerate(person):
        start = [str(frame)] if fps is None else [str(frame), f"{frame / fps:.5f}"]
        lines.append(separator.join([*start, *(f"{v:.3f}" for v in values.ravel())]))
    return "\n".join(lines).encode()


def saved(**arrays: object) -> bytes:
    """An .npz; values that are no arrays are pickled into arrays of objects, as numpy does."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def videopose3d(clips: dict[str, dict[str, list[np.ndarray]]], layout: str | None = "h36m",
                videos: dict[str, dict[str, int]] | None = None) -> bytes:  # fmt: skip
    """VideoPose3D's (and DiffPose's) .npz. clips: subject -> action -> poses of every camera."""
    sides = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]
    metadata: dict[str, object] = {"num_joints": 17, "keypoints_symmetry": sides}
    if layout is not None:
        metadata["layout_name"] = layout
    if videos is not None:
        metadata["video_metadata"] = videos
    return saved(positions_2d=np.array(clips, dtype=object), metadata=np.array(metadata, dtype=object))


def gmm_poses(poses: np.ndarray, modes: int = 3) -> np.ndarray:
    """DiffPose's mixtures, (F, 17, K, 5) of weight, u, v, var_u, var_v. poses: (F, 17, 2)."""
    out = np.zeros((*poses.shape[:2], modes, 5), dtype=np.float32)
    out[..., 0] = np.array([0.7, 0.3, 0.0])[:modes]
    out[..., 1:3] = poses[:, :, None] + np.array([0.0, 15.0, 0.0])[:modes, None]
    out[..., 3:] = np.array([9.0, 25.0, 1.0])[:modes, None]
    return out


def detectron(people: list[np.ndarray], empty: tuple[int, ...] = (), logits: bool = True) -> bytes:
    """Detectron's .npz. people: (F, 17, 3) each. empty: frames without anybody. logits: False as Detectron2's."""
    boxes, keypoints, segments = [], [], []
    for frame in range(len(people[0])):
        there = [] if frame in empty else people
        found = np.zeros((len(there), 4, 17), dtype=np.float32)
        found[:, :2] = [person[frame, :, :2].T for person in there] if there else 0
        found[:, 2], found[:, 3] = (8.0, 0.01) if logits else (0.0, 0.4)
        boxes.append([[], np.array([[1, 2, 3, 4, 0.99 - 0.01 * n] for n in range(len(there))], dtype=np.float32)])
        keypoints.append([[], found])
        segments.append(None)

    def objects(rows: list) -> np.ndarray:
        array = np.empty((len(rows), 2), dtype=object)
        for number, row in enumerate(rows):
            array[number, 0], array[number, 1] = row
        return array

    return saved(boxes=objects(boxes), segments=np.array(segments, dtype=object), keypoints=objects(keypoints),
                 metadata=np.array({"w": 1280, "h": 720}, dtype=object))  # fmt: skip
