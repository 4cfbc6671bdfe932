"""Schedules and the choice of DDIM steps."""

import math

import numpy as np
import pytest

from diffpose_core.diffusion.schedule import Schedule, ddim_steps, make_schedule
from diffpose_core.structures import InvalidInput


def test_the_supplements_schedule_value_by_value():
    schedule = make_schedule("supplement")
    assert schedule.num_steps == 50
    assert schedule.betas.dtype == schedule.alphas_cumprod.dtype == np.float64
    alpha = 1.0
    assert schedule.alphas_cumprod[0] == 1.0
    for k in range(1, 51):
        beta = 1e-4 + (2e-3 - 1e-4) * (k - 1) / 49
        alpha *= 1 - beta
        assert math.isclose(schedule.betas[k - 1], beta, rel_tol=1e-12)
        assert math.isclose(schedule.alphas_cumprod[k], alpha, rel_tol=1e-12)
    assert abs(schedule.alphas_cumprod[50] - 0.949) < 5e-4  # mostly h_0 still: it does not converge


def test_the_converging_schedule_converges():
    schedule = make_schedule("converging", 50)
    assert schedule.alphas_cumprod[50] < 1e-2
    assert np.allclose(schedule.betas, 1e-4 + (0.2 - 1e-4) * np.arange(50) / 49, rtol=1e-12)
    assert (np.diff(schedule.alphas_cumprod) < 0).all()


def test_schedules_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        make_schedule("supplement").betas[0] = 0.5
    given = np.array([1.0, 0.5])
    own = Schedule("mine", np.array([0.5]), given)
    with pytest.raises(ValueError, match="read-only"):
        own.alphas_cumprod[0] = 0.5
    given[0] = 0.7
    assert own.alphas_cumprod[0] == 1.0, "a copy"


def test_bad_schedules_are_told():
    with pytest.raises(InvalidInput, match="one of supplement, converging, found 'cosine'"):
        make_schedule("cosine")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="at least 1, found 0"):
        make_schedule("supplement", 0)
    with pytest.raises(InvalidInput, match=r"between 0 and 1, found values from 0\.1 to 1\.5"):
        Schedule("mine", np.array([0.1, 1.5]), np.ones(3))
    with pytest.raises(InvalidInput, match=r"alphas_cumprod must be \(3,\), found shape \(2,\)"):
        Schedule("mine", np.array([0.1, 0.1]), np.ones(2))
    with pytest.raises(InvalidInput, match="cumulated product"):
        Schedule("mine", np.array([0.1, 0.1]), np.array([1.0, 0.9, 0.9]))


@pytest.mark.parametrize("betas", [[], [[0.1]], [0.1, np.nan], [np.inf, 0.1], [0.0, 0.1], [-0.1, 0.1], [0.1, 1.0]])
def test_betas_that_are_none_are_told(betas):
    betas = np.array(betas)
    with pytest.raises(InvalidInput, match=r"betas must (be|lie between)"):
        Schedule("mine", betas, np.concatenate([[1.0], np.cumprod(1.0 - betas)]))


def test_a_schedule_of_one_step_and_one_that_is_nearly_right():
    assert Schedule("mine", np.array([0.5]), np.array([1.0, 0.5])).num_steps == 1
    assert make_schedule("converging", 1).betas.tolist() == [1e-4]
    with pytest.raises(InvalidInput, match="cumulated product"):
        Schedule("mine", np.array([0.5]), np.array([1.0, 0.5 + 1e-6]))
    assert make_schedule().name == "supplement" and make_schedule().num_steps == 50


@pytest.mark.parametrize("steps", [(50,), (50, 30, 30, 0), (50, 20, 30, 0), (49, 0), (50, 1), (60, 50, 0), ()])
def test_steps_that_do_not_run_from_K_down_to_0_are_told(steps):
    with pytest.raises(InvalidInput, match="must run from 50 down to 0"):
        ddim_steps(50, steps)


@pytest.mark.parametrize("num_steps", range(1, 51))
def test_ddim_steps_descend_from_K_to_0_evenly(num_steps):
    steps = ddim_steps(50, num_steps)
    assert len(steps) == num_steps + 1
    assert steps[0] == 50 and steps[-1] == 0
    gaps = -np.diff(steps)
    assert gaps.min() >= 1 and gaps.max() - gaps.min() <= 1


def test_steps_that_are_given_are_kept():
    for steps in ((50, 0), (50, 30, 0), (50, 49, 1, 0)):
        assert ddim_steps(50, steps) == ddim_steps(50, np.array(steps)) == steps


def test_ddim_steps_of_the_paper():
    assert ddim_steps(50, 5) == ddim_steps(50, np.int64(5)) == (50, 40, 30, 20, 10, 0)
    for wrong in (0, 51):
        with pytest.raises(InvalidInput, match=f"between 1 and 50, found {wrong}"):
            ddim_steps(50, wrong)
