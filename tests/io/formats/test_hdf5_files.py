"""HDF5 files of SLEAP and DeepLabCut, by their own structure."""

import io
import pickle

import h5py
import numpy as np
import pytest

from benchmarks.pose_files import deeplabcut_hdf5, detected, sleap, walking
from diffpose_core.io.formats import LAYOUTS, hdf5_files, read_pose_file, to_clip
from diffpose_core.structures import InvalidInput

POSES = walking(12)
NAMES = LAYOUTS["COCO-17"].names
ONE = detected(POSES, "COCO-17")
TWO = [ONE, ONE + np.array([300.0, 0.0, 0.0])]
LIMBS = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]


def changed(content, change):
    file = io.BytesIO(content)
    with h5py.File(file, "a") as open_file:
        change(open_file)
    return file.getvalue()


def assert_limbs(poses, person=ONE, frames=slice(None)):
    clip = to_clip(poses).clip
    assert np.allclose(clip.keypoints_px[:, 3], person[frames, NAMES.index("right_ankle"), :2], atol=1e-3)
    assert np.allclose(clip.confidence[:, LIMBS], 0.9)


@pytest.mark.parametrize("order", ["", "txnf", "ftnx", "nxtf"])
def test_sleap_s_tracks_in_whatever_order_of_axes(order):
    gone = TWO[1].copy()
    gone[:3] = np.nan
    poses = read_pose_file(sleap([ONE, gone], NAMES, order, ("ann", "bob")), "a.h5")
    assert poses.format == "SLEAP" and poses.coordinates == "pixels" and not poses.needs_confirmation
    assert [(track.key, len(track)) for track in poses.clip().tracks] == [("ann", 12), ("bob", 9)]
    assert_limbs(poses)


def test_sleap_without_names_of_tracks_or_scores():
    content = changed(sleap([ONE], NAMES), lambda file: file.__delitem__("point_scores"))
    poses = read_pose_file(content, "a.h5")
    assert poses.clip().tracks[0].key == "1" and (poses.clip().tracks[0].confidence == 1).all()

    def by_hand(file):
        scores = file["point_scores"][()]
        scores[..., 4] = np.nan
        file["point_scores"][...] = scores

    poses = read_pose_file(changed(sleap([ONE], NAMES), by_hand), "a.h5")
    assert np.isclose(poses.clip().tracks[0].confidence.max(1), [0.9] * 4 + [1.0] + [0.9] * 7).all()
    assert any("count as sure" in note for note in poses.notes)


@pytest.mark.parametrize("fixed", [False, True])
def test_deeplabcut_s_tables(fixed):
    poses = read_pose_file(deeplabcut_hdf5({"": ONE}, NAMES, fixed), "a.h5")
    assert poses.format == "DeepLabCut" and not poses.needs_confirmation
    assert_limbs(poses)
    two = read_pose_file(deeplabcut_hdf5({"ann": ONE, "bob": TWO[1]}, NAMES, fixed), "a.h5")
    assert sorted(track.key for track in two.clip().tracks) == ["ann", "bob"]
    assert np.allclose(two.clip().track("bob").keypoints, TWO[1][..., :2], atol=1e-3)


def test_deeplabcut_s_own_names_of_a_human():
    # The joints of its model zoo's full_human: 1 is right, 2 is left.
    words = [f"{part}{side}" for side in (1, 2) for part in ("ankle", "knee", "hip", "wrist", "elbow", "shoulder")]
    words += ["chin", "forehead"]
    joints = [3, 2, 1, 16, 15, 14, 6, 5, 4, 13, 12, 11, 9, 10]
    person = np.dstack((POSES[:, joints], np.full((12, 14), 0.9)))
    clip = to_clip(read_pose_file(deeplabcut_hdf5({"": person}, tuple(words)), "a.h5")).clip
    assert np.allclose(clip.keypoints_px[:, [*LIMBS, 9, 10]], POSES[:, [*LIMBS, 9, 10]], atol=1e-3)


def test_animals_are_refused_by_what_they_lack():
    mouse = ("snout", "left_ear", "right_ear", "tail_base")
    for content in (sleap([ONE[:, :4]], mouse), deeplabcut_hdf5({"": ONE[:, :4]}, mouse)):
        with pytest.raises(InvalidInput, match=r"no joint is named left hip, right hip, left shoulder.*found: snout"):
            read_pose_file(content, "a.h5")


