"""Every export is read back, by a reader of its format, to what was lifted."""

import io
import json
import re
from dataclasses import replace

import ezc3d
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from diffpose_core.io.exports import EXPORTS, export_bytes, file_stem, format_of_ending
from diffpose_core.io.frame import FILE_JOINT_NAMES, describe, in_y_up, positions_y_up
from diffpose_core.joint_angles import MEANINGS, joint_angles
from diffpose_core.lifting.stature import scaled_to_stature
from diffpose_core.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS
from diffpose_core.structures import InvalidInput, WorldMotion
from tests.io.exports.results import MM, made_result


def test_trc_passes_what_opensim_checks(result):
    content, name = export_bytes(result, "trc")
    lines = content.decode("ascii").split("\n")
    keys = ["DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame",
            "OrigNumFrames"]  # fmt: skip
    assert name == "walk.trc" and lines[0].split("\t")[0] == "PathFileType" and lines[1].split("\t") == keys
    values = dict(zip(keys, lines[2].split("\t"), strict=True))
    assert float(values["DataRate"]) == 29.97 and values["Units"] == "m" and values["NumMarkers"] == "17"
    assert [label for label in lines[3].split("\t") if label] == ["Frame#", "Time", *FILE_JOINT_NAMES]
    expected = [f"{axis}{marker}" for marker in range(1, 18) for axis in "XYZ"]
    assert [label for label in lines[4].split("\t") if label] == expected
    columns = [lines[4].split("\t").index(f"X{marker}") for marker in range(1, 18)]
    assert columns == [lines[3].split("\t").index(name) for name in FILE_JOINT_NAMES], "names stand over their columns"
    assert lines[5] == "" and lines[-1] == ""
    rows = np.array([line.split("\t") for line in lines[6:-1]], dtype=float)
    assert rows.shape == (len(result), 2 + 51) and len(rows) == int(values["NumFrames"])
    assert np.array_equal(rows[:, 0], np.arange(1, len(result) + 1))
    assert np.allclose(rows[:, 1], np.arange(len(result)) / 29.97, atol=1e-6)
    assert np.abs(rows[:, 2:].reshape(-1, 17, 3) - positions_y_up(result)).max() < 0.1 * MM


def test_c3d_is_read_back_by_its_library(result, tmp_path):
    content, name = export_bytes(result, "c3d")
    path = tmp_path / name
    path.write_bytes(content)
    found = ezc3d.c3d(str(path))
    point = {key: entry["value"] for key, entry in found["parameters"]["POINT"].items() if key != "__METADATA__"}
    assert name == "walk.c3d" and point["UNITS"] == ["mm"] and point["LABELS"] == list(FILE_JOINT_NAMES)
    assert point["X_SCREEN"] == ["+X"] and point["Y_SCREEN"] == ["+Y"] and np.isclose(point["RATE"][0], 29.97)
    points = found["data"]["points"][:3].transpose(2, 1, 0)
    assert np.abs(points / 1000 - positions_y_up(result)).max() < 0.1 * MM
    about = "".join(found["parameters"]["DIFFPOSE"]["README"]["value"])
    assert "Units: millimetres." in about and "16 RWrist" in about and "29.97" in about


def test_c3d_says_how_many_frames_it_holds(walking):
    long = made_result(np.broadcast_to(walking[:1], (65_536, 17, 3)), hypotheses=0)
    with pytest.raises(InvalidInput, match="up to 65,535 frames, found 65,536"):
        export_bytes(long, "c3d")


def test_npz_holds_everything(result):
    content, name = export_bytes(result, "npz")
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        for key in ("pose3d", "hypotheses", "joint_std", "baseline"):
            assert np.array_equal(found[key], getattr(result, key))
        assert ("root_cam" in found.files) == (result.root_cam is not None)
        if result.root_cam is not None:
            assert np.allclose(found["root_cam"], result.root_cam, atol=1e-5)
            assert np.allclose(found["root_error_px"], result.root_error_px, atol=1e-4)
        assert ("expected_error" in found.files) == (result.expected_error is not None)
        if result.expected_error is not None:
            assert np.array_equal(found["expected_error"], result.expected_error)
            assert np.array_equal(found["unlike"], result.unlike) and found["unlike"].dtype == bool
        else:
            assert "unlike" not in found.files
        for key in ("guessed", "other_person"):
            assert np.array_equal(found[key], getattr(result, key)) and found[key].dtype == bool
        assert found["fps"] == 29.97 and list(found["joint_names"]) == list(FILE_JOINT_NAMES)
        provenance = json.loads(str(found["provenance"]))
    assert name == "walk.npz" and provenance["settings"]["seed"] == 3
    assert "Axes: x right, y down, z forward" in "".join(provenance["about"])


