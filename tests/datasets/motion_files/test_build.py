"""Folders made into data sets: names, splits, the page beside them, and the command from end to end."""

import hashlib
import json
import os
import re
import resource
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffpose_core import config, presets
from diffpose_core.cli import main, parser
from diffpose_core.datasets.mocap17 import load_mocap17, motion_set, save_mocap17
from diffpose_core.datasets.motion_files.build import Naming, Source, build, find_files, read_all
from diffpose_core.datasets.motion_files.convert import Settings
from diffpose_core.datasets.motion_files.joints import read_joint_file
from diffpose_core.datasets.motion_files.labels import Labels, Split, compiled, labels_of, read_label_file
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.datasets.sampling import PoseSampler, Variation
from diffpose_core.io.untrusted.files import MIB
from diffpose_core.io.untrusted.worker import Allowance
from diffpose_core.skeleton import JOINT_NAMES
from diffpose_core.structures import InvalidInput
from diffpose_core.training import train_encoder
from tests.conftest import ROOT, TINY_ENCODER
from tests.datasets.motion_files import bodies


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """BVH of two people, ASF/AMC, AMASS with its body model, a broken file, a short one, and files of other kinds."""
    folder = tmp_path_factory.mktemp("mocap") / "studio"
    for seed, name in enumerate(("walk1_subject1", "walk2_subject2", "aiming1_subject2")):
        path = folder / "lafan" / f"{name}.bvh"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(bodies.bvh(bodies.FAMILIES["mixamo"], 40, seed=seed))
    asf, amc = bodies.asf_amc(160)
    (folder / "cmu" / "02").mkdir(parents=True)
    (folder / "cmu" / "02" / "02.asf").write_text(asf)
    (folder / "cmu" / "02" / "02_01.amc").write_text(amc)
    (folder / "KIT" / "9").mkdir(parents=True)
    np.savez(folder / "KIT" / "9" / "jump01_poses.npz", **bodies.amass(160))
    np.savez(folder / "KIT" / "9" / "shape.npz", betas=np.zeros(16))
    (folder / "models").mkdir()
    np.savez(folder / "models" / "model.npz", **bodies.body_model())
    (folder / "lafan" / "broken.bvh").write_text("HIERARCHY\nROOT Hips\n{")
    (folder / "lafan" / "short_subject1.bvh").write_text(bodies.bvh(bodies.FAMILIES["daz"], 6))
    (folder / "lafan" / "notes.txt").write_text("nothing")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.bvh").write_text("nothing")
    return folder


def words(folder, out, *more):
    return ["data", str(folder), "-o", str(out), "--body-model", str(folder / "models" / "model.npz"), "--quiet", *more]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_command_makes_a_data_set_and_says_what_could_not_be_used(folder, tmp_path, capsys, jobs):
    out = tmp_path / "motions.npz"
    assert main(words(folder, out, "--jobs", jobs, "--licence", "CC0 (made up)")) == 1
    motions = load_mocap17(out)
    assert list(motions.name) == [
        "KIT_9_jump01_poses", "cmu_02_02_01", "lafan_aiming1_subject2", "lafan_walk1_subject1", "lafan_walk2_subject2",
    ]  # fmt: skip
    assert list(motions.subject) == ["9", "02", "subject2", "subject1", "subject2"]
    assert list(motions.action) == ["jump01", "", "aiming", "walk", "walk"]
    assert set(motions.source) == {"studio"} and set(motions.fps) == {30.0}
    assert list(np.diff(motions.start)) == [40, 40, 40, 40, 40]
    expected = bodies.h36m(bodies.places(40, 30.0))
    walk = motions.clip_world(3)
    assert all(np.abs(walk[:, joint] - place).max() < 1e-4 for joint, place in expected.items())
    printed = capsys.readouterr()
    assert f"wrote {out}: 5 clips, 200 frames" in printed.out and "5 of 8 files used, 1 could not be" in printed.out
    assert "lafan/broken.bvh: not a BVH file" in printed.err and "no --licence" not in printed.err
    page = (tmp_path / "motions.md").read_text()
    assert "| motions.npz | 5 | 200 | 4 |" in page and "CC0 (made up)" in page
    assert "- lafan/broken.bvh: not a BVH file; expected HIERARCHY and MOTION" in page
    assert "- left out: 0.20 s long, the shortest is 0.5 s (--min-seconds): lafan/short\\_subject1.bvh" in page
    assert "- a body model, no motion: models/model.npz" in page
    assert "diffpose data studio -o motions.npz" in page and str(tmp_path) not in page


