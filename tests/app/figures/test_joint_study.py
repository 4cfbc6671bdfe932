"""Stage data of a joint that gets less sure, against direct computations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from app.figures import joint_study as figures
from app.stage.payload import unpack
from diffpose_core.structures import PoseClip2D
from diffpose_core.uncertainty.mixtures import falling_confidence, less_sure
from diffpose_core.uncertainty.pose_gmm import PoseGMM

LEVELS, DRAWS, HYPOTHESES, COMPONENTS, JOINT = 4, 300, 5, 3, 13


def gmm(lead: tuple[int, ...], seed: int = 0) -> PoseGMM:
    rng = np.random.default_rng(seed)
    root = 0.03 * rng.normal(size=(*lead, COMPONENTS, 51, 51))
    covariances = root @ np.swapaxes(root, -1, -2) + 1e-3 * np.eye(51)
    means = 0.3 * rng.normal(size=(*lead, COMPONENTS, 51))
    weights = np.broadcast_to([0.5, 0.3, 0.2], (*lead, COMPONENTS)).copy()
    return PoseGMM(*(torch.from_numpy(a) for a in (weights, means, covariances)))


@pytest.fixture(scope="module")
def study() -> figures.JointStudy:
    rng = np.random.default_rng(1)
    points = np.repeat(rng.uniform(300, 700, (1, 17, 2)), LEVELS, axis=0)
    pose = np.repeat(rng.normal(0, 0.3, (1, 17, 3)), LEVELS, axis=0)
    hidden = np.zeros((LEVELS, 17), dtype=bool)
    bare = PoseClip2D("one", points, np.full((LEVELS, 17), 0.9), 1000, 900, 30.0, pose3d_cam=pose, hidden=hidden)
    clip = less_sure(bare, JOINT, falling_confidence(0.9, LEVELS))
    wider = np.linspace(0.02, 0.2, LEVELS)[:, None, None]
    samples = pose[:, None] + 0.02 * rng.normal(size=(LEVELS, DRAWS, 17, 3))
    samples[:, :, JOINT] = pose[:, None, JOINT] + wider * rng.normal(size=(LEVELS, DRAWS, 3))
    hypotheses = pose[:, None] + 0.01 * rng.normal(size=(LEVELS, HYPOTHESES, 17, 3))
    return figures.JointStudy(clip, JOINT, samples, gmm((LEVELS,)), hypotheses, pose[0] + 0.02, 7, "hash")


def test_a_joint_that_gets_less_sure(study: figures.JointStudy):
    header, arrays = unpack(figures.joint_study(study))
    assert [p["id"] for p in header["panels"]] == ["heatmaps", "cloud", "result"]
    axis = header["axes"]["step"]
    assert axis["texts"][0] == "0.90" and axis["texts"][-1] == "hidden" and len(axis["texts"]) == LEVELS
    assert header["shows_frame"] == 7 and header["panels"][0]["joint"] == JOINT
    widths = arrays["mixture_stds"][:, JOINT, 0, 0]
    assert (np.diff(widths) > 0).all()
    assert (arrays["mixture_stds"][:, :JOINT] == arrays["mixture_stds"][:1, :JOINT]).all()
    assert (np.diff(arrays["std_along"]) > 0).all()
    np.testing.assert_allclose(arrays["std_along"], study.samples_cam[:, :, JOINT, 2].std(1) * 1000, rtol=1e-4)
    assert arrays["moved"][0] == 0
    answer = study.hypotheses_cam.mean(1)
    expected = np.linalg.norm(answer[:, JOINT] - study.truth_cam[JOINT], axis=-1) * 1000
    np.testing.assert_allclose(arrays["own_error"], expected, rtol=1e-4)
    assert np.array_equal(arrays["before"], arrays["result"][0])
    used = {layer["array"] for panel in header["panels"] for layer in panel.get("layers", [])}
    assert used <= set(arrays)


def test_depth_densities_hold_the_draws_and_the_mixture(study: figures.JointStudy):
    header, arrays = unpack(figures.joint_study(study))
    chart = next(c for c in header["charts"] if c["id"] == "depths")
    width = (chart["hi"] - chart["lo"]) / figures.BINS
    inside = (arrays["depth_draws"] * width).sum(-1)
    assert inside.max() <= 1 + 1e-5 and inside.min() > 0.98
    np.testing.assert_allclose(arrays["depth_parts"].sum(1), arrays["depth_mixture"][:, JOINT], rtol=1e-4)
    assert (arrays["depth_mixture"] * width).sum(-1).max() < 1.001


def test_without_the_truth_there_is_no_error(study: figures.JointStudy):
    blind = dataclasses.replace(study, clip=dataclasses.replace(study.clip, pose3d_cam=None, hidden=None))
    header, arrays = unpack(figures.joint_study(blind))
    assert not any("error" in name or "truth" in name for name in arrays)
    assert [s["label"] for s in header["charts"][-1]["series"]] == ["spread across", "spread in depth"]
