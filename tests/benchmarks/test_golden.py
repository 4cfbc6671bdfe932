"""The shipped weights' errors on the bundled clips are those that were stored, to a tenth of a millimetre."""

import json

import pytest

from benchmarks.golden import CLIPS, GOLDEN, STRIDES, measure
from diffpose_core.evaluation.evaluate import weights_provenance

AGAIN = "run python -m benchmarks.golden where the weights or the clips were meant to change"


@pytest.mark.slow
@pytest.mark.parametrize("setting", STRIDES)
def test_errors_on_bundled_clips_are_the_golden_ones(setting, request):
    models = request.getfixturevalue({"frame": "shipped_models", "video": "shipped_video_models"}[setting])
    if not GOLDEN.is_file():
        pytest.skip(f"no golden errors are stored: {AGAIN}")
    stored, weights = json.loads(GOLDEN.read_text())[setting], weights_provenance(models)
    assert weights["encoder_sha256"] == stored["encoder_sha256"], AGAIN
    assert weights["weights_sha256"][models.pick()[0]] == stored["weights_sha256"], AGAIN
    assert len(stored["clips"]) == len(list(CLIPS.glob("*.npz"))) > 0
    found = measure(models, stored["stride"])
    assert found.keys() == stored["clips"].keys(), AGAIN
    for clip, methods in stored["clips"].items():
        assert found[clip].keys() == methods.keys()
        for method, errors in methods.items():
            for metric, value in errors.items():
                assert abs(found[clip][method][metric] - value) < 0.1, f"{clip}, {method}, {metric}: {AGAIN}"
