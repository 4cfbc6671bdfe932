"""Loading networks and picking one of them."""

import numpy as np
import pytest
import torch

from diffpose_core.lifting import models as lifting_models
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.models import load_models
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import InvalidInput
from tests.lifting.helpers import FEW


def test_picking_a_network_by_its_properties(tiny_models):
    assert tiny_models.pick()[0] == "diffpose"
    assert tiny_models.pick(context=False)[0] == "diffpose_no_context"
    assert tiny_models.pick(diffusion="standard")[0] == "diffpose_standard"
    # The paper's form has the same properties; it isn't what the name of the schedule alone means.
    assert tiny_models.pick(schedule="supplement")[0] == "diffpose_supplement"


def test_models_without_an_encoder(tmp_path):
    with pytest.raises(InvalidInput, match=r"graformer.safetensors: no such checkpoint"):
        load_models(tmp_path)


def test_everything_works_in_inference_mode(clip, shipped_models):
    right = lift(clip, shipped_models, LiftSettings(steps=2, hypotheses=2, uncertainty=FEW))
    with torch.inference_mode():
        found = lift(clip, load_models(), LiftSettings(steps=2, hypotheses=2, uncertainty=FEW))
    assert np.array_equal(found.hypotheses, right.hypotheses)


def test_bundled_weights_are_looked_for_beside_the_package():
    assert lifting_models.CHECKPOINTS.name == "checkpoints"
    assert lifting_models.CHECKPOINTS.parent == lifting_models.Path(lifting_models.__file__).resolve().parents[2]
