"""AMASS: bodies of a model, shape and gender, and what is wrong with a clip or a model."""

import numpy as np
import pytest

from diffpose_core.datasets.motion_files.amass import load_body_model, read_amass
from diffpose_core.datasets.motion_files.convert import Settings, convert
from diffpose_core.skeleton import bone_lengths
from diffpose_core.structures import InvalidInput
from tests.datasets.motion_files import bodies
from tests.datasets.motion_files.reading import assert_places, saved


@pytest.fixture
def body_model(tmp_path):
    path = tmp_path / "models" / "model.npz"
    path.parent.mkdir()
    np.savez(path, **bodies.body_model())
    return path


def test_amass_with_a_body_model_has_the_joints_of_that_body(body_model):
    rig = read_amass(saved(bodies.amass(48)), "a_poses.npz", body_model)
    clips, notes = convert(rig, "a_poses.npz", Settings(min_seconds=0.1))
    expected = {joint: place[::4] for joint, place in bodies.h36m(bodies.places(48, 120.0)).items()}
    assert_places(clips[0].poses, expected)
    assert notes == []
    newer = bodies.amass(48, poses=None, mocap_framerate=None, mocap_frame_rate=np.array(120.0))
    poses = bodies.amass(48)["poses"]
    newer |= {"root_orient": poses[:, :3], "pose_body": poses[:, 3:66]}
    clips2, _ = convert(read_amass(saved(newer), "a.npz", body_model), "a.npz", Settings(min_seconds=0.1))
    assert np.array_equal(clips2[0].poses, clips[0].poses)


def test_shape_and_gender_choose_the_body(tmp_path):
    for gender, joints in (("male", 24), ("neutral", 55)):
        (tmp_path / gender).mkdir()
        model = bodies.body_model(joints)
        model["v_template"] = model["v_template"] * (1.1 if gender == "male" else 1.0)
        np.savez(tmp_path / gender / "model.npz", **model)

    def thigh(**changes):
        rig = read_amass(saved(bodies.amass(12, **changes)), "a.npz", tmp_path)
        clips, notes = convert(rig, "a.npz", Settings(min_seconds=0))
        return bone_lengths(clips[0].poses)[:, 1].mean(), notes

    neutral = thigh(gender=np.array("neutral"))
    assert neutral[0] == pytest.approx(0.42, abs=1e-4) and neutral[1] == []
    assert thigh(gender=np.array(b"male"))[0] == pytest.approx(0.42 * 1.1, abs=1e-4)
    tall = thigh(gender=np.array("neutral"), betas=np.array([2.0, *[0.0] * 9]))
    assert tall[0] == pytest.approx(0.42 * 1.1, abs=1e-4)
    unknown = thigh(gender=np.array("someone"))
    assert unknown[0] == neutral[0] and "neutral body model" in unknown[1][0]
    with pytest.raises(InvalidInput, match=r"no body model for 'female'; expected female/model.npz"):
        thigh(gender=np.array("female"))


def test_amass_without_a_body_model_says_what_is_needed():
    with pytest.raises(InvalidInput, match=r"places of joints\. Give the model.*--body-model.*SMPL-H"):
        read_amass(saved(bodies.amass(12)), "a.npz", None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(trans=None), "trans must be an array of numbers"),
        (dict(poses=np.zeros((120, 63))), r"expected poses \(F, 66 or more\)"),
        (dict(trans=np.zeros((119, 3))), r"found \(120, 156\) and \(119, 3\)"),
        (dict(poses=np.full((120, 156), np.nan)), "poses are not finite"),
        (dict(trans=np.full((120, 3), 1e12)), "trans are not finite, plausible numbers"),
        (dict(poses=np.array([{}], dtype=object)), "pickled objects"),
        (dict(gender=np.array(None, dtype=object)), "pickled objects"),
        (dict(mocap_framerate=None), "no mocap_framerate; give --fps"),
        (dict(mocap_framerate=np.array(0.0)), "0 frames a second"),
        (dict(mocap_framerate=np.array(np.nan)), "nan frames a second"),
        (dict(betas=np.full(16, 1e6)), "betas"),
        (dict(poses=np.zeros((0, 156)), trans=np.zeros((0, 3))), "0 frames"),
    ],
)
def test_what_is_wrong_with_a_clip_of_amass_is_said(body_model, changes, message):
    with pytest.raises(InvalidInput, match=message):
        read_amass(saved(bodies.amass(**changes)), "a.npz", body_model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(J_regressor=None), "not a body model; missing: J_regressor"),
        (dict(shapedirs=np.zeros((5, 3, 10))), "don't fit together"),
        (dict(kintree_table=np.zeros((2, 52), np.int64)), "joints in another order"),
        (dict(v_template=np.full((23, 3), np.inf)), "not finite"),
        (dict(J_regressor=np.array(["x"])), "J_regressor must hold numbers"),
        (dict(J_regressor=np.array([{}], dtype=object)), "pickled objects"),
    ],
)
def test_what_is_wrong_with_a_body_model_is_said(tmp_path, changes, message):
    arrays = {key: value for key, value in {**bodies.body_model(), **changes}.items() if value is not None}
    path = tmp_path / "model.npz"
    np.savez(path, **arrays)
    with pytest.raises(InvalidInput, match=message):
        load_body_model(path, "neutral")
