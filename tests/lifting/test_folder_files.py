"""Clips in a folder: odd things that lie there, and names of outputs that no two files share."""

import os

import pytest

from benchmarks.pose_files import alphapose, detected, walking
from diffpose_core.lifting.folder_files import find_clips, find_tasks, holds_openpose_frames
from diffpose_core.lifting.folder_reports import JOURNAL, REPORT_CSV
from diffpose_core.lifting.folder_worker import FileWorker, FolderConfig, WorkerSetup
from diffpose_core.lifting.lift_folder import lift_folder
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import InvalidInput


def bases(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return {task.file: task.base for task in find_tasks(folder, folder / "out", {})}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["walk.npz", "run.json"], ["walk", "run"]),
        (["walk.npz", "walk.json"], ["walk-npz", "walk-json"]),
        (["walk.npz", "walk.json", "walk-npz.npz"], ["walk-npz-2", "walk-json", "walk-npz"]),
        (["walk.npz", "walk.json", "walk-npz.npz", "Walk-NPZ-2.csv"],
         ["walk-npz-3", "walk-json", "walk-npz", "Walk-NPZ-2"]),
        (["walk.NPZ", "WALK.npz"], ["walk-NPZ", "WALK-npz-2"]),
        (["lift-report.npz", "lift-journal.csv"], ["lift-report-npz", "lift-journal-csv"]),
        (["a/lift-report.npz"], ["a/lift-report"]),
    ],
)  # fmt: skip
def test_no_two_files_share_the_names_of_their_outputs(tmp_path, names, expected):
    found = bases(tmp_path, names)
    # Which of two that differ in case alone gets the number follows from the order of their names.
    assert sorted(map(str.lower, found.values())) == sorted(map(str.lower, expected))
    assert len({base.lower() for base in found.values()}) == len(names)
    if "WALK.npz" not in names:
        assert found == dict(zip(names, expected, strict=True))


def test_a_clip_of_a_file_does_not_take_the_name_of_another_file(tmp_path):
    worker = FileWorker(WorkerSetup(FolderConfig(), str(tmp_path), "", frozenset({"many-1-s1"})), None)
    assert worker._base_of_part("many-1-S1") == "many-1-S1-part"
    assert worker._base_of_part("many-2-S1") == "many-2-S1"


def test_links_that_lead_to_themselves_or_upwards_are_passed_over(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name, target in (("loop", "loop"), ("loop.npz", "loop.npz"), ("up", ".."), ("here.npz", "here.json")):
        (folder / name).symlink_to(target)
    (folder / "here.json").symlink_to("here.npz")
    (folder / "a.npz").write_bytes(b"x")
    (folder / "link.npz").symlink_to("a.npz")
    assert [path.name for path in find_clips(folder, tmp_path / "out")] == ["a.npz", "link.npz"]


def test_pipes_and_devices_are_never_opened(tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    os.mkfifo(frames / "a_1_keypoints.json")
    assert not holds_openpose_frames(frames)
    (frames / "a_0_keypoints.json").symlink_to("/dev/zero")
    assert not holds_openpose_frames(frames)
    assert find_clips(tmp_path) == []
    (frames / "a_0_keypoints.json").unlink()
    (frames / "a_0_keypoints.json").write_text('{"people": []}')
    assert holds_openpose_frames(frames)
    out = tmp_path / "out"
    with pytest.raises(InvalidInput, match="no such checkpoint"):
        lift_folder(tmp_path, out, FolderConfig(weights=str(tmp_path / "nowhere")))


def test_a_folder_of_frames_with_a_pipe_in_it_is_a_failed_row(tmp_path, tiny_weights):
    frames = tmp_path / "clips" / "frames"
    frames.mkdir(parents=True)
    (frames / "a_0_keypoints.json").write_text('{"people": []}')
    os.mkfifo(frames / "a_1_keypoints.json")
    (row,) = lift_folder(tmp_path / "clips", tmp_path / "out", FolderConfig(weights=str(tiny_weights)))
    assert row.status == "failed" and "no regular file" in row.reason


def test_names_that_are_no_text_are_lifted_and_reported(tmp_path, tiny_weights):
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / os.fsdecode(b"w\xe4lk.json")).write_bytes(alphapose([detected(walking(3), "Halpe-26")]))
    config = FolderConfig(("csv",), settings=LiftSettings(steps=1, hypotheses=1), weights=str(tiny_weights))
    for status in ("lifted", "done before"):
        (row,) = lift_folder(folder, tmp_path / "out", config)
        assert row.status == status, row.reason
    assert b"w\xe4lk-long.csv" in os.listdir(os.fsencode(tmp_path / "out"))
    assert rb"w\udce4lk.json" in (tmp_path / "out" / JOURNAL).read_bytes()
    assert r"w\udce4lk.json,done before" in (tmp_path / "out" / REPORT_CSV).read_text(encoding="utf-8")
