"""Wrong usage ends with one sentence and status 2, before any work: no traceback, no endless run, nothing ignored."""

import os
import resource
import subprocess
import sys

import pytest

from diffpose_core import cli
from diffpose_core.cli import main

TRAIN = ["train", "graformer", "--data", "a.npz", "--validation", "b.npz"]
TRAIN_DIFFPOSE = ["train", "diffpose", "--data", "a.npz", "--validation", "b.npz"]
EVALUATE = ["evaluate", "--data", "a.npz"]
CALIBRATE = ["calibrate", "--data", "a.npz", "-o", "c.json"]
LIFT = ["lift", "a.npz", "-o", "out.npz"]
DATA = ["data", "motions", "-o", "out.npz"]
STATS = ["detector-stats", "--data", "a.npz"]
MAKE_DATA = ["make-data", "-o", "out.npz"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "motions").mkdir()
    (tmp_path / "taken").mkdir()
    for name in ("a.npz", "b.npz", "notes.md", "notes.npz", "notes.json", "notes.bvh"):
        (tmp_path / name).write_bytes(b"somebody's")
    return tmp_path


def refused(words, capsys):
    assert main(words) == 2
    message = capsys.readouterr().err
    assert message.startswith("diffpose: ") and message.count("\n") == 1 and "Traceback" not in message
    return message


@pytest.mark.parametrize(
    ("words", "option", "bad"),
    [
        *((TRAIN, "--epochs", bad) for bad in ("0", "-1", "1.5", "many", "1e400")),
        *((TRAIN, "--batch-size", bad) for bad in ("0", "-3")),
        *((TRAIN, "--samples-per-epoch", bad) for bad in ("0", "-1")),
        *((TRAIN, "--learning-rate", bad) for bad in ("nan", "inf", "0", "-0.1")),
        *((TRAIN, "--devices", bad) for bad in ("0", "-1", "100000")),
        *((TRAIN, "--threads", bad) for bad in ("0", "-2")),
        (["train", "mixste", *TRAIN[2:]], "--frames", "0"),
        (TRAIN_DIFFPOSE, "--bank-size", "0"),
        (TRAIN_DIFFPOSE, "--bank-workers", "0"),
        *((TRAIN_DIFFPOSE, "--own-states", bad) for bad in ("2", "nan")),
        *((words, "--seed", bad) for words in (TRAIN, EVALUATE, CALIBRATE, LIFT, MAKE_DATA)
          for bad in ("-1", "4294967296", "x")),
        *((words, "--steps", bad) for words in (EVALUATE, CALIBRATE, LIFT) for bad in ("0", "51")),
        *((words, "--hypotheses", bad) for words in (EVALUATE, CALIBRATE, LIFT) for bad in ("0", "201")),
        *((words, "--stride", bad) for words in (EVALUATE, CALIBRATE) for bad in ("0", "-5")),
        (EVALUATE, "--consecutive", "0"),
        *((EVALUATE, "--workers", bad) for bad in ("0", "-1")),
        *((words, "--clips", bad) for words in (EVALUATE, CALIBRATE, STATS, MAKE_DATA)
          for bad in ("0", "-1", "1000000000000")),
        *((LIFT, "--fps", bad) for bad in ("0", "-1", "nan", "inf", "1e-300", "1e300")),
        *((DATA, "--fps", bad) for bad in ("0", "nan", "1e-300")),
        *((DATA, "--min-seconds", bad) for bad in ("-1", "nan")),
        (DATA, "--jobs", "0"),
        (LIFT, "--jobs", "0"),
        *((LIFT, "--eta", bad) for bad in ("-0.1", "1.1", "nan")),
        *((LIFT, "--height", bad) for bad in ("0", "nan", "180")),
        *((LIFT, "--camera-tilt", bad) for bad in ("-90", "90", "nan")),
    ],
)  # fmt: skip
def test_a_number_out_of_bounds_is_named(capsys, words, option, bad):
    message = refused([*words, f"{option}={bad}"], capsys)
    assert option in message and f"found {bad[:3]}" in message.replace("'", "")


