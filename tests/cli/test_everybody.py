"""`diffpose lift --track all`: every person of a file."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffpose_core.camera import look_at_camera, rotation_to_axis
from diffpose_core.cli import main
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.io.formats import Choice, read_pose_file, to_clip
from diffpose_core.lifting import image_size
from diffpose_core.lifting.lift import lift
from diffpose_core.structures import InvalidInput

SIZE = (1600, 900)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A file of two people who walk beside each other, one from frame 5 on, and their truth."""
    motions = [procedural_motion("walk", seed, 2.0)[:20].astype(np.float64) for seed in (3, 9)]
    motions[1] += motions[0][0, :1] - motions[1][0, :1] + [1.5, 0.5, 0.0]
    middle = np.concatenate(motions)[:, 0].mean(0)
    camera = look_at_camera(middle + np.array([4.0, -4.0, 0.5]), middle, float(np.hypot(*SIZE)), *SIZE)
    records = []
    for person, motion in enumerate(motions):
        for frame, points in enumerate(camera.project(camera.to_cam(motion))):
            if person == 1 and frame < 5:
                continue
            flat = np.concatenate([points, np.full((17, 1), 0.9)], axis=1).ravel()
            records.append({"image_id": f"{frame}.jpg", "keypoints": flat.tolist(), "idx": person + 1, "score": 1.0})
    path = tmp_path_factory.mktemp("people") / "two.json"
    path.write_text(json.dumps(records))
    return path, motions, camera


@pytest.fixture
def exact(scene, monkeypatch):
    """Lifting that knows the truth: random networks give poses that no floor holds."""
    _, motions, camera = scene
    calls = []

    def lifted(clip, *arguments, **settings):
        found = lift(clip, *arguments, **settings)
        person = int(clip.provenance["person"]) - 1
        joints = camera.to_cam(motions[person])[clip.provenance["first_frame"] :]
        calls.append(person)
        # What is lifted without a camera is turned with its ray afterwards.
        turns = rotation_to_axis(torch.from_numpy(joints[:, 0])).numpy()
        pose = np.einsum("fij,fnj->fni", turns, joints - joints[:, :1])
        settings = {"up": camera.rotation[:, 2].tolist(), "up_estimated": False, "rigid_bones": True}
        return replace(found, pose3d=pose.astype(np.float32), provenance={**found.provenance, "settings": settings})

    monkeypatch.setattr("diffpose_core.lifting.lift.lift", lifted)
    return calls


def words(scene, tiny_weights, out, *more):
    options = ["--weights", str(tiny_weights), "--quiet", "--steps", "1", "--hypotheses", "1", "--layout", "h36m"]
    size = f"{SIZE[0]}x{SIZE[1]}"
    return ["lift", str(scene[0]), "-o", str(out), *options, "--track", "all", "--image-size", size, *more]


def test_everybody_gets_a_file_and_one_world_holds_them_all(scene, exact, tiny_weights, tmp_path, capsys):
    assert main(words(scene, tiny_weights, tmp_path / "out.npz", "--world")) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-1.npz", "out-2.npz"]
    printed = capsys.readouterr()
    assert "person 1, 20 frames from frame 0" in printed.out and "person 2, 15 frames from frame 5" in printed.out
    assert printed.err.count("its frame rate") == 1, "what holds for the file is said once"
    poses = [np.load(tmp_path / f"out-{person}.npz")["pose_world"] for person in (1, 2)]
    apart = np.linalg.norm(poses[0][5:, 0, :2] - poses[1][:, 0, :2], axis=-1)
    true = np.linalg.norm(scene[1][0][5:, 0, :2] - scene[1][1][5:, 0, :2], axis=-1)
    assert np.abs(apart - true).max() < 0.2 and np.abs(poses[0][0, 0, :2]).max() < 1e-4


def animated_places(head, content, node):
    """Places of a node over its animation, (F, 3) metres, y up."""
    animation = head["animations"][0]
    channel = next(c for c in animation["channels"] if c["target"] == {"node": node, "path": "translation"})
    accessor = head["accessors"][animation["samplers"][channel["sampler"]]["output"]]
    view = head["bufferViews"][accessor["bufferView"]]
    # The binary chunk stands behind the header, the JSON chunk and its own header.
    begin = 28 + struct.unpack("<I", content[12:16])[0] + view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    return np.frombuffer(content, "<f4", 3 * accessor["count"], begin).reshape(-1, 3)


def test_a_gltf_holds_everybody_in_one_scene(scene, exact, tiny_weights, tmp_path, capsys):
    out = tmp_path / "all.glb"
    assert main(words(scene, tiny_weights, out)) == 0
    printed = capsys.readouterr()
    assert "2 people in one scene" in printed.out and exact == [0, 1]
    assert "one scene of everybody is in the world frame" in printed.err
    content = out.read_bytes()
    head = json.loads(content[20 : 20 + struct.unpack("<I", content[12:16])[0]])
    assert len(head["skins"]) == len(head["meshes"]) == 2 and len(head["animations"]) == 1
    names = [node["name"] for node in head["nodes"]]
    assert "1 Hip" in names and "2 LFoot" in names and len(set(names)) == len(names)
    walks = [animated_places(head, content, names.index(f"{person} Hip")) for person in (1, 2)]
    apart = np.linalg.norm((walks[0][-1] - walks[1][-1])[[0, 2]])
    true = np.linalg.norm((scene[1][0][-1] - scene[1][1][-1])[0, :2])
    assert apart == pytest.approx(true, abs=0.2), "people stand where they stand, beside each other"
    bones = [set(skin["joints"]) for skin in head["skins"]]
    assert not bones[0] & bones[1]
    scaled = [c["target"]["node"] for c in head["animations"][0]["channels"] if c["target"]["path"] == "scale"]
    assert scaled == [names.index("2 Hip")], "who comes later has no size before"


def test_a_person_without_joints_fails_alone(scene, exact, tiny_weights, tmp_path, capsys):
    poses = json.loads(scene[0].read_text())
    poses += [{"image_id": f"{frame}.jpg", "keypoints": [0.0] * 51, "idx": 7, "score": 0.1} for frame in range(3)]
    path = tmp_path / "three.json"
    path.write_text(json.dumps(poses))
    found = read_pose_file(path.read_bytes(), "three.json")
    keys = [track.key for track in found.clip().tracks]
    code = main(["lift", str(path), *words(scene, tiny_weights, tmp_path / "o.trc")[2:]])
    assert code == 0 and (tmp_path / "o-1.trc").exists() and (tmp_path / "o-2.trc").exists()
    assert ("7" in keys) == ("person 7" in capsys.readouterr().err)


def test_what_is_wrong_with_a_person_names_the_file_once(scene, exact, tiny_weights, tmp_path, capsys, monkeypatch):
    convert = image_size.to_clip_in_proportion

    def one_alone(poses, choice, models):
        if choice.track == "2":
            raise InvalidInput(f"{poses.name}: nothing of them is seen")
        return convert(poses, choice, models)

    monkeypatch.setattr(image_size, "to_clip_in_proportion", one_alone)
    assert main(words(scene, tiny_weights, tmp_path / "o.trc")) == 0
    assert f"\n{scene[0]}: person 2: nothing of them is seen\n" in capsys.readouterr().err


def test_all_is_refused_where_one_person_is_needed(scene):
    poses = read_pose_file(scene[0].read_bytes(), "two.json")
    with pytest.raises(ValueError, match="there is no person 'all' in this clip; there are: '1', '2'"):
        to_clip(poses, Choice(track="all", layout="h36m", image_size=SIZE))
