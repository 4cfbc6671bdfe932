"""The conditions of g in training are those at inference: f_ST, the pose it starts from, the GMM and the heatmaps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffpose_core.config import UncertaintyConfig
from diffpose_core.datasets.sampling import Batch
from diffpose_core.lifting.encode import encode_clip
from diffpose_core.lifting.sampling import sample_hypotheses
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.models.fast.denoiser_cache import FastDenoiser
from diffpose_core.rng import seeded
from diffpose_core.training.bank import ConditionBank, prepare_conditions
from diffpose_core.training.bank_sampler import BankSampler
from diffpose_core.training.tasks import DenoiserTask
from diffpose_core.uncertainty.reconcile import metres_per_unit, reconcile

FRAMES = np.arange(0, 60, 12)
HYPOTHESES = 7
TWO_STEPS = LiftSettings(steps=2, hypotheses=3, mixed_precision=False)
#: Networks with f_ST of the reconciled 2D pose, of the detected one, and without f_ST.
NETWORKS = ("diffpose", "diffpose_paper", "diffpose_no_context")


@pytest.fixture(scope="module")
def encoded(walking_clip, tiny_models):
    few = UncertaintyConfig(num_samples=200)
    return encode_clip(walking_clip, tiny_models, FRAMES, LiftSettings(uncertainty=few, mixed_precision=False))


@pytest.fixture(scope="module")
def bank(encoded, tiny_models):
    """The bank that training stores of the same views, with the GMMs that inference fitted."""
    patch = pytest.MonkeyPatch()
    patch.setattr(ContextEncoder, "indeterminate", lambda *given, **more: (encoded.samples_view, encoded.gmm))
    batch = Batch(encoded.view, encoded.truth_view, torch.from_numpy(encoded.clip.hidden[FRAMES]))
    fields = prepare_conditions(tiny_models.encoder, batch, UncertaintyConfig(), 40, seeded("cpu", 1))
    patch.undo()
    return ConditionBank(**fields)


def in_training(bank, network):
    """Conditioning of draw 0 of every view, as the training task makes it."""
    rows = torch.arange(len(FRAMES))
    fields = BankSampler(bank, network.config).batch(rows, torch.zeros_like(rows), rows + 1, seeded("cpu", 2))
    return DenoiserTask.conditioning(fields)


def at_inference(encoded, network, monkeypatch):
    """Conditioning that the reverse process gives to g, (F, H, ...) each part."""
    given = []
    original = FastDenoiser.cache_conditioning

    def record(self, conditioning, *more, **options):
        given.append(conditioning)
        return original(self, conditioning, *more, **options)

    monkeypatch.setattr(FastDenoiser, "cache_conditioning", record)
    sample_hypotheses(encoded, network, LiftSettings(steps=1, hypotheses=HYPOTHESES))
    (conditioning,) = given
    parts = {}
    for name in ("features", "pose", "gmm", "heatmaps"):
        tensor = getattr(conditioning, name)
        parts[name] = None if tensor is None else tensor.unflatten(0, (len(FRAMES), HYPOTHESES))
    return parts


def candidates(gmm):
    """The GMM's channels for every component, (F, M, J, 12)."""
    pose = (17, 3)
    count = gmm.means.shape[1]
    std = gmm.covariances.diagonal(dim1=-2, dim2=-1).sqrt()
    whole = [t.unflatten(-1, pose)[:, None].expand(-1, count, -1, -1) for t in (gmm.mean, gmm.variance.sqrt())]
    return torch.cat((gmm.means.unflatten(-1, pose), std.unflatten(-1, pose), *whole), -1)


