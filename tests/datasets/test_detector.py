"""The simulated detector: what it promises about errors, hidden joints, second modes and swaps, measured."""

import math

import numpy as np
import pytest
import torch

from diffpose_core.camera import evaluation_cameras, look_at_camera, project
from diffpose_core.datasets.detector import DetectorConfig, clip_from_motion, detect
from diffpose_core.datasets.occlusion import CAPSULES, hidden_joints
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.rng import seeded
from diffpose_core.skeleton import LIMB_ENDS, MIRROR

INTRINSICS = torch.tensor([[1145.0, 1145.0, 500.0, 500.0]])


def seen(action="walk", seconds=20.0, seed=5, fps=30.0):
    """(1, F, 17, 3) joints of a procedural motion in a benchmark camera's frame."""
    motion = procedural_motion(action, seed, seconds, fps)
    camera = evaluation_cameras(motion[:, 0])[1]
    return torch.from_numpy(camera.to_cam(motion).astype(np.float32))[None]


@pytest.fixture(scope="module")
def long_detection():
    """Sixteen motions from four cameras each, so that rare things happen: joints, exact pixels, detection."""
    views = []
    for seed in range(4):
        for action in ("walk", "wave", "sit-stand", "turn"):
            motion = procedural_motion(action, seed, 6.0)
            views += [camera.to_cam(motion).astype(np.float32) for camera in evaluation_cameras(motion[:, 0])]
    joints = torch.from_numpy(np.stack(views))
    intrinsics = INTRINSICS.expand(len(joints), 4)
    return joints, project(joints, intrinsics[:, None]), detect(joints, intrinsics, seeded("cpu", 11))


def detected_px(detection):
    best = detection.weights.argmax(-1)[..., None, None].expand(*detection.weights.shape[:-1], 1, 2)
    return detection.means_px.gather(-2, best)[..., 0, :]


def test_the_same_seed_gives_the_same_detection_and_another_one_does_not():
    joints = seen(seconds=2.0)
    first, again, other = (detect(joints, INTRINSICS, seeded("cpu", s)) for s in (1, 1, 2))
    for name in ("weights", "means_px", "variances_px2", "hidden", "swapped"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.means_px, other.means_px)
    assert torch.equal(first.hidden, other.hidden), "what hides what is geometry"


def test_visible_joints_err_by_about_five_pixels_and_hidden_ones_by_more(long_detection):
    _, exact, detection = long_detection
    error = (detected_px(detection) - exact).norm(dim=-1)
    visible = error[~detection.hidden].mean()
    assert 4.0 < visible < 6.0
    assert error[detection.hidden].mean() > 2 * visible
    limb_ends = error[..., list(LIMB_ENDS)][~detection.hidden[..., list(LIMB_ENDS)]]
    assert limb_ends.median() > 1.15 * error[..., 7:10][~detection.hidden[..., 7:10]].median()


def test_errors_are_what_the_reported_spread_says(long_detection):
    """Where there is one mode and no exchange, error / std is a standard normal."""
    _, exact, detection = long_detection
    single = ((detection.weights > 0).sum(-1) == 1) & ~detection.swapped
    ratio = (detection.means_px[..., 0, :] - exact) / detection.variances_px2[..., 0, :].sqrt()
    ratio = ratio[single]
    assert abs(float(ratio.mean())) < 0.05
    assert math.isclose(ratio.std(), 1.0, abs_tol=0.05)


def test_about_two_percent_of_limb_end_pairs_are_exchanged(long_detection):
    _, exact, detection = long_detection
    ends = list(LIMB_ENDS)
    assert 0.01 < detection.swapped[..., ends].float().mean() < 0.03
    others = [j for j in range(17) if j not in ends]
    assert not bool(detection.swapped[..., others].any())
    # Both joints of a pair are exchanged together, and the argmax is then at the other side.
    for right, left in ((3, 6), (16, 13)):
        assert torch.equal(detection.swapped[..., right], detection.swapped[..., left])
    joint, other = 3, MIRROR[3]
    swapped = detection.swapped[..., joint] & ~detection.hidden[..., joint] & ~detection.hidden[..., other]
    if bool(swapped.any()):
        found = detected_px(detection)[..., joint, :][swapped]
        to_other = (found - exact[..., other, :][swapped]).norm(dim=-1)
        assert to_other.median() < 15


def test_more_modes_than_one_only_where_hidden_or_at_limb_ends(long_detection):
    _, _, detection = long_detection
    modes = (detection.weights > 0).sum(-1)
    middle = [j for j in range(17) if j not in LIMB_ENDS]
    assert bool((modes[..., middle][~detection.hidden[..., middle]] == 1).all())
    hidden_share = (modes[..., middle][detection.hidden[..., middle]] > 1).float().mean()
    assert 0.5 < hidden_share < 0.7
    ends = list(LIMB_ENDS)
    light = (detection.weights[..., ends, 2] > 0).float().mean()
    assert 0.02 < light < 0.08


