"""A folder of clips: what is written, what is done again, and what a bad file can and cannot do."""

import csv
import json
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from diffpose_core.cli import main
from diffpose_core.io.clips import save_clip
from diffpose_core.io.formats import Choice
from diffpose_core.io.formats import read as read_module
from diffpose_core.lifting import folder_processes, folder_worker, model_shelf
from diffpose_core.lifting.finish import Finish
from diffpose_core.lifting.folder_files import find_clips
from diffpose_core.lifting.folder_reports import JOURNAL, REPORT_CSV, REPORT_JSON
from diffpose_core.lifting.folder_worker import FolderConfig
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.lift_folder import lift_folder
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.skeleton import stature
from diffpose_core.structures import InvalidInput

SETTINGS = LiftSettings(steps=1, hypotheses=2)


@pytest.fixture(scope="module")
def clips(walking_clip):
    return [replace(walking_clip.frames(slice(5 * n, 5 * n + 4)), name=f"clip{n}") for n in range(4)]


@pytest.fixture
def folder(clips, tmp_path):
    """Three clips, one of them below, and things that are no clips."""
    root = tmp_path / "clips"
    (root / "below").mkdir(parents=True)
    save_clip(clips[0], root / "a.npz")
    save_clip(clips[1], root / "b.npz")
    save_clip(clips[2], root / "below" / "a.npz")
    (root / "notes.txt").write_text("not a clip")
    (root / ".hidden.npz").write_bytes(b"x")
    return root


@pytest.fixture
def config(tiny_weights):
    return FolderConfig(("bvh", "csv"), settings=SETTINGS, weights=str(tiny_weights))


def states(rows):
    return {row.file: row.status for row in rows}


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_clip_is_lifted_to_where_it_lies(folder, config, clips, tiny_models, tmp_path, jobs):
    out = tmp_path / "out"
    seen = []
    rows = lift_folder(folder, out, config, jobs, progress=lambda row, done, total: seen.append((done, total)))
    assert states(rows) == {"a.npz": "lifted", "b.npz": "lifted", "below/a.npz": "lifted"}
    assert seen == [(1, 3), (2, 3), (3, 3)]
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    expected = [f"{base}{end}" for base in ("a", "b", "below/a") for end in ("-long.csv", "_metres_y-up.bvh")]
    assert written == sorted([*expected, JOURNAL, REPORT_CSV, REPORT_JSON])
    for base, clip in (("a", clips[0]), ("b", clips[1]), ("below/a", clips[2])):
        pose = lift(clip, tiny_models, SETTINGS).pose3d
        table = pd.read_csv(out / f"{base}-long.csv")[["x_right_m", "y_down_m", "z_forward_m"]]
        assert np.abs(table.to_numpy().reshape(-1, 17, 3) - pose).max() < 1e-4, "each clip's own result"
    with open(out / REPORT_CSV, newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["file"] for line in lines] == ["a.npz", "b.npz", "below/a.npz"]
    assert lines[2]["outputs"] == "below/a_metres_y-up.bvh below/a-long.csv" and lines[0]["frames"] == "4"
    report = json.loads((out / REPORT_JSON).read_text())
    assert report["lifted"] == 3 and report["failed"] == 0 and report["rows"][0]["file"] == "a.npz"


def test_one_process_loads_the_networks_once(folder, config, tmp_path, monkeypatch):
    load, loaded = model_shelf.load_models, []
    monkeypatch.setattr(model_shelf, "load_models", lambda *given: loaded.append(given) or load(*given))
    lift_folder(folder, tmp_path / "out", config)
    assert loaded == [(config.weights, "frame"), (config.weights, "video")]


def test_what_is_finished_is_not_done_again(folder, config, clips, tmp_path):
    out = tmp_path / "out"
    lift_folder(folder, out, config)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.bvh")}
    again = lift_folder(folder, out, config)
    assert set(states(again).values()) == {"done before"}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert again[0].outputs and again[0].frames == 4

    save_clip(clips[3], folder / "b.npz")
    (out / "a-long.csv").write_text("cut off")
    assert states(lift_folder(folder, out, config)) == {
        "a.npz": "lifted", "b.npz": "lifted", "below/a.npz": "done before",
    }  # fmt: skip
    (out / "below" / "a-long.csv").unlink()
    assert states(lift_folder(folder, out, config))["below/a.npz"] == "lifted"