# Lightning's own remarks about a run that is as short as a test.
@pytest.mark.filterwarnings("ignore:Checkpoint directory", "ignore:The number of training", "ignore:.*LeafSpec.*")
def test_the_result_can_be_sampled_and_trained_on(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "motions.npz"
    assert main(words(folder / "lafan", out, "--jobs", "1", "--body-model", "none")) == 1
    batch = PoseSampler(load_mocap17(out), Variation()).draw(8, torch.Generator().manual_seed(0))
    assert batch.pose_view.shape == (8, 17, 3) and bool(torch.isfinite(batch.pose_view).all())
    tiny = replace(presets.PRESETS["graformer"], network=config.GraformerConfig(**TINY_ENCODER))
    monkeypatch.setitem(presets.PRESETS, "graformer", tiny)
    calibrate = train_encoder.calibrate_encoder
    monkeypatch.setattr(train_encoder, "calibrate_encoder", lambda network, sampler: calibrate(network, sampler, 1000))
    train = ["train", "graformer", "--data", str(out), "--validation", str(out), "--runs", str(tmp_path / "runs")]
    train += ["--epochs", "1", "--batch-size", "16", "--samples-per-epoch", "32", "--accelerator", "cpu", "--quiet"]
    assert main(train) == 0
    assert (tmp_path / "runs" / "graformer.safetensors").is_file()


def test_a_file_that_takes_all_memory_takes_no_other_with_it(folder, tmp_path, monkeypatch):
    for name in "acd":
        shutil.copy(folder / "lafan" / "walk1_subject1.bvh", tmp_path / f"{name}.bvh")
    # Of 200 kB that unpack to 200 MB.
    np.savez_compressed(tmp_path / "b.npz", trans=np.zeros((100, 3)), poses=np.zeros((8_000_000, 3)))
    small = Allowance(memory=160 * MIB, processor_s=60)
    monkeypatch.setattr("diffpose_core.datasets.motion_files.apart._ALLOWANCE", small)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = read_all([Source(tmp_path, name) for name in ("a.bvh", "b.npz", "c.bvh", "d.bvh")], Settings(), jobs=2)
    assert [outcome.source.file for outcome in outcomes if outcome.reason] == ["b.npz"]
    assert "not enough memory" in outcomes[1].reason and len(outcomes[3].clips) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024, "KiB of this process"


def test_without_a_licence_the_command_and_the_page_say_so(folder, tmp_path, capsys):
    out = tmp_path / "motions.npz"
    assert main(["data", str(folder / "cmu"), "-o", str(out), "--quiet", "--jobs", "1"]) == 0
    assert "no --licence given" in capsys.readouterr().err
    assert "**Not given** (`--licence`)" in (tmp_path / "motions.md").read_text()


def test_splits_keep_subjects_together_and_files_that_are_added_move_none(tmp_path):
    everybody = [Labels(f"c{n}", "s", f"p{n % 40}") for n in range(400)]
    split = Split((80, 10, 10), "subject")
    where = {}
    for labels in everybody:
        assert where.setdefault(labels.subject, split.of(labels)) == split.of(labels)
    assert set(where.values()) == {"train", "val", "test"}
    # The rule that the page states, done by hand.
    share = int.from_bytes(hashlib.sha256(b"s/p0").digest()[:8], "big") / 2**64
    assert split.of(everybody[0]) == ("train" if share < 0.8 else "val" if share < 0.9 else "test")
    by_clip = [Split((50, 0, 50), "clip").of(labels) for labels in everybody]
    assert 150 < by_clip.count("train") < 250 and by_clip.count("val") == 0
    with pytest.raises(InvalidInput, match=r"who moves is not known.*--split-by clip"):
        split.of(Labels("c", "s"))
    for shares in ((0, 0, 0), (-1, 1, 1), (float("nan"), 1, 1)):
        with pytest.raises(InvalidInput, match="shares of train, val and test"):
            Split(shares)


def test_a_split_writes_a_file_a_part(folder, tmp_path, capsys):
    out = tmp_path / "motions.npz"
    assert main(words(folder, out, "--jobs", "1", "--split", "50", "25", "25", "--split-by", "clip")) == 1
    parts = {path.stem.removeprefix("motions_"): load_mocap17(path) for path in tmp_path.glob("motions_*.npz")}
    names = [name for motions in parts.values() for name in motions.name]
    assert len(names) == len(set(names)) == 5 and not out.exists()
    split = Split((50, 25, 25), "clip")
    for part, motions in parts.items():
        assert {split.of(Labels(str(name), "studio")) for name in motions.name} == {part}
    assert "Split train : val : test = 50 : 25 : 25, by clip" in (tmp_path / "motions.md").read_text()


def test_a_split_by_subject_needs_subjects(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.bvh").write_text(bodies.bvh(bodies.FAMILIES["daz"], 30))
    base = [
        "data",
        str(tmp_path / "in"),
        "-o",
        str(tmp_path / "o.npz"),
        "--quiet",
        "--jobs",
        "1",
        "--split",
        "1",
        "0",
        "0",
    ]
    assert main(base) == 2
    assert "a: who moves is not known" in capsys.readouterr().err and not list(tmp_path.glob("o*"))
    (tmp_path / "labels.csv").write_text("file,subject,action\na.bvh,Ada,wave\n")
    assert main([*base, "--labels", str(tmp_path / "labels.csv")]) == 0
    motions = load_mocap17(tmp_path / "o_train.npz")
    assert list(motions.subject) == ["Ada"] and list(motions.action) == ["wave"] and list(motions.name) == ["a"]


def test_a_data_set_is_extended_by_putting_it_among_the_folders(folder, tmp_path):
    walk = procedural_motion("walk", 1, 2.0)
    old = motion_set([walk, walk[:10]], 30.0, name=["w", "tiny"], source=["mine", "mine"], subject=["s", "s"])
    save_mocap17(old, tmp_path / "old.npz")
    built = build([tmp_path / "old.npz", folder / "cmu"], tmp_path / "new.npz")
    motions = load_mocap17(tmp_path / "new.npz")
    assert list(motions.name) == ["w", "02_02_01"] and list(motions.source) == ["mine", "cmu"]
    assert np.abs(motions.clip_world(0) - old.clip_world(0)).max() < 1e-4
    assert built.outcomes[0].notes[0].startswith("tiny: left out: 0.33 s long")
    again = build([tmp_path / "new.npz", folder / "cmu"], tmp_path / "new.npz", naming=Naming(source="cmu"))
    assert len(again.outcomes) == 1, "what an earlier run wrote is not read again"
    twice = build([tmp_path / "old.npz", tmp_path / "old.npz"], tmp_path / "twice.npz")
    assert twice.twice == 1 and len(load_mocap17(tmp_path / "twice.npz")) == 1


def test_clips_of_a_test_set_are_left_out_by_name(folder, tmp_path, capsys):
    words = ["data", str(folder / "lafan"), "-o", str(tmp_path / "all.npz"), "--quiet", "--jobs", "1"]
    assert main(words) == 1
    walk = procedural_motion("walk", 1, 2.0)
    save_mocap17(motion_set([walk], 30.0, name=["walk1_subject1"]), tmp_path / "test.npz")
    words[3] = str(tmp_path / "train.npz")
    assert main([*words, "--leave-out", str(tmp_path / "test.npz")]) == 1
    assert set(load_mocap17(tmp_path / "all.npz").name) - set(load_mocap17(tmp_path / "train.npz").name) == {
        "walk1_subject1"
    }
    assert "1 clips were left out by name" in (tmp_path / "train.md").read_text()
    assert main([*words, "--leave-out", str(tmp_path / "all.npz")]) == 2
    assert "every clip is one of those that are to be left out" in capsys.readouterr().err


def test_two_motions_of_one_name_are_numbered(tmp_path):
    for place, seed in (("a", 0), ("b", 1)):
        (tmp_path / place).mkdir()
        (tmp_path / place / "walk.bvh").write_text(bodies.bvh(bodies.FAMILIES["daz"], 30, seed=seed))
    build([tmp_path / "a", tmp_path / "b"], tmp_path / "o.npz", naming=Naming("home"))
    assert list(load_mocap17(tmp_path / "o.npz").name) == ["walk", "walk#2"]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("dataset-1_bow_active_001.bvh", Labels("dataset-1_bow_active_001", "x", "", "bow", "active")),
        ("d/dataset-2_walk-turn-left_elderly_011.bvh",
         Labels("dataset-2_walk-turn-left_elderly_011", "x", "", "walk-turn-left", "elderly")),
        ("02/02_01.amc", Labels("02_02_01", "x", "02")),
        ("143_12.bvh", Labels("143_12", "x", "143")),
        ("walk1_subject5.bvh", Labels("walk1_subject5", "x", "subject5", "walk")),
        ("KIT/3/LeftTurn01_poses.npz", Labels("KIT_3_LeftTurn01_poses", "x", "3", "LeftTurn01")),
        ("HDM_bd_01-01_01_120.amc", Labels("HDM_bd_01-01_01_120", "x", "bd")),
        ("anything else.bvh", Labels("anything else", "x")),
    ],
)  # fmt: skip
def test_names_of_files_say_what_the_usual_sets_put_into_them(file, expected):
    assert labels_of(file, "x") == expected


