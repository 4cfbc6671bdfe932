"""A wheel works on its own: built, installed into a fresh environment, used from another folder."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.request
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = (
    "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py", "app", "assets/clips",
    "assets/published_results.json", "assets/weights.sha256", "benchmarks/results", "checkpoints", "diffpose_core",
)  # fmt: skip


def ran(words, cwd, timeout=600):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if not (ROOT / name).exists():
            continue
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(out)]
    ran([*pip, str(source)], source)
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The programs of an environment that has the wheel, and sees this one's libraries but not its source tree."""
    folder = tmp_path_factory.mktemp("environment")
    ran([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder)
    python = folder / "bin" / "python"
    site = Path(ran([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip())
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    ran([*pip, "--force-reinstall", str(wheel)], folder)
    return python.parent


@pytest.mark.slow
def test_an_installed_diffpose_lifts_from_any_folder(environment, tmp_path):
    place = ran([str(environment / "python"), "-c", "import diffpose_core; print(diffpose_core.__file__)"], tmp_path)
    assert place.startswith(str(environment.parent))
    clip = ran(
        [str(environment / "python"), "-c",
         "from diffpose_core.bundle import bundled; print(bundled('assets/clips') / 'wave.npz')"],
        tmp_path,
    ).strip()  # fmt: skip
    assert clip.startswith(str(environment.parent))
    words = ["lift", clip, "-o", "out.npz", "--steps", "1", "--hypotheses", "1", "--quiet"]
    assert "wrote out.npz" in ran([str(environment / "diffpose"), *words], tmp_path)
    with np.load(tmp_path / "out.npz") as found:
        assert np.isfinite(found["pose3d"]).all()


@pytest.mark.slow
def test_an_installed_diffpose_opens_the_app(environment, tmp_path):
    port = "8697"
    process = subprocess.Popen(
        [str(environment / "diffpose"), "app", "--port", port, "--no-browser"], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )  # fmt: skip
    try:
        answer = ""
        for _ in range(120):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health") as page:
                answer = page.read().decode()
                break
            time.sleep(0.5)
        assert answer == "ok"
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


@pytest.mark.slow
def test_the_installed_app_draws_its_first_view(environment, tmp_path):
    code = (
        "from streamlit.testing.v1 import AppTest\n"
        "from diffpose_core.bundle import bundled\n"
        "app = AppTest.from_file(str(bundled('app') / 'streamlit_app.py'), default_timeout=300).run()\n"
        "print(len(app.exception), app.main.children != {})"
    )
    assert ran([str(environment / "python"), "-c", code], tmp_path).split()[-2:] == ["0", "True"]


def test_the_app_command_hands_its_options_to_streamlit(monkeypatch):
    from diffpose_core.cli import app, parser

    words = ["app", "--port", "8600", "--address", "0.0.0.0", "--allow-host", "a.example", "--no-browser"]
    command = app.streamlit_command(parser().parse_args(words))
    assert command[1:5] == ["-m", "streamlit", "run", str(ROOT / "app")]
    names = ("localhost", "127.0.0.1", "::1", "a.example")
    assert command[5:] == ["--server.port=8600", "--server.address=0.0.0.0",
                           *(f"--server.allowedHosts={name}" for name in names),
                           "--server.headless=true"]  # fmt: skip


def test_threads_spin_briefly_before_they_sleep():
    """The command line and the app set the variables before torch is loaded, unless the policy is set already."""
    code = (
        "import sys, os; import {}; print(os.environ['OMP_WAIT_POLICY'], os.environ.get('GOMP_SPINCOUNT'), "
        "'torch' in sys.modules); import diffpose_core.environment"
    )
    own = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    for module in ("diffpose_core.cli", "diffpose_core.environment"):
        ran_alone = subprocess.run(
            [sys.executable, "-c", code.format(module)], cwd=ROOT, capture_output=True, text=True, check=True,
            env=own,
        )  # fmt: skip
        assert ran_alone.stdout.split() == ["passive", "2000", "False"]
        ran_alone = subprocess.run(
            [sys.executable, "-c", code.format(module)], cwd=ROOT, capture_output=True, text=True, check=True,
            env={**own, "OMP_WAIT_POLICY": "active"},
        )  # fmt: skip
        assert ran_alone.stdout.split() == ["active", "None", "False"]
    source = (ROOT / "app" / "streamlit_app.py").read_text()
    assert source.index("import diffpose_core.environment") < source.index("from app.compute")


def pins(file):
    """Name -> version of the packages that a requirements file pins, and the file's other lines."""
    lines = [line.rstrip(" \\") for line in (ROOT / file).read_text().splitlines() if not line.startswith("#")]
    found = dict(line.split("==") for line in lines if "==" in line and not line.startswith(" "))
    return {re.sub(r"[._]", "-", name): version.split("+")[0] for name, version in found.items()}


def test_the_lock_file_has_the_pinned_versions_each_with_a_hash_and_no_address():
    text = (ROOT / "requirements.lock").read_text()
    locked = pins("requirements.lock")
    assert pins("requirements.txt").items() <= locked.items(), "after a change of requirements.txt: make lock"
    packages = re.split(r"\n(?=\S)", text)
    assert all("--hash=sha256:" in package for package in packages if not package.startswith("#"))
    assert not re.search(r"https?://|file:|^--|/", text, re.MULTILINE)


def test_the_app_takes_the_version_of_streamlit_that_was_tried():
    pytest.importorskip("streamlit")
    from app.streamlit_patches import TESTED_VERSIONS

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (version,) = re.findall(r"streamlit==([\d.]+)", " ".join(extras["app"]))
    assert version == pins("requirements.txt")["streamlit"] and version in TESTED_VERSIONS