def test_other_hdf5_files_are_refused_by_what_is_in_them(tmp_path):
    def refused(content, match):
        with pytest.raises(InvalidInput, match=match):
            read_pose_file(content, "a.h5")

    plain = io.BytesIO()
    with h5py.File(plain, "w") as file:
        file["weights"] = np.zeros(3)
    refused(plain.getvalue(), "a.h5: an HDF5 file of weights; expected SLEAP's analysis export")
    project = changed(plain.getvalue(), lambda file: [file.create_group(n) for n in ("instances", "points", "frames")])
    refused(project, "a SLEAP project; export it as analysis HDF5")
    short = changed(sleap([ONE], NAMES), lambda file: (file.__delitem__("node_names"), file.update(node_names=[b"a"])))
    refused(short, r"tracks must be \(tracks, 2, nodes, frames\) with 1 nodes")

    def linked(file):
        del file["tracks"]
        file["tracks"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "tracks")

    refused(changed(sleap([ONE], NAMES), linked), "tracks .* must lie in this very file")


def test_damaged_tables_of_deeplabcut_are_refused():
    def refused(change, match, fixed=False):
        with pytest.raises(InvalidInput, match=match):
            read_pose_file(changed(deeplabcut_hdf5({"": ONE}, NAMES, fixed), change), "a.h5")

    def header(columns):
        pickled = np.bytes_(columns if isinstance(columns, bytes) else pickle.dumps(columns, 0))
        return lambda file: file["df_with_missing/table"].attrs.__setitem__("values_block_0_kind", pickled)

    refused(header([("DLC", "nose", "x")]), "doesn't fit its 51 columns")
    refused(header([("nose", "x")] * 51), "no header of DeepLabCut")
    refused(header(pickle.dumps(np.load, 0)), "pickled objects other than arrays")
    refused(lambda file: file["df_with_missing"].attrs.__setitem__("table_type", np.bytes_("appendable_multiframe")),
            "no table with a row a frame")  # fmt: skip

    def two_numbers_a_row(file):
        table = file["df_with_missing/table"]
        kind, rows = dict(table.attrs), np.zeros(3, [("index", "<i8", 2), ("values_block_0", "<f8", (51,))])
        del file["df_with_missing/table"]
        file["df_with_missing/table"] = rows
        file["df_with_missing/table"].attrs.update(kind)

    refused(two_numbers_a_row, r"one number or name each, found \(3, 2\)")
    refused(lambda file: file["df_with_missing"].__delitem__("axis1"), "no table with a row a frame", True)
    refused(lambda file: file["df_with_missing/block0_items_label1"].write_direct(np.full(51, 99, "i1")),
            "the header of a table is damaged", True)  # fmt: skip


def test_a_file_that_keeps_the_library_busy_is_ended(monkeypatch):
    content = bytearray(sleap([ONE], NAMES, "ftnx"))
    # The free space of the store of texts, behind its items, without a size: the library looks through it for ever.
    item = content.index(b"GCOL") + 16
    while content[item]:
        item += 16 + (int.from_bytes(content[item + 8 : item + 16], "little") + 7) // 8 * 8
    content[item + 8 : item + 16] = bytes(8)
    monkeypatch.setattr(hdf5_files, "PROCESSOR_S", 1)
    hdf5_files._workers.cache_clear()
    try:
        with pytest.raises(InvalidInput, match=r"a\.h5: reading it took more than 1 s of processor time"):
            read_pose_file(bytes(content), "a.h5")
    finally:
        hdf5_files._workers.cache_clear()


def test_a_table_without_rows_and_tracks_of_records_are_refused_in_a_sentence():
    def no_rows(file):
        group = file["df_with_missing"]
        rows, about = group["table"][:0], dict(group["table"].attrs)
        del group["table"]
        group.create_dataset("table", data=rows).attrs.update(about)

    with pytest.raises(InvalidInput, match="nobody in any of its frames"):
        read_pose_file(changed(deeplabcut_hdf5({"": ONE}, NAMES), no_rows), "a.h5")

    def records(file):
        del file["tracks"]
        file["tracks"] = np.zeros((1, 2, 17, 3), [("a", "<f4"), ("b", "<f4")])

    with pytest.raises(InvalidInput, match="an array of four axes"):
        read_pose_file(changed(sleap([ONE], NAMES), records), "a.h5")