def test_names_that_are_no_text_and_links_to_themselves(folder, tmp_path):
    motions = tmp_path / "motions"
    motions.mkdir()
    name = os.fsdecode(b"w\xe4lk1_subject1.bvh")
    (motions / name).write_bytes((folder / "lafan" / "walk1_subject1.bvh").read_bytes())
    (motions / "loop.bvh").symlink_to("loop.bvh")
    (motions / "zero.bvh").symlink_to("/dev/zero")
    os.mkfifo(motions / "pipe.bvh")
    out = tmp_path / "out.npz"
    built = build([motions], out, split=Split((1, 1, 1), "clip"))
    assert [outcome.source.path.name for outcome in built.outcomes if outcome.clips] == [name]
    (path,) = (path for path, _ in built.files.values())
    assert load_mocap17(path).name.tolist() == ["w?lk1_subject1"]
    assert rb"w\udce4lk1" in out.with_suffix(".md").read_bytes() or b"w?lk1" in out.with_suffix(".md").read_bytes()


def test_a_pattern_or_a_table_says_what_names_mean():
    pattern = compiled(r"(?P<subject>\w+)/(?P<style>\w+)_(?P<action>\w+)")
    assert labels_of("Ada/old_walk.bvh", "x", pattern) == Labels("Ada_old_walk", "x", "Ada", "walk", "old")
    table = read_label_file(b"file,name,action\nAda/old_walk.bvh,n1,run\nold_walk.bvh,n2,jump\n", "l.csv")
    assert labels_of("Ada/old_walk.bvh", "x", pattern, table) == Labels("n1", "x", "Ada", "run", "old")
    assert labels_of("Bob/old_walk.bvh", "x", pattern, table) == Labels("n2", "x", "Bob", "jump", "old")
    for bad, message in (("(", "no regular expression"), ("a", "named groups"), ("(?P<who>a)", "named groups")):
        with pytest.raises(InvalidInput, match=message):
            compiled(bad)
    for bad in (b"", b"name,action\na,b\n", b"file\na\n", b'file,name\n"a', b"\xff\xfe\x00"):
        with pytest.raises(InvalidInput, match=r"l\.csv"):
            read_label_file(bad, "l.csv")


