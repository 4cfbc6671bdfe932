"""Cameras: where they look, what is up, and the benchmark's four."""

import math

import numpy as np
import pytest
import torch

from diffpose_core.camera import (
    CameraRanges,
    Distortion,
    evaluation_cameras,
    look_at_camera,
    look_at_rotation,
    place_root,
    project,
    random_view,
    rotation_to_axis,
)
from diffpose_core.rng import seeded

POSITION, TARGET = np.array([3.0, -2.0, 1.6]), np.array([0.2, 0.5, 0.9])


def test_the_target_falls_on_the_principal_point():
    camera = look_at_camera(POSITION, TARGET, 1145.0, 1000, 800)
    target_cam = camera.to_cam(TARGET[None])
    assert np.allclose(target_cam, [[0, 0, np.linalg.norm(TARGET - POSITION)]])
    assert np.allclose(camera.project(target_cam), [[500, 400]])
    assert np.allclose(camera.to_cam(POSITION), 0)


def test_axes_are_orthonormal_right_handed_and_upright():
    rotation = look_at_camera(POSITION, TARGET).rotation
    assert np.allclose(rotation @ rotation.T, np.eye(3))
    assert np.isclose(np.linalg.det(rotation), 1)
    right, down, _ = rotation
    assert np.isclose(right[2], 0), "the horizon is level"
    assert down[2] < 0


def test_up_in_the_world_is_up_in_the_image_and_right_is_right():
    camera = look_at_camera(np.array([0.0, -4.0, 1.0]), np.array([0.0, 0.0, 1.0]))
    middle, above, right_of = camera.project(camera.to_cam(np.array([[0, 0, 1.0], [0, 0, 1.5], [0.5, 0, 1.0]])))
    assert above[1] < middle[1] and np.isclose(above[0], middle[0])
    # The camera looks along +y, so that +x is on its right.
    assert right_of[0] > middle[0] and np.isclose(right_of[1], middle[1])


def test_roll_turns_the_image_counter_clockwise_about_the_principal_point():
    roll = math.radians(7)
    level, rolled = look_at_camera(POSITION, TARGET), look_at_camera(POSITION, TARGET, roll_rad=roll)
    point = TARGET + np.array([[0.3, 0.1, 0.5]])
    before = level.project(level.to_cam(point))[0] - 500
    after = rolled.project(rolled.to_cam(point))[0] - 500
    # u points right and v down: counter-clockwise is from +u towards -v.
    turn = np.array([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]])
    assert np.allclose(after, turn @ before)


def test_rotations_of_a_batch_are_those_of_each():
    rng = np.random.default_rng(0)
    positions, rolls = torch.from_numpy(rng.uniform(2, 4, (3, 3))), torch.from_numpy(rng.uniform(-0.1, 0.1, 3))
    targets = torch.from_numpy(rng.uniform(-1, 1, (3, 3)))
    together = look_at_rotation(positions, targets, rolls)
    for i in range(3):
        assert torch.allclose(together[i], look_at_rotation(positions[i], targets[i], float(rolls[i])))


def test_rotation_to_axis_is_the_smallest_turn_onto_the_axis():
    rays = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rays[:, 2] = rays[:, 2].abs() + 0.1
    rotation = rotation_to_axis(rays)
    turned = torch.einsum("bij,bj->bi", rotation, rays)
    length = rays.norm(dim=-1)
    assert torch.allclose(turned, torch.stack((0 * length, 0 * length, length), -1), atol=1e-12)
    eye = torch.eye(3, dtype=torch.float64).expand(50, 3, 3)
    assert torch.allclose(rotation @ rotation.mT, eye, atol=1e-12)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(50, dtype=torch.float64))
    # A rotation by an angle has the trace 1 + 2 cos(angle); the smallest one turns by the angle between ray and axis.
    trace = rotation.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert torch.allclose(trace, 1 + 2 * rays[:, 2] / length)


