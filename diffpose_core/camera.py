"""Pinhole cameras: projection, lens distortion, placing a root, and the cameras of benchmark and training.

World frame: metres, z up. Camera frame: metres, x right, y down, z forward. Functions take torch tensors with any
leading axes, so that one function serves a clip and a training batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffpose_core.structures import Intrinsics

#: The benchmark's cameras: four a clip, all alike.
EVALUATION_AZIMUTHS_DEG = (45.0, 135.0, 225.0, 315.0)
EVALUATION_HEIGHT_M = 1.6
EVALUATION_CLEARANCE_M = 4.5
EVALUATION_FOCAL_PX = 1145.0
IMAGE_SIZE_PX = 1000

_ROOT_ITERATIONS = 12
#: Cauchy's constant: 95 % efficient where errors are normal.
_CAUCHY = 2.385
#: The terms of a usual lens shrink the error to a third or less each time.
_UNDISTORT_ITERATIONS = 30
#: A joint nearer to the camera than this is not in front of it.
_NEAREST_M = 0.05


def look_at_rotation(position_world: Tensor, target_world: Tensor, roll_rad: Tensor | float = 0.0) -> Tensor:
    """World-to-camera rotation of a camera that looks at a point, the horizon level but for a roll.

    Args:
        position_world: (..., 3) metres.
        target_world: (..., 3) metres; the line between them must not be vertical.
        roll_rad: (...) radians; turns the camera clockwise, and so its picture counter-clockwise.

    Returns:
        (..., 3, 3), rows are the camera's axes.
    """
    forward = torch.nn.functional.normalize(target_world - position_world, dim=-1)
    up = torch.zeros_like(forward)
    up[..., 2] = 1.0
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up), dim=-1)
    down = torch.linalg.cross(forward, right)
    roll = torch.as_tensor(roll_rad, dtype=forward.dtype, device=forward.device)[..., None]
    rolled_right = torch.cos(roll) * right + torch.sin(roll) * down
    rolled_down = -torch.sin(roll) * right + torch.cos(roll) * down
    return torch.stack((rolled_right, rolled_down, forward), dim=-2)


def project(points_cam: Tensor, intrinsics: Tensor) -> Tensor:
    """Pinhole projection.

    Args:
        points_cam: (..., J, 3) metres, z above 0.
        intrinsics: (..., 4) as fx, fy, cx, cy, pixels.

    Returns:
        (..., J, 2) pixels.
    """
    focal, centre = intrinsics[..., None, :2], intrinsics[..., None, 2:]
    return points_cam[..., :2] / points_cam[..., 2:] * focal + centre


def rotation_to_axis(direction: Tensor) -> Tensor:
    """Smallest rotation that brings a viewing ray onto the optical axis.

    Args:
        direction: (..., 3) of any length, z above 0.

    Returns:
        R (..., 3, 3) with R @ direction = (0, 0, |direction|).

    Source: Rodrigues' formula for the rotation between two unit vectors.
    """
    d = torch.nn.functional.normalize(direction, dim=-1)
    x, y, z = d.unbind(-1)
    factor = 1.0 / (1.0 + z)
    return torch.stack(
        (
            torch.stack((1.0 - x * x * factor, -x * y * factor, -x), -1),
            torch.stack((-x * y * factor, 1.0 - y * y * factor, -y), -1),
            torch.stack((x, y, z), -1),
        ),
        -2,
    )


def place_root(pose_cam: Tensor, points_px: Tensor, std_px: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
    """Place of the root of a known pose, from the places at which its joints are seen.

    Projection makes u (z + Z) = x + X a linear equation (u on the plane at 1 m), so that the root (X, Y, Z) has a
    closed form by weighted least squares. It is solved a few times: each time equations are weighted by the depths
    found, and joints that fit badly count less (Cauchy's weights).

    Args:
        pose_cam: (..., J, 3) metres, root-relative, camera frame.
        points_px: (..., J, 2), the detected joints.
        std_px: (..., J), their spreads.
        intrinsics: (..., 4) as fx, fy, cx, cy, pixels.

    Returns:
        Root (..., 3) in metres, and root mean square reprojection error (...) in pixels, joints weighted in the same
        way. Both are NaN where the joints fall on one point or some would lie behind the camera.
    """
    focal, centre = intrinsics[..., None, :2], intrinsics[..., None, 2:]
    seen = (points_px - centre) / focal
    target = seen * pose_cam[..., 2:] - pose_cam[..., :2]
    certainty = std_px.clamp_min(1.0).reciprocal().square()[..., None]
    weights, depth = certainty, torch.ones_like(certainty)
    for _ in range(_ROOT_ITERATIONS):
        share = weights / depth.square()
        share = share / share.sum(-2, keepdim=True)
        mean_seen, mean_target = (share * seen).sum(-2, keepdim=True), (share * target).sum(-2, keepdim=True)
        centred = seen - mean_seen
        spread = (share * centred.square()).sum((-1, -2))
        distance = -(share * centred * (target - mean_target)).sum((-1, -2)) / spread
        root = torch.cat((mean_target[..., 0, :] + distance[..., None] * mean_seen[..., 0, :], distance[..., None]), -1)
        placed = pose_cam + root[..., None, :]
        depth = placed[..., 2:].clamp_min(_NEAREST_M)
        misses = ((placed[..., :2] / depth - seen) * focal).square().sum(-1, keepdim=True)
        # In units of the detector's own spread; the error of the pose itself is taken from the median joint.
        relative = misses * certainty
        usual = relative.median(-2, keepdim=True).values.clamp_min(1.0)
        weights = certainty / (1.0 + relative / (_CAUCHY**2 * usual))
    error_px = ((weights * misses).sum((-1, -2)) / weights.sum((-1, -2))).sqrt()
    good = (spread > 1e-12) & (placed[..., 2] > _NEAREST_M).all(-1) & torch.isfinite(root).all(-1)
    return torch.where(good[..., None], root, torch.nan), torch.where(good, error_px, torch.nan)


@dataclass(frozen=True)
class Distortion:
    """Distortion of a point (x, y) of the plane 1 m before the camera by a lens. With r2 = x^2 + y^2 it becomes

    (x, y) (1 + k1 r2 + k2 r2^2 + k3 r2^3 + cross (px x + py y)) + (px, py) r2.

    Attributes:
        radial: k1, k2, k3.
        tangential: px, py.
        cross: 1 in Human3.6M's own projection, 2 in OpenCV's (whose p1, p2 are py, px).
    """

    radial: tuple[float, float, float]
    tangential: tuple[float, float]
    cross: float = 1.0

    def _terms(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Factor and shift of a point."""
        r2 = np.square(points).sum(-1, keepdims=True)
        k1, k2, k3 = self.radial
        tangential = np.asarray(self.tangential)
        bent = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3)) + self.cross * (points * tangential).sum(-1, keepdims=True)
        return bent, tangential * r2

    def distort(self, points: np.ndarray) -> np.ndarray:
        """Places at which points of the plane, (..., 2), are seen, (..., 2)."""
        factor, shift = self._terms(points)
        return np.asarray(points * factor + shift)

    def undistort(self, seen: np.ndarray) -> np.ndarray:
        """Points of the plane that are seen at given places, by fixed-point iteration.

        Far outside of a picture the polynomials mean nothing: a point that does not settle is left where it is.

        Args:
            seen: (..., 2) on the plane at 1 m.

        Returns:
            (..., 2).
        """
        seen = np.asarray(seen, dtype=np.float64)
        points = seen
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for _ in range(_UNDISTORT_ITERATIONS):
                factor, shift = self._terms(points)
                points = (seen - shift) / factor
            settled = np.abs(self.distort(points) - seen).max(-1, keepdims=True) < 1e-6
        return np.where(settled, points, seen)


