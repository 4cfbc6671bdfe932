"""Puts weights, clips, reports and the app into the wheel, below diffpose_core/_bundled; the rest is in pyproject.toml.

In a source tree and in an editable installation these folders stay where they are.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

#: Folders and files that installed code reads. Below _bundled they lie as they do in the source tree.
BUNDLED = (
    "checkpoints", "assets/clips", "assets/published_results.json", "assets/weights.sha256", "benchmarks/results", "app"
)  # fmt: skip


class BuildWithBundle(build_py):
    """Copies the bundled files beside the package."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "diffpose_core", "_bundled")
        shutil.rmtree(target, ignore_errors=True)
        for name in BUNDLED:
            source = Path(name)
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
            else:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target / name)


setup(cmdclass={"build_py": BuildWithBundle})