def test_what_cannot_be_built_is_said(folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    good = folder / "cmu"
    for place, out, message in (
        (tmp_path / "absent", "o.npz", "there is no such folder"),
        (tmp_path / "empty", "o.npz", "holds no motion; expected files that end in .bvh, .amc, .npz"),
        (good, "o.txt", "must end in .npz"),
        (good, "no/o.npz", "no such folder to write to"),
        (folder / "lafan" / "broken.bvh", "o.npz", "none of 1 files could be used. The first: broken.bvh: not a BVH"),
        (folder / "lafan" / "short_subject1.bvh", "o.npz", "All were too short"),
    ):
        assert main(["data", str(place), "-o", str(tmp_path / out), "--quiet", "--jobs", "1"]) == 2
        assert message in capsys.readouterr().err
    for option, value, message in (
        ("--joints", "absent.json", "no such file"),
        ("--fps", "0", "0 frames a second"),
        ("--jobs", "0", "--jobs must lie between 1 and 1,024, found 0"),
        ("--pattern", "x", "named groups"),
    ):
        assert main(["data", str(good), "-o", str(tmp_path / "o.npz"), "--quiet", option, value]) == 2
        assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("o*"))


def test_joints_are_given_to_the_command_as_a_file(tmp_path, capsys):
    strange = {joint: f"b{number:02d}" for number, joint in enumerate(bodies.FAMILIES["mixamo"])}
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.bvh").write_text(bodies.bvh(strange, 30))
    given = {JOINT_NAMES[joint]: strange[own] for joint, own in bodies.H36M.items()}
    (tmp_path / "map.json").write_text(json.dumps(given))
    out = tmp_path / "o.npz"
    base = ["data", str(tmp_path / "in"), "-o", str(out), "--quiet", "--jobs", "1"]
    assert main(base) == 2 and "not found among its joints" in capsys.readouterr().err
    assert main([*base, "--joints", str(tmp_path / "map.json")]) == 0
    expected = bodies.h36m(bodies.places(30, 30.0))
    found = load_mocap17(out).clip_world(0)
    assert all(np.abs(found[:, joint] - place).max() < 1e-4 for joint, place in expected.items())


def test_the_commands_and_the_joint_file_of_the_documentation_are_understood():
    text = (ROOT / "docs" / "motion_data.md").read_text()
    commands = re.findall(r"^diffpose data .*$", text, re.MULTILINE)
    assert len(commands) >= 5
    for line in commands:
        args = parser().parse_args(shlex.split(line.replace("FOLDER ...", "FOLDER"))[1:])
        assert args.licence
    example = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    given = read_joint_file(example[1].encode(), "map.json")
    assert given["Spine"] == ("spine_2", "spine_3") and given["Head"] is None
    pattern = compiled(re.search(r"--pattern '(.*?)'", text)[1])
    assert labels_of("Ada/walk_01.bvh", "x", pattern) == Labels("Ada_walk_01", "x", "Ada", "walk")


def test_files_are_found_in_order_and_hidden_ones_are_not(folder):
    files = [source.file for source in find_files([folder])]
    assert files == sorted(files) and len(files) == 8
    assert not any("hidden" in file or "shape" in file for file in files)