@pytest.mark.parametrize(
    "change",
    [
        {"settings": LiftSettings(steps=2, hypotheses=2)},
        {"formats": ("trc",)},
        {"choice": Choice(fps=12.0)},
        {"finish": Finish(stature_m=1.7)},
        {"finish": Finish(smooth_hz=6.0)},
    ],
)
def test_other_settings_are_other_work(folder, config, tmp_path, change):
    out = tmp_path / "out"
    lift_folder(folder, out, config)
    assert set(states(lift_folder(folder, out, replace(config, **change))).values()) == {"lifted"}


def test_a_height_holds_for_all_files(folder, tiny_weights, tmp_path):
    words = ["lift", str(folder), "-o", str(tmp_path / "out"), "--weights", str(tiny_weights), "--steps", "1"]
    assert main([*words, "--height", "1.7", "--jobs", "1", "--quiet"]) == 0
    for base in ("a", "b", "below/a"):
        with np.load(tmp_path / "out" / f"{base}.npz") as found:
            assert stature(found["pose3d"]) == pytest.approx(1.7, abs=1e-4)
    assert json.loads((tmp_path / "out" / REPORT_JSON).read_text())["stature_m"] == 1.7


def test_a_run_that_was_killed_goes_on(folder, config, tmp_path):
    out = tmp_path / "out"

    def stop(row, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lift_folder(folder, out, config, progress=stop)
    assert len(json.loads((out / REPORT_JSON).read_text())["rows"]) == 1
    with open(out / JOURNAL, "a") as journal:
        journal.write('{"file": "b.npz", "status": "lif')
    rows = lift_folder(folder, out, config)
    assert states(rows) == {"a.npz": "done before", "b.npz": "lifted", "below/a.npz": "lifted"}
    assert not [path for path in out.rglob(".*")], "no unfinished files"


def test_lines_of_a_damaged_journal_are_passed_over(folder, config, tmp_path):
    out = tmp_path / "out"
    lift_folder(folder, out, config)
    good = (out / JOURNAL).read_bytes().splitlines()
    line = json.loads(good[0])
    changed = [{"outputs": 5}, {"outputs": {"a.bvh": "7"}}, {"notes": 3}, {"key": None}, {"file": ["a.npz"]}, {"x": 1}]
    bad = [json.dumps({**line, **change}).encode() for change in changed]
    bad += [b"\xff\xfe\x00", good[0].replace(b"a.npz", b"\xe9.npz"), b"[" * 100_000, b"[]", b"7"]
    (out / JOURNAL).write_bytes(b"\n".join([*good[1:], *bad]) + b"\n")
    assert states(lift_folder(folder, out, config)) == {
        "a.npz": "lifted", "b.npz": "done before", "below/a.npz": "done before",
    }  # fmt: skip


def test_a_journal_that_is_endless_or_a_pipe_is_refused(folder, config, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / JOURNAL).write_bytes(b"\n" * 500_001)
    with pytest.raises(InvalidInput, match=r"a journal of 500,001 lines; the limit is 500,000. Remove it"):
        lift_folder(folder, tmp_path / "out", config)
    (tmp_path / "out" / JOURNAL).unlink()
    os.mkfifo(tmp_path / "out" / JOURNAL)
    with pytest.raises(InvalidInput, match="no regular file"):
        lift_folder(folder, tmp_path / "out", config)


def test_files_are_read_in_a_process_of_their_own(folder, config, tmp_path, monkeypatch):
    def read(*_):
        raise AssertionError("read in this process")

    monkeypatch.setattr(read_module, "read_pose_file", read)
    words = ["lift", str(folder / "a.npz"), "-o", str(tmp_path / "a.bvh"), "--weights", config.weights, "--steps", "1"]
    assert main(words) == 0
    assert set(states(lift_folder(folder, tmp_path / "out", config)).values()) == {"lifted"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bad_file_is_reported_and_stops_nothing(folder, config, tmp_path, jobs):
    (folder / "0.npz").write_bytes(b"PK\x03\x04 broken")
    (folder / "words.json").write_text('{"hello": 1}')
    rows = {row.file: row for row in lift_folder(folder, tmp_path / "out", config, jobs)}
    assert rows["0.npz"].status == rows["words.json"].status == "failed"
    assert rows["0.npz"].reason.startswith("not a readable archive")
    assert "words.json" not in rows["words.json"].reason, "the row says it"
    assert rows["b.npz"].status == "lifted" and not rows["0.npz"].outputs
    # A failure is not remembered: the file may have been mended.
    assert "0.npz" not in (tmp_path / "out" / JOURNAL).read_text()


def test_an_unforeseen_fault_is_a_failed_row(folder, config, tmp_path, monkeypatch):
    def faulty(*arguments, **settings):
        raise ZeroDivisionError("by accident")

    monkeypatch.setattr(folder_worker, "lift", faulty)
    rows = lift_folder(folder, tmp_path / "out", config)
    assert {row.reason for row in rows} == {"unexpected ZeroDivisionError: by accident"}


def test_an_output_that_cannot_be_written_is_a_failed_row(folder, config, tmp_path):
    out = tmp_path / "out"
    (out / "a-long.csv").mkdir(parents=True)
    rows = {row.file: row for row in lift_folder(folder, out, config)}
    assert rows["a.npz"].status == "failed" and "can't be written" in rows["a.npz"].reason
    assert rows["b.npz"].status == "lifted"


def die_at_b(task):
    if task.file == "b.npz":
        os._exit(9)
    return folder_processes._worker.run(task)


def test_a_process_that_dies_costs_its_file_only(folder, config, tmp_path, monkeypatch):
    monkeypatch.setattr(folder_processes, "_run_in_process", die_at_b)
    rows = {row.file: row for row in lift_folder(folder, tmp_path / "out", config, 2)}
    assert rows["b.npz"].status == "failed" and "process died" in rows["b.npz"].reason
    assert rows["a.npz"].status == rows["below/a.npz"].status == "lifted"


def test_a_folder_of_openpose_frames_is_one_clip(folder, config, walking_clip, tmp_path):
    def write_frames(where):
        where.mkdir()
        for number in range(3):
            points = np.concatenate([walking_clip.keypoints_px[number], np.ones((17, 1))], axis=1)
            people = [{"pose_keypoints_2d": np.concatenate([points, points[:8]]).ravel().tolist()}]
            (where / f"x_{number:012d}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": people}))

    write_frames(folder / "frames")
    assert [path.name for path in find_clips(folder)] == ["a.npz", "b.npz", "a.npz", "frames"]
    rows = {row.file: row for row in lift_folder(folder, tmp_path / "out", config)}
    assert rows["frames"].status == "lifted" and rows["frames"].frames == 3
    assert rows["frames"].notes, "what was assumed (frame rate, image size) is in the report"
    assert (tmp_path / "out" / "frames-long.csv").is_file()