def test_npz_without_hypotheses_has_no_empty_array(walking):
    with np.load(io.BytesIO(export_bytes(made_result(walking, hypotheses=0), "npz")[0])) as found:
        assert "hypotheses" not in found.files and "pose3d" in found.files


def test_json_names_all_that_it_holds(result):
    content, name = export_bytes(result, "json")
    found = json.loads(content)
    assert name == "walk.json" and found["units"] == "metres" and found["fps"] == 29.97
    assert found["axes"] == {"x": "right", "y": "down", "z": "forward"}
    assert found["joint_names"] == list(FILE_JOINT_NAMES) and found["joint_parents"] == list(PARENTS)
    assert np.abs(np.array(found["pose3d"]) - result.pose3d).max() < 0.01 * MM
    assert np.abs(np.array(found["joint_std"]) - result.joint_std).max() < 0.01 * MM
    assert np.array_equal(np.array(found["guessed"]) == 1, result.guessed)
    assert np.array_equal(np.array(found["other_person"]) == 1, result.other_person)
    assert found["num_frames"] == len(result) and ("root_cam" in found) == (result.root_cam is not None)
    if result.root_cam is not None:
        assert np.abs(np.array(found["root_cam"]) - result.root_cam).max() < 0.01 * MM
    assert ("expected_error" in found) == (result.expected_error is not None)
    if result.expected_error is not None:
        assert np.abs(np.array(found["expected_error"]) - result.expected_error).max() < 0.01 * MM
        assert np.array_equal(np.array(found["unlike"]) == 1, result.unlike)


def test_long_csv(result):
    content, name = export_bytes(result, "csv")
    table = pd.read_csv(io.BytesIO(content))
    assert name == "walk-long.csv" and len(table) == 17 * len(result)
    assert list(table.joint[:17]) == list(FILE_JOINT_NAMES) and set(table.fps) == {29.97}
    xyz = table[["x_right_m", "y_down_m", "z_forward_m"]].to_numpy().reshape(-1, 17, 3)
    assert np.abs(xyz - result.pose3d).max() < 0.01 * MM
    assert np.abs(table.std_m.to_numpy().reshape(-1, 17) - result.joint_std).max() < 0.01 * MM
    assert np.array_equal(table.guessed.to_numpy().reshape(-1, 17) == 1, result.guessed)
    assert np.array_equal(table.other_person == 1, np.repeat(result.other_person, 17))
    assert np.array_equal(table.frame, np.repeat(np.arange(len(result)), 17))
    assert np.allclose(table.time_s, table.frame / 29.97, atol=1e-6)
    assert ("root_x_right_m" in table) == (result.root_cam is not None)
    assert ("expected_error_m" in table) == (result.expected_error is not None)
    if result.expected_error is not None:
        assert np.array_equal(table.unlike == 1, np.repeat(result.unlike, 17))
        found = table.expected_error_m.to_numpy().reshape(-1, 17)
        assert np.abs(found - result.expected_error).max() < 0.01 * MM


def test_wide_csv(result):
    content, name = export_bytes(result, "csv-wide")
    table = pd.read_csv(io.BytesIO(content))
    assert name == "walk-wide.csv" and list(table.frame) == list(range(len(result))) and set(table.fps) == {29.97}
    assert np.array_equal(table.other_person == 1, result.other_person)
    for joint, joint_name in enumerate(FILE_JOINT_NAMES):
        columns = [f"{joint_name}_{axis}_m" for axis in ("x_right", "y_down", "z_forward")]
        assert np.abs(table[columns].to_numpy() - result.pose3d[:, joint]).max() < 0.01 * MM
        assert np.array_equal(table[f"{joint_name}_guessed"] == 1, result.guessed[:, joint])
        assert np.abs(table[f"{joint_name}_std_m"] - result.joint_std[:, joint]).max() < 0.01 * MM
        if result.expected_error is not None:
            found = table[f"{joint_name}_expected_error_m"]
            assert np.abs(found - result.expected_error[:, joint]).max() < 0.01 * MM
    if result.root_cam is not None:
        root = table[["root_x_right_m", "root_y_down_m", "root_z_forward_m"]]
        assert np.abs(root.to_numpy() - result.root_cam).max() < 0.01 * MM


