"""Checkpoints: weights come back bit by bit, and everything that loading checks has its own message."""

import json
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file

from diffpose_core.config import DenoiserConfig, GraformerConfig, TrainingConfig, to_dict
from diffpose_core.io import checkpoints
from diffpose_core.io.cards import card_text, write_card
from diffpose_core.io.checkpoints import (
    Record,
    encoder_tensors,
    fingerprint,
    load_denoiser,
    load_encoder,
    read_checkpoint,
    save_checkpoint,
)
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.models.graformer import Graformer
from diffpose_core.structures import InvalidInput
from diffpose_core.uncertainty.indeterminate import DepthResidual

ENCODER = GraformerConfig(channels=8, num_blocks=1, num_heads=2)
DENOISER = DenoiserConfig(channels=16, context_channels=8, num_blocks=1, num_heads=2)


def record(kind="graformer", config=ENCODER, **changes):
    fields = dict(
        kind=kind, name="test", config=to_dict(config), training=to_dict(TrainingConfig()), data="d.npz", command="c",
        seed=1, metrics={"val_mpjpe_m": 0.05}, licence="Apache-2.0",
    )  # fmt: skip
    return Record(**{**fields, **changes})


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    depth = DepthResidual(torch.eye(17), torch.full((17,), 0.01), torch.full((17,), 0.2))
    return ContextEncoder(Graformer(ENCODER).eval(), depth)


@pytest.fixture
def files(tmp_path, encoder):
    """A folder with graformer.safetensors and diffpose.safetensors."""
    save_checkpoint(tmp_path / "graformer.safetensors", encoder_tensors(encoder), record())
    torch.manual_seed(1)
    own = record("denoiser", DENOISER, encoder_sha256=fingerprint(encoder_tensors(encoder)))
    save_checkpoint(tmp_path / "diffpose.safetensors", dict(Denoiser(DENOISER).state_dict()), own)
    return tmp_path


def rewrite(path, tensors=None, header=None):
    """Change a checkpoint's tensors or record: functions that edit dictionaries."""
    found = load_file(path)
    with safe_open(path, framework="pt") as archive:
        values = json.loads(archive.metadata()["diffpose"])
    if tensors is not None:
        tensors(found)
    if header is not None:
        values = header(values) or values
    save_file(found, path, metadata={"diffpose": values if isinstance(values, str) else json.dumps(values)})


def test_an_encoder_comes_back_as_it_was(files, encoder):
    read, found = load_encoder(files / "graformer.safetensors")
    assert fingerprint(encoder_tensors(read)) == fingerprint(encoder_tensors(encoder))
    assert found == record()
    assert not read.network.training and not any(p.requires_grad for p in read.network.parameters())
    x = torch.randn(2, 17, 2)
    assert torch.allclose(read.network(x), encoder.network(x), atol=1e-6)


def test_a_denoiser_comes_back_and_knows_its_encoder(files, encoder):
    network, found = load_denoiser(files / "diffpose.safetensors", encoder)
    torch.manual_seed(1)
    expected = Denoiser(DENOISER).state_dict()
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in expected.items())
    assert network.config == DENOISER and found.kind == "denoiser"
    load_denoiser(files / "diffpose.safetensors")


def test_another_encoder_is_noticed(files, encoder):
    other = replace(encoder, depth=replace(encoder.depth, base_var=torch.full((17,), 0.02)))
    with pytest.raises(InvalidInput, match="trained on another context encoder"):
        load_denoiser(files / "diffpose.safetensors", other)


def test_the_fingerprint_sees_every_bit_and_name_and_not_the_order():
    tensors = {"a": torch.randn(3, 4), "b": torch.randn(5)}
    base = fingerprint(tensors)
    assert fingerprint(dict(reversed(tensors.items()))) == base
    nudged = tensors["b"].clone()
    nudged[2] = torch.nextafter(nudged[2], torch.tensor(9.0))
    assert fingerprint({**tensors, "b": nudged}) != base
    assert fingerprint({"a": tensors["a"], "c": tensors["b"]}) != base


@pytest.mark.parametrize(
    ("load", "name", "message"),
    [
        (
            load_encoder,
            "diffpose",
            "a 'denoiser' checkpoint found, a 'graformer' or 'mixste' or 'graformer_published' one expected",
        ),
        (load_denoiser, "graformer", "a 'graformer' checkpoint found, a 'denoiser' one expected"),
        (load_encoder, "absent", "no such checkpoint"),
    ],
)
def test_the_wrong_file(files, load, name, message):
    with pytest.raises(InvalidInput, match=message):
        load(files / f"{name}.safetensors")


