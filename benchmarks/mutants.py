"""A mutation run: small faults are planted one by one, and the near tests must catch each.

`python -m benchmarks.mutants` changes one operator, number or call at a time in diffusion/, uncertainty/ and
evaluation/metrics.py and runs the module's own tests, then all tests of its room. What these let pass is tried on tests
of lifting and on the golden errors of the shipped weights. What passes there too is a survivor. The report in
benchmarks/results/mutants.json lists the survivors; benchmarks/mutants_explained.json says of each why no test can or
should catch it. `--faults` plants the faults of a list instead, which a review once found uncaught.

A fault is planted in a forked process, which loads the changed module in place of the file. Nothing is written.
"""

from __future__ import annotations

import argparse
import ast
import copy
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "benchmarks" / "results" / "mutants.json"
EXPLAINED = ROOT / "benchmarks" / "mutants_explained.json"
FAULTS = ROOT / "benchmarks" / "planted_faults.json"
MODULES = ("diffusion", "uncertainty", "evaluation/metrics.py")
#: Tests that survivors of the near tests are tried on.
FAR = (
    "tests/lifting/test_sampling.py",
    "tests/lifting/test_expected_error.py",
    "tests/training/test_conditions.py",
    "tests/benchmarks/test_golden.py",
)
#: Modules whose tests have another name.
_TESTED_BY = {"diffpose_core/uncertainty/k_means.py": ["tests/uncertainty/test_fit_gmm.py"]}
#: Loaded once, before the processes fork: nothing in them is changed.
PRELOADED = ("numpy", "torch", "scipy.stats", "scipy.optimize", "sklearn.mixture", "safetensors.torch", "pytest")
#: Seconds after which a test run counts as caught: a fault may make a loop endless.
LIMIT_S = 240

#: Without plugins that look through all memory at the end of every run.
_PYTEST = ["-x", "-q", "--tb=no"]
_PYTEST += [
    word for name in ("cacheprovider", "unraisableexception", "threadexception") for word in ("-p", f"no:{name}")
]

_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_CALLS = {
    "argmax": "argmin", "argmin": "argmax", "max": "min", "min": "max", "amax": "amin", "amin": "amax",
    "maximum": "minimum", "minimum": "maximum", "sum": "mean", "mean": "sum", "clamp_min": "clamp_max",
    "softmax": "log_softmax", "cumsum": "flip", "all": "any", "any": "all",
}  # fmt: skip
#: Methods without arguments whose call is left out.
_DROPPED = ("sqrt", "square", "log", "exp", "abs")


@dataclass(frozen=True)
class Mutant:
    """One planted fault.

    Attributes:
        path: the module, relative to the repository.
        line: its line.
        name: function, statement and change; a moved line does not change it.
        tree: the module's changed syntax tree.
    """

    path: str
    line: int
    name: str
    tree: ast.Module


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    """Changed copies of a node."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _BINARY:
        yield _changed(node, op=_BINARY[type(node.op)]())
    elif isinstance(node, ast.Compare):
        for place, op in enumerate(node.ops):
            yield _changed(node, ops=[*node.ops[:place], _COMPARE[type(op)](), *node.ops[place + 1 :]])
    elif isinstance(node, ast.BoolOp):
        yield _changed(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield _changed(node, value=_other(node.value))
    elif isinstance(node, ast.If | ast.IfExp) and not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
        yield _changed(node, test=ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.Pass()
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        called = node.func
        if called.attr in _CALLS:
            yield _changed(node, func=_changed(called, attr=_CALLS[called.attr]))
        elif called.attr in _DROPPED and not node.args and not isinstance(called.value, ast.Name):
            yield called.value


def _other(value: float) -> float:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return 1.5 * value if value else 1.0


def _changed(node: Any, **fields: Any) -> Any:
    found = copy.copy(node)
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def _unchanged(node: ast.AST, field: str) -> bool:
    """Whether a part of a node is left as it is: types, decorators and messages decide no figure."""
    return (
        # -1 becomes 1, which is enough.
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)
    ) or (
        field in ("annotation", "returns", "decorator_list", "type_params")
        or isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    )


def mutants(path: str) -> list[Mutant]:
    """All faults of a module."""
    tree = ast.parse((ROOT / path).read_text())
    found: list[Mutant] = []
    counts: Counter[str] = Counter()

    def visit(node: ast.AST, where: str, statement: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            where = f"{where}.{node.name}".lstrip(".")
        for field, value in ast.iter_fields(node):
            if _unchanged(node, field):
                continue
            children = value if isinstance(value, list) else [value]
            for place, child in enumerate(children):
                if not isinstance(child, ast.AST):
                    continue
                line = _short(child) if isinstance(child, ast.stmt) else statement
                for other in _replacements(child):
                    swapped = [*children[:place], other, *children[place + 1 :]] if isinstance(value, list) else other
                    setattr(node, field, swapped)
                    whole = copy.deepcopy(tree)
                    setattr(node, field, value)
                    name = f"{where}: `{line}`: {_short(child)} -> {_short(other)}"
                    counts[name] += 1
                    name += f" ({counts[name]})" if counts[name] > 1 else ""
                    found.append(Mutant(path, getattr(child, "lineno", 0), name, whole))
                visit(child, where, line)

    visit(tree, "", "")
    return found


def _short(node: ast.AST) -> str:
    words = ast.unparse(node).splitlines()[0]
    return words if len(words) <= 160 else words[:157] + "..."


class _Planted(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Loads one module from changed code."""

    def __init__(self, path: str, code: CodeType) -> None:
        self._name = path.removesuffix(".py").replace("/", ".")
        super().__init__(self._name, str(ROOT / path))
        self._code = code

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def get_code(self, fullname: str) -> CodeType:
        return self._code


