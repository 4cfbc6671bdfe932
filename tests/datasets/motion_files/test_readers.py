"""Motion files of any format: frames, axes, sides, names of joints, and files that lie are refused."""

import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diffpose_core.datasets.mocap17 import load_mocap17
from diffpose_core.datasets.motion_files.amc import find_asf, read_amc, read_asf
from diffpose_core.datasets.motion_files.bvh import read_bvh
from diffpose_core.datasets.motion_files.convert import Settings, bending_sides, convert, read_clips, resampled
from diffpose_core.datasets.motion_files.joints import read_joint_file, side_and_part
from diffpose_core.skeleton import MIRROR
from diffpose_core.structures import InvalidInput
from tests.datasets.motion_files import bodies
from tests.datasets.motion_files.reading import ATOL_M, GOOD, assert_places, bvh_clip, saved


@pytest.mark.parametrize("hinges", [False, True], ids=["three axes", "one and two axes"])
def test_asf_and_amc_are_read_as_the_format_defines_them(hinges):
    asf, amc = bodies.asf_amc(24, hinges=hinges)
    assert (" dof rx\n" in asf) == hinges
    rig = read_amc(amc.encode(), "01_01.amc", read_asf(asf.encode(), "01.asf"))
    expected = bodies.asf_places(24, 120.0, hinges=hinges)
    assert rig.fps == 120.0 and rig.frames == 24 and rig.unit_m == pytest.approx(0.0254 / 0.45)
    for name, place in expected.items():
        if name in rig.names:
            found = rig.positions([rig.names.index(name)])[:, 0] * rig.unit_m * 100
            assert np.abs(found - place).max() < 1e-4, name
    clips, notes = convert(rig, "01_01.amc", Settings(min_seconds=0.1))
    bones = {1: "rfemur", 2: "rtibia", 3: "rfoot", 4: "lfemur", 5: "ltibia", 6: "lfoot", 8: "lowerneck", 9: "head",
             10: "head_end", 11: "lhumerus", 12: "lradius", 13: "lwrist", 14: "rhumerus", 15: "rradius",
             16: "rwrist"}  # fmt: skip
    for joint, bone in bones.items():
        place = expected[bone][::4]
        place = np.stack([place[:, 0], -place[:, 2], place[:, 1]], axis=1) / 100
        assert np.abs(clips[0].poses[:, joint] - place).max() < ATOL_M, bone
    assert notes == ["frame rate taken as 120 (AMC files don't say it; --fps)"]


def test_the_skeleton_of_an_amc_is_the_one_whose_name_it_begins_with(tmp_path):
    motion = tmp_path / "motions" / "01_02.amc"
    motion.parent.mkdir()
    with pytest.raises(InvalidInput, match=r"no skeleton; expected an \.asf file beside it"):
        find_asf(motion)
    (tmp_path / "only.asf").write_text("")
    assert find_asf(motion).name == "only.asf"
    (tmp_path / "other.asf").write_text("")
    with pytest.raises(InvalidInput, match=r"which of only.asf, other.asf is its skeleton"):
        find_asf(motion)
    for name in ("0.asf", "01.ASF", "02.asf"):
        (motion.parent / name).write_text("")
    assert find_asf(motion).name == "01.ASF"


def test_frames_are_taken_or_interpolated():
    def motion(fps, seconds=2.0):
        time = np.arange(int(fps * seconds))[:, None, None] / fps
        return np.sin(3 * time + np.arange(17)[:, None] + np.arange(3))

    for fps in (30.0, 60.0, 120.0, 1 / 0.0083333, 1 / 0.0333333):
        poses, notes = resampled(motion(fps), fps)
        assert notes == [] and np.allclose(poses, motion(30.0)[: len(poses)], atol=1e-3) and len(poses) >= 59
    for fps in (25.0, 50.0, 100.0, 24.0, 29.97, 240.0 / 7):
        poses, notes = resampled(motion(fps), fps)
        assert "interpolated" in notes[0] or fps == 29.97
        assert 57 <= len(poses) <= 60
        assert np.allclose(poses, motion(30.0)[: len(poses)], atol=2e-3)
    assert resampled(motion(30.0)[:1], 7.0)[0].shape == (1, 17, 3)


