"""The browser's modules: they can be linked, and their own unit tests pass."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from app.stage import modules

ROOT = Path(__file__).resolve().parents[3]
JS = ROOT / "app" / "stage" / "js"


def test_every_module_comes_behind_what_it_imports_and_all_are_needed() -> None:
    order = modules.needed_by(JS / "mount.js")
    assert order[-1].name == "mount.js"
    assert {path.name for path in order} | {"courier.js", "footage_courier.js", "page.js"} == {
        path.name for path in JS.glob("*.js")
    }
    names = [path.name for path in modules.needed_by(ROOT / "app" / "board" / "board.js")]
    assert names.index("theme.js") < names.index("board.js")


def test_an_import_that_the_linker_would_not_see_fails_here() -> None:
    for path in (*JS.glob("*.js"), ROOT / "app" / "board" / "board.js"):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("import")]
        assert all(modules._IMPORT.fullmatch(line) for line in lines), path.name


def test_a_component_defines_its_entry_once() -> None:
    script = modules.component_script(JS / "courier.js")
    assert script.endswith("export default entry;\n") and script.count("const ENTRY") == 1


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on this machine")
def test_the_unit_tests_of_the_modules_pass() -> None:
    files = sorted(str(path) for path in (ROOT / "tests" / "js").glob("*.test.js"))
    done = subprocess.run(["node", "--test", *files], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:]
