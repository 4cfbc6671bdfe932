"""Recordings of Rerun are read back by its own reader; without its package the way to get it is named."""

from dataclasses import replace

import numpy as np
import pytest

from diffpose_core.io import exports
from diffpose_core.io.exports import export_bytes, export_format, write_scene
from diffpose_core.io.frame import positions_y_up
from diffpose_core.skeleton import BONES
from diffpose_core.structures import InvalidInput
from tests.io.exports.test_gltf import made


@pytest.fixture
def result(walking_clip):
    poses = walking_clip.pose3d_cam.astype(np.float32)[:12]
    hypotheses = np.stack((poses - 0.01, poses + 0.01), axis=1)
    return replace(made(poses), hypotheses=hypotheses, expected_error=np.full(poses.shape[:2], 0.05, np.float32))


def columns_of(content, tmp_path):
    """(path, column) -> its rows, of a recording."""
    chunk = pytest.importorskip("rerun.chunk", reason="the extra rerun is not installed")
    path = tmp_path / "a.rrd"
    path.write_bytes(content)
    found = {}
    for part in chunk.RrdReader(path).stream():
        batch = part.to_record_batch()
        for name in batch.schema.names:
            found[part.entity_path, name] = batch.column(name).to_pylist()
    return found


def test_a_recording_holds_bones_joints_hypotheses_and_times(result, tmp_path):
    pytest.importorskip("rerun", reason="the extra rerun is not installed")
    content, name = export_bytes(result, "rrd")
    assert name == "walk.rrd"
    columns = columns_of(content, tmp_path)
    poses = positions_y_up(result)
    joints = np.array(columns["/scene/person/joints", "Points3D:positions"])
    assert joints.shape == (12, 17, 3) and np.allclose(joints, poses, atol=1e-5)
    bones = np.array(columns["/scene/person/bones", "LineStrips3D:strips"])
    parents, children = zip(*BONES, strict=True)
    assert np.allclose(bones, np.stack((poses[:, parents], poses[:, children]), axis=2), atol=1e-5)
    hypotheses = np.array(columns["/scene/person/hypotheses", "LineStrips3D:strips"]).reshape(12, 2, -1, 2, 3)
    assert np.allclose(hypotheses.mean(1), bones, atol=1e-5) and np.ptp(hypotheses, axis=1).max() > 0.01
    assert columns["/scene/person/joints", "frame"] == list(range(12))
    assert np.allclose(np.array(columns["/scene/person/expected_error_mm", "Scalars:scalars"]).ravel(), 50.0)
    assert "not a measurement" in str(columns["/about", "TextDocument:text"])


def test_several_people_are_in_one_recording(result, tmp_path):
    pytest.importorskip("rerun", reason="the extra rerun is not installed")
    columns = columns_of(write_scene({"1": result, "b/2": result}, {"b/2": 2.0}, "rrd"), tmp_path)
    assert columns["/scene/person_1/joints", "frame"][0] == 0
    assert columns["/scene/person_b_2/joints", "frame"][0] == round(2 * 29.97)


def test_without_its_package_the_way_to_get_it_is_named(monkeypatch):
    monkeypatch.setattr(exports, "EXPORTS", {name: form for name, form in exports.EXPORTS.items() if name != "rrd"})
    with pytest.raises(InvalidInput, match=r"rrd, a recording of Rerun, needs its package: pip install .*\[rerun\]"):
        export_format("rrd")
    assert exports.format_of_ending("a.rrd") == "rrd"
