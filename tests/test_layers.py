"""The architecture: imports only go down, and files and functions stay small; checked by reading all sources."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: From the bottom up; a module may import its own layer and those below. A folder stands for all that is in it, except
#: for modules of it that have an entry of their own.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("bundle", "environment", "skeleton", "structures", "words", "config", "presets", "onednn", "rng"),
    ("camera", "joint_angles", "evaluation.metrics", "evaluation.bootstrap", "uncertainty", "diffusion"),
    ("models",),
    ("io", "datasets"),
    ("lifting",),
    ("training", "evaluation"),
    ("cli", "__main__"),
)
MATHS = LAYERS[1]
#: The rooms of the app, from the bottom up.
APP_LAYERS: tuple[tuple[str, ...], ...] = (
    ("session", "streamlit_patches", "text"),
    ("stage", "board", "live", "page"),
    ("figures", "jobs"),
    ("compute",),
    ("widgets",),
    ("views",),
    ("streamlit_app",),
)
APP_RANK = {room: rank for rank, rooms in enumerate(APP_LAYERS) for room in rooms}
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
TOP = len(LAYERS)

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
MOST_WORDS_OF_A_SENTENCE = 38

CORE_FILES = sorted((ROOT / "diffpose_core").rglob("*.py"))
APP_FILES = sorted((ROOT / "app").rglob("*.py"))
TEST_FILES = sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    """The dotted module name of a file below the root; a package goes by its folder."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def imports_of(path: Path) -> set[tuple[str, str | None]]:
    """(module, imported name or None) of every import in a file, wherever in it; relative ones made absolute."""
    found: set[tuple[str, str | None]] = set()
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found |= {(alias.name, None) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                # "from package import module" imports the module.
                found.add((whole, None) if is_module(whole) else (module, alias.name))
    return found


def rank_of(module: str) -> int:
    parts = module.split(".")
    if len(parts) == 1:
        return TOP
    part = next((p for p in (".".join(parts[1:3]), parts[1]) if p in RANK), None)
    assert part, f"{module} belongs to no layer: give it one in {Path(__file__).name}"
    return RANK[part]


def ids(paths: list[Path]) -> list[str]:
    return [str(p.relative_to(ROOT)) for p in paths]


@pytest.mark.parametrize("path", CORE_FILES, ids=ids(CORE_FILES))
def test_core_imports_go_down(path: Path):
    own = name_of(path)
    for module, name in sorted(imports_of(path), key=str):
        top = module.split(".")[0]
        assert top not in {"streamlit", "plotly", "app"}, f"{own} imports {module}: the core knows of no interface"
        if top != "diffpose_core":
            continue
        if module == "diffpose_core":
            assert name == "__version__" or rank_of(own) >= RANK["cli"], f"{own} imports {name} from the whole package"
            continue
        assert rank_of(module) <= rank_of(own), f"{own} imports {module}, which is above it"


def test_no_module_of_the_core_imports_itself_in_a_circle():
    graph = {
        name_of(p): {m for m, _ in imports_of(p) if m.startswith("diffpose_core.") and m != name_of(p)}
        for p in CORE_FILES
    }
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"imports in a circle: {' -> '.join([*path[path.index(module) :], module])}"
        if module in done:
            return
        for following in sorted(graph.get(module, ())):
            visit(following, (*path, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("path", [p for p in CORE_FILES if rank_of(name_of(p)) == 1], ids=lambda p: name_of(p))
def test_the_maths_know_neither_files_nor_networks(path: Path):
    for module, _ in imports_of(path):
        assert module.split(".")[0] not in {"os", "io", "pathlib", "shutil", "json", "safetensors"}, (path, module)
        assert not module.startswith("diffpose_core.io")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            assert not any(ast.unparse(base).endswith("Module") for base in node.bases), f"{path}: {node.name}"
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {"open", "np.load", "np.savez", "torch.load", "torch.save"}, str(path)


def test_the_app_uses_the_core_by_its_public_names():
    for path in APP_FILES:
        for module, name in imports_of(path):
            if module.split(".")[0] != "diffpose_core":
                continue
            private = [part for part in [*module.split("."), name or ""] if part.startswith("_")]
            assert not [p for p in private if p != "__version__"], f"{name_of(path)} imports {module} {name or ''}"


@pytest.mark.parametrize("path", [p for p in APP_FILES if name_of(p) != "app"], ids=lambda p: name_of(p))
def test_app_imports_go_down(path: Path):
    own = APP_RANK[name_of(path).split(".")[1]]
    for module, _ in sorted(imports_of(path), key=str):
        if module.startswith("app."):
            assert APP_RANK[module.split(".")[1]] <= own, f"{name_of(path)} imports {module}, which is above it"


def test_figures_and_jobs_know_nothing_of_streamlit():
    rooms = [p for p in APP_FILES if p.relative_to(ROOT / "app").parts[0] in ("figures", "jobs")]
    for path in rooms:
        assert not [m for m, _ in imports_of(path) if m.split(".")[0] == "streamlit"], str(path)


def test_reading_imports_sees_all_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "diffpose_core" / "models"
    folder.mkdir(parents=True)
    for name in ("__init__", "layers", "net"):
        (folder / f"{name}.py").write_text("")
    (tmp_path / "diffpose_core" / "__init__.py").write_text("")
    (folder / "net.py").write_text(
        "import numpy as np\nfrom . import layers\nfrom .layers import Block\nfrom .. import __version__\n"
        "def f():\n    import diffpose_core.lifting\n"
    )
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    assert imports_of(folder / "net.py") == {
        ("numpy", None),
        ("diffpose_core.models.layers", None),
        ("diffpose_core.models.layers", "Block"),
        ("diffpose_core", "__version__"),
        ("diffpose_core.lifting", None),
    }


def test_the_app_starts_without_libraries_that_its_first_picture_does_not_need():
    code = (
        "import sys, app.views.overview, app.views.forward, app.views.reverse, app.views.compare, app.widgets.sidebar; "
        "print(*sorted({'lightning', 'pandas', 'scipy', 'sklearn'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


SMALL_FILES = sorted(
    path for room in ("diffpose_core", "app", "benchmarks", "examples") for path in (ROOT / room).rglob("*.py")
)


def test_files_of_tests_stay_small():
    long = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in TEST_FILES}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES_OF_A_FILE} == {}


@pytest.mark.parametrize("path", SMALL_FILES, ids=ids(SMALL_FILES))
def test_files_and_functions_stay_small(path: Path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES_OF_A_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= MOST_LINES_OF_A_FUNCTION, f"{node.name} has {lines} lines"


def docstrings_of(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return [text for node in ast.walk(tree) if isinstance(node, kinds) and (text := ast.get_docstring(node))]


def test_no_docstring_begins_with_what():
    for path in [*SMALL_FILES, *(ROOT / "tests").rglob("*.py")]:
        riddles = [text.splitlines()[0] for text in docstrings_of(path) if text.startswith("What ")]
        assert not riddles, f"{path.relative_to(ROOT)}: begin with a verb or a noun: {riddles[0]}"


@pytest.mark.parametrize("path", SMALL_FILES, ids=ids(SMALL_FILES))
def test_sentences_of_module_docstrings_are_short(path: Path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("|"):
            continue  # a table
        for sentence in re.split(r"(?<=\.)\s|\n[-*] ", paragraph):
            assert len(sentence.split()) <= MOST_WORDS_OF_A_SENTENCE, sentence


def test_figures_give_the_stage_typed_specifications():
    for path in (ROOT / "app" / "figures").glob("*.py"):
        if path.name not in ("reports.py", "results.py"):  # they read reports, which are plain JSON
            assert "dict[str, Any]" not in path.read_text(encoding="utf-8"), f"{path.name}: use app/stage/specs"
