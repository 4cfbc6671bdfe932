"""Procedural motion: a moving person by every measure that a number can take, and never a copy of a clip."""

from __future__ import annotations

import json
import os
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from diffpose_core.datasets.bundled import BUNDLED, make_clip, make_clips
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.datasets.procedural import (
    ACTIONS,
    STATISTICAL,
    procedural_dataset,
    procedural_motion,
    write_procedural_dataset,
)
from diffpose_core.datasets.procedural.kinematics import angles_of, bone_directions, directions_of, normalise
from diffpose_core.datasets.procedural.statistics import MIN_CLIPS, _family
from diffpose_core.io.clips import load_clip
from diffpose_core.skeleton import MIRROR, bone_lengths
from diffpose_core.structures import InvalidInput

ROOT = Path(__file__).resolve().parents[2]
CLIPS = ROOT / "assets" / "clips"
DATA = Path(os.environ.get("DIFFPOSE_DATA", ROOT.parent / "shared" / "data"))
FPS = 30.0
SEEDS = range(6)
#: Fastest joint, m/s. The training split (99.9 %): walks 5.6, runs 8.4, waves 5.8, bows 2.5, kicks 10.8.
SPEED_LIMIT = {"walk": 7, "turn": 7, "run": 11, "wave": 8, "bow": 3, "jump": 10, "sit-stand": 3, "kick": 13}


def motions(action: str) -> list[np.ndarray]:
    return [procedural_motion(action, seed, 5.0).astype(np.float64) for seed in SEEDS]


def facing(joints: np.ndarray) -> np.ndarray:
    """Unit vector (F, 2) that the pelvis faces."""
    left = joints[:, 4, :2] - joints[:, 1, :2]
    return normalise(np.stack([left[:, 1], -left[:, 0]], axis=1))


def bend(joints: np.ndarray, a: int, b: int, c: int) -> np.ndarray:
    """Flexion (F,) in degrees at joint b."""
    first, second = normalise(joints[:, b] - joints[:, a]), normalise(joints[:, c] - joints[:, b])
    return np.degrees(np.arccos(np.clip((first * second).sum(-1), -1, 1)))


@pytest.mark.parametrize("action", ACTIONS)
def test_motion_is_a_person_that_moves(action: str) -> None:
    for joints in motions(action):
        assert joints.shape == (150, 17, 3)
        assert np.isfinite(joints).all()
        lengths = bone_lengths(joints)
        assert np.ptp(lengths, axis=0).max() < 1e-4
        np.testing.assert_allclose(lengths[0, :3], lengths[0, 3:6], atol=1e-4)
        np.testing.assert_allclose(lengths[0, 10:13], lengths[0, 13:16], atol=1e-4)
        assert joints[..., 2].min() > 0.02
        ankles = joints[:, [3, 6], 2]
        assert ankles.min() > 0.05 and ankles.min() < 0.12
        speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * FPS
        assert speed.max() < SPEED_LIMIT[action]
        # Nobody stands like a statue.
        assert speed.max(0)[10] > 0.02
        acceleration = np.linalg.norm(np.diff(joints, n=2, axis=0), axis=-1) * FPS**2
        assert acceleration.max() < 200


