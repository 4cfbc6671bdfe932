"""Tables: DeepLabCut, MediaPipe and plain ones, as tools and spreadsheets write them."""

import numpy as np
import pytest

from benchmarks.pose_files import MEDIAPIPE_NAMES, deeplabcut, detected, mediapipe, plain_csv, walking
from diffpose_core.io.formats import LAYOUTS, Choice, read_pose_file, to_clip
from diffpose_core.structures import InvalidInput

POSES = walking()
LIMBS = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]
COCO = detected(POSES, "COCO-17")
NAMES = LAYOUTS["COCO-17"].names


def assert_limbs(poses, **choice):
    clip = to_clip(poses, Choice(**choice)).clip
    assert np.allclose(clip.keypoints_px[:, LIMBS], POSES[:, LIMBS], atol=2e-2)
    return clip


def test_deeplabcut_of_one_person():
    poses = read_pose_file(deeplabcut({"": COCO}, NAMES), "videoDLC_resnet50.csv")
    assert (poses.format, poses.layouts[0].layout.name) == ("DeepLabCut", "COCO-17") and not poses.needs_confirmation
    assert np.allclose(assert_limbs(poses).confidence[:, 1], 0.9)


def test_deeplabcut_of_several_individuals_with_gaps():
    gone = COCO.copy()
    gone[4:7] = np.nan
    poses = read_pose_file(deeplabcut({"mouse": COCO + np.array([300, 0, 0]), "anna": gone}, NAMES), "d.csv")
    assert [track.key for track in poses.clip().tracks] == ["mouse", "anna"]
    clip = assert_limbs_of(poses, "anna")
    assert np.flatnonzero(clip.guessed.all(1)).tolist() == [4, 5, 6]


def assert_limbs_of(poses, track):
    clip = to_clip(poses, Choice(track=track)).clip
    seen = ~clip.guessed.any(1)
    assert np.allclose(clip.keypoints_px[seen][:, LIMBS], POSES[seen][:, LIMBS], atol=2e-2)
    return clip


def test_deeplabcut_labels_of_folder_video_and_picture_and_points_of_nobody():
    lines = deeplabcut({"anna": COCO[:3]}, NAMES).decode().splitlines()
    extra = ("DLC,DLC,DLC", "single,single,single", "ball,ball,ball", "x,y,likelihood")
    lines[:4] = [line.replace(",", ",,,", 1) + "," + more for line, more in zip(lines[:4], extra, strict=True)]
    for row in range(3):
        lines[4 + row] = lines[4 + row].replace(f"{row},", f"labeled-data,vid,img{row + 7:03d}.png,", 1) + ",1,2,0.5"
    poses = read_pose_file("\n".join(lines).encode(), "CollectedData.csv")
    assert poses.clip().num_frames == 3 and len(poses.clip().tracks) == 1
    assert any("belong to no individual" in note for note in poses.notes)
    assert any("number 7" in note for note in poses.notes)


@pytest.mark.parametrize("form", ["wide", "numbered", "long"])
def test_mediapipe_tables(form):
    poses = read_pose_file(mediapipe(detected(POSES, "MediaPipe-33"), form), "pose.csv")
    assert (poses.format, poses.coordinates) == ("MediaPipe Pose", "unit") and not poses.needs_confirmation
    clip = assert_limbs(poses, image_size=(1280, 720))
    assert np.allclose(clip.confidence[:, 13], 0.9), "v is the visibility"


def test_mediapipe_beyond_the_image_and_with_landmarks_in_any_order():
    person = detected(POSES + np.array([-390, 0]), "MediaPipe-33")
    poses = read_pose_file(mediapipe(person, "wide"), "pose.csv")
    assert poses.coordinates == "unit", "a little below 0 is beyond the edge"
    lines = mediapipe(detected(POSES, "MediaPipe-33"), "long").decode().splitlines()
    shuffled = [lines[0], *np.random.default_rng(0).permutation(lines[1:])]
    assert_limbs(read_pose_file("\n".join(shuffled).encode(), "pose.csv"), image_size=(1280, 720))


@pytest.mark.parametrize(
    "rename",
    [
        lambda n, a: f"{n}_{a}",
        lambda n, a: f"{n.upper()}.{a.upper()}",
        lambda n, a: f"{a}_{n}",
        lambda n, a: f"{n.replace('left_', 'L ').replace('right_', 'R ')} {a}",
        lambda n, a: (
            "".join(w.capitalize() for w in n.split("_")) + ("X" if a == "x" else "Y" if a == "y" else "_conf")
        ),
        lambda n, a: f"{n}_{'uvc'['xyc'.index(a)] if a in 'xy' else 'likelihood'}",
        lambda n, a: '"' + f"{n}/{a}" + '"',
    ],
)
def test_columns_named_in_many_ways(rename):
    lines = plain_csv(COCO, NAMES).decode().splitlines()
    lines[0] = "frame," + ",".join(rename(name, axis) for name in NAMES for axis in ("x", "y", "conf"))
    poses = read_pose_file("\n".join(lines).encode(), "p.csv")
    assert poses.format == "plain CSV" and poses.layouts[0].layout.name == "COCO-17" and not poses.needs_confirmation
    assert np.allclose(assert_limbs(poses).confidence[:, LIMBS], 0.9)


