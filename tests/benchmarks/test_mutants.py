"""The mutation run: it finds the faults it should, plants them, and its lists fit the code."""

import json
from importlib.util import module_from_spec

import pytest
import torch

from benchmarks.mutants import EXPLAINED, FAULTS, MODULES, REPORT, ROOT, _Planted, mutants, paths_of, stages
from diffpose_core.diffusion.embedding import step_embedding

PATH = "diffpose_core/diffusion/embedding.py"


def test_every_planted_fault_still_has_its_place_and_its_tests():
    faults = json.loads(FAULTS.read_text())
    assert len(faults) >= 9
    for fault in faults:
        assert (ROOT / fault["path"]).read_text().count(fault["before"]) == 1, fault["fault"]
        assert fault["before"] != fault["after"]
        assert all((ROOT / test).is_file() for test in fault["tests"]) and fault["tests"]


def test_mutants_change_one_thing_each_and_have_names_of_their_own():
    found = mutants(PATH)
    names = [mutant.name for mutant in found]
    assert len(names) == len(set(names)) > 5
    changes = " ".join(names)
    for part in (
        "dim < 2 -> dim <= 2",
        "256 -> 257",
        "10000.0 -> 15000.0",
        "dim < 2 or dim % 2 -> dim < 2 and dim % 2",
    ):
        assert part in changes
    assert "Raises" not in changes and "embedding's width" not in changes


def test_modules_have_tests_of_their_own():
    paths = [path for path in paths_of(MODULES) if not path.endswith("__init__.py")]
    assert len(paths) > 15
    for path in paths:
        tried = stages(path)
        assert (tried["own"] or tried["room"]) and not set(tried["own"]) & set(tried["room"])
        assert all((ROOT / test).is_file() for tests in tried.values() for test in tests)


def test_a_fault_is_planted_in_the_module_and_nowhere_else():
    source = (ROOT / PATH).read_text()
    planted = _Planted(PATH, compile(source.replace("angles.sin()", "angles.cos()"), PATH, "exec"))
    assert planted.find_spec("diffpose_core.diffusion.schedule") is None
    spec = planted.find_spec("diffpose_core.diffusion.embedding")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    right, wrong = step_embedding(3, 4), module.step_embedding(3, 4)
    assert torch.equal(wrong[1::2], right[1::2]) and torch.equal(wrong[::2], right[1::2])


def test_no_survivor_is_unexplained():
    if not REPORT.is_file():
        pytest.skip("no mutation run is stored: run python -m benchmarks.mutants")
    explained = json.loads(EXPLAINED.read_text())
    for path, row in json.loads(REPORT.read_text()).items():
        known = explained.get(path, {})
        assert sorted(row["survivors"]) == sorted(known), path
        assert all(len(reason) > 10 for reason in known.values())
