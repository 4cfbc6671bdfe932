"""The README keeps its promises: figures come from the stored report, files and commands that it names exist."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from diffpose_core.cli import parser
from diffpose_core.io.checkpoints import encoder_tensors, fingerprint

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("results_tables", ROOT / "benchmarks" / "results_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_figures_of_readme_and_docs_are_those_of_the_stored_reports(tables):
    assert tables.rewritten(README) == README
    results = tables.RESULTS.read_text()
    assert tables.rewritten_results(results) == results
    evidence = tables.EVIDENCE.read_text()
    assert tables.rewritten_evidence(evidence) == evidence
    speed = tables.SPEED.read_text()
    assert tables.rewritten_speed(speed) == speed


def test_the_ablations_are_of_the_shipped_weights_or_say_of_which(tables, shipped_models):
    provenance = json.loads(tables.ABLATIONS.read_text())["provenance"]
    shipped = provenance["encoder_sha256"] == fingerprint(encoder_tensors(shipped_models.encoder))
    assert shipped != ("weights of commit aa95ad4" in tables.EVIDENCE.read_text())
    if shipped:
        for name, network in shipped_models.denoisers.items():
            assert provenance["weights_sha256"][name] == fingerprint(dict(network.state_dict())), name


@pytest.mark.parametrize(
    ("report", "models"),
    [
        ("REPORT", "shipped_models"),
        ("FIXED_CAMERA", "shipped_models"),
        ("VIDEO", "shipped_video_models"),
        ("ABLATIONS_SHIPPED", "shipped_models"),
        ("HYPOTHESES", "shipped_models"),
        ("MIXTURE", "shipped_models"),
        ("FEWER_STEPS", "shipped_models"),
        ("BETTER_2D", "shipped_models"),
        ("BETTER_2D", "shipped_video_models"),
    ],
)
def test_the_report_was_made_with_the_shipped_weights(tables, report, models, request):
    loaded = request.getfixturevalue(models)
    provenance = json.loads(getattr(tables, report).read_text())["provenance"]
    # One report is of both settings.
    provenance = provenance.get("video" if models == "shipped_video_models" else "frame", provenance)
    assert provenance["encoder_sha256"] == fingerprint(encoder_tensors(loaded.encoder))
    for name, network in loaded.denoisers.items():
        assert provenance["weights_sha256"][name] == fingerprint(dict(network.state_dict())), name


def test_files_that_the_readme_links_to_exist():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_commands_in_the_readme_are_commands():
    lines = [line.split("#")[0].split() for line in README.splitlines() if line.startswith("diffpose ")]
    assert len(lines) >= 6
    for words in lines:
        parser().parse_args(words[1:])
    targets = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make ([a-z-]+)", README)):
        assert f"\n{target}:" in targets, target


def test_the_readme_is_short():
    assert len(README.encode()) < 9_000


PAGES = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md"), *(ROOT / "examples").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_every_page_lead_somewhere(page):
    text = page.read_text()
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text()), link


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_wraps_at_120(page):
    generated = re.sub(r"<!-- (\w+):begin -->.*?<!-- \1:end -->", "", page.read_text(), flags=re.S)
    prose = re.sub(r"```.*?```", "", generated, flags=re.S)
    long = [line for line in prose.splitlines() if len(line) > 120 and line[:1] not in "|!"]
    assert not long, long[:3]


def test_the_index_lists_every_page():
    index = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index, page.name