def caught(path: str, code: CodeType, tests: Sequence[str]) -> bool:
    """Whether tests fail with a module's changed code."""
    child = os.fork()
    if child == 0:
        signal.alarm(LIMIT_S)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        sys.meta_path.insert(0, _Planted(path, code))
        import pytest

        os._exit(int(pytest.main([*_PYTEST, *tests])))
    _, status = os.waitpid(child, 0)
    return status != 0


def own_tests(path: str) -> list[str]:
    """A module's own tests; none where they stand in those of another module of its room."""
    own = f"tests/{Path(path).parent.name}/test_{Path(path).stem}.py"
    return _TESTED_BY.get(path, [own] if (ROOT / own).is_file() else [])


def stages(path: str) -> dict[str, list[str]]:
    """The tests that a module's faults are tried on, one stage after another."""
    room = f"tests/{Path(path).parent.name}"
    others = {str(p.relative_to(ROOT)) for p in (ROOT / room).glob("test_*.py")} - set(own_tests(path))
    return {"own": own_tests(path), "room": sorted(others) if path.count("/") and "metrics" not in path else [],
            "far": list(FAR)}  # fmt: skip


def paths_of(modules: Sequence[str]) -> list[str]:
    """Files of rooms and modules of diffpose_core."""
    found: list[Path] = []
    for module in modules:
        place = ROOT / "diffpose_core" / module
        found += [place] if place.is_file() else sorted(place.glob("*.py"))
    return [str(path.relative_to(ROOT)) for path in found]


def run(path: str, tried: Sequence[str], before: dict[str, Any] | None = None) -> dict[str, Any]:
    """A module's row of the report: how many faults are caught in which stage, and those that are not.

    before: an earlier row, of which only the survivors are tried again.
    """
    row: dict[str, Any] = {**(before or dict.fromkeys(stages(path), 0)), "survivors": []}
    for mutant in mutants(path):
        if before is not None and mutant.name not in before["survivors"]:
            continue
        code = compile(ast.fix_missing_locations(mutant.tree), str(ROOT / path), "exec")
        for stage, tests in stages(path).items():
            if stage in tried and tests and caught(path, code, tests):
                row[stage] += 1
                break
        else:
            row["survivors"].append(mutant.name)
            print(f"survived: {path}:{mutant.line} {mutant.name}", flush=True)
    return row


def plant(fault: dict[str, Any]) -> bool:
    """Whether a fault of the list is caught by its tests. Raises ValueError where the code it changes is gone."""
    source = (ROOT / fault["path"]).read_text()
    if source.count(fault["before"]) != 1:
        raise ValueError(f"{fault['fault']}: {fault['path']} does not hold {fault['before']!r} once")
    code = compile(source.replace(fault["before"], fault["after"]), str(ROOT / fault["path"]), "exec")
    return caught(fault["path"], code, fault["tests"])


def main() -> int:
    """Plant faults, print and store what survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", default=MODULES, help="rooms or files of diffpose_core")
    parser.add_argument("--stages", nargs="*", default=["own", "room", "far"], help="tests that are tried")
    parser.add_argument("--again", action="store_true", help="try only the report's survivors, after tests were added")
    parser.add_argument("--faults", action="store_true", help="plant the faults of benchmarks/planted_faults.json")
    parser.add_argument("--json", type=Path, default=REPORT, help="the report; modules that it has are replaced")
    args = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for name in PRELOADED:
        importlib.import_module(name)
    sys.modules["torch"].set_num_threads(1)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    gc.freeze()
    if args.faults:
        results = [(fault["fault"], plant(fault)) for fault in json.loads(FAULTS.read_text())]
        for words, found in results:
            print(f"{'caught' if found else 'NOT CAUGHT'}: {words}")
        return int(not all(found for _, found in results))
    report = json.loads(args.json.read_text()) if args.json.is_file() else {}
    for path in paths_of(args.modules):
        if path.endswith("__init__.py"):
            continue
        started = time.time()
        row = run(path, args.stages, report.get(path) if args.again else None)
        report[path] = row
        args.json.write_text(json.dumps(dict(sorted(report.items())), indent=1) + "\n")
        count = sum(row[stage] for stage in stages(path)) + len(row["survivors"])
        print(f"{path}: {len(row['survivors'])} of {count} survived, {time.time() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