def test_angles_are_those_of_the_written_pose(result):
    content, name = export_bytes(result, "csv-angles")
    table = pd.read_csv(io.BytesIO(content))
    found = joint_angles(positions_y_up(result))
    assert name == "walk-angles.csv" and list(table)[4:] == [f"{name}_deg" for name in MEANINGS]
    assert np.array_equal(table.other_person == 1, result.other_person)
    for angle, values in found.items():
        assert np.allclose(table[f"{angle}_deg"], values, atol=1e-3, equal_nan=True), angle
    assert np.allclose(table.time_s, table.frame / 29.97, atol=1e-6)


def test_mot_is_read_as_opensim_reads_it_and_stands_where_the_person_stands(result):
    content, name = export_bytes(result, "mot")
    head, _, body = content.decode("ascii").partition("endheader\n")
    assert name == "walk.mot" and head.splitlines()[1:] == [
        "version=1", f"nRows={len(result)}", "nColumns=26", "inDegrees=yes"
    ]  # fmt: skip
    table = pd.read_csv(io.StringIO(body), sep="\t")
    assert len(table) == len(result) and table.shape[1] == 26 and np.isfinite(table.to_numpy()).all()
    pelvis = Rotation.from_euler("ZXY", table[["pelvis_tilt", "pelvis_list", "pelvis_rotation"]], degrees=True)
    at = table[["pelvis_tx", "pelvis_ty", "pelvis_tz"]].to_numpy()
    pose = positions_y_up(result)
    assert np.abs(at + pelvis.apply([-0.0563, -0.0785, 0.0]) - pose[:, 0]).max() < 1e-4
    # Forward kinematics of a leg and an arm, by the model's own axes.
    for letter, mirror, hip, knee, shoulder, elbow in (("r", 1, 1, 2, 14, 15), ("l", -1, 4, 5, 11, 12)):
        back = pelvis * Rotation.from_euler(
            "ZXY", table[["lumbar_extension", "lumbar_bending", "lumbar_rotation"]], degrees=True
        )
        for parent, names, top, end in (
            (pelvis, ("hip_flexion", "hip_adduction", "hip_rotation"), hip, knee),
            (back, ("arm_flex", "arm_add", "arm_rot"), shoulder, elbow),
        ):
            angles = table[[f"{name}_{letter}" for name in names]].to_numpy() * [1, mirror, mirror]
            seen = (parent * Rotation.from_euler("ZXY", angles, degrees=True)).apply([0.0, -1.0, 0.0])
            bone = pose[:, end] - pose[:, top]
            assert np.abs(seen - bone / np.linalg.norm(bone, axis=-1, keepdims=True)).max() < 1e-4


def test_angles_of_poses_that_no_body_takes():
    still = made_result(np.zeros((3, 17, 3)))
    assert b"nan" not in export_bytes(still, "mot")[0] and export_bytes(still, "csv-angles")[0].count(b"\n") == 4


@pytest.mark.parametrize("name", list(EXPORTS))
def test_every_format_writes_one_frame_and_describes_itself(name, walking):
    content, file_name = export_bytes(made_result(walking[:1], fps=1e-3), name)
    assert content and file_name.startswith("walk")
    form = EXPORTS[name]
    assert form.label and re.fullmatch(r"[A-Z][^\n]*\.", form.description)
    assert format_of_ending("a/b.c/X" + form.ending.upper()) == name.partition("-")[0]


def test_the_same_result_gives_the_same_bytes(walking):
    # Recordings hold numbers of their own for every row.
    for name in set(EXPORTS) - {"npz", "rrd"}:
        assert export_bytes(made_result(walking), name)[0] == export_bytes(made_result(walking), name)[0], name