@pytest.mark.parametrize("action", ACTIONS)
def test_left_is_left_and_joints_bend_the_right_way(action: str) -> None:
    for joints in motions(action):
        forward = facing(joints)
        left = np.stack([-forward[:, 1], forward[:, 0]], axis=1)
        shoulders = joints[:, 11, :2] - joints[:, 14, :2]
        assert ((shoulders * left).sum(-1) > 0).all()
        # Head above hips, or in front of them in a bow.
        assert (joints[:, 10, 2] > joints[:, 0, 2] - 0.1).all()
        for hip, knee, ankle in ((1, 2, 3), (4, 5, 6)):
            flexion = bend(joints, hip, knee, ankle)
            assert 2 < flexion.min() and flexion.max() < 150
            # The knee lies on the front of the leg: before the line from hip to ankle, above it in a raised leg.
            line = normalise(joints[:, ankle] - joints[:, hip])
            offset = joints[:, knee] - joints[:, hip]
            offset = offset - (offset * line).sum(-1, keepdims=True) * line
            front = np.cross(line, np.concatenate([left, np.zeros((len(joints), 1))], axis=1))
            side = (normalise(offset) * normalise(front)).sum(-1)
            assert (side[flexion > 12] > 0.3).all()
        for shoulder, elbow, wrist in ((11, 12, 13), (14, 15, 16)):
            flexion = bend(joints, shoulder, elbow, wrist)
            assert flexion.max() < 155
            # A hanging arm's forearm goes forward of the upper arm, never far behind it.
            upper = normalise(joints[:, elbow] - joints[:, shoulder])
            fore = normalise(joints[:, wrist] - joints[:, elbow])
            across = fore - (fore * upper).sum(-1, keepdims=True) * upper
            hanging = upper[:, 2] < -0.85
            assert ((across[:, :2] * forward).sum(-1)[hanging] > -0.25).all()


@pytest.mark.parametrize("action", ["walk", "run", "turn"])
def test_feet_do_not_skate(action: str) -> None:
    for joints in motions(action):
        feet = joints[:, [3, 6]]
        speed = np.linalg.norm(np.diff(feet[..., :2], axis=0), axis=-1) * FPS
        height = feet[1:, :, 2] - feet[..., 2].min()
        planted = (speed < 0.05) & (height < 0.01)
        # A walker has a foot flat on the floor most of the time, a runner for a part of it.
        assert planted.any(1).mean() > (0.2 if action == "run" else 0.75)
        forward = facing(joints)[1:]
        advance = (np.diff(joints[:, 0, :2], axis=0) * forward).sum(-1) * FPS
        assert advance.mean() > (1.5 if action == "run" else 0.4)
        assert (advance > 0).all()


@pytest.mark.parametrize("action", ["wave", "bow", "sit-stand"])
def test_feet_stay_planted_in_place(action: str) -> None:
    for joints in motions(action):
        assert np.ptp(joints[:, [3, 6]], axis=0).max() < 0.005


def test_actions_do_what_they_are_called() -> None:
    for joints in motions("wave"):
        raised = joints[:, [13, 16], 2].max(1) - joints[:, 8, 2]
        assert raised.max() > -0.1 and raised[0] < -0.2 and raised[-1] < -0.2
    for joints in motions("bow"):
        trunk = normalise(joints[:, 8] - joints[:, 0])
        lean = np.degrees(np.arccos(trunk[:, 2]))
        assert lean.max() > 25 and lean[0] < 15 and lean[-1] < 20
        assert ((trunk[:, :2] * facing(joints)).sum(-1)[lean > 20] > 0).all()
    for joints in motions("jump"):
        feet = joints[:, [3, 6], 2].min(1)
        flying = feet > feet.min() + 0.12
        assert 0.05 < flying.mean() < 0.5
        # In the air the root falls freely.
        fall = np.diff(joints[:, 0, 2], n=2) * FPS**2
        assert abs(np.median(fall[flying[1:-1]]) + 9.81) < 1.5
    for joints in motions("sit-stand"):
        knees = bend(joints, 1, 2, 3)
        assert knees.max() > 75 and knees[0] < 25 and knees[-1] < 25
        assert joints[:, 0, 2].min() < 0.7 * joints[0, 0, 2]
    for joints in motions("kick"):
        ankles = joints[:, [3, 6]]
        kicking = int(ankles[..., 2].max(0).argmax())
        assert ankles[:, kicking, 2].max() > ankles[:, kicking, 2].min() + 0.25
        assert np.ptp(ankles[:, 1 - kicking], axis=0).max() < 0.005
    for joints in motions("turn"):
        forward = facing(joints)
        heading = np.unwrap(np.arctan2(forward[:, 1], forward[:, 0]))
        assert np.degrees(np.ptp(heading)) > 45
    for joints in motions("run"):
        feet = joints[:, [3, 6], 2].min(1)
        assert (feet > feet.min() + 0.03).mean() > 0.05


