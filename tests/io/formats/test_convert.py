"""From a file and a choice to a clip that can be lifted, and from there to 3D."""

import io
import json

import numpy as np
import pytest

from benchmarks.fuzz_readers import Maker, run
from benchmarks.fuzz_seeds import seeds
from benchmarks.pose_files import alphapose, detected, mmpose, openpose_frames, walking
from diffpose_core.cli import main
from diffpose_core.io.clips import clip_to_json, save_clip
from diffpose_core.io.formats import Choice, default_choice, read_pose_file, read_pose_path, to_clip
from diffpose_core.lifting.lift import lift
from diffpose_core.lifting.settings import LiftSettings
from diffpose_core.structures import InvalidInput

POSES = walking()


def person():
    found = detected(POSES, "COCO-17")
    found[3:6, 9, :2] = 0
    return found


def test_defaults_are_filled_in_for_a_person_to_see():
    poses = read_pose_file(alphapose([person()]), "walk.json")
    assert default_choice(poses) == Choice("", "1", "COCO-17", (1000, 1000), 30.0)
    assert default_choice(poses, Choice(fps=25.0)).fps == 25.0
    unnamed = read_pose_file(mmpose([person()]), "walk.json")
    assert default_choice(unnamed).layout is None, "to be confirmed"


@pytest.mark.parametrize(
    ("shift", "size"),
    [((0, 0), (1000, 1000)), ((700, 0), (1280, 720)), ((0, 900), (1080, 1920)), ((9000, 0), (9602, 698))],
)
def test_an_image_size_that_holds_the_person_is_proposed(shift, size):
    poses = read_pose_file(alphapose([detected(walking(2) + np.array(shift), "COCO-17")]), "walk.json")
    found = default_choice(poses).image_size
    assert found == size or (shift[0] == 9000 and found[0] > 9000)


def test_what_was_assumed_is_in_the_notes_and_in_the_clip():
    chosen = to_clip(read_pose_file(alphapose([person()], first=1), "dir/walk.json"))
    said = " ".join(chosen.notes)
    assert "30 frames a second are assumed" in said and "1000 x 1000 is assumed" in said and "frame is number 1" in said
    about = chosen.clip.provenance
    assert about["source"] == "walk.json" and about["format"] == "AlphaPose" and about["layout"] == "COCO-17"
    assert about["notes"] == list(chosen.notes) and json.dumps(dict(about))
    quiet = to_clip(read_pose_file(alphapose([person()]), "walk.json"), Choice(fps=25.0, image_size=(1920, 1080)))
    assert not any("assumed" in note for note in quiet.notes)
    assert (quiet.clip.fps, quiet.clip.width, quiet.clip.height) == (25.0, 1920, 1080)


def test_a_person_who_is_there_for_a_while_gives_a_clip_of_that_while():
    short = detected(POSES, "COCO-17")
    short[:4], short[9:], short[6] = np.nan, np.nan, np.nan
    chosen = to_clip(read_pose_file(alphapose([detected(POSES + 300, "COCO-17"), short]), "a.json"), Choice(track="2"))
    assert (chosen.first_frame, len(chosen.clip)) == (4, 5)
    assert np.flatnonzero(chosen.clip.guessed.all(1)).tolist() == [2]
    assert any("in frames 4 to 8 of 12" in note for note in chosen.notes)
    assert np.isnan(chosen.source_px[2]).all() and chosen.source_px.shape == (5, 17, 2)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(clip="x"), "no clip 'x'; there are: ''"),
        (Choice(track="9"), "no person '9' in this clip; there are: '1'"),
        (Choice(layout="Halpe-26"), "the joint order 'Halpe-26' doesn't fit; possible: 'COCO-17', 'Human3.6M-17'"),
        (Choice(fps=0.0), "frames a second must lie between 0.1 and 10,000, found 0"),
        (Choice(fps=float("nan")), "frames a second must lie between 0.1 and 10,000"),
        (Choice(fps=-5.0), "frames a second must lie between 0.1 and 10,000"),
        (Choice(image_size=(0, 10)), r"image size must lie between 1 and 1,000,000 pixels, found \(0, 10\)"),
        (Choice(image_size=(10, 10**7)), "image size must lie between 1 and 1,000,000 pixels"),
    ],
)
def test_choices_that_do_not_fit_are_refused(choice, message):
    poses = read_pose_file(alphapose([person()]), "a.json")
    with pytest.raises(InvalidInput, match=message):
        to_clip(poses, choice)