@pytest.mark.parametrize("name", NETWORKS)
def test_f_st_pose_and_heatmaps_are_the_same_in_training_and_at_inference(
    name, encoded, bank, tiny_models, monkeypatch
):
    network = tiny_models.denoisers[name]
    training, inference = in_training(bank, network), at_inference(encoded, network, monkeypatch)
    source = encoded.reconciled if network.config.context_input == "reconciled" else encoded.context
    for part, expected in (("features", source.features), ("pose", source.pose_view)):
        at = inference[part]
        assert torch.allclose(at, expected[:, None].expand_as(at), atol=1e-5), f"{part} at inference"
        stored = getattr(training, part)
        if part == "features" and not network.config.use_context:
            assert stored is None
        else:
            assert torch.allclose(stored, expected, atol=1e-5), f"{part} in training"
    assert torch.allclose(inference["heatmaps"][:, 0], training.heatmaps, atol=1e-5)
    assert (encoded.reconciled.pose_view - encoded.context.pose_view).abs().max() > 1e-3, "else this shows nothing"


def test_g_is_told_a_component_of_the_gmm_beside_the_whole_mixture(encoded, bank, tiny_models, monkeypatch):
    network = tiny_models.denoisers["diffpose"]
    known = candidates(encoded.gmm)
    whole = encoded.gmm.mean.unflatten(-1, (17, 3))
    assert (known[..., :3] - whole[:, None]).abs().amax((-1, -2)).min() > 1e-3, "no component's mean is the mixture's"
    training = torch.stack(
        [
            torch.cat((bank.component_mean[:, r], bank.component_std[:, r], bank.mixture_mean, bank.mixture_std), -1)
            for r in range(bank.noise.shape[1])
        ],
        dim=1,
    )
    assert torch.equal(training[:, 0], in_training(bank, network).gmm)
    for found in (training, at_inference(encoded, network, monkeypatch)["gmm"]):
        off = (found[:, :, None] - known[:, None]).abs().amax((-1, -2))
        assert off.amin(-1).max() < 1e-5, "mean and spread of one and the same component"
        assert len(off.argmin(-1).unique()) > 1, "and not of the same one every time"


def test_standard_diffusion_can_be_told_the_same_mixture_and_f_st(encoded, bank, tiny_models, monkeypatch):
    own = tiny_models.denoisers["diffpose"]
    network = Denoiser(replace(own.config, diffusion="standard")).eval().requires_grad_(False)
    training, inference = in_training(bank, network), at_inference(encoded, network, monkeypatch)
    whole = candidates(encoded.gmm)[:, 0, :, 6:]
    expected = torch.cat((whole, whole), -1)
    assert torch.allclose(training.gmm, expected, atol=1e-5)
    assert torch.allclose(inference["gmm"], expected[:, None].expand_as(inference["gmm"]), atol=1e-5)
    for part in ("features", "pose", "heatmaps"):
        same = getattr(in_training(bank, own), part)
        assert torch.equal(getattr(training, part), same)
        assert torch.allclose(inference[part][:, 0], same, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_hypotheses_follow_the_f_st_that_the_network_was_trained_with_and_no_other(name, encoded, tiny_models):
    network = tiny_models.denoisers[name]
    plain = sample_hypotheses(encoded, network, TWO_STEPS)
    own, other = "reconciled", "context"
    if network.config.context_input == "detected":
        own, other = other, own

    def with_changed(which, part):
        context = getattr(encoded, which)
        return replace(encoded, **{which: replace(context, **{part: getattr(context, part) + 0.1})})

    for part in ("features", "pose_view"):
        assert torch.equal(sample_hypotheses(with_changed(other, part), network, TWO_STEPS), plain)
    changed = not torch.equal(sample_hypotheses(with_changed(own, "features"), network, TWO_STEPS), plain)
    assert changed == network.config.use_context


def test_reconciling_takes_two_rounds(encoded, tiny_models):
    """The pose of round one, reconciled again from the detected pose's scale, is what f_ST is made from."""
    encoder, view = tiny_models.encoder, encoded.view
    unit_m = metres_per_unit(view, encoded.context.pose_view)
    rounds = [encoded.context]
    for _ in range(3):
        place = reconcile(view, rounds[-1].pose_view, unit_m)
        rounds.append(encoder._encode(view, place, encoded.told))
    for number, context in enumerate(rounds):
        close = torch.allclose(encoded.reconciled.pose_view, context.pose_view, atol=1e-5)
        assert close == (number == 2), f"round {number}"
        assert torch.allclose(encoded.reconciled.features, context.features, atol=1e-4) == (number == 2)