@pytest.mark.parametrize("action", ACTIONS)
def test_seed_decides_everything(action: str) -> None:
    first, again = procedural_motion(action, 3, 4.0), procedural_motion(action, 3, 4.0)
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32
    other = procedural_motion(action, 4, 4.0)
    assert np.abs(first - other).max() > 0.05
    assert np.abs(bone_lengths(first[:1]) - bone_lengths(other[:1])).max() > 0.005


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("seconds", [2.0, 3.3, 9.7])
def test_any_duration(action: str, seconds: float) -> None:
    joints = procedural_motion(action, 1, seconds)
    assert joints.shape == (round(seconds * FPS), 17, 3)
    assert np.isfinite(joints).all()
    assert np.linalg.norm(np.diff(joints, axis=0), axis=-1).max() * FPS < SPEED_LIMIT[action]


def test_bodies_differ_and_are_plausible() -> None:
    bodies = np.array([bone_lengths(procedural_motion("bow", seed, 2.0)[0]) for seed in range(60)])
    legs = bodies[:, 1] + bodies[:, 2]
    assert legs.min() > 0.65 and legs.max() < 1.05
    assert legs.std() > 0.03


def test_bad_input_is_named() -> None:
    with pytest.raises(InvalidInput, match="found 'swim'"):
        procedural_motion("swim", 0)
    with pytest.raises(InvalidInput, match=r"2 to 120 s, found 0\.5"):
        procedural_motion("walk", 0, 0.5)
    with pytest.raises(InvalidInput, match="fps"):
        procedural_motion("walk", 0, 5, fps=0)
    with pytest.raises(InvalidInput, match="at least one clip"):
        procedural_dataset(0, 0)


def test_dataset_reads_like_mocap17(tmp_path: Path) -> None:
    path = tmp_path / "procedural.npz"
    write_procedural_dataset(path, 9, seed=5)
    motion = load_mocap17(path)
    assert len(motion) == 9
    assert set(motion.action) == set(ACTIONS)
    assert set(motion.source) == {"procedural"}
    seed = int(str(motion.name[0]).rsplit("_", 1)[1])
    first = motion.clip_world(0)
    rebuilt = procedural_motion(str(motion.action[0]), seed, len(first) / FPS)
    np.testing.assert_allclose(first, rebuilt, atol=2e-4)
    again = procedural_dataset(9, seed=5)
    np.testing.assert_array_equal(again["joints"], motion.joints)


def test_angles_round_trip() -> None:
    rng = np.random.default_rng(0)
    reference = normalise(rng.normal(size=(16, 3)))
    directions = normalise(reference + 0.8 * rng.normal(size=(50, 16, 3)))
    np.testing.assert_allclose(directions_of(angles_of(directions, reference), reference), directions, atol=1e-6)


def test_coefficients_come_from_many_clips() -> None:
    text = resources.files("diffpose_core.datasets.procedural").joinpath("coefficients.json").read_text("utf-8")
    assert len(text) < 150_000
    content = json.loads(text)
    assert "CC BY-NC 4.0" in content["provenance"]["sources"]
    families = content["families"]
    assert set(STATISTICAL) <= set(families)
    for family in families.values():
        assert family["clips"] >= MIN_CLIPS
        # Fewer components than clips by far, so that no clip is in the span of what is stored.
        assert 3 * len(family["components"]) <= family["clips"]
    with pytest.raises(InvalidInput, match="at least 5 clips, found 2"):
        _family(np.zeros((2, 3)), np.zeros((16, 3)), 1, 1, 2)


def test_bundled_table() -> None:
    assert len({entry.name for entry in BUNDLED}) == len(BUNDLED) >= 6
    assert {entry.action for entry in BUNDLED} == set(ACTIONS)
    assert all(3 <= entry.seconds <= 8 for entry in BUNDLED)