def test_names_of_joint_orders_may_be_short():
    poses = read_pose_file(mmpose([person()]), "a.json")
    for name in ("coco", "COCO-17", "coco_17"):
        assert to_clip(poses, Choice(layout=name)).layout.name == "COCO-17"
    assert to_clip(poses, Choice(layout="h36m")).layout.name == "Human3.6M-17"


@pytest.mark.parametrize("form", ["npz", "json"])
def test_our_own_clips_come_back_whole(walking_clip, form):
    clip = walking_clip.frames(slice(6))
    content = io.BytesIO()
    save_clip(clip, content)
    poses = read_pose_file(content.getvalue() if form == "npz" else clip_to_json(clip), "own")
    assert not poses.needs_confirmation and default_choice(poses).fps == clip.fps
    chosen = to_clip(poses)
    assert np.allclose(chosen.clip.mixture.means_px, clip.mixture.means_px, atol=1e-3)
    assert np.allclose(chosen.clip.pose3d_cam, clip.pose3d_cam, atol=1e-4) and chosen.clip.intrinsics == clip.intrinsics
    assert to_clip(poses, Choice(fps=12.0)).clip.fps == 12.0


def test_a_clip_with_guesses_survives_being_saved():
    chosen = to_clip(read_pose_file(alphapose([person()]), "a.json")).clip
    again = to_clip(read_pose_file(clip_to_json(chosen), "b.json")).clip
    assert np.array_equal(again.guessed, chosen.guessed) and again.guessed.sum() == 3
    assert np.allclose(again.mixture.variances_px2, chosen.mixture.variances_px2, rtol=1e-3)


@pytest.mark.parametrize("name", sorted(seeds()))
def test_every_format_can_be_lifted(name, tiny_models):
    poses = read_pose_file(seeds()[name], name)
    clip = to_clip(poses, Choice(layout=poses.layouts[0].layout.name)).clip
    result = lift(clip, tiny_models, LiftSettings(steps=1, hypotheses=1))
    assert result.pose3d.shape == (len(clip), 17, 3) and np.isfinite(result.pose3d).all()


def test_place_and_size_in_the_image_do_not_matter(tiny_models):
    def lifted(points):
        found = detected(POSES, "COCO-17")
        found[..., :2] = points(found[..., :2])
        found[3:6, [9, 13], :2] = 0
        clip = to_clip(read_pose_file(alphapose([found]), "a.json"), Choice(image_size=(2000, 2000))).clip
        assert clip.guessed.sum() == 6
        # In float32: untrained networks throw joints metres far, and bfloat16's rounding with them.
        return lift(clip, tiny_models, LiftSettings(steps=2, hypotheses=2, mixed_precision=False)).pose3d

    straight = lifted(lambda p: p)
    for change in (lambda p: p + np.array([400, 0]), lambda p: 2 * p, lambda p: p / 4 + 100):
        assert np.linalg.norm(lifted(change) - straight, axis=-1).max() < 0.001, "under a millimetre"


def test_the_command_line_reads_every_format_and_says_what_it_assumed(tiny_weights, tmp_path, capsys):
    (tmp_path / "walk.json").write_bytes(mmpose([person(), detected(POSES + 300, "COCO-17")]))
    words = ["lift", str(tmp_path / "walk.json"), "-o", str(tmp_path / "out.npz"), "--weights", str(tiny_weights),
             "--steps", "1", "--hypotheses", "1"]  # fmt: skip
    assert main(words) == 2
    assert "nothing in the file says which joint order it is" in capsys.readouterr().err
    assert main([*words, "--layout", "coco", "--track", "2", "--fps", "25", "--image-size", "1280x720"]) == 0
    said = capsys.readouterr().err
    assert "followed from frame to frame" in said and "assumed" not in said
    assert main([*words, "--layout", "coco", "--image-size", "wide"]) == 2
    assert "--image-size must be WIDTHxHEIGHT in pixels, such as 1920x1080; found wide" in capsys.readouterr().err


def test_a_folder_of_openpose_files_and_paths_that_are_none(tmp_path):
    for name, content in openpose_frames([detected(POSES, "BODY_25 (OpenPose)")]).items():
        (tmp_path / name).write_bytes(content)
    assert read_pose_path(tmp_path).clip().num_frames == 12
    with pytest.raises(InvalidInput, match="no such file"):
        read_pose_path(tmp_path / "absent.json")


def test_mutated_files_of_every_format_are_read_or_refused():
    """The long run of `benchmarks/fuzz_readers.py` in small."""
    tally = run(seed=1, numbers=range(1500), seconds=10.0)
    assert not tally.failures, "\n".join(tally.failures[:5])
    assert tally.read > 200 and tally.refused > 200 and set(tally.by_seed) == set(Maker(1).files)
