"""Every example runs, and so do the README's Python lines and the notebook, cell by cell."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def ran(words, cwd=ROOT):
    found = subprocess.run([sys.executable, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=900)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def test_lifting_a_clip(tmp_path):
    printed = ran(["examples/lift_a_clip.py", "--out", tmp_path / "wave.bvh"])
    assert "expected error" in printed and (tmp_path / "wave.bvh").read_text().startswith("HIERARCHY")


def test_looking_into_a_reverse_process(tmp_path):
    from PIL import Image

    assert "k =  0: error of the mean" in ran(["examples/reverse_process.py", "--out", tmp_path / "r.gif"])
    with Image.open(tmp_path / "r.gif") as picture:
        assert picture.n_frames == 11


@pytest.mark.slow
def test_training_a_tiny_network(tmp_path):
    printed = ran(["examples/train_a_tiny_network.py", "--out", tmp_path])
    assert "parameters" in printed and (tmp_path / "runs" / "graformer.md").is_file()


def test_the_notebook_runs_from_top_to_bottom(monkeypatch):
    monkeypatch.chdir(ROOT)
    notebook = json.loads((ROOT / "examples" / "walkthrough.ipynb").read_text())
    assert notebook["nbformat"] == 4
    names: dict = {}
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells):
        exec(compile(cell, f"cell {number}", "exec"), names)
    assert names["result"].pose3d.shape == (1, 17, 3)
    assert all(not cell.get("outputs") for cell in notebook["cells"]), "clear the outputs before committing"


def test_the_python_lines_of_the_readme_run():
    (lines,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert ran(["-c", lines]).startswith("(10, 17, 3)")
