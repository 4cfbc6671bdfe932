"""The browser's modules: they can be linked, and their own unit tests pass."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import is_typeddict

import pytest

from app.board import specs as board
from app.stage import modules
from app.stage.specs import charts, layers, panels

ROOT = Path(__file__).resolve().parents[3]
JS = ROOT / "app" / "stage" / "js"
NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")


def test_every_module_comes_behind_what_it_imports_and_all_are_needed() -> None:
    order = modules.needed_by(JS / "mount.js")
    assert order[-1].name == "mount.js"
    assert {path.name for path in order} | {"courier.js", "footage_courier.js", "page.js"} == {
        path.name for path in JS.glob("*.js")
    }
    names = [path.name for path in modules.needed_by(ROOT / "app" / "board" / "board.js")]
    assert names.index("theme.js") < names.index("board.js")


def test_an_import_that_the_linker_would_not_see_fails_here() -> None:
    for path in (*JS.glob("*.js"), ROOT / "app" / "board" / "board.js", *(ROOT / "app" / "live").glob("*.js")):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("import")]
        assert all(modules._IMPORT.fullmatch(line) for line in lines), path.name


def test_a_component_defines_its_entry_once() -> None:
    script = modules.component_script(JS / "courier.js")
    assert script.endswith("export default entry;\n") and script.count("const ENTRY") == 1


@pytest.mark.parametrize("module", [layers, panels, charts, board])
def test_the_types_of_the_browser_know_every_field_that_python_sends(module: object) -> None:
    typed = (JS / "specs.d.ts").read_text(encoding="utf-8")
    known = set(re.findall(r"[\s{\"](\w+)\??\"?(?=:| \||>|,)", typed))
    sent = {field for spec in vars(module).values() if is_typeddict(spec) for field in spec.__annotations__}
    assert sent - known == set()


@pytest.mark.skipif(NODE is None, reason="no Node: `make setup-dev` brings it")
def test_the_unit_tests_of_the_modules_pass() -> None:
    files = sorted(str(path) for path in (ROOT / "tests" / "js").glob("*.test.js"))
    done = subprocess.run([str(NODE), "--test", *files], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:]