@dataclass(frozen=True)
class Camera:
    """One camera.

    Attributes:
        rotation: (3, 3), world to camera.
        position_world: (3,) metres.
        intrinsics: pixels.
        width: of the image, pixels.
        height: of the image, pixels.
        distortion: of its lens.
    """

    rotation: np.ndarray
    position_world: np.ndarray
    intrinsics: Intrinsics
    width: int = IMAGE_SIZE_PX
    height: int = IMAGE_SIZE_PX
    distortion: Distortion | None = None

    def to_cam(self, points_world: np.ndarray) -> np.ndarray:
        """World points (..., 3) in the camera's frame, (..., 3), metres."""
        return np.asarray((points_world - self.position_world) @ self.rotation.T)

    def rectified(self, points_px: np.ndarray) -> np.ndarray:
        """Pixels of the picture, (..., 2), as the same camera with a lens without distortion would show them."""
        if self.distortion is None:
            return points_px
        i = self.intrinsics
        focal, centre = np.array([i.fx, i.fy]), np.array([i.cx, i.cy])
        return self.distortion.undistort((points_px - centre) / focal) * focal + centre

    def project(self, points_cam: np.ndarray) -> np.ndarray:
        """Camera-frame points (..., J, 3) in pixels without distortion, (..., J, 2)."""
        i = self.intrinsics
        tensor = torch.as_tensor(np.asarray(points_cam, dtype=np.float64))
        return project(tensor, torch.tensor([i.fx, i.fy, i.cx, i.cy], dtype=torch.float64)).numpy()


def look_at_camera(
    position_world: np.ndarray,
    target_world: np.ndarray,
    focal_px: float = EVALUATION_FOCAL_PX,
    width: int = IMAGE_SIZE_PX,
    height: int = IMAGE_SIZE_PX,
    roll_rad: float = 0.0,
) -> Camera:
    """A camera at a place that looks at a point; square pixels, principal point in the image's middle."""
    position = torch.as_tensor(np.asarray(position_world, dtype=np.float64))
    target = torch.as_tensor(np.asarray(target_world, dtype=np.float64))
    rotation = look_at_rotation(position, target, roll_rad).numpy()
    return Camera(rotation, position.numpy(), Intrinsics(focal_px, focal_px, width / 2, height / 2), width, height)


