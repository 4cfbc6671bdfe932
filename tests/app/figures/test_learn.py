"""The guided tour's pictures: Eq. 1 against the core's own forward process, and excerpts of other stages."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.figures import learn
from app.figures.learn import Equation
from app.figures.scenes import ClipFrames
from app.stage.payload import Bounds, StagePayload, to_plot_axes, unpack
from diffpose_core.diffusion.forward import q_sample
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.skeleton import LIMB_ENDS
from diffpose_core.structures import InvalidInput, PoseClip2D


@pytest.fixture(scope="module")
def equation() -> Equation:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.02, (17, 3))
    noise[13] = [0.1, -0.1, 0.2]
    alphas = {name: make_schedule(name).alphas_cumprod for name in ("supplement", "converging")}
    h_0 = rng.normal(0, 0.3, (17, 3)).astype(np.float32)  # as clips hold their poses
    return Equation(h_0, rng.normal(0, 0.3, (17, 3)), noise, alphas)


def test_the_equation_is_the_cores(equation: Equation):
    for name in ("supplement", "converging"):
        schedule = make_schedule(name)
        shown = equation.h_k(name)
        for k in (0, 1, 25, 50):
            h_0, noise, mean = (torch.from_numpy(a).double() for a in (equation.h_0, equation.noise, equation.mean))
            np.testing.assert_allclose(shown[k], q_sample(h_0, k, schedule, noise, mean).numpy(), atol=1e-12)


def test_the_live_equation_holds_terms_that_add_up(equation: Equation):
    header, arrays = unpack(learn.live_equation(equation, True, "hash", "clip", 3))
    spec = next(p for p in header["panels"] if p["kind"] == "equation")
    joint = spec["joint"]
    assert joint == 13 and joint in LIMB_ENDS, "where most noise is"
    for schedule, name in spec["alphas"].items():
        alpha = arrays[name][:, None]
        mean, h_0, noise = (arrays[spec[term]][joint] for term in ("mean", "h_0", "noise"))
        total = mean + np.sqrt(alpha) * (h_0 - mean) + np.sqrt(1 - alpha) * noise
        np.testing.assert_allclose(arrays[f"h_k_{schedule}"][:, joint], total, atol=1e-6)
    layer = next(x for x in header["panels"][0]["layers"] if "schedules" in x)
    assert set(layer["schedules"].values()) <= set(arrays)
    lo, hi = np.array(header["bounds"]["lo"]), np.array(header["bounds"]["hi"])
    assert ((to_plot_axes(equation.h_0[joint]) > lo) & (to_plot_axes(equation.h_0[joint]) < hi)).all()


def test_one_picture_has_a_pose_a_step():
    rng = np.random.default_rng(1)
    hidden = np.zeros((4, 17), dtype=bool)
    clip = PoseClip2D("one", rng.uniform(300, 700, (4, 17, 2)), np.full((4, 17), 0.9), 1000, 1000, 30.0, hidden=hidden)
    view = ClipFrames(clip, np.array([2]), rng.normal(0, 0.3, (1, 17, 3)), 0, "hash")
    header, arrays = unpack(learn.one_picture(view, rng.normal(0, 0.3, (6, 17, 3))))
    assert header["axes"]["step"]["texts"] == [f"{n} of 6" for n in range(1, 7)]
    assert [p["id"] for p in header["panels"]] == ["image", "poses"]
    np.testing.assert_array_equal(arrays["pose"], arrays["all"])
    assert header["shows_frame"] == 2


def test_an_excerpt_of_a_single_frame_has_no_timeline_of_frames():
    payload = StagePayload("whole", "Whole", "s", [1, 0], Bounds((-1, -1, -1), (1, 1, 1), -1), frames=[4])
    payload.add("a", np.arange(2.0)[None], ("frame", "step"))
    payload.panels.append({"id": "left", "kind": "scene"})
    header, arrays = unpack(learn.excerpt(payload.pack(), "part", ("left",)))
    assert header["axes"]["frame"] is None and header["shows_frame"] == 4
    assert arrays["a"].shape == (1, 2)


def test_an_excerpt_keeps_what_was_asked_for_and_the_numbers():
    payload = StagePayload("whole", "Whole", "s", [1, 0], Bounds((-1, -1, -1), (1, 1, 1), -1))
    payload.add("a", np.arange(2.0), ("step",))
    payload.panels += [{"id": name, "kind": "scene"} for name in ("left", "right", "far")]
    payload.charts += [{"id": "error"}, {"id": "spread"}]
    whole = payload.pack()
    header, arrays = unpack(learn.excerpt(whole, "part", ("right", "left")))
    assert header["id"] == "part"
    assert [p["id"] for p in header["panels"]] == ["left", "right"]
    assert header["charts"] == []
    assert header["hash"] != unpack(whole)[0]["hash"]
    np.testing.assert_array_equal(arrays["a"], [0, 1])
    assert learn.excerpt(whole, "part", ("left",)) == learn.excerpt(whole, "part", ("left",)), "the same bytes again"
    with pytest.raises(InvalidInput, match="the stage whole has none of the panels nowhere"):
        learn.excerpt(whole, "part", ("nowhere",))