def test_a_file_that_stands_along_another_axis_is_refused_with_the_right_one():
    rig = read_bvh(bodies.bvh(bodies.FAMILIES["mixamo"], 40).encode(), "a.bvh")
    for up in ("x", "z"):
        with pytest.raises(InvalidInput, match=f"stands along y, not along {up}.*Give --up y"):
            convert(replace(rig, up=up), "a.bvh", Settings())
        right, _ = convert(replace(rig, up=up), "a.bvh", Settings(up="y"))
        assert np.array_equal(right[0].poses, convert(rig, "a.bvh", Settings())[0][0].poses)
    fallen = replace(rig, rotations={**rig.rotations, 0: Rotation.from_euler("x", 180, True) * rig.rotations[0]})
    with pytest.raises(InvalidInput, match="hangs upside down along y"):
        convert(fallen, "a.bvh", Settings())


def test_people_who_lie_are_taken_where_the_axis_is_given():
    rig = read_bvh(bodies.bvh(bodies.FAMILIES["mixamo"], 40).encode(), "a.bvh")
    lying = replace(rig, rotations={**rig.rotations, 0: Rotation.from_euler("x", 90, True) * rig.rotations[0]})
    with pytest.raises(InvalidInput, match=r"stands along z.* or --up y if they really lie"):
        convert(lying, "a.bvh", Settings())
    clips, notes = convert(lying, "a.bvh", Settings(up="y"))
    assert len(clips) == 1 and any("the person lies or bends" in note for note in notes)


def test_a_mirrored_file_is_refused():
    with pytest.raises(InvalidInput, match=r"knees bend backwards.*left and right are exchanged"):
        bvh_clip(mirrored=True)
    poses, _ = bvh_clip()
    mirrored = poses[:, list(MIRROR)]
    assert bending_sides(poses) > 0.02 and bending_sides(mirrored) == pytest.approx(-bending_sides(poses))


def test_left_and_right_are_told_in_real_motion(data_dir):
    motions = load_mocap17(data_dir / "mocap17_val.npz")
    evidence = np.array([bending_sides(motions.clip_world(clip).astype(np.float64)) for clip in range(len(motions))])
    assert (evidence > 0).all() and (evidence > 0.01).mean() > 0.95


def test_the_skeleton_at_rest_before_the_motion_is_left_out():
    text = bodies.bvh(bodies.FAMILIES["mixamo"], 40, fps=120.0)
    lines = text.replace("Frames: 40", "Frames: 41").splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("Frame Time"))
    rest = ["0", "92", "0"] + ["0"] * (len(lines[begin + 1].split()) - 3)
    both = "\n".join([*lines[: begin + 1], " ".join(rest), *lines[begin + 1 :]])
    settings = Settings(min_seconds=0.1)
    clips, notes = convert(read_bvh(both.encode(), "a.bvh"), "a.bvh", settings)
    plain, others = convert(read_bvh(text.encode(), "a.bvh"), "a.bvh", settings)
    assert np.array_equal(clips[0].poses, plain[0].poses)
    assert set(notes) - set(others) == {"the first frame, the skeleton at rest, was left out"}


def test_names_are_understood_in_any_spelling():
    for name, expected in {
        "LeftUpLeg": ("L", "upleg"), "mixamorig:RightArm": ("R", "arm"), "Bip001 L Thigh": ("L", "thigh"),
        "upper_arm.R": ("R", "upperarm"), "DEF-thigh.L": ("L", "thigh"), "l_hip": ("L", "hip"),
        "RFEMUR": ("R", "femur"), "lfemur": ("L", "femur"), "lowerback": ("", "lowerback"), "root": ("", "root"),
        "LowerBack": ("", "lowerback"), "ROOT": ("", "root"), "leg_left": ("L", "leg"),
        "Character1_LeftFoot": ("L", "foot"), "rShldr": ("R", "shldr"),
        "J_Bip_L_Foot": ("L", "foot"), "RHip": ("R", "hip"), "Hips": ("", "hips"), "Left ankle": ("L", "ankle"),
    }.items():  # fmt: skip
        assert side_and_part(name) == expected, name