def evaluation_cameras(root_world: np.ndarray) -> list[Camera]:
    """The four fixed cameras of the benchmark for one clip.

    Each camera stands 1.6 m high at azimuth 45, 135, 225 or 315 degrees around the centre of the path's bounding
    circle, 4.5 m outside that circle, and looks at the mean root position.

    Args:
        root_world: (F, 3) metres, path of the root.
    """
    ground = root_world[:, :2].astype(np.float64)
    centre = (ground.min(0) + ground.max(0)) / 2
    radius = float(np.linalg.norm(ground - centre, axis=1).max())
    distance = radius + EVALUATION_CLEARANCE_M
    target = root_world.astype(np.float64).mean(0)
    cameras = []
    for azimuth_deg in EVALUATION_AZIMUTHS_DEG:
        azimuth = math.radians(azimuth_deg)
        ground_position = centre + distance * np.array([math.cos(azimuth), math.sin(azimuth)])
        cameras.append(look_at_camera(np.array([*ground_position, EVALUATION_HEIGHT_M]), target))
    return cameras


@dataclass(frozen=True)
class CameraRanges:
    """Cameras that training views are seen from: as people have them, and some that look from high or low.

    Most real cameras are held or stand at 0.8 to 1.8 m and look at somebody 2 to 8 m away: between 10 degrees from
    below and 22 from above. Uniform in every range but the distance, whose logarithm is.

    Attributes:
        elevation_deg: of the camera above the hip, seen from the hip.
        steep_share: share of the cameras that take `steep_deg` instead.
        steep_deg: the same for those that hang high or lie on the floor.
        distance_m: from the hip.
        focal_px: of pictures 1000 px wide: from wide lenses to long ones.
        roll_deg: standard deviation of the roll.
        rolled_share: share of the cameras that are held askew, with `rolled_deg` instead.
        rolled_deg: standard deviation of their roll.
        aim_offset_m: the camera looks up to this far past the hip along each axis, so that people stand off the centre.
    """

    elevation_deg: tuple[float, float] = (-10.0, 22.0)
    steep_share: float = 0.25
    steep_deg: tuple[float, float] = (-25.0, 45.0)
    distance_m: tuple[float, float] = (2.2, 9.0)
    focal_px: tuple[float, float] = (700.0, 1700.0)
    roll_deg: float = 2.5
    rolled_share: float = 0.15
    rolled_deg: float = 15.0
    aim_offset_m: float = 0.7


def random_view(
    joints_world: Tensor, ranges: CameraRanges, generator: torch.Generator, margin_m: Tensor | float = 0.0
) -> tuple[Tensor, Tensor]:
    """Each set of points seen from a camera of its own, drawn at random around the first point.

    Args:
        joints_world: (B, J, 3) metres, the hip first.
        ranges: of the cameras.
        generator: on the points' device.
        margin_m: (B,) metres or a number, added to the camera's distance.

    Returns:
        Points (B, J, 3) in metres, absolute, camera frame, and intrinsics (B, 4) in pixels.
    """
    size, device = joints_world.shape[0], joints_world.device

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(size, generator=generator, device=device)

    azimuth = uniform(-math.pi, math.pi)
    steep = torch.rand(size, generator=generator, device=device) < ranges.steep_share
    elevation = torch.deg2rad(torch.where(steep, uniform(*ranges.steep_deg), uniform(*ranges.elevation_deg)))
    near, far = (math.log(metres) for metres in ranges.distance_m)
    distance = torch.exp(uniform(near, far)) + margin_m
    root = joints_world[:, 0]
    outward = torch.stack(
        (
            torch.cos(elevation) * torch.cos(azimuth),
            torch.cos(elevation) * torch.sin(azimuth),
            torch.sin(elevation),
        ),
        -1,
    )
    position = root + distance[:, None] * outward
    offset = ranges.aim_offset_m * (2 * torch.rand(size, 3, generator=generator, device=device) - 1)
    rolled = torch.rand(size, generator=generator, device=device) < ranges.rolled_share
    roll = torch.where(rolled, ranges.rolled_deg, ranges.roll_deg)
    roll = torch.deg2rad(roll * torch.randn(size, generator=generator, device=device))
    rotation = look_at_rotation(position, root + offset, roll)
    joints_cam = torch.einsum("bij,bnj->bni", rotation, joints_world - position[:, None])
    focal = uniform(*ranges.focal_px)
    centre = torch.full_like(focal, IMAGE_SIZE_PX / 2)
    return joints_cam, torch.stack((focal, focal, centre, centre), -1)
