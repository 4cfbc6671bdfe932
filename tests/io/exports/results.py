"""Results that the tests of exports write."""

import numpy as np

from diffpose_core.skeleton import NUM_JOINTS
from diffpose_core.structures import LiftResult

MM = 1e-3


def made_result(poses, fps=29.97, root=False, hypotheses=3, clip="walk"):
    """A result whose arrays are all different, without the cost of lifting."""
    rng = np.random.default_rng(7)
    frames = len(poses)
    around = poses[:, None] + 0.02 * rng.standard_normal((frames, hypotheses, NUM_JOINTS, 3))
    return LiftResult(
        pose3d=poses.astype(np.float32),
        hypotheses=around.astype(np.float32),
        joint_std=rng.uniform(0.01, 0.1, (frames, NUM_JOINTS)).astype(np.float32),
        guessed=rng.random((frames, NUM_JOINTS)) < 0.2,
        other_person=np.arange(frames) % 4 == 1,
        baseline=(poses + 0.01).astype(np.float32),
        fps=fps,
        provenance={"clip": clip, "weights": "diffpose", "settings": {"seed": 3}},
        root_cam=np.array([0.3, -0.2, 5.0]) + np.cumsum(0.1 * rng.standard_normal((frames, 3)), 0) if root else None,
        root_error_px=rng.uniform(1, 5, frames) if root else None,
        expected_error=rng.uniform(0.01, 0.1, (frames, NUM_JOINTS)).astype(np.float32) if root else None,
        unlike=np.arange(frames) % 3 == 0 if root else None,
    )