def test_the_heavier_mode_is_right_as_often_as_its_weight_says(long_detection):
    _, exact, detection = long_detection
    two = detection.hidden & (detection.weights[..., 1] > 0) & (detection.weights[..., 2] == 0) & ~detection.swapped
    gaps = (detection.means_px[..., :2, :] - exact[..., None, :]).norm(dim=-1)
    # Only pairs of modes that are far apart tell which of them is at the joint.
    apart = (detection.means_px[..., 0, :] - detection.means_px[..., 1, :]).norm(dim=-1) > 50
    chosen = two & apart
    assert int(chosen.sum()) > 2000, int(chosen.sum())
    right = (gaps[..., 0] < gaps[..., 1])[chosen].float()
    weight = detection.weights[..., 0][chosen]
    assert math.isclose(right.mean(), weight.mean(), abs_tol=0.06)
    for low, high in ((0.5, 0.65), (0.65, 0.8), (0.8, 0.95)):
        among = (weight >= low) & (weight < high)
        assert math.isclose(right[among].mean(), weight[among].mean(), abs_tol=0.1)
    assert bool((weight >= 0.5).all()) and bool((weight <= 0.95).all())


def test_weights_sum_to_one_and_unused_modes_do_not_show(long_detection):
    _, _, detection = long_detection
    assert torch.allclose(detection.weights.sum(-1), torch.ones(detection.weights.shape[:-1]), atol=1e-5)
    unused = detection.weights <= 0
    first = detection.means_px[..., :1, :].expand_as(detection.means_px)
    assert torch.equal(detection.means_px[unused], first[unused])


def test_errors_last_for_a_while(long_detection):
    _, exact, detection = long_detection
    offset = detection.means_px[..., 0, :] - exact
    steady = ~detection.hidden & ~detection.swapped
    both = steady[:, 1:] & steady[:, :-1]
    a, b = offset[:, 1:][both].flatten(), offset[:, :-1][both].flatten()
    expected = math.exp(-1 / (30 * 0.25))
    assert math.isclose(torch.corrcoef(torch.stack((a, b)))[0, 1], expected, abs_tol=0.04)


def test_errors_grow_with_the_persons_size_in_the_image():
    joints = seen(seconds=20.0)
    far = joints + torch.tensor([0.0, 0.0, float(joints[0, :, 0, 2].mean())])
    errors = []
    for points in (joints, far):
        detection = detect(points, INTRINSICS, seeded("cpu", 3))
        error = (detected_px(detection) - project(points, INTRINSICS[:, None])).norm(dim=-1)
        errors.append(float(error[~detection.hidden].median()))
    assert math.isclose(errors[0] / errors[1], 2.0, rel_tol=0.15)


def standing(distance=5.0):
    """A person who stands 5 m away facing the camera, arms apart. Camera frame: x right, y down."""
    pose = np.zeros((17, 3), dtype=np.float32)
    pose[[1, 2, 3]] = [[-0.13, 0, 0], [-0.15, 0.45, 0], [-0.15, 0.9, 0]]
    pose[[4, 5, 6]] = [[0.13, 0, 0], [0.15, 0.45, 0], [0.15, 0.9, 0]]
    pose[[7, 8, 9, 10]] = [[0, -0.25, 0], [0, -0.5, 0], [0, -0.6, 0], [0, -0.72, 0]]
    pose[[11, 12, 13]] = [[0.17, -0.45, 0], [0.45, -0.4, 0], [0.7, -0.4, 0]]
    pose[[14, 15, 16]] = [[-0.17, -0.45, 0], [-0.45, -0.4, 0], [-0.7, -0.4, 0]]
    return torch.from_numpy(pose) + torch.tensor([0.0, 0.0, distance])


def test_nothing_hides_a_person_with_arms_and_legs_apart():
    hidden, _ = hidden_joints(standing())
    assert not bool(hidden.any())


@pytest.mark.parametrize(("z", "is_hidden"), [(0.35, True), (-0.35, False)])
def test_a_wrist_straight_behind_the_torso_is_hidden_and_one_in_front_is_not(z, is_hidden):
    pose = standing()
    scale = (5.0 + z) / 5.0
    # On the line of sight through the middle of the spine.
    pose[13] = torch.tensor([0.0, -0.25 * scale, 5.0 + z])
    hidden, hider = hidden_joints(pose)
    assert bool(hidden[13]) is is_hidden
    if is_hidden:
        trunk = {joint for a, b, _ in (CAPSULES[4],) for joint in (a, b)}
        assert int(hider[13]) in trunk
    else:
        # The arm now hides the spine instead, since it is nearer.
        assert bool(hidden[7])


def test_just_beside_the_torso_is_seen():
    pose = standing()
    scale = 5.4 / 5.0
    for x, is_hidden in ((0.12, True), (0.16, False)):
        pose[13] = torch.tensor([x * scale, -0.25 * scale, 5.4])
        assert bool(hidden_joints(pose)[0][13]) is is_hidden


