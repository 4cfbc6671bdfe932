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
    report,
)
from benchmarks.results_tables import fewer_steps_table


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
    found = {"rows": list(rows.values()), "reference": REFERENCE, "said": "said"}
    lines = fewer_steps_table(found).splitlines()
    assert len(lines) == 2 + len(rows) + 2 and lines[-1] == "said"
