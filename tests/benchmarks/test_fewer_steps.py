"""The benchmark of fewer steps: what its ways make of hypotheses whose best answer is known."""

import torch

from benchmarks.fewer_steps import (
    PLACEMENTS,
    REFERENCE,
    Corrected,
    LearnedWeights,
    Views,
    fitted,
    geometric_median,
    of_other_cameras,
    report,
    tilted,
)
from benchmarks.results_tables import fewer_steps_table
from diffpose_core.datasets.mocap17 import motion_set
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.datasets.sampling import PoseSampler


def made_up(seed: int, count: int = 200) -> Views:
    """Five hypotheses a view: the one that is furthest out is right, the others are the truth moved by 10 cm."""
    generator = torch.Generator().manual_seed(seed)
    truth = 0.3 * torch.randn(count, 17, 3, generator=generator)
    hypotheses = truth[:, None].repeat(1, 5, 1, 1)
    hypotheses[:, 1:, :, 0] += 0.1
    reconciled = truth + torch.tensor([0.2, 0.0, 0.0])
    means = dict.fromkeys(PLACEMENTS, hypotheses.mean(1))
    return Views(torch.arange(count) // 4, truth, 1.2 * truth, reconciled, means, hypotheses)


def test_weights_and_corrections_find_the_right_hypothesis_on_views_that_they_were_not_fitted_to():
    torch.manual_seed(0)
    to_fit, views = made_up(0), made_up(1)

    def error(answer):
        return float((answer - views.truth).norm(dim=-1).mean())

    mean = error(views.means[REFERENCE])
    assert error(fitted(LearnedWeights(), to_fit)(views)) < 0.1 * mean
    assert error(views.encoder) > 0.09
    assert error(fitted(Corrected(lambda v: v.encoder), to_fit)(views)) < 0.5 * error(views.encoder)
    median = error(geometric_median(views.hypotheses))
    assert abs(median - 0.1) < 1e-3  # four of five agree


def test_the_report_compares_with_five_steps():
    rows = {row["way"]: row for row in report(made_up(1), made_up(0))}
    assert rows[REFERENCE]["change_percent"] == 0.0 and rows[REFERENCE]["mpjpe_mm"] > 79.9
    low, high = rows["5 steps, learned weights (fitted)"]["interval"]
    assert low <= high < -50.0
    other = {"views": 4000, "encoder_mm": 36.3, "corrected_mm": 74.9}
    found = {"rows": list(rows.values()), "reference": REFERENCE, "said": "said.", "other_cameras": other}
    lines = fewer_steps_table(found).splitlines()
    assert len(lines) == 2 + len(rows) + 2 and lines[-1].startswith("said. On 4,000 views") and "74.9" in lines[-1]


def test_a_pose_at_the_right_tilt():
    generator = torch.Generator().manual_seed(0)
    truth = 0.3 * torch.randn(50, 17, 3, generator=generator)
    angle = torch.linspace(-0.6, 0.6, 50)[:, None]
    y, z = truth[..., 1], truth[..., 2]
    turned = torch.stack((truth[..., 0], y * angle.cos() - z * angle.sin(), y * angle.sin() + z * angle.cos()), dim=-1)
    assert torch.allclose(tilted(turned, truth), truth, atol=1e-5)
    longer = tilted(1.1 * turned, truth)
    assert torch.allclose(longer, 1.1 * truth, atol=1e-5), "it turns, and does nothing else"


def test_a_correction_is_measured_on_other_cameras(shipped_models):
    motions = motion_set([procedural_motion("walk", 1, 2.0)], 30.0, name=["a"], action=["walk"])
    found = of_other_cameras(PoseSampler(motions), shipped_models.encoder, made_up(0), 50)
    assert found["views"] == 50 and found["corrected_mm"] > found["encoder_mm"] > 10, "fitted to quite other poses"