def test_all_clips_of_a_file_are_lifted(folder, config, walking_clip, tmp_path):
    points = walking_clip.keypoints_px[:3].astype(np.float32)
    metadata = {"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": [[4, 5], [1, 2]]}
    positions = {"S1": {"Walk": [points, points + 5]}}
    np.savez(folder / "many.npz", positions_2d=np.array(positions, dtype=object),
             metadata=np.array(metadata, dtype=object))  # fmt: skip
    rows = {row.file: row for row in lift_folder(folder, tmp_path / "out", config)}
    row = rows["many.npz"]
    assert (row.status, row.clips, row.frames, len(row.outputs)) == ("lifted", 2, 6, 4)
    assert all(name.startswith("many-") for name in row.outputs)


def test_two_files_of_one_name_keep_their_endings(folder, config, clips, tmp_path):
    (folder / "a.json").write_text('{"hello": 1}')
    rows = {row.file: row for row in lift_folder(folder, tmp_path / "out", config)}
    assert list(rows["a.npz"].outputs) == ["a-npz_metres_y-up.bvh", "a-npz-long.csv"]
    assert list(rows["below/a.npz"].outputs) == ["below/a_metres_y-up.bvh", "below/a-long.csv"]


def test_outputs_inside_the_folder_are_no_clips(folder, config):
    out = folder / "lifted"
    wide = replace(config, formats=("npz", "csv-wide", "json"))
    assert len(lift_folder(folder, out, wide)) == 3
    assert states(lift_folder(folder, out, wide)) == dict.fromkeys(["a.npz", "b.npz", "below/a.npz"], "done before")


