"""Everybody of a file in one scene."""

import numpy as np

from app.figures.everybody import MOST_FRAMES, Placed, everybody
from app.stage.payload import unpack
from diffpose_core.structures import LiftResult, WorldMotion


def placed(frames, first_frame, shift):
    pose = np.zeros((frames, 17, 3), np.float32)
    pose[..., 2] = np.linspace(0, 1.7, 17)
    pose[..., 0] = shift + 0.01 * np.arange(frames)[:, None]
    none = np.zeros((frames, 0, 17, 3), np.float32)
    joints = np.zeros((frames, 17), np.float32)
    world = WorldMotion(pose, np.zeros((frames, 2), bool))
    nobody = np.zeros(frames, bool)
    return Placed(LiftResult(pose, none, joints, joints > 0, nobody, pose, 30.0, {}, world=world), first_frame)


def test_people_are_where_and_when_they_are_seen():
    header, arrays = unpack(everybody({"1": placed(30, 5, 0.0), "b": placed(10, 20, 3.0)}, "s", "c", 16, ["Note."]))
    assert header["axes"]["frame"]["values"] == list(range(30)) and header["axes"]["frame"]["initial"] == 16
    assert [layer["label"] for layer in header["panels"][0]["layers"]] == ["Person 1", "Person b"]
    assert np.isfinite(arrays["person0"]).all()
    assert np.isfinite(arrays["person1"][:, 0, 0]).tolist() == [False] * 15 + [True] * 10 + [False] * 5
    assert np.isclose(arrays["person1"][15, 0, 0], 3.0) and "Note." in header["line"]
    lo, hi = (np.array(header["bounds"][side]) for side in ("lo", "hi"))
    both = np.concatenate([arrays["person0"].reshape(-1, 3), arrays["person1"].reshape(-1, 3)])
    assert (lo < np.nanmin(both, axis=0)).all() and (hi > np.nanmax(both, axis=0)).all()
    assert header["bounds"]["floor"] == 0.0


def test_long_files_are_thinned():
    header, _ = unpack(everybody({"1": placed(3000, 0, 0.0)}, "s", "c", 1500, []))
    frames = header["axes"]["frame"]["values"]
    assert len(frames) <= MOST_FRAMES and np.unique(np.diff(frames)).tolist() == [5]
    assert frames[header["axes"]["frame"]["initial"]] == 1500