STRANGE = {joint: f"b{number:02d}" for number, joint in enumerate(bodies.FAMILIES["mixamo"])}


def test_joints_with_other_names_are_asked_for_and_can_be_given():
    text = bodies.bvh(STRANGE, 20).encode()
    with pytest.raises(InvalidInput, match=r"not found among its joints: Hip, RHip, .*Its joints are b00, .*--joints"):
        convert(read_bvh(text, "a.bvh"), "a.bvh", Settings())
    names = ("Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "", "Thorax", "Neck/Nose", "Head", "LShoulder",
             "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist")  # fmt: skip
    words = [f'"{names[joint]}": "{STRANGE[own]}"' for joint, own in bodies.H36M.items()]
    given = read_joint_file(("{" + ", ".join(words) + "}").encode(), "map.json")
    clips, _ = convert(read_bvh(text, "a.bvh"), "a.bvh", Settings(joints=given))
    assert_places(clips[0].poses, bodies.h36m(bodies.places(20, 30.0)))
    spine = {**given, "Spine": (STRANGE["spine"], STRANGE["chest"])}
    clips, _ = convert(read_bvh(text, "a.bvh"), "a.bvh", Settings(joints=spine))
    place = (bodies.places(20, 30.0)["spine"] + bodies.places(20, 30.0)["chest"]) / 200
    assert np.abs(clips[0].poses[:, 7, 2] - place[:, 1]).max() < ATOL_M
    with pytest.raises(InvalidInput, match="--joints names 'nothing'"):
        convert(read_bvh(text, "a.bvh"), "a.bvh", Settings(joints={**given, "Hip": ("nothing",)}))


def test_names_that_are_misleading_are_noticed():
    names = bodies.FAMILIES["mixamo"] | {"l.shin": "RightLeg", "r.shin": "LeftLeg"}
    with pytest.raises(InvalidInput, match="RKnee was taken to be 'RightLeg', but it does not hang from RHip"):
        convert(read_bvh(bodies.bvh(names, 20).encode(), "a.bvh"), "a.bvh", Settings())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "expected an object"),
        (b"{}", "expected an object"),
        (b'{"Tail": "x"}', "'Tail' is no joint of Hip, RHip"),
        (b'{"Hip": 3}', "Hip: expected a joint's name"),
        (b'{"Hip": null}', "Hip: expected a joint's name"),
        (b'{"Hip": []}', "Hip: expected a joint's name"),
        (b"{" * 200, "nested"),
        (b'{"Hip": "' + b"x" * 200_000 + b'"}', "more than 100 kB"),
    ],
)
def test_what_is_wrong_with_a_joint_file_is_said(content, message):
    with pytest.raises(InvalidInput, match=message):
        read_joint_file(content, "map.json")


ASF, AMC = bodies.asf_amc(3)


