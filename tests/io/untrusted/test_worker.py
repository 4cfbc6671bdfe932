"""The process that reads foreign bytes: its bounds, its messages, and that there is one again after a failed job."""

import os
import resource
import time

import pytest

from diffpose_core.io.untrusted.files import MIB
from diffpose_core.io.untrusted.worker import Allowance, Workers
from diffpose_core.structures import InvalidInput

ME = "tests.io.untrusted.worker_jobs"


@pytest.fixture(scope="module")
def workers():
    made = Workers(Allowance(memory=256 * MIB, processor_s=2, wall_s=100.0), modules=("numpy",))
    yield made
    made.close()


def test_a_job_runs_in_another_process_which_stays(workers):
    assert workers.run(f"{ME}:joined", [b"a", b"", b"c" * 5 * MIB], "x") == b"a" + b"c" * 5 * MIB
    first, second = (workers.run(f"{ME}:process", [], "x") for _ in range(2))
    assert first == second != str(os.getpid()).encode()


def test_refusals_come_back_as_they_are_and_other_errors_without_their_text(workers):
    with pytest.raises(InvalidInput, match=r"^a file: bad \u2713$"):
        workers.run(f"{ME}:refuse", [], "x")
    with pytest.raises(RuntimeError, match=r"^x: reading it failed$") as failed:
        workers.run(f"{ME}:fail", [], "x")
    assert "ZeroDivisionError" in str(failed.value.__cause__)


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ("grow", "x: there is not enough memory for reading it; cut it into parts"),
        ("spin", "x: reading it took more than 2 s of processor time; cut it into parts"),
        ("die", "x: reading it ended without an answer"),
        ("lie", "x: reading it ended without an answer"),
    ],
)
def test_a_job_beyond_its_allowance_ends_with_a_sentence(workers, job, message):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.monotonic()
    with pytest.raises(InvalidInput, match=message):
        workers.run(f"{ME}:{job}", [], "x")
    assert time.monotonic() - begin < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024, "KiB of this process"
    assert workers.run(f"{ME}:joined", [b"again"], "x") == b"again"


def test_a_job_that_waits_is_ended():
    impatient = Workers(Allowance(wall_s=1.0))
    with pytest.raises(InvalidInput, match="x: reading it took more than 1 s, or too much memory; cut it into parts"):
        impatient.run(f"{ME}:sleep", [], "x")


def test_a_job_that_nobody_wants_any_more_is_ended(workers):
    begin = time.monotonic()
    with pytest.raises(InvalidInput, match=r"^x: stopped$"):
        workers.run(f"{ME}:sleep", [], "x", lambda: time.monotonic() - begin > 0.5)
    assert 0.5 < time.monotonic() - begin < 30
    with workers._turn, workers._turn, pytest.raises(InvalidInput, match=r"^x: stopped$"):
        workers.run(f"{ME}:joined", [], "x", lambda: True)
    assert workers.run(f"{ME}:joined", [b"again"], "x") == b"again"


def test_a_job_answers_piece_by_piece_and_its_process_stays_when_all_are_taken(workers):
    first = list(workers.stream(f"{ME}:process_twice", [], "x"))
    assert first == [first[0]] * 2 == list(workers.stream(f"{ME}:process_twice", [], "x"))
    taken = []
    with pytest.raises(InvalidInput, match=r"^a file: bad"):
        for number, content in workers.stream(f"{ME}:count", [b"3"], "x"):
            assert len(content) == 1_000_000
            taken.append(number)
    assert taken == [b"0", b"1", b"2"]
    assert workers.run(f"{ME}:process", [], "x") == first[0][0], "a refusal is no reason to end it"


def test_a_stream_that_nobody_reads_on_ends_its_process_at_once(workers):
    pieces = workers.stream(f"{ME}:process_twice", [], "x")
    number = int(next(pieces)[0])
    os.kill(number, 0)
    pieces.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_each_piece_has_the_allowance_for_itself():
    patient = Workers(Allowance(wall_s=3.0))
    assert len(list(patient.stream(f"{ME}:naps", [], "x"))) == 5, "longer than 3 s in all"
    patient.close()


def test_a_process_that_is_not_to_stay_ends_with_its_job():
    once = Workers(stays=0)
    first, second = (once.run(f"{ME}:process", [], "x") for _ in range(2))
    assert first != second and not once._idle


def test_it_writes_no_files(workers, tmp_path):
    with pytest.raises((RuntimeError, InvalidInput)):
        workers.run(f"{ME}:write", [str(tmp_path / "file").encode()], "x")
    assert not (tmp_path / "file").exists() or not (tmp_path / "file").read_bytes()


def test_a_system_that_widens_no_pipe_reads_all_the_same(monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    assert Workers(Allowance()).run(f"{ME}:joined", [b"a", b"b"], "x") == b"ab"
