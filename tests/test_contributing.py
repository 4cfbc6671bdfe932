"""The worked examples of CONTRIBUTING.md are true: each is taken off the page and run."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from diffpose_core.diffusion.forward import q_sample
from diffpose_core.diffusion.reverse import ddim, reverse_process
from diffpose_core.diffusion.schedule import make_schedule
from diffpose_core.structures import InvalidInput

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
EXAMPLES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.S))


def example(path: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The module that the page writes to a path, which must not be there yet."""
    assert not (ROOT / path).exists(), f"{path} is there: CONTRIBUTING.md needs another name"
    name = path.removesuffix(".py").replace("/", ".")
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(EXAMPLES[path], path, "exec"), module.__dict__)
    return module


def test_the_page_has_an_example_of_each():
    assert list(EXAMPLES) == [
        "diffpose_core/io/formats/stick_files.py",
        "app/views/numbers.py",
        "diffpose_core/diffusion/dpm_solver.py",
        "diffpose_core/presets.py",
        "diffpose_core/datasets/folder_of_clips.py",
    ]


def test_files_and_names_that_the_page_mentions_exist():
    for path in set(re.findall(r"`((?:diffpose_core|app|tests|benchmarks|docs)/[\w/.]+\.\w+)`", PAGE)):
        if path not in EXAMPLES:
            assert (ROOT / path).exists(), path
    assert "def _read(" in (ROOT / "diffpose_core/io/formats/read.py").read_text()
    assert "SAMPLERS: dict[str, Sampler] = {DDIM: ddim}" in (ROOT / "diffpose_core/diffusion/samplers.py").read_text()
    assert "VIEWS = {" in (ROOT / "app/streamlit_app.py").read_text()
    assert "_STRIDES = {" in (ROOT / "diffpose_core/cli/evaluate.py").read_text()


def test_the_format(monkeypatch, walking_clip):
    from diffpose_core.io.formats import Choice, to_clip

    stick = example("diffpose_core/io/formats/stick_files.py", monkeypatch)
    people = np.concatenate([walking_clip.keypoints_px, walking_clip.confidence[..., None]], -1)
    data = {"sticks": [[person.tolist()] for person in people], "fps": 25}
    assert stick.is_stick(data) and not stick.is_stick({"people": []})
    poses = stick.read_stick(data, "sticks.json")
    with pytest.raises(InvalidInput, match="frame 1 must be a list of people, found 7"):
        stick.read_stick({"sticks": [[], 7]}, "sticks.json")
    chosen = to_clip(poses, Choice(layout="h36m"))
    assert poses.format == "Stick Tracker" and len(chosen.clip) == len(walking_clip) and chosen.clip.fps == 25


def test_the_view(monkeypatch):
    from app.session import Session

    view = example("app/views/numbers.py", monkeypatch)
    assert view.numbers.__annotations__["session"] is Session
    from streamlit.testing.v1 import AppTest

    script = EXAMPLES["app/views/numbers.py"] + (
        "\nfrom types import SimpleNamespace\n"
        "numbers(SimpleNamespace(clip=type('Clip', (list,), {'fps': 30.0})([1, 2])))\n"
    )
    app = AppTest.from_string(script).run()
    assert not app.exception and [metric.value for metric in app.metric] == ["2", "30.0"]


@pytest.mark.parametrize("name", ["converging", "supplement"])
def test_the_sampler(monkeypatch, name):
    solver = example("diffpose_core/diffusion/dpm_solver.py", monkeypatch).dpm_solver
    schedule, generator = make_schedule(name), torch.Generator().manual_seed(0)
    truth, mean, start = (torch.randn(2, 17, 3, generator=generator, dtype=torch.float64) for _ in range(3))
    states = list(reverse_process(lambda sample, k: truth, start, schedule, 10, component_mean=mean, sampler=solver))
    assert [state.k for state in states] == [50, 45, 40, 35, 30, 25, 20, 15, 10, 5, 0]
    torch.testing.assert_close(states[-1].sample, truth)
    # A denoiser that knows the truth and the noise keeps every state on the path of Eq. 1, as DDIM does.
    noise = torch.randn(truth.shape, generator=generator, dtype=torch.float64)
    begin = q_sample(truth, 50, schedule, noise, mean)
    usual = list(reverse_process(lambda sample, k: truth, begin, schedule, 5, component_mean=mean))
    own = list(reverse_process(lambda sample, k: truth, begin, schedule, 5, component_mean=mean, sampler=solver))
    for one, other in zip(own, usual, strict=True):
        torch.testing.assert_close(one.sample, other.sample, rtol=1e-5, atol=1e-6)

    # Of second order: with a prediction that moves with the state it comes nearer to many steps than DDIM does.
    def denoise(sample, k):
        return 0.6 * mean + 0.4 * torch.tanh(sample)

    fine = list(reverse_process(denoise, begin, schedule, 50, component_mean=mean))[-1].sample
    errors = []
    for way in (solver, ddim):
        coarse = list(reverse_process(denoise, begin, schedule, 8, component_mean=mean, sampler=way))[-1].sample
        errors.append(float((coarse - fine).norm()))
    assert errors[0] < errors[1]


def test_a_sampler_that_has_a_name_is_lifted_with(monkeypatch, tiny_models, walking_clip):
    from diffpose_core.diffusion.samplers import SAMPLERS
    from diffpose_core.lifting.lift import lift
    from diffpose_core.lifting.settings import LiftSettings

    monkeypatch.setitem(SAMPLERS, "dpm", example("diffpose_core/diffusion/dpm_solver.py", monkeypatch).dpm_solver)
    found = {
        name: lift(walking_clip, tiny_models, LiftSettings(steps=5, sampler=name, up=None, body=None), frames=range(2))
        for name in ("ddim", "dpm")
    }
    assert found["dpm"].pose3d.shape == (2, 17, 3)
    assert not np.allclose(found["dpm"].pose3d, found["ddim"].pose3d)
    assert found["dpm"].provenance["settings"]["sampler"] == "dpm"


def test_the_network():
    from diffpose_core import presets
    from diffpose_core.models.denoiser import Denoiser

    made = eval("{" + EXAMPLES["diffpose_core/presets.py"] + "}", vars(presets))
    assert not {*made} & {*presets.PRESETS}
    (preset,) = made.values()
    assert Denoiser(preset.network).config.channels == 128 and preset.encoder == "graformer"


def test_the_data_set(monkeypatch, tiny_models):
    from diffpose_core.bundle import bundled
    from diffpose_core.evaluation.evaluate import EvaluationSettings, evaluate

    folder = example("diffpose_core/datasets/folder_of_clips.py", monkeypatch)
    paths = tuple(sorted(bundled("assets/clips").glob("*.npz"))[:2])
    report = evaluate(folder.FolderOfClips(paths), tiny_models, EvaluationSettings(stride=60, steps=1, hypotheses=1))
    assert report["frames"] > 0 and report["provenance"]["dataset"] == "clips"