def one_nan(tensors):
    tensors["head.linear.bias"][0] = float("nan")


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (lambda t: t.pop("head.linear.bias"), r"don't fit the config; missing: \['head.linear.bias'\]"),
        (lambda t: t.update(extra=torch.ones(1)), r"not expected: \['extra'\]"),
        (lambda t: t.update({"head.linear.bias": torch.ones(4)}), r"must be torch.float32 \(3,\), found .* \(4,\)"),
        (lambda t: t.update({"head.linear.bias": torch.ones(3).half()}), r"found torch.float16 \(3,\)"),
        (lambda t: t.update({"head.linear.bias": torch.ones(3, dtype=torch.uint8).view(torch.float8_e4m3fn)}),
         "bias holds torch.float8_e4m3fn; expected floats of 16 or 32 bits"),
        (one_nan, "the tensor head.linear.bias holds values that are not finite"),
        (lambda t: t.pop("depth_residual.base_var"), "depth residual is missing or incomplete"),
        (lambda t: t.update({"depth_residual.base_var": torch.ones(16)}), r"base_var must be finite and \(17,\)"),
        (lambda t: t.update({"depth_residual.base_var": -torch.ones(17)}), "variances must not be negative"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit(files, tensors, message):
    path = files / "graformer.safetensors"
    rewrite(path, tensors)
    with pytest.raises(InvalidInput, match=message):
        load_encoder(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (lambda h: h.update(format="diffpose-checkpoint/9"), "format 'diffpose-checkpoint/9' found"),
        (lambda h: h.pop("licence") and None, "the record misses licence"),
        (lambda h: {k: v for k, v in h.items() if k not in ("seed", "data")}, "the record misses data, seed"),
        (lambda h: [1], "the record misses format"),
        (lambda h: "{not json", "the record is not JSON"),
        (lambda h: h.update(config=5), "config must be an object"),
        (lambda h: h.update(metrics=5), "metrics must be an object"),
        (lambda h: h["config"].update(depth=3), "GraformerConfig has no field 'depth'"),
        (lambda h: h["config"].update(channels="8"), "channels must be int, found '8'"),
        (lambda h: h["config"].update(channels=10**9), "channels must lie between 2 and 1024, found 1000000000"),
        (lambda h: h["config"].update(num_blocks=10**9), "num_blocks must lie between"),
        (lambda h: h["config"].update(channels=1024, num_blocks=2), "takes at least 34 MB; a checkpoint stays under"),
        (lambda h: h.update(format="x" * 5000), "format 'xxxxx.{0,80} found"),
        (lambda h: h["config"].update({"y" * 5000: 3}), "has no field 'yyyyy.{0,80}; it has"),
        (lambda h: h["config"].update(num_heads=0), "num_heads must lie between"),
        (lambda h: h["config"].update(num_heads=3), "multiple of num_heads"),
        (lambda h: h["config"].update(dropout=7.0), "dropout must lie between"),
        (lambda h: h["config"].update(num_blocks=2), "don't fit the config"),
    ],
)  # fmt: skip
def test_records_that_do_not_fit(files, header, message):
    path = files / "graformer.safetensors"
    rewrite(path, header=header)
    with pytest.raises(InvalidInput, match=message) as caught:
        load_encoder(path)
    assert "graformer.safetensors" in str(caught.value)


def test_a_denoiser_whose_context_leaves_no_room_for_the_pose(files):
    path = files / "diffpose.safetensors"
    rewrite(path, header=lambda h: h["config"].update(context_channels=64))
    with pytest.raises(InvalidInput, match=r"diffpose.safetensors"):
        load_denoiser(path)


def test_files_that_are_no_safetensors(files):
    path = files / "graformer.safetensors"
    data = path.read_bytes()
    for content in (b"", b"PK\x03\x04 something else", data[: len(data) // 2], b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match="not a safetensors file"):
            read_checkpoint(path)


def test_a_pickle_is_refused_and_does_not_run(files):
    trace, path = files / "it-ran", files / "graformer.safetensors"

    class Payload:
        def __reduce__(self):
            return open, (str(trace), "w")

    torch.save({"payload": Payload()}, path)
    with pytest.raises(InvalidInput, match="not a safetensors file"):
        load_encoder(path)
    assert not trace.exists()


def test_weights_of_somebody_else(files):
    save_file({"a": torch.ones(2)}, files / "other.safetensors")
    with pytest.raises(InvalidInput, match="without a DiffPose record"):
        read_checkpoint(files / "other.safetensors")


def test_too_large_to_save_or_to_load(files, monkeypatch):
    monkeypatch.setattr(checkpoints, "MAX_BYTES", 1000)
    with pytest.raises(InvalidInput, match="a checkpoint must stay under"):
        save_checkpoint(files / "large.safetensors", {"a": torch.ones(400)}, record())
    assert not (files / "large.safetensors").exists()
    with pytest.raises(InvalidInput, match="a checkpoint stays under"):
        read_checkpoint(files / "graformer.safetensors")


def test_the_card_tells_what_the_record_knows(files):
    path = files / "diffpose.safetensors"
    _, found = read_checkpoint(path)
    text = write_card(path, found).read_text()
    assert (files / "diffpose.md").read_text() == text == card_text(found, path.stat().st_size)
    for word in ("d.npz", "Apache-2.0", found.encoder_sha256, "| val_mpjpe_m | 0.0500 |", "| channels | 16 |"):
        assert word in text
    assert all(name in text for name in asdict(TrainingConfig()))
