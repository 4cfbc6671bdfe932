"""JSON formats: what detectors write comes back as people, with what was assumed said."""

import numpy as np
import pytest

from benchmarks.pose_files import alphapose, detected, openpose_frames, walking, zipped
from diffpose_core.io.formats import LAYOUTS, Choice, read_pose_file, read_pose_files, to_clip

POSES = walking()


@pytest.mark.parametrize("layout", ["COCO-17", "Halpe-26", "Halpe-136"])
def test_alphapose_in_each_of_its_joint_orders(layout):
    poses = read_pose_file(alphapose([detected(POSES, layout)]), "alphapose-results.json")
    assert (poses.format, poses.layouts[0].layout.name) == ("AlphaPose", layout)
    assert not poses.needs_confirmation and poses.coordinates == "pixels"
    chosen = to_clip(poses)
    assert np.allclose(chosen.clip.keypoints_px[:, [1, 2, 3, 11, 12, 13]], POSES[:, [1, 2, 3, 11, 12, 13]], atol=1e-3)
    assert chosen.layout is LAYOUTS[layout] and not chosen.clip.guessed.any()


@pytest.mark.parametrize("layout", ["BODY_25 (OpenPose)", "COCO-18 (OpenPose)", "Halpe-26"])
@pytest.mark.parametrize("way", ["zip", "files", "one"])
def test_openpose_as_archive_as_many_files_and_as_a_single_one(layout, way):
    files = openpose_frames([detected(POSES, layout)])
    if way == "zip":
        poses = read_pose_file(zipped({f"out/{name}": content for name, content in files.items()}), "openpose.zip")
    elif way == "files":
        poses = read_pose_files(dict(reversed(files.items())))
    else:
        poses = read_pose_files(dict(list(files.items())[:1]))
    assert (poses.format, poses.layouts[0].layout.name) == ("OpenPose", layout)
    clip = to_clip(poses).clip
    assert len(clip) == (1 if way == "one" else len(POSES))
    assert np.allclose(clip.keypoints_px[:, [1, 6, 13, 16]], POSES[: len(clip), [1, 6, 13, 16]], atol=1e-3)


def test_the_file_s_own_identities_are_kept_and_the_longest_person_leads():
    short = detected(POSES + 200, "COCO-17")
    short[6:] = np.nan
    poses = read_pose_file(alphapose([short, detected(POSES, "COCO-17")]), "a.json")
    assert [(track.key, len(track)) for track in poses.clip().tracks] == [("2", 12), ("1", 6)]
    assert np.allclose(to_clip(poses, Choice(track="1")).clip.keypoints_px[0, 11], POSES[0, 11] + 200)


def test_people_without_identities_are_followed_also_where_they_cross():
    left, right = detected(walking(30, 12.0), "COCO-17"), detected(walking(30, -12.0) + np.array([300, 60]), "COCO-17")
    content = alphapose([left, right], ids=False).replace(b'"category_id"', b'"kind"')
    tracks = read_pose_file(content, "a.json").clip().tracks
    assert [len(track) for track in tracks] == [30, 30]
    found = sorted((track.keypoints for track in tracks), key=lambda k: k[0, 0, 0])
    assert np.allclose(found[0], left[..., :2], atol=1e-2) and np.allclose(found[1], right[..., :2], atol=1e-2)