def test_projection_is_that_of_the_camera_matrix():
    rng = np.random.default_rng(1)
    points = rng.uniform(-1, 1, (2, 17, 3)) + np.array([0, 0, 4])
    intrinsics = np.array([[1100.0, 1200.0, 480.0, 510.0], [900.0, 950.0, 500.0, 490.0]])
    found = project(torch.from_numpy(points), torch.from_numpy(intrinsics)).numpy()
    for b in range(2):
        fx, fy, cx, cy = intrinsics[b]
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        for j in range(17):
            u, v, w = matrix @ points[b, j]
            assert np.allclose(found[b, j], (u / w, v / w))


def test_the_benchmarks_cameras_stand_where_it_says():
    angle = np.linspace(0, 1.2, 40)
    root = np.stack((2 + 1.5 * np.cos(angle), -1 + 0.7 * np.sin(angle), 0.9 + 0.05 * np.sin(5 * angle)), -1)
    cameras = evaluation_cameras(root)
    assert len(cameras) == 4
    centre = (root[:, :2].min(0) + root[:, :2].max(0)) / 2
    radius = max(math.dist(point, centre) for point in root[:, :2])
    for camera, azimuth in zip(cameras, (45, 135, 225, 315), strict=True):
        offset = camera.position_world[:2] - centre
        assert math.isclose(np.linalg.norm(offset), radius + 4.5)
        assert math.isclose(math.degrees(math.atan2(offset[1], offset[0])) % 360, azimuth)
        assert math.isclose(camera.position_world[2], 1.6)
        i = camera.intrinsics
        assert (i.fx, i.fy, i.cx, i.cy, camera.width, camera.height) == (1145, 1145, 500, 500, 1000, 1000)
        assert np.allclose(camera.project(camera.to_cam(root.mean(0)[None])), 500)
        assert np.isclose(camera.rotation[0, 2], 0)


def test_random_views_stay_in_their_ranges_and_move_nothing():
    generator = torch.Generator().manual_seed(3)
    poses = torch.randn(400, 17, 3, generator=generator) * 0.3 + torch.tensor([1.0, 2.0, 0.9])
    ranges = CameraRanges()
    seen, intrinsics = random_view(poses, ranges, generator)
    distances = (poses - poses[:, :1]).norm(dim=-1)
    assert torch.allclose((seen - seen[:, :1]).norm(dim=-1), distances, atol=1e-4)
    root_distance = seen[:, 0].norm(dim=-1)
    assert ranges.distance_m[0] - 1e-3 <= root_distance.min() and root_distance.max() <= ranges.distance_m[1] + 1e-3
    assert root_distance.min() < 3.2 and root_distance.max() > 8.8, "the whole range is used"
    assert ranges.focal_px[0] <= intrinsics[:, 0].min() and intrinsics[:, 0].max() <= ranges.focal_px[1]
    assert torch.equal(intrinsics[:, 0], intrinsics[:, 1])
    assert bool((intrinsics[:, 2:] == 500).all())
    # The camera aims up to 0.7 m along each axis past the hip, so the hip is off the axis by no more than that.
    assert seen[:, 0, :2].abs().max() < 0.7 * 3**0.5 + 0.3
    assert seen[:, 0, :2].norm(dim=-1).mean() > 0.3


def test_random_views_depend_on_the_generator_alone():
    poses = torch.randn(5, 17, 3, generator=torch.Generator().manual_seed(0))
    first = random_view(poses, CameraRanges(), seeded("cpu", 1, 2))
    torch.manual_seed(123)
    again = random_view(poses, CameraRanges(), seeded("cpu", 1, 2))
    other = random_view(poses, CameraRanges(), seeded("cpu", 1, 3))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("vertical_m", [-5.0, 5.0])
def test_a_steep_camera_still_has_its_axes(vertical_m):
    rotation = look_at_camera(np.array([0.01, 0.0, vertical_m]), np.zeros(3)).rotation
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)


def seen_bodies(count=20, seed=0):
    """Bodies of about a person's size before a camera that is not square: poses, roots, pixels, intrinsics."""
    generator = torch.Generator().manual_seed(seed)
    pose = 0.4 * torch.randn(count, 17, 3, generator=generator, dtype=torch.float64)
    pose = pose - pose[:, :1]
    low, high = torch.tensor([-1.0, -0.5, 3.0]), torch.tensor([1.0, 0.5, 9.0])
    root = low + (high - low) * torch.rand(count, 3, generator=generator, dtype=torch.float64)
    intrinsics = torch.tensor([1400.0, 1100.0, 900.0, 200.0], dtype=torch.float64)
    return pose, root, project(pose + root[:, None], intrinsics), intrinsics