def test_the_command_says_what_failed(folder, tiny_weights, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["lift", str(folder), "-o", str(out), "--format", "trc,json", "--jobs", "1", "--steps", "1",
             "--weights", str(tiny_weights), "--quiet"]  # fmt: skip
    assert main(words) == 0
    assert f"3 lifted, 0 done before, 0 failed: {out / REPORT_CSV}" in capsys.readouterr().out
    (folder / "bad.csv").write_text("no,poses\n1,2\n")
    assert main(words) == 1
    printed = capsys.readouterr()
    assert "0 lifted, 3 done before, 1 failed" in printed.out and "bad.csv: " in printed.err
    assert (out / "below" / "a.trc").is_file() and (out / "b.json").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--format", "fbx"], "no export format 'fbx'; there are npz"),
        (["--format", "bvh"], "holds nothing to lift; expected files that end in .npz, .json"),
        (["--jobs", "0"], "--jobs must lie between 1 and 1,024, found 0"),
        (["--weights", "nowhere"], "no such checkpoint"),
        (["--image-size", "big"], "--image-size must be WIDTHxHEIGHT"),
    ],
)
def test_settings_that_no_file_could_be_lifted_with(tmp_path, tiny_weights, capsys, change, message):
    (tmp_path / "empty").mkdir()
    words = ["lift", str(tmp_path / "empty"), "-o", str(tmp_path / "out"), "--weights", str(tiny_weights)]
    assert main([*words, *change]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_is_not_there(config, tmp_path):
    with pytest.raises(InvalidInput, match="there is no such folder"):
        lift_folder(tmp_path / "absent", tmp_path / "out", config)
    (tmp_path / "file").write_text("")
    (tmp_path / "clips").mkdir()
    with pytest.raises(InvalidInput, match="can't be read or made"):
        lift_folder(tmp_path / "clips", tmp_path / "file" / "out", config)


@pytest.mark.parametrize("name", [JOURNAL, REPORT_CSV])
def test_an_output_folder_that_cannot_hold_the_report_is_said(folder, config, tmp_path, name):
    (tmp_path / "out" / name).mkdir(parents=True)
    with pytest.raises(InvalidInput, match=r"can't be (read|written)"):
        lift_folder(folder, tmp_path / "out", config)


@pytest.mark.slow
def test_the_same_worker_runs_under_ray(folder, config, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason='needs Ray Data: pip install ".[corpus]"')
    # Ray's workers wait for everything else on the machine; a test has no time for that.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    (folder / "bad.json").write_text("{")
    rows = lift_folder(folder, tmp_path / "ray", config, jobs=2, runner="ray")
    alone = lift_folder(folder, tmp_path / "alone", config)
    assert states(rows) == states(alone) and states(rows)["bad.json"] == "failed"
    for path in (tmp_path / "alone").rglob("*-long.csv"):
        assert (tmp_path / "ray" / path.relative_to(tmp_path / "alone")).read_bytes() == path.read_bytes()
    assert set(states(lift_folder(folder, tmp_path / "ray", config, jobs=2)).values()) == {"done before", "failed"}


def test_ray_that_is_not_installed_is_said_in_one_line(folder, config, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(InvalidInput, match=r"Ray is not installed; get it with: pip install .*\[corpus\]"):
        lift_folder(folder, tmp_path / "out", config, runner="ray")
