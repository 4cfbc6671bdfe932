"""The command line: what it writes, and how it says no."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.cli import main
from diffpose_core.cli.shared import without_folders
from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.io.clips import save_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.skeleton import stature


@pytest.fixture(scope="module")
def clip_file(walking_clip, tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "walk.npz"
    save_clip(walking_clip.frames(slice(4)), path)
    return path


def lift_words(clip_file, tiny_weights, out):
    return ["lift", str(clip_file), "-o", str(out), "--weights", str(tiny_weights), "--quiet"]


def test_lift_writes_everything_that_a_reader_needs(
    walking_clip, clip_file, tiny_weights, tiny_models, tmp_path, capsys
):
    out = tmp_path / "out.npz"
    options = ["--steps", "2", "--hypotheses", "3", "--seed", "5", "--no-context"]
    assert main([*lift_words(clip_file, tiny_weights, out), *options]) == 0
    expected = lift(
        walking_clip.frames(slice(4)), tiny_models, LiftSettings(steps=2, hypotheses=3, seed=5, context=False)
    )
    with np.load(out, allow_pickle=False) as found:
        assert {"pose3d", "hypotheses", "joint_std", "baseline", "fps", "provenance"} <= set(found.files)
        assert np.allclose(found["pose3d"], expected.pose3d, atol=1e-5)
        assert np.allclose(found["hypotheses"], expected.hypotheses, atol=1e-5)
        assert np.allclose(found["baseline"], expected.baseline, atol=1e-5)
        assert found["hypotheses"].shape == (4, 3, 17, 3) and found["pose3d"].dtype == np.float32
        provenance = json.loads(str(found["provenance"]))
    assert provenance["schema"] == "diffpose-result/2" and provenance["weights"] == "diffpose_no_context"
    assert provenance["settings"]["seed"] == 5
    assert "metres" in provenance["frame_of_reference"]
    printed = capsys.readouterr().out
    assert f"wrote {out}: 4 frames, 3 hypotheses each" in printed and "DiffPose" in printed


def test_a_height_scales_what_is_written(clip_file, tiny_weights, tmp_path, capsys):
    words = [*lift_words(clip_file, tiny_weights, tmp_path / "out.npz"), "--steps", "1"]
    assert main(words) == 0
    assert "scaled" not in capsys.readouterr().out
    with np.load(tmp_path / "out.npz") as found:
        predicted = found["pose3d"]
    assert main([*words, "--height", "1.75"]) == 0
    factor = 1.75 / stature(predicted)
    assert f"scaled by {factor:.3f} to a height of 1.75 m" in capsys.readouterr().out
    with np.load(tmp_path / "out.npz") as found:
        assert np.allclose(found["pose3d"], factor * predicted, atol=1e-5)
        assert stature(found["pose3d"]) == pytest.approx(1.75, abs=1e-4)
        assert json.loads(str(found["provenance"]))["stature_m"] == 1.75


def test_the_result_is_written_to_the_very_name_that_was_given(clip_file, tiny_weights, tmp_path):
    out = tmp_path / "result.diffpose"
    words = [*lift_words(clip_file, tiny_weights, out), "--steps", "1", "--hypotheses", "1"]
    assert main([*words, "--format", "npz"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["result.diffpose"]


def test_a_clip_is_put_on_the_floor_and_smoothed_where_that_is_asked_for(
    walking_clip, tiny_weights, tmp_path, capsys, monkeypatch
):
    save_clip(walking_clip, tmp_path / "walk.npz")

    def lifted(clip, *arguments, **settings):
        found = lift(clip, *arguments, **settings)
        return replace(found, pose3d=clip.pose3d_cam, root_cam=None, root_error_px=None)

    monkeypatch.setattr("diffpose_core.lifting.lift.lift", lifted)
    words = [*lift_words(tmp_path / "walk.npz", tiny_weights, tmp_path / "out.npz"), "--steps", "1"]
    assert main([*words, "--world", "--smooth", "6", "--height", "1.8", "--camera-tilt", "0"]) == 2
    assert "trained without the camera's tilt" in capsys.readouterr().err
    assert main([*words, "--world", "--smooth", "6", "--height", "1.8", "--focal", "1145"]) == 0
    assert "the frames do not agree on it" in capsys.readouterr().err
    with np.load(tmp_path / "out.npz") as found:
        pose, provenance = found["pose_world"], json.loads(str(found["provenance"]))
        assert found["standing"].shape == (len(walking_clip), 2) and found["standing"].any()
    assert abs(stature(pose) - 1.8) < 0.02 and abs(np.median(pose[:, [3, 6], 2].min(1))) < 0.15
    assert provenance["smoothed_hz"] == 6 and provenance["world"]["focal_px"] == 1145
    assert provenance["world"]["camera"] == "known"
    assert any("upright, the floor at 0" in line for line in provenance["about_world"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda words, tmp: words.extend(["--smooth", "99"]), "--smooth must lie between 0.5 and 30 Hz, found 99"),
        (lambda words, tmp: words.extend(["--focal", "1"]), "--focal must lie between 10 and 1,000,000 px, found 1"),
        (lambda words, tmp: words.__setitem__(1, str(tmp / "absent.npz")), "absent.npz: no such file"),
        (lambda words, tmp: words.extend(["--hypotheses", "0"]), "hypotheses must lie between 1 and 200, found 0"),
        (lambda words, tmp: words.extend(["--steps", "51"]), "--steps must lie between 1 and 50, found 51"),
        (lambda words, tmp: words.extend(["--height", "180"]), "height must lie between 0.3 and 3 m, found 180"),
        (lambda words, tmp: words.extend(["--height", "nan"]), "height must lie between 0.3 and 3 m, found nan"),
        (lambda words, tmp: words.extend(["--eta", "2"]), "eta must lie between 0 and 1"),
        (lambda words, tmp: words.extend(["--weights", str(tmp)]), "graformer.safetensors: no such checkpoint"),
        (lambda words, tmp: words.extend(["-o", str(tmp / "no" / "out.npz")]), "no such folder to write to"),
        (lambda words, tmp: words.extend(["-o", str(tmp), "--format", "npz"]), "can't be written"),
        (lambda words, tmp: words.extend(["-o", str(tmp / "out.fbx")]), "expected one of .bvh, .c3d, .csv"),
        (lambda words, tmp: words.extend(["--format", "fbx"]), "no export format 'fbx'; there are npz, json"),
    ],
)
def test_an_input_that_cannot_be_used_ends_with_2_and_the_reason(
    clip_file, tiny_weights, tmp_path, capsys, change, message
):
    words = lift_words(clip_file, tiny_weights, tmp_path / "out.npz")
    change(words, tmp_path)
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("diffpose: ") and message in printed.err
    assert "Traceback" not in printed.err and not (tmp_path / "out.npz").exists()


def test_a_command_that_is_stopped_says_so_and_writes_nothing(clip_file, tiny_weights, tmp_path, capsys, monkeypatch):
    def stopped(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("diffpose_core.lifting.lift.lift", stopped)
    assert main(lift_words(clip_file, tiny_weights, tmp_path / "out.npz")) == 130
    assert capsys.readouterr().err.strip() == "diffpose: stopped" and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "--data", "absent.npz", "--json", "no-such-folder/r.json"], "no such folder to write to"),
        (["detector-stats", "--data", "absent.npz"], "absent.npz: no such file"),
        (["make-data", "-o", "x.npz", "--clips", "0"], "--clips must lie between 1 and 1,000,000, found 0"),
        (["train", "graformer", "--data", "absent.npz", "--validation", "absent.npz"], "absent.npz: no such file"),
        (["train", "diffpose", "--data", "absent.npz", "--validation", "absent.npz"], "no such checkpoint"),
    ],
)
def test_other_commands_say_no_as_well(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_commands_that_do_not_exist(capsys):
    for words in ([], ["fly"], ["train", "nothing"], ["lift"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
    assert "usage: diffpose" in capsys.readouterr().err


def test_make_data_writes_motions(tmp_path, capsys):
    out = tmp_path / "data.npz"
    assert main(["make-data", "-o", str(out), "--clips", "3", "--seed", "2"]) == 0
    motions = load_mocap17(out)
    assert len(motions) == 3
    assert f"wrote {out}: 3 clips, {motions.num_frames} frames" in capsys.readouterr().out


def test_detector_stats_prints_json(tmp_path, capsys):
    out = tmp_path / "data.npz"
    main(["make-data", "-o", str(out), "--clips", "2"])
    capsys.readouterr()
    assert main(["detector-stats", "--data", str(out), "--clips", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["clips"] == 1


def test_commands_are_remembered_without_folders():
    words = ["train", "x", "--data", "/some/where/train.npz", "--runs", "runs", "--out=/some/where/x.safetensors"]
    assert without_folders(words) == ["train", "x", "--data", "train.npz", "--runs", "runs", "--out=x.safetensors"]


def test_help_answers_at_once_without_loading_torch():
    code = (
        "import sys; from diffpose_core.cli import parser; print(parser().format_help()); print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip().endswith("False")
    helped = subprocess.run(
        [sys.executable, "-m", "diffpose_core", "--help"], capture_output=True, text=True, timeout=60
    )
    assert helped.returncode == 0
    for command in ("train", "evaluate", "lift", "detector-stats", "make-clips", "make-data"):
        assert command in found.stdout and command in helped.stdout


@pytest.mark.parametrize(
    ("name", "format", "begins"),
    [("out.bvh", None, b"HIERARCHY"), ("out.csv", None, b"frame,time_s"), ("out.csv", "csv-wide", b"frame,time_s")],
)
def test_the_ending_or_the_option_decides_the_format(clip_file, tiny_weights, tmp_path, name, format, begins):
    words = [*lift_words(clip_file, tiny_weights, tmp_path / name), "--steps", "1"]
    assert main(words if format is None else [*words, "--format", format]) == 0
    content = (tmp_path / name).read_bytes()
    assert content.startswith(begins) and (b"Hip_x_right_m" in content) == (format == "csv-wide")
