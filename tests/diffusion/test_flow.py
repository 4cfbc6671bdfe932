"""Rectified flow: straight lines, Euler steps that follow them, and steps that are right where a formula is known."""

import pytest
import torch

from diffpose_core.diffusion.flow import flow_process, flow_state
from diffpose_core.structures import InvalidInput

K = 50


def ends(count=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, count, 17, 3, generator=generator, dtype=torch.float64)


def test_states_lie_on_the_line_between_the_ends():
    start, end = ends()
    k = torch.tensor([0, 10, 25, 50])
    found = flow_state(start, end, k, K)
    for row, share in enumerate((0.0, 0.2, 0.5, 1.0)):
        assert torch.allclose(found[row], (1 - share) * start[row] + share * end[row])
    assert torch.equal(flow_state(start, end, 25, K), flow_state(start, end, torch.full((4,), 25), K))
    assert flow_state(start.float(), end.float(), k, K).dtype == torch.float32


@pytest.mark.parametrize("steps", [1, 2, 5, (50, 30, 0)])
def test_a_network_that_knows_the_pose_is_followed_along_the_line(steps):
    start, end = ends()
    asked = []

    def knows(sample, k):
        asked.append(k)
        assert torch.allclose(sample, flow_state(start, end, k, K))
        return start

    states = list(flow_process(knows, end, K, steps))
    assert torch.equal(states[-1].sample, start) and torch.equal(states[0].sample, end)
    assert [state.k for state in states] == [*asked, 0] and asked[0] == K
    assert all(torch.equal(state.pred_x_start, start) for state in states)


def test_one_step_ends_at_the_first_prediction_and_more_steps_ask_again():
    _, end = ends()
    (_, one) = flow_process(lambda x, k: 0.5 * x, end, K, 1)
    assert torch.allclose(one.sample, 0.5 * end)
    # With h_0 predicted as half of the state every step from k to k' leaves the share (1 + k' / k) / 2.
    expected = end
    for k, after in ((50, 25), (25, 0)):
        expected = expected * (1 + after / k) / 2
    *_, two = flow_process(lambda x, k: 0.5 * x, end, K, 2)
    assert torch.allclose(two.sample, expected)


def test_the_flow_of_a_normal_distribution_has_its_mean_and_spread():
    """From N(0, 1) to N(m, s^2) with independent ends the best h_0 is known: many steps must end there."""
    mean, spread = 0.7, 0.2
    end = torch.randn(20_000, 1, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def best(sample, k):
        t = k / K
        centre, variance = (1 - t) * mean, ((1 - t) * spread) ** 2 + t**2
        return mean + (1 - t) * spread**2 / variance * (sample - centre)

    *_, last = flow_process(best, end, K, K)
    assert abs(float(last.sample.mean()) - mean) < 0.01
    assert abs(float(last.sample.std()) - spread) < 0.02


def test_steps_out_of_range_are_told():
    _, end = ends()
    with pytest.raises(InvalidInput, match="num_steps must lie between 1 and 50, found 51"):
        next(flow_process(lambda x, k: x, end, K, 51))
