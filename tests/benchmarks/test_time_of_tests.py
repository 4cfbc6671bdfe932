"""The time of a test file holds all of its processes."""

import subprocess
import sys

from benchmarks.time_of_tests import files_in
from tests.conftest import ROOT

FILE = """
import subprocess, sys

BUSY = "import time\\nwhile time.process_time() < {seconds}: pass"
START = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]], start_new_session=True)"

def test_that_leaves_a_process_behind():
    subprocess.run([sys.executable, "-c", START, BUSY], check=True)

def test_that_fails():
    assert False
"""
#: In a process of its own, since the one that measures adopts others' children.
MEASURE = """
import sys
from pathlib import Path
from benchmarks.time_of_tests import adopt_orphans, measure

adopt_orphans()
for name in sys.argv[1:]:
    row = measure(Path(name))
    assert row.counts == {"failed": 1, "passed": 1} and row.left == 0, row
    print(row.processor_s)
"""


def test_processes_that_outlive_their_parents_count(tmp_path):
    names = [tmp_path / "test_quiet.py", tmp_path / "test_busy.py"]
    for path, seconds in zip(names, (0.0, 1.0), strict=True):
        path.write_text(FILE.replace("{seconds}", str(seconds)))
    words = [sys.executable, "-c", MEASURE, *map(str, names)]
    quiet, busy = map(float, subprocess.check_output(words, cwd=ROOT, text=True).split())
    assert busy - quiet > 0.7


def test_files_are_those_below_a_folder_or_named(tmp_path):
    (tmp_path / "below").mkdir()
    inside = [tmp_path / "test_b.py", tmp_path / "below" / "test_a.py"]
    for path in (*inside, tmp_path / "helpers.py"):
        path.write_text("")
    assert files_in([tmp_path]) == sorted(inside)
    assert files_in([inside[0]]) == [inside[0]]