@pytest.mark.parametrize(
    ("asf", "amc", "message"),
    [
        ("", AMC, "not an ASF skeleton; missing: :root, :bonedata, :hierarchy"),
        (ASF[: len(ASF) // 2], AMC, "missing: :hierarchy|it ends within a bone"),
        (ASF.replace("length 0.45", "length much"), AMC, "expected a number, found 'much'"),
        (ASF.replace("    dof rx ry rz", "    dof rx ry rx", 1), AMC, "degrees of freedom 'rx ry rx'"),
        (ASF.replace("name lfemur", "name ltibia"), AMC, "'ltibia' twice"),
        (ASF.replace("    ltibia lfoot", "    ltibia lfoot nothing"), AMC, "names 'nothing', which is no bone"),
        (ASF.replace("    ltibia lfoot", "    ltibia lfoot lfemur"), AMC, "hangs 'lfemur' from two bones"),
        (ASF.replace("     axis ", "     axis nan ", 1), AMC, "expected a number|an order of axes"),
        (ASF, "", "0 frames"),
        (ASF, AMC[:-40], "does not fit the skeleton|has no|something other"),
        (ASF, "\n".join(AMC.splitlines()[:-3]), "frame 3 has no"),
        (ASF, AMC.replace("lfemur ", "lfemurs ", 1), "'lfemurs .*does not fit the skeleton"),
        (ASF, AMC.replace("lfemur ", "lfemur nan 0 0\nx ", 1), "does not fit the skeleton"),
        (ASF, re.sub(r"lfemur \S+", "lfemur nan", AMC, count=1), "not finite, plausible numbers"),
        (ASF, re.sub(r"lfemur \S+", "lfemur one", AMC, count=1), "something other than numbers"),
        (ASF, re.sub(r"lfemur \S+", "lfemur", AMC, count=1), "does not fit the skeleton"),
        (ASF, "1\n" * 400_000, "has no 'root'"),
        (ASF, "root 0 0 0 0 0 0\n", "expected a frame's number"),
    ],
)
def test_what_is_wrong_with_asf_or_amc_is_said(asf, amc, message):
    with pytest.raises(InvalidInput, match=message):
        read_amc(amc.encode(), "01_01.amc", read_asf(asf.encode(), "01.asf"))


@pytest.mark.parametrize("kind", ["bvh", "amc", "asf", "npz"])
def test_damaged_files_are_read_or_refused_and_nothing_else(kind, tmp_path):
    generator = np.random.default_rng(7)
    model = tmp_path / "models" / "model.npz"
    model.parent.mkdir()
    np.savez(model, **bodies.body_model())
    content = {"bvh": GOOD.encode(), "amc": AMC.encode(), "asf": ASF.encode(), "npz": saved(bodies.amass(8))}
    settings = Settings(body_model=model, min_seconds=0)
    for number in range(60):
        damaged = bytearray(content[kind])
        for _ in range(generator.integers(1, 5)):
            at = int(generator.integers(len(damaged)))
            how = generator.integers(4)
            if how == 0:
                damaged[at] = int(generator.integers(256))
            elif how == 1:
                del damaged[at : at + int(generator.integers(1, 200))]
            elif how == 2:
                damaged[at:at] = damaged[max(0, at - 50) : at]
            else:
                damaged[at:at] = generator.choice([b"-", b"nan", b"{", b"}", b"1e99 ", b"\n", b"\0", b"999999999"])
            if not damaged:
                damaged = bytearray(b"x")
        for ending, plain in (("asf", content["asf"]), ("amc", content["amc"])):
            (tmp_path / f"01.{ending}").write_bytes(plain)
        path = Path(tmp_path, f"01.{kind}")
        path.write_bytes(bytes(damaged))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                clips, _ = read_clips(tmp_path / "01.amc" if kind == "asf" else path, settings)
            except InvalidInput as error:
                assert str(error), number
            else:
                assert all(np.isfinite(clip.poses).all() for clip in clips)


def test_files_that_are_too_large_or_are_something_else_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    path.write_bytes(saved({"x": np.zeros(3)}))
    with pytest.raises(InvalidInput, match=r"neither AMASS .* nor Mocap-17 .*; its arrays are x"):
        read_clips(path, Settings())
    with pytest.raises(InvalidInput, match="no such file"):
        read_clips(tmp_path / "absent.bvh", Settings())
    monkeypatch.setattr("diffpose_core.datasets.motion_files.convert.MAX_BYTES", 100)
    with pytest.raises(InvalidInput, match="the limit is"):
        read_clips(path, Settings())


def test_what_no_body_does_is_said():
    text = bodies.bvh(bodies.FAMILIES["mixamo"], 40, everywhere=True)
    lines = text.splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("Frame Time")) + 1
    numbers = lines[begin + 20].split()
    numbers[0] = "500"
    at = next(n for n in range(6, len(numbers), 6) if numbers[n : n + 3] == ["0.000000", "-42.000000", "0.000000"])
    numbers[at + 1] = "-50"
    lines[begin + 20] = " ".join(numbers)
    _, notes = convert(read_bvh("\n".join(lines).encode(), "a.bvh"), "a.bvh", Settings())
    assert any("bones stretch by up to 19 %" in note for note in notes)
    assert any("the pelvis jumps" in note for note in notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [(dict(unit="furlong"), "unit 'furlong'"), (dict(fps=0.0), "0 frames"), (dict(min_seconds=-1.0), "-1"),
     (dict(min_seconds=float("nan")), "nan")],
)  # fmt: skip
def test_settings_are_checked(options, message):
    with pytest.raises(InvalidInput, match=message):
        Settings(**options)