def test_the_world_frame_is_written_beside_the_camera_frame(result):
    tables = {name: pd.read_csv(io.BytesIO(export_bytes(result, name)[0])) for name in ("csv", "csv-wide")}
    whole = json.loads(export_bytes(result, "json")[0])
    with np.load(io.BytesIO(export_bytes(result, "npz")[0])) as found:
        arrays = dict(found)
    if result.world is None:
        assert not {"pose_world", "standing"} & {*arrays, *whole}
        assert not any("world" in column or "stands" in column for t in tables.values() for column in t)
        return
    assert np.array_equal(arrays["pose_world"], result.world.pose)
    assert np.array_equal(arrays["standing"], result.world.standing)
    assert np.abs(np.array(whole["pose_world"]) - result.world.pose).max() < 0.01 * MM
    assert whole["axes_world"] == {"x": "right", "y": "away", "z": "up"}
    about = " ".join(whole["about_world"])
    assert "upright, the floor at 0" in about and "The camera is not known." in about and "held" in about
    columns = ["world_x_right_m", "world_y_away_m", "world_z_up_m"]
    assert np.abs(tables["csv"][columns].to_numpy().reshape(-1, 17, 3) - result.world.pose).max() < 0.01 * MM
    wide = tables["csv-wide"]
    assert np.abs(wide[[f"LFoot_{c}" for c in columns]].to_numpy() - result.world.pose[:, 6]).max() < 0.01 * MM
    assert np.array_equal(wide[["right_foot_stands", "left_foot_stands"]] == 1, result.world.standing)


def test_the_world_in_y_up_has_its_height_in_y(walking):
    pose = np.zeros((1, 17, 3), np.float32)
    pose[:] = (1.0, 2.0, 3.0)
    world = replace(made_result(walking[:1]), world=WorldMotion(pose, np.zeros((1, 2), bool)))
    assert positions_y_up(world)[0, 0].tolist() == [1.0, 3.0, -2.0]


def test_y_up_is_a_turn_and_no_mirror_image():
    axes = in_y_up(np.eye(3))
    assert np.isclose(np.linalg.det(axes), 1) and np.allclose(axes, np.diag([1, -1, -1]))


def test_joint_names_in_files_are_plain(walking):
    assert len(set(FILE_JOINT_NAMES)) == NUM_JOINTS and all(re.fullmatch(r"[A-Za-z_]+", n) for n in FILE_JOINT_NAMES)
    assert [n for n, m in zip(FILE_JOINT_NAMES, JOINT_NAMES, strict=True) if n != m] == ["Neck_Nose"]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("walk", "walk"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\x\\y", "C-x-y"),
        ("", "clip"),
        ("...", "clip"),
        ("Täter 2", "T-ter-2"),
        ("x" * 300, "x" * 80),
        ("a\nb\x00c", "a-b-c"),
    ],
)
def test_file_names_are_safe_everywhere(name, stem, walking):
    assert file_stem(name) == stem
    assert export_bytes(made_result(walking[:1], clip=name), "trc")[1] == stem + ".trc"


def test_formats_that_do_not_exist(walking):
    with pytest.raises(InvalidInput, match="no export format 'fbx'; there are npz, json, csv, csv-wide"):
        export_bytes(made_result(walking[:1]), "fbx")
    for name in ("out.fbx", "out", "x.bvh/out"):
        with pytest.raises(
            InvalidInput, match=r"the ending names no export format; expected one of \.bvh, \.c3d, \.csv"
        ):
            format_of_ending(name)


def test_files_say_how_many_frames_show_somebody_else(walking):
    other = np.isin(np.arange(len(walking)), [12, 13, 30])
    result = replace(made_result(walking), other_person=other)
    said = f"Frames that seem to show somebody else: 3 of {len(walking)}, the first is 12."
    assert said in describe(result, "cam") and said.encode() in export_bytes(result, "glb")[0]
    assert "somebody else" not in "".join(describe(replace(result, other_person=~other & other), "cam"))


def test_files_say_whether_the_person_was_scaled(walking):
    result = made_result(walking)
    assert any("as predicted" in line for line in describe(result, "cam"))
    assert any("cut-off 6 Hz" in line for line in describe(replace(result, provenance={"smoothed_hz": 6.0}), "cam"))
    assert any("add up to 1.8 m" in line for line in describe(scaled_to_stature(result, 1.8), "cam"))