def test_shares_of_a_split_are_numbers(capsys):
    assert "--split must lie between 0" in refused([*DATA, "--split", "80", "nan", "10"], capsys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*TRAIN, "--encoder", "e.safetensors"], "graformer is itself an encoder, found --encoder"),
        ([*TRAIN, "--bank-size", "9"], "--bank-size belongs to a denoiser"),
        ([*TRAIN, "--own-states", "0.5"], "--own-states belongs to a denoiser"),
        ([*TRAIN, "--subjects", "S1"], "belong to --dataset h36m"),
        ([*TRAIN, "--detections", "x"], "belong to --dataset h36m"),
        ([*TRAIN, "--frames", "27"], "only mixste reads windows"),
        ([*LIFT, "--ray"], "--ray shares the files of a folder; found one clip, a.npz"),
        ([*CALIBRATE, "--json", "r.json"], "belong to a report on test motions"),
        ([*CALIBRATE, "--test-stride", "5"], "belong to a report on test motions"),
        ([*CALIBRATE, "--test", "b.npz", "--json", "c.json"], "both --out and --json"),
        ([*DATA, "--split-by", "clip"], "--split-by belongs to --split"),
        ([*EVALUATE, "--subjects", "S9"], "belong to --dataset h36m"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(capsys, words, message):
    assert message in refused(words, capsys)


def test_a_gpu_that_is_not_there_is_named(capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "needs a GPU that torch can use" in refused([*TRAIN, "--accelerator", "gpu"], capsys)
    for words in (EVALUATE, CALIBRATE, LIFT, ["lift", "motions", "-o", "lifted"]):
        assert "needs a GPU that torch can use" in refused([*words, "--device", "cuda"], capsys)


#: A command with its option for an output, and the kind of output.
OUTPUTS = [
    (TRAIN, "--out", "x.safetensors"),
    (EVALUATE, "--json", "x.json"),
    (["calibrate", "--data", "a.npz"], "-o", "x.json"),
    ([*CALIBRATE, "--test", "b.npz"], "--json", "x.json"),
    (["lift", "a.npz"], "-o", "x.npz"),
    (["data", "motions"], "-o", "x.npz"),
    (["make-data"], "-o", "x.npz"),
]


@pytest.mark.parametrize(("words", "option", "name"), OUTPUTS)
def test_outputs_are_checked_before_any_work(folder, capsys, monkeypatch, words, option, name):
    ending = name[1:]
    assert "no such folder" in refused([*words, option, f"absent/{name}"], capsys)
    (folder / f"folder{ending}").mkdir()
    assert "it is a folder" in refused([*words, option, f"folder{ending}"], capsys)
    (folder / f"mine{ending}").write_bytes(b"somebody's")
    assert "exists and was not written by this command" in refused([*words, option, f"mine{ending}"], capsys)

    def full(**words):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    assert "can't be written (No space left on device)" in refused([*words, option, name], capsys)
    assert (folder / f"mine{ending}").read_bytes() == b"somebody's" and not (folder / name).exists()


@pytest.mark.parametrize(("words", "option", "name"), OUTPUTS)
def test_a_pipe_or_a_device_in_the_way_is_not_opened(folder, capsys, words, option, name):
    os.mkfifo(folder / name)
    assert "exists and was not written by this command" in refused([*words, option, name], capsys)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    assert "exists and was not written by this command" in refused([*words, option, name], capsys)
    if words[0] == "data":
        (folder / name).unlink()
        os.mkfifo(folder / "x.md")
        assert "x.md: exists and was not written by this command" in refused([*words, option, name], capsys)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["lift", "a.npz", "-o", "a.npz"], "a.npz"),
        (["lift", "a.npz", "-o", "./motions/../a.npz", "--overwrite"], "a.npz"),
        (["lift", "a.npz", "-o", "link.npz", "--overwrite"], "link.npz"),
        (["lift", "motions", "-o", "motions"], "motions"),
        (["lift", "motions", "-o", "taken/../motions"], "motions"),
        (["evaluate", "--data", "a.npz", "--json", "a.npz", "--overwrite"], "a.npz"),
        (["calibrate", "--data", "a.npz", "-o", "a.npz", "--overwrite"], "a.npz"),
        (["calibrate", "--data", "a.npz", "--test", "b.npz", "-o", "b.npz", "--overwrite"], "b.npz"),
        ([*TRAIN, "--out", "b.npz", "--overwrite"], "b.npz"),
        (["data", "a.npz", "-o", "a.npz", "--overwrite"], "a.npz"),
    ],
)
def test_no_input_is_ever_overwritten(folder, capsys, words, named):
    (folder / "link.npz").symlink_to("a.npz")
    message = refused(words, capsys)
    assert named in message and "is an input of this command" in message


