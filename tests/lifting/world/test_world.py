"""The world frame: upright, on the floor, walking through it, with feet that stand where they stand."""

from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.camera import Camera, look_at_camera
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.lifting.world.contacts import ContactRule, find_contacts, runs_of
from diffpose_core.lifting.world.feet import hold_feet
from diffpose_core.lifting.world.frame import Upright, assumed_camera, in_world, upright_of, world_axes
from diffpose_core.lifting.world.path import PathTrust, fit_path
from diffpose_core.skeleton import bone_lengths, stature
from diffpose_core.structures import Intrinsics, InvalidInput, LiftResult, PoseClip2D

FPS = 30.0
SIZE = (1280, 960)
#: Frames in which a true ankle moves less than this a frame stand.
STILL_M = 0.004


def filmed(motion: np.ndarray, camera: Camera, noise_m: float = 0.0, known: bool = True):
    """A clip of exact 2D poses, and a result whose pose is the truth; the hip's path is noisy along the ray."""
    joints_cam = camera.to_cam(motion)
    points = camera.project(joints_cam)
    intrinsics = camera.intrinsics if known else None
    clip = PoseClip2D("walk", points, np.ones(points.shape[:2]), *SIZE, FPS, intrinsics=intrinsics)
    pose, root = joints_cam - joints_cam[:, :1], joints_cam[:, 0]
    noise = noise_m * np.random.default_rng(0).standard_normal(len(root))
    rays = root / np.linalg.norm(root, axis=-1, keepdims=True)
    result = LiftResult(
        pose3d=pose.astype(np.float32),
        hypotheses=np.zeros((len(pose), 0, 17, 3), np.float32),
        joint_std=np.full(pose.shape[:2], 0.02, np.float32),
        guessed=np.zeros(pose.shape[:2], bool),
        other_person=np.zeros(len(pose), bool),
        baseline=pose.astype(np.float32),
        fps=FPS,
        provenance={"settings": {"up": camera.rotation[:, 2].tolist(), "up_estimated": False}},
        root_cam=(root + noise[:, None] * rays).astype(np.float32) if known else None,
        root_error_px=np.ones(len(pose), np.float32) if known else None,
    )
    return clip, result


def camera_for(motion: np.ndarray, focal: float = 1000.0) -> Camera:
    place = motion[:, 0].mean(0) + np.array([3.5, -3.0, 0.4])
    return look_at_camera(place, motion[:, 0].mean(0), focal, *SIZE)


@pytest.fixture(scope="module")
def motion() -> np.ndarray:
    return procedural_motion("walk", 3, 3.0).astype(np.float64)


@pytest.fixture(scope="module")
def camera(motion) -> Camera:
    return camera_for(motion)


def given_up(camera: Camera) -> Upright:
    return Upright(tuple(camera.rotation[:, 2].tolist()), "given")