def test_a_camera_that_looks_from_elsewhere_changes_what_is_hidden():
    hidden, _ = hidden_joints(torch.stack((standing(), standing())))
    assert hidden.shape == (2, 17)
    # Seen from the side (turned about the vertical by 90 degrees), the far limbs are behind the near ones.
    turned = standing() - torch.tensor([0.0, 0.0, 5.0])
    turned = torch.stack((turned[:, 2], turned[:, 1], -turned[:, 0]), -1) + torch.tensor([0.0, 0.0, 5.0])
    side, _ = hidden_joints(turned)
    near, far = (2, 5) if turned[2, 2] < turned[5, 2] else (5, 2)
    assert bool(side[far]) and not bool(side[near])


def test_a_clip_of_a_motion_holds_the_exact_pose_and_its_camera():
    motion = procedural_motion("wave", 1, 2.0)
    camera = look_at_camera(np.array([4.0, 1.0, 1.5]), np.array([0.0, 0.0, 1.0]), 1100.0)
    clip = clip_from_motion("wave", motion, camera, 30.0, 9, {"action": "wave"})
    again = clip_from_motion("wave", motion, camera, 30.0, 9)
    assert np.array_equal(clip.keypoints_px, again.keypoints_px)
    assert clip.provenance == {"detector_seed": 9, "action": "wave"}
    assert clip.intrinsics == camera.intrinsics
    in_cam = camera.to_cam(motion.astype(np.float64))
    assert np.allclose(clip.pose3d_cam, in_cam - in_cam[:, :1], atol=1e-5)
    assert np.array_equal(clip.keypoints_px, clip.mixture.argmax_px)
    assert np.median(np.linalg.norm(clip.keypoints_px - camera.project(in_cam), axis=-1)) < 12


def test_a_detector_without_error_reports_the_exact_place():
    config = DetectorConfig(
        std_px=1e-4, second_mode_probability=0.0, swap_probability=0.0, phantom_probability=0.0, spread_sigma=0.0
    )
    joints = seen(seconds=2.0)
    detection = detect(joints, INTRINSICS, seeded("cpu", 0), config=config)
    assert torch.allclose(detected_px(detection), project(joints, INTRINSICS[:, None]), atol=0.01)


def ranked(one, other):
    """Spearman's rank correlation of two tensors."""
    return float(torch.corrcoef(torch.stack([x.flatten().argsort().argsort().double() for x in (one, other)]))[0, 1])


@pytest.fixture(scope="module")
def blunt_detection(long_detection):
    joints, _, _ = long_detection
    return detect(joints, INTRINSICS.expand(len(joints), 4), seeded("cpu", 11), config=DetectorConfig(blunt_share=1.0))


def test_blunt_heatmaps_have_half_as_many_second_modes_and_few_of_them_are_right(long_detection, blunt_detection):
    _, exact, sharp = long_detection
    several, right = [], []
    for found in (sharp, blunt_detection):
        modes = (found.weights > 0).sum(-1) > 1
        away = (found.means_px - exact[..., None, :]).norm(dim=-1).masked_fill(found.weights <= 0, torch.inf)
        several.append(float(modes.float().mean()))
        right.append(float((away.argmin(-1) != found.weights.argmax(-1))[modes].float().mean()))
    assert 0.35 < several[1] / several[0] < 0.55
    assert 0.3 < right[1] / right[0] < 0.55


def test_blunt_heatmaps_tell_less_about_errors_that_are_no_larger(long_detection, blunt_detection):
    _, exact, sharp = long_detection
    errors = [(detected_px(found) - exact).norm(dim=-1) for found in (sharp, blunt_detection)]
    main = [found.weights.argmax(-1, keepdim=True) for found in (sharp, blunt_detection)]
    spreads = [f.variances_px2[..., 0].gather(-1, m) for f, m in zip((sharp, blunt_detection), main, strict=True)]
    told = [ranked(spread, error) for spread, error in zip(spreads, errors, strict=True)]
    assert 0.0 < told[1] < 0.8 * told[0]
    assert errors[1].median() <= 1.05 * errors[0].median()


def test_blunt_heatmaps_are_mixtures_like_the_others(blunt_detection):
    weights, means, variances = (getattr(blunt_detection, name) for name in ("weights", "means_px", "variances_px2"))
    assert torch.allclose(weights.sum(-1), torch.ones(()))
    assert (variances > 0).all()
    unused = (weights <= 0)[..., None].expand_as(means)
    assert torch.equal(means[unused], means[..., :1, :].expand_as(means)[unused])


def test_the_given_share_of_the_clips_is_blunt():
    joints = seen(seconds=2.0)[:, :10].expand(64, -1, -1, -1)
    sharp, some = (
        detect(joints, INTRINSICS.expand(64, 4), seeded("cpu", 3), config=DetectorConfig(blunt_share=share))
        for share in (0.0, 0.5)
    )
    changed = (sharp.variances_px2 != some.variances_px2).flatten(1).any(1)
    assert 16 < int(changed.sum()) < 48
