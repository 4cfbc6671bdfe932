"""The stage's data: packing, axes, and numbers that agree with a direct computation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.figures import measures, scenes
from app.figures.payload import Bounds, StagePayload, to_plot_axes, unpack
from diffpose_core.structures import DiffusionTrace, InvalidInput, PoseClip2D, PoseMixture

ROOT = Path(__file__).resolve().parents[2]
FRAMES, STEPS, SAMPLES = 4, 3, 6


@pytest.fixture(scope="module")
def clip() -> PoseClip2D:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(300, 700, (10, 17, 2)).astype(np.float32)
    mixture = PoseMixture(
        np.tile(np.array([0.8, 0.2]), (10, 17, 1)),
        np.stack([keypoints, keypoints + 30], 2),
        np.full((10, 17, 2, 2), 25.0),
    )
    pose = rng.normal(0, 0.4, (10, 17, 3)).astype(np.float32)
    hidden = rng.random((10, 17)) < 0.2
    return PoseClip2D(
        "random", keypoints, np.full((10, 17), 0.8), 1000, 1000, 30.0, mixture, pose3d_cam=pose, hidden=hidden
    )


@pytest.fixture(scope="module")
def view(clip: PoseClip2D) -> scenes.ClipFrames:
    frames = np.array([0, 3, 6, 9])
    assert clip.pose3d_cam is not None
    return scenes.ClipFrames(clip, frames, clip.pose3d_cam[frames] + 0.03, 1, "hash")


def trace(seed: int, view: scenes.ClipFrames) -> DiffusionTrace:
    rng = np.random.default_rng(seed)
    assert view.truth_cam is not None
    noise = rng.normal(0, 0.1, (FRAMES, STEPS, SAMPLES, 17, 3)) * np.array([1.0, 0.5, 0.1])[:, None, None, None]
    samples = (view.truth_cam[:, None, None] + noise).astype(np.float32)
    return DiffusionTrace(np.array([50, 25, 0]), samples, samples)


def test_plot_axes_put_the_person_upright() -> None:
    right, down, forward = np.eye(3)
    assert to_plot_axes(right).tolist() == [1, 0, 0]
    assert to_plot_axes(forward).tolist() == [0, 1, 0]
    assert to_plot_axes(down).tolist() == [0, 0, -1]


def test_pack_and_unpack_agree_and_are_deterministic() -> None:
    def build() -> StagePayload:
        payload = StagePayload("x", "X", "s", [2, 1, 0], Bounds((-1, -1, -1), (1, 1, 1), -1), frames=[0, 5])
        payload.add("a", np.arange(6).reshape(2, 3), ("frame", "step"))
        payload.pose("p", np.random.default_rng(0).normal(size=(2, 3, 4, 17, 3)), "frame", "step", "sample")
        return payload

    data = build().pack()
    assert data == build().pack()
    header, arrays = unpack(data)
    assert (len(data) - arrays["a"].nbytes - arrays["p"].nbytes) % 4 == 0, "the buffer starts where float32 may start"
    assert arrays["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert arrays["p"].shape == (2, 3, 4, 17, 3)
    assert header["arrays"]["p"]["axes"] == ["frame", "step", "sample", "joint", "xyz"]
    assert header["axes"]["step"]["values"] == [2, 1, 0]


def test_arrays_that_do_not_fit_the_axes_are_refused() -> None:
    payload = StagePayload("x", "X", "s", [1, 0], Bounds((-1, -1, -1), (1, 1, 1), -1), frames=[0, 1, 2])
    with pytest.raises(InvalidInput, match="2 entries along frame, the stage 3"):
        payload.add("a", np.zeros((2, 2)), ("frame", "step"))
    with pytest.raises(InvalidInput, match="must lead"):
        payload.add("a", np.zeros((5, 3)), ("sample", "frame"))
    with pytest.raises(InvalidInput, match="2 axes were named"):
        payload.add("a", np.zeros(3), ("frame", "step"))
    with pytest.raises(InvalidInput, match="DPS1"):
        unpack(b"no such thing")


def test_overview_holds_the_whole_way(view: scenes.ClipFrames) -> None:
    header, arrays = unpack(scenes.overview(view, trace(0, view)))
    assert [p["id"] for p in header["panels"]] == ["image", "reverse", "result"]
    assert arrays["samples"].shape == (FRAMES, STEPS, SAMPLES, 17, 3)
    assert arrays["mixture_means"].shape == (FRAMES, 17, 2, 2)
    assert header["axes"]["frame"]["values"] == [0, 3, 6, 9]
    assert header["axes"]["frame"]["initial"] == 1
    every = {layer["array"] for panel in header["panels"] for layer in panel.get("layers", [])}
    assert every <= set(arrays)


def test_reverse_numbers_are_those_of_the_poses(view: scenes.ClipFrames) -> None:
    traces = {"context": trace(1, view), "no_context": trace(2, view)}
    header, arrays = unpack(scenes.reverse(view, traces))
    assert [p["id"] for p in header["panels"]] == ["no_context", "context"]
    mean = traces["context"].samples.mean(2)
    expected = np.linalg.norm(mean - view.truth_cam[:, None], axis=-1).mean(-1) * 1000  # type: ignore[index]
    np.testing.assert_allclose(arrays["context_error"], expected, rtol=1e-4)
    assert arrays["context_spread"][0, 0] > arrays["context_spread"][0, -1], "less noise, less spread"
    assert {c["id"] for c in header["charts"]} == {"error", "spread", "bones"}


def test_forward_of_one_frame(view: scenes.ClipFrames) -> None:
    rng = np.random.default_rng(3)
    start = view.reference_cam[1]
    k = np.arange(4)
    traces = {
        name: DiffusionTrace(k, (start + k[:, None, None, None] * std * rng.normal(size=(1, 4, 8, 17, 3))))
        for name, std in (("standard", 0.3), ("gmm", 0.02))
    }
    header, arrays = unpack(
        scenes.forward(view, traces, start.reshape(-1), np.eye(51) * 1e-3, ("other schedule", traces["gmm"]))
    )
    assert header["axes"]["frame"] is None
    assert arrays["standard"].shape == (4, 8, 17, 3)
    assert (arrays["standard_spread"][1:] > arrays["gmm_spread"][1:]).all()
    assert arrays["gmm_broken"][0] == 0, "no bone of h_0 is impossible"
    assert [s["label"] for s in header["charts"][0]["series"]] == ["standard", "GMM", "GMM, other schedule"]


def test_compare_without_the_truth_shows_no_error(view: scenes.ClipFrames) -> None:
    import dataclasses

    blind = dataclasses.replace(view, clip=dataclasses.replace(view.clip, pose3d_cam=None, hidden=None, mixture=None))
    one = trace(4, view)
    header, arrays = unpack(scenes.compare(blind, one))
    assert [p["id"] for p in header["panels"]] == ["graformer", "diffpose"]
    assert not any("error" in name for name in arrays)
    header, _ = unpack(scenes.compare(view, one))
    assert [p["id"] for p in header["panels"]] == ["graformer", "diffpose", "truth"]
    assert header["panels"][2]["layers"][0]["palette"] == "red"


def test_measures() -> None:
    rng = np.random.default_rng(5)
    pose = rng.normal(0, 0.3, (17, 3))
    moved = pose + np.array([0.03, 0.04, 0.0])
    assert measures.error_mm(moved, pose) == pytest.approx(50.0)
    np.testing.assert_allclose(measures.joint_error_mm(moved, pose), 50.0)
    assert measures.spread_mm(np.stack([pose, pose])) == 0
    bones = measures.reference_bones(pose[None])
    assert measures.impossible_bones_percent(pose[None], bones) == 0
    assert measures.impossible_bones_percent(1.3 * pose[None], bones) == 100
    assert measures.bone_violation_percent(1.1 * pose, bones) == pytest.approx(10.0)


def test_distance_to_mixture_is_small_for_its_own_samples_and_right_for_a_shift() -> None:
    rng = np.random.default_rng(6)
    mean = rng.normal(0, 0.3, 51)
    std = rng.uniform(0.02, 0.1, 51)
    samples = (mean + std * rng.normal(size=(5000, 51))).reshape(5000, 17, 3)
    assert measures.distance_to_mixture_mm(samples, mean, np.diag(std**2)) < 3
    shifted = samples + np.array([0.1, 0, 0])
    assert measures.distance_to_mixture_mm(shifted, mean, np.diag(std**2)) == pytest.approx(100, abs=3)


def test_figures_never_import_streamlit() -> None:
    for path in (ROOT / "app" / "figures").glob("*.py"):
        assert "import streamlit" not in path.read_text(encoding="utf-8"), path