def test_a_root_is_found_where_it_is():
    pose, root, pixels, intrinsics = seen_bodies()
    found, error_px = place_root(pose, pixels, torch.full(pose.shape[:2], 5.0, dtype=torch.float64), intrinsics)
    assert torch.allclose(found, root, atol=1e-9) and error_px.max() < 1e-6
    alone, _ = place_root(pose[3], pixels[3], torch.full((17,), 5.0, dtype=torch.float64), intrinsics)
    assert torch.allclose(alone, root[3], atol=1e-9)


def test_a_root_with_noise_in_the_pixels_is_off_by_little_and_the_error_is_the_noise():
    pose, root, pixels, intrinsics = seen_bodies(200)
    noise = 4 * torch.randn(pixels.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found, error_px = place_root(pose, pixels + noise, torch.full(pose.shape[:2], 4.0), intrinsics)
    off = (found - root).norm(dim=-1)
    assert off.median() < 0.1 and 4.0 < error_px.median() < 4.0 * 2**0.5


def test_a_joint_that_is_far_off_hardly_moves_the_root():
    pose, root, pixels, intrinsics = seen_bodies()
    wrong = pixels.clone()
    wrong[:, 13] += 400.0
    found, _ = place_root(pose, wrong, torch.full(pose.shape[:2], 5.0), intrinsics)
    off = (found - root).norm(dim=-1)
    assert off.median() < 0.01 and off.max() < 0.1
    unsure = torch.full(pose.shape[:2], 5.0)
    unsure[:, 13] = 200.0
    better, _ = place_root(pose, wrong, unsure, intrinsics)
    assert (better - root).norm(dim=-1).max() < (found - root).norm(dim=-1).max()


@pytest.mark.parametrize("case", ["one point", "mirrored", "behind"])
def test_a_root_that_no_camera_could_see_is_not_a_number(case):
    pose, root, pixels, intrinsics = seen_bodies(3)
    if case == "one point":
        pixels[1] = 300.0
    elif case == "mirrored":
        # Point by point the other way round: only a person behind the camera would look like that.
        pixels[1] = 2 * intrinsics[2:] - project(pose[1] * torch.tensor([1.0, 1.0, 0.0]) + root[1], intrinsics)
    else:
        pose[1, 5, 2] = -20.0
    found, error_px = place_root(pose, pixels, torch.full(pose.shape[:2], 5.0), intrinsics)
    assert bool(found[1].isnan().all()) and bool(error_px[1].isnan())
    assert torch.allclose(found[[0, 2]], root[[0, 2]], atol=1e-9)


@pytest.mark.parametrize("cross", [1.0, 2.0])
def test_a_lens_is_undone(cross):
    lens = Distortion((-0.28, 0.13, -0.05), (-0.001, 0.0004), cross)
    grid = np.stack(np.meshgrid(np.linspace(-0.6, 0.6, 9), np.linspace(-0.4, 0.4, 7)), -1)
    seen = lens.distort(grid)
    assert np.abs(seen - grid).max() > 0.02
    assert np.allclose(lens.undistort(seen), grid, atol=1e-7)
    far = np.array([[40.0, -3.0], [0.1, 0.2]])
    assert np.array_equal(lens.undistort(far)[0], far[0]), "where the polynomials mean nothing nothing is changed"
    (x, y), (px, py) = grid[1, 2], lens.tangential
    r2 = x * x + y * y
    bend = 1 - 0.28 * r2 + 0.13 * r2**2 - 0.05 * r2**3
    if cross == 2:  # OpenCV's p1, p2 are py, px
        expected = (
            x * bend + 2 * py * x * y + px * (r2 + 2 * x * x),
            y * bend + py * (r2 + 2 * y * y) + 2 * px * x * y,
        )
        assert np.allclose(lens.distort(grid)[1, 2], expected)
