"""The record of what made a result."""

from dataclasses import replace

from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.provenance import clip_hash
from diffpose_core.lifting.settings import LiftSettings
from tests.lifting.helpers import FEW, moved


def test_the_provenance_says_what_made_the_result(clip, tiny_models):
    found = lift(clip, tiny_models, LiftSettings(steps=2, hypotheses=1, seed=3, uncertainty=FEW)).provenance
    assert found["weights"] == "diffpose" and found["clip_sha256"] == clip_hash(clip)
    assert found["encoder_sha256"] == tiny_models.records["diffpose"].encoder_sha256
    assert {"steps": 2, "hypotheses": 1, "seed": 3, "schedule": "converging"}.items() <= found["settings"].items()
    assert clip_hash(clip) != clip_hash(moved(clip, 1.0, 1.0))
    assert clip_hash(clip) == clip_hash(replace(clip, pose3d_cam=None, name="x"))


def test_what_was_assumed_of_a_file_stays_with_the_result(clip, tiny_models):
    about = {"source": "a.json", "assumed": ["image size"], "notes": ["The file doesn't say its image size."]}
    marked = replace(clip, provenance=about)
    found = lift(marked, tiny_models, LiftSettings(steps=2, hypotheses=1, uncertainty=FEW)).provenance
    assert found["input"] == about and isinstance(found["warnings"], list)