def test_a_report_in_the_way_is_looked_at_within_bounds(folder, capsys):
    for content in (b"[" + b"[]," * 10_000_000 + b"[]]", b"[" * 10_000_000, b"\xff\xfe"):
        (folder / "r.json").write_bytes(content)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert "exists and was not written by this command" in refused([*EVALUATE, "--json", "r.json"], capsys)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024, "KiB"


def test_files_beside_an_output_are_kept_too(folder, capsys):
    (folder / "notes.npz").unlink()
    assert "notes.md: exists" in refused(["data", "motions", "-o", "notes.npz"], capsys)
    assert "notes.md: exists" in refused([*TRAIN, "--out", "notes.safetensors"], capsys)
    (folder / "x_val.npz").write_bytes(b"somebody's")
    assert "x_val.npz: exists" in refused(["data", "motions", "-o", "x.npz", "--split", "1", "1", "1"], capsys)


def test_a_folder_of_outputs_can_not_be_a_file(folder, capsys):
    assert "is a file; expected a folder" in refused(["lift", "motions", "-o", "a.npz"], capsys)
    assert "is a file; expected a folder" in refused([*TRAIN, "--runs", "a.npz"], capsys)
    assert "is a file; expected a folder" in refused(["make-clips", "-o", "a.npz"], capsys)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (MemoryError(), 1, "there was not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 1 byte"), 1, "not enough memory"),
        (OSError(28, "No space left on device", "out.npz"), 1, "out.npz: No space left on device"),
        (KeyboardInterrupt(), 130, "stopped"),
        (KeyError("x"), 1, "unexpected KeyError: 'x'"),
    ],
)  # fmt: skip
def test_errors_of_the_machine_end_with_a_sentence(capsys, monkeypatch, error, status, message):
    def fails(args):
        raise error

    monkeypatch.setattr(cli.make_data, "run", fails)
    assert main(MAKE_DATA) == status
    printed = capsys.readouterr().err
    assert f"diffpose: {message}" in printed.replace("\n", " ") or message in printed
    assert "Traceback" not in printed
    if isinstance(error, KeyError):
        monkeypatch.setenv("DIFFPOSE_TRACEBACK", "1")
        with pytest.raises(KeyError):
            main(MAKE_DATA)


def run(command, folder, **environment):
    return subprocess.run(
        ["bash", "-c", command.replace("diffpose ", f"{sys.executable} -m diffpose_core ")],
        cwd=folder, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True, text=True, errors="replace", timeout=120,
    )  # fmt: skip


def test_a_standard_output_that_is_closed_or_full(folder):
    made = "diffpose make-data -o {} --clips 1"
    full = run(f"{made.format('one.npz')} > /dev/full", folder)
    assert full.returncode == 1 and full.stderr.strip() == "diffpose: No space left on device"
    closed = run(f"{made.format('two.npz')} >&-", folder)
    assert closed.returncode == 0 and closed.stderr == ""
    gone = run(f"({made.format('three.npz')}; echo $? > status) | true; sleep 1", folder)
    assert gone.stderr == "" and (folder / "status").read_text().strip() in ("0", "141")


def test_names_that_a_terminal_can_not_show(folder):
    named = run("diffpose lift $'w\\u00e4lk\\xff\\e[31m.npz' -o out.npz", folder, PYTHONIOENCODING="ascii")
    assert named.returncode == 2
    assert named.stderr.strip() == r"diffpose: w\xe4lk\udcff\x1b[31m.npz: no such file"
    made = run("diffpose make-data -o $'w\\u00e4lk.npz' --clips 1", folder, PYTHONIOENCODING="ascii")
    assert made.returncode == 0 and made.stdout.startswith(r"wrote w\xe4lk.npz: 1 clips")
