"""The scores of hypotheses on small random networks: what is known of turned poses, and sums against single scores."""

import json

import numpy as np
import pytest

from benchmarks import hypotheses as command
from diffpose_core.datasets.mocap17 import motion_set, save_mocap17
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.evaluation.proper_scores import crps
from diffpose_core.lifting.settings import LiftSettings


@pytest.fixture(scope="module")
def report(tmp_path_factory, tiny_models):
    clips = [procedural_motion("walk", seed, 2.0)[:30] for seed in (1, 2)]
    path = tmp_path_factory.mktemp("data") / "motions.npz"
    save_mocap17(motion_set(clips, 30.0, name=["a", "b"], action=["walk"] * 2), path)
    return command.measure(path, tiny_models, LiftSettings(steps=1, up=None), 15, 1)


def test_turned_poses_spread_by_one_rotation_and_lie_around_their_pose(report):
    rows = {row["hypotheses"]: row for row in report["scores"]}
    assert {"DiffPose", "DiffPose without f_ST", "standard diffusion", "Graformer, turned"} <= set(rows)
    assert report["views"] == 2 * 4 * 2 and report["provenance"]["data"] == "motions.npz"
    for name, row in rows.items():
        assert set(command.SCORES) < set(row)
        for score in command.SCORES:
            low, high = row[score]["interval"]
            assert low - 1e-9 <= row[score]["value"] <= high + 1e-9
        assert (row["rigid_percent"]["value"] > 95) == name.endswith("turned")
        assert 0 <= row["calibration_percent"]["value"] <= 50
        assert row["best_mm"]["value"] < row["spread_mm"]["value"] + row["mean_mm"]["value"]
    assert all(rows["DiffPose"][score]["change_percent"] == 0 for score in command.SCORES)
    own, turned = rows["DiffPose"]["mean_mm"]["value"], rows["DiffPose's mean, turned"]["mean_mm"]["value"]
    assert abs(own - turned) < 0.05 * own
    json.dumps(report)


def test_sums_are_those_of_single_scores():
    random = np.random.default_rng(0)
    truth = random.normal(0, 0.3, (4, 17, 3))
    hypotheses = truth[:, None] + random.normal(0, 0.05, (4, 5, 17, 3))
    hidden = random.random((4, 17)) < 0.3
    sums = command.sums_of(hypotheses, truth, hidden)
    errors = np.linalg.norm(hypotheses - truth[:, None], axis=-1).mean(-1)
    assert np.allclose(sums["best_mm"], [errors.min(1).sum(), 4])
    by_joint = crps(hypotheses, truth)
    assert np.allclose(sums["crps_mm"], [by_joint[:, 1:].sum(), 4 * 16])
    assert np.allclose(sums["hidden_crps_mm"], [by_joint[:, 1:][hidden[:, 1:]].sum(), hidden[:, 1:].sum()])
    assert sums["calibration_percent"][-1] == 4 * 16 * 3
    assert (np.diff(sums["calibration_percent"][:-1]) >= 0).all()