@pytest.mark.parametrize("entry", BUNDLED, ids=lambda entry: entry.name)
def test_bundled_clip_rebuilds_from_its_seed(entry) -> None:  # type: ignore[no-untyped-def]
    path = CLIPS / f"{entry.name}.npz"
    assert path.is_file(), f"{path} is missing; make it with make_clips"
    assert path.stat().st_size < 400_000
    stored, made = load_clip(path), make_clip(entry)
    assert stored.provenance["seed"] == entry.seed and stored.provenance["action"] == entry.action
    assert len(stored) == round(entry.seconds * FPS) and stored.fps == FPS
    assert stored.pose3d_cam is not None and stored.mixture is not None and stored.hidden is not None
    assert made.pose3d_cam is not None and made.mixture is not None and made.hidden is not None
    # Other processors round the last bits differently; a joint on the very edge of a limb may then be hidden or not.
    np.testing.assert_allclose(stored.pose3d_cam, made.pose3d_cam, atol=1e-4)
    same = stored.hidden == made.hidden
    assert same.mean() > 0.998
    close = np.isclose(stored.mixture.means_px, made.mixture.means_px, atol=0.05).all((-1, -2))
    assert close.mean() > 0.99
    # Everything is inside the image, and something is hidden.
    exact = stored.keypoints_px[~stored.hidden]
    assert (exact > 0).all() and (exact < stored.width).all()
    assert stored.hidden.mean() > 0.05


def test_make_clips_writes_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffpose_core.datasets.bundled.BUNDLED", BUNDLED[:1])
    (path,) = make_clips(tmp_path / "new")
    assert load_clip(path).name == BUNDLED[0].name
    with pytest.raises(InvalidInput, match="found a file"):
        make_clips(path)


# Half-second windows of bone directions, turned so that the pelvis faces the same way: independent of body and place.
_OFFSETS = np.arange(0, 40, 8)


def _windows(joints: np.ndarray, step: int) -> np.ndarray:
    starts = np.arange(0, len(joints) - _OFFSETS[-1], step)
    directions = bone_directions(joints)[starts[:, None] + _OFFSETS]
    forward = facing(joints)[starts + _OFFSETS[2]][:, None, None]
    x = directions[..., 0] * forward[..., 0] + directions[..., 1] * forward[..., 1]
    y = directions[..., 1] * forward[..., 0] - directions[..., 0] * forward[..., 1]
    return np.stack([x, y, directions[..., 2]], axis=-1).reshape(len(starts), -1).astype(np.float32)


@pytest.mark.skipif(not (DATA / "mocap17_train.npz").is_file(), reason="the training split is not at hand")
def test_nothing_bundled_is_a_near_copy_of_a_training_clip() -> None:
    training = load_mocap17(DATA / "mocap17_train.npz")
    windows = [_windows(training.clip_world(c), 6) for c in range(len(training)) if np.diff(training.start)[c] > 45]
    known = np.concatenate(windows)
    mirrored = known.reshape(len(known), len(_OFFSETS), 16, 3)[:, :, np.array(MIRROR[1:]) - 1]
    known = np.concatenate([known, (mirrored * np.float32([1, -1, 1])).reshape(known.shape)])
    square = (known**2).sum(1)
    for entry in BUNDLED:
        joints = procedural_motion(entry.action, entry.seed, entry.seconds).astype(np.float64)
        query = _windows(joints, 15)
        distance = (query**2).sum(1)[:, None] + square - 2 * query @ known.T
        nearest = np.degrees(np.sqrt(np.maximum(distance.min(1), 0) / (16 * len(_OFFSETS))))
        # Root mean square over bones and frames. Clips of one action in the training split are 2.5 to 7 degrees apart.
        assert nearest.min() > 5.0 and nearest.mean() > 7.0, f"{entry.name}: {nearest.round(1)}"