def slides_mm(pose: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Steps of the ankles in frames in which the true ones stand."""
    steps, true = (1000 * np.linalg.norm(np.diff(p[:, [3, 6]], axis=0), axis=-1) for p in (pose, motion))
    return steps[true < 1000 * STILL_M]


def test_the_person_walks_the_true_way_upright_on_the_floor(motion, camera):
    clip, result = filmed(motion, camera)
    found = in_world(result, clip, given_up(camera)).world.pose
    # The world's x and y are the camera's right and the way ahead; the true ones are turned by the camera's azimuth.
    turn = world_axes(camera.rotation[:, 2]) @ camera.rotation
    true = (motion - [*motion[0, 0, :2], 0.0]) @ turn.T
    assert np.abs(found[0, 0, :2]).max() < 1e-6
    # The world's ankles stand at a usual height, the procedural person's at its own.
    lifted = found[..., 2].mean() - true[..., 2].mean()
    assert np.abs(found[..., :2] - true[..., :2]).max() < 0.08 and abs(lifted) < 0.06
    assert np.linalg.norm(found[-1, 0, :2]) > 2.0, "the hip has moved"
    lower = found[:, [3, 6], 2].min(1)
    assert abs(np.median(lower) - 0.042 * stature(motion)) < 0.02, "feet stand on the floor at 0"
    assert (found[:, 10, 2] - found[:, 0, 2]).min() > 0.4, "heads are up"


def test_standing_feet_do_not_slide_and_bones_keep_their_lengths(motion, camera):
    clip, result = filmed(motion, camera, noise_m=0.05)
    made = in_world(result, clip, given_up(camera)).world
    before = slides_mm((result.pose3d + result.root_cam[:, None]).astype(float), motion)
    after = slides_mm(made.pose.astype(float), motion)
    assert len(before) > 40 and before.mean() > 40
    assert after.mean() < 3 and np.percentile(after, 90) < 5
    assert np.allclose(bone_lengths(made.pose), bone_lengths(result.pose3d), atol=2e-4)
    walking = np.linalg.norm(np.diff(motion[:, [3, 6]], axis=0), axis=-1) > 0.03
    assert (made.standing[1:] & made.standing[:-1] & walking).sum() < 0.1 * walking.sum(), "swinging feet do not stand"


def test_an_unknown_camera_is_assumed_and_said(motion):
    camera = camera_for(motion, float(np.hypot(*SIZE)))
    clip, result = filmed(motion, camera, known=False)
    # Lifted without a camera, a pose is that of the middle of the picture.
    assert assumed_camera(*SIZE) == Intrinsics(1600.0, 1600.0, 640.0, 480.0)
    made = in_world(result, clip, Upright(tuple(camera.rotation[:, 2].tolist()), "estimated"))
    about = made.provenance["world"]
    assert about["camera"] == "assumed" and about["focal_px"] == 1600 and about["up"] == "estimated"
    assert any("focal length of 1600 px is assumed" in note for note in about["notes"])
    assert any("direction up is estimated" in note for note in about["notes"])
    walked = np.linalg.norm(made.world.pose[-1, 0, :2])
    assert walked == pytest.approx(np.linalg.norm(motion[-1, 0, :2] - motion[0, 0, :2]), rel=0.1)
    known_clip, known = filmed(motion, camera)
    assert in_world(known, known_clip, given_up(camera)).provenance["world"]["notes"] == []


@pytest.mark.parametrize("known", [True, False])
def test_somebody_else_in_between_does_not_move_the_person(motion, camera, known):
    other = np.isin(np.arange(len(motion)), [0, *range(30, 38), 60])
    two = motion.copy()
    two[other] = 0.8 * motion[:1] + (1.5, 0.0, 0.4)
    (clip, result), (alone, expected) = filmed(two, camera, known=known), filmed(motion, camera, known=known)
    up = Upright(given_up(camera).up_cam, "estimated")
    found = in_world(replace(result, other_person=other), clip, up).world
    true, mixed = in_world(expected, alone, up).world, in_world(result, clip, up).world
    assert not found.standing[other].any() and (found.standing == true.standing)[~other].mean() > 0.95
    assert np.abs(found.pose - true.pose)[~other].max() < 0.08 < 0.6 < np.abs(mixed.pose - true.pose)[~other].max()
    assert np.linalg.norm(np.diff(found.pose[:, 0], axis=0), axis=-1).max() < 0.1, "the hip's path goes on"


def test_a_jump_stays_in_the_air():
    motion = procedural_motion("jump", 1, 4.0).astype(np.float64)
    camera = camera_for(motion)
    clip, result = filmed(motion, camera)
    made = in_world(result, clip, given_up(camera)).world
    flying = motion[:, [3, 6], 2].min(1) > np.median(motion[:, [3, 6], 2]) + 0.15
    assert flying.sum() >= 3 and not made.standing[flying].any()
    true_rise = motion[flying][:, 0, 2].mean() - np.median(motion[:, 0, 2])
    rise = made.pose[flying][:, 0, 2].mean() - np.median(made.pose[:, 0, 2])
    assert rise == pytest.approx(true_rise, abs=0.05)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_clips_have_a_world_frame_too(motion, camera, frames):
    clip, result = filmed(motion[:frames], camera)
    made = in_world(result, clip, given_up(camera)).world
    assert made.pose.shape == (frames, 17, 3) and np.isfinite(made.pose).all() and made.standing.shape == (frames, 2)


def test_what_is_no_clip_of_its_result_is_refused(motion, camera):
    clip, result = filmed(motion, camera)
    with pytest.raises(InvalidInput, match=r"needs all frames of a clip, found 90 of 10"):
        in_world(result, clip.frames(slice(10)), given_up(camera))
    with pytest.raises(InvalidInput, match="up must be three finite numbers"):
        Upright((0.0, 0.0, 0.0), "given")
    clip, result = filmed(motion, camera, known=False)
    nowhere = replace(clip, keypoints_px=np.full_like(clip.keypoints_px, 500.0))
    with pytest.raises(InvalidInput, match="could be in no frame"):
        in_world(result, nowhere, given_up(camera))


def test_up_comes_from_the_lift_or_is_estimated(motion, camera, tiny_models):
    clip, result = filmed(motion, camera)
    assert upright_of(result, clip, tiny_models) == given_up(camera)
    estimated = replace(result, provenance={"settings": {"up": [0.0, -1.0, 0.0], "up_estimated": True}})
    assert upright_of(estimated, clip, tiny_models).source == "estimated"
    unknown = replace(result, provenance={"settings": {"up": None}})
    assert upright_of(unknown, clip, tiny_models) == Upright((0.0, -1.0, 0.0), "doubtful")


@pytest.mark.parametrize("up", [(0, -1, 0), (0.1, -0.9, -0.4), (0, 0, -1.0), (0, 0.02, 1.0)])
def test_world_axes_are_a_rotation_with_z_up(up):
    axes = world_axes(np.array(up, dtype=float))
    assert np.allclose(axes @ axes.T, np.eye(3)) and np.isclose(np.linalg.det(axes), 1)
    assert np.allclose(axes @ np.array(up) / np.linalg.norm(up), [0, 0, 1])
    assert axes[0, 0] > 0.9, "x stays the camera's right"


def test_contacts_begin_where_a_foot_is_surely_still():
    speeds = np.array([2.0, 0.7, 0.6, 0.2, 0.3, 0.7, 0.9, 0.7, 0.7, 0.1, 2.0])[:, None].repeat(2, 1)
    heights = np.zeros_like(speeds)
    heights[:, 1] = 0.3
    found = find_contacts(speeds, heights, 10.0, ContactRule(surely_m_s=0.4, still_m_s=0.8, shortest_s=0.1))
    assert found[:, 0].tolist() == [False, True, True, True, True, True, False, True, True, True, False]
    assert not found[:, 1].any(), "a foot in the air does not stand"
    assert not find_contacts(speeds, heights, 10.0, ContactRule(shortest_s=0.7)).any()


def test_stretches_are_cut_where_a_foot_creeps():
    ankle = np.zeros((20, 3))
    ankle[:, 0] = 0.02 * np.arange(20)
    cut = runs_of(np.ones(20, bool), ankle, 0.11)
    assert [(run.start, run.stop) for run in cut] == [(0, 6), (6, 12), (12, 18), (18, 20)]
    assert runs_of(np.zeros(20, bool), ankle, 0.1) == []


def test_a_path_bends_to_what_stands_and_not_further_than_the_picture_allows():
    frames = 60
    seen = np.array([0.0, 5.0, 1.0]) + np.zeros((frames, 3))
    seen[:, 1] += 0.1 * np.random.default_rng(1).standard_normal(frames)
    ankles = np.tile(np.array([[0.1, 0.0, -0.9], [-0.1, 0.0, -0.9]]), (frames, 1, 1))
    stands = np.ones((frames, 2), bool)
    path = fit_path(seen, ankles, stands, 0.1, FPS, PathTrust())
    assert np.abs(np.diff(path, axis=0)).max() < 2e-3 and np.abs(path - [0, 5, 1]).max() < 0.05
    free = fit_path(seen, ankles, ~stands, 0.1, FPS, PathTrust(acceleration_m_s2=1e6))
    assert np.abs(free - seen).max() < 1e-6


def test_corrections_fade_and_legs_reach(motion):
    pose = motion.copy()
    standing = np.zeros((len(pose), 2), bool)
    standing[30:40, 0] = True
    held = hold_feet(pose, standing, 0.1, FPS, 1.0)
    assert np.array_equal(held[:20], pose[:20]) and np.array_equal(held[50:], pose[50:])
    assert np.array_equal(np.delete(held, (2, 3), axis=1), np.delete(pose, (2, 3), axis=1)), "one leg alone is bent"
    assert np.abs(np.diff(held[30:40, 3], axis=0)).max() < 1e-9
    straight = pose.copy()
    straight[:, 2] = straight[:, 1] - [0, 0, 0.4]
    straight[:, 3] = straight[:, 1] - [0, 0, 0.8]
    bent = hold_feet(straight, np.ones_like(standing), 0.3, FPS, 100.0)
    assert np.allclose(bone_lengths(bent), bone_lengths(straight), atol=1e-5)