def test_spreadsheets_of_all_countries():
    plain = plain_csv(COCO, NAMES)
    for content in (
        b"\xef\xbb\xbf" + plain,
        plain.replace(b"\n", b"\r\n"),
        plain.decode().encode("utf-16"),
        b"\n\n" + plain + b"\n\n",
        plain.replace(b",", b"\t"),
        plain.replace(b",", b";").replace(b".", b","),
        plain.replace(b",", b", "),
    ):
        assert_limbs(read_pose_file(content, "p.csv"))


def test_columns_in_any_order_and_columns_of_other_things():
    order = np.random.default_rng(1).permutation(17)
    lines = plain_csv(COCO[:, order], tuple(NAMES[j] for j in order)).decode().splitlines()
    lines = [lines[0] + ",activity,score", *(line + ",walking fast,good" for line in lines[1:])]
    poses = read_pose_file("\n".join(lines).encode(), "p.csv")
    assert poses.layouts[0].layout.name == "COCO-17 in another order"
    assert_limbs(poses)


def test_a_few_named_joints_are_enough_and_the_rest_is_guessed():
    keep = [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
    poses = read_pose_file(plain_csv(COCO[:, keep], tuple(NAMES[j] for j in keep)), "p.csv")
    clip = to_clip(poses).clip
    assert clip.guessed[:, [3, 6, 9, 10]].all() and not clip.guessed[:, [0, 1, 2, 4, 5, 7, 8, 11, 16]].any()
    absent = [5, 6, 7, 8, 11]
    with pytest.raises(InvalidInput, match=r"no joint is named right hip; the names found: left_shoulder"):
        read_pose_file(plain_csv(COCO[:, absent], tuple(NAMES[j] for j in absent)), "p.csv")


def test_times_say_the_frame_rate():
    poses = read_pose_file(plain_csv(COCO, NAMES, fps=23.976), "p.csv")
    assert np.isclose(to_clip(poses).clip.fps, 23.976) and any("23.976 frames a second" in note for note in poses.notes)
    assert to_clip(poses, Choice(fps=50.0)).clip.fps == 50.0


def test_missing_cells_frames_and_people():
    lines = plain_csv(COCO, NAMES).decode().splitlines()
    lines[0] = lines[0].replace("frame", "frame,person_id")
    rows = [line.replace(",", ",7,", 1) for line in lines[1:]]
    cells = rows[3].split(",")
    cells[2 + 27 : 2 + 30] = ["", "NaN", "None"]
    rows[3] = ",".join(cells)
    other = [line.replace(",7,", ",8,", 1) for line in rows[:4]]
    del rows[5]
    poses = read_pose_file("\n".join([lines[0], *rows, *other]).encode(), "p.csv")
    assert [(track.key, len(track)) for track in poses.clip().tracks] == [("7", 11), ("8", 4)]
    guessed = to_clip(poses).clip.guessed
    assert np.flatnonzero(guessed.all(1)).tolist() == [5] and guessed[3].nonzero()[0].tolist() == [13]


@pytest.mark.parametrize("lead", [False, True])
def test_numbers_without_names(lead):
    rows = [
        ",".join([*([str(n)] if lead else []), *(f"{v:.3f}" for v in frame.ravel())]) for n, frame in enumerate(COCO)
    ]
    poses = read_pose_file("\n".join(rows).encode(), "p.csv")
    assert poses.needs_confirmation and poses.layouts[0].layout.name == "COCO-17"
    assert any("17 joints of x, y, confidence are assumed" in note for note in poses.notes)
    assert_limbs(poses, layout="COCO-17")
    with pytest.raises(InvalidInput, match="5 columns without names, which fit no known joint order"):
        read_pose_file(b"1,2,3,4,5\n1,2,3,4,5", "p.csv")


def test_numbered_joints_are_told_by_geometry():
    poses = read_pose_file(plain_csv(detected(POSES, "Human3.6M-17"), tuple(map(str, range(17)))), "p.csv")
    assert poses.needs_confirmation and poses.layouts[0].layout.name == "Human3.6M-17"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b,c\n1,2,3\n", r"no columns of joints; expected names such as left_hip_x.*found 'a', 'b', 'c'"),
        (b"left_hip_x,left_hip_y\n", "a table without rows of numbers"),
        (b"scorer,a,a\n1,2,3\n", "missing: bodyparts, coords"),
        (plain_csv(COCO, NAMES).replace(b"0.900", b"high", 1), r"row 2, column 4: 'high' is no number"),
        (plain_csv(COCO, NAMES) + b",1", "row 13 has more cells than the 52 columns of the header"),
        (b",".join([b"x"] * 4000) + b"\n1", "4000 columns; the limit is 3,000"),
        (b"person,left_hip_x,left_hip_y\n1,2,3\n2,3,4\n", "several people, but no column that says the frame"),
    ],
)
def test_what_is_wrong_is_said(content, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        read_pose_file(content, "p.csv")
    assert "p.csv" in str(caught.value)


def test_mediapipe_s_names_are_known_in_capitals():
    assert (
        len(MEDIAPIPE_NAMES) == 33 and MEDIAPIPE_NAMES[11] == "LEFT_SHOULDER" and MEDIAPIPE_NAMES[28] == "RIGHT_ANKLE"
    )
