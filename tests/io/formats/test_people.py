"""Identities over frames, frame numbers, and the order in which people are offered."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.pose_files import alphapose, detected, walking
from diffpose_core.io.formats import people, read_pose_file
from diffpose_core.io.formats.clean import clean
from diffpose_core.io.formats.detections import Detections, Notes
from diffpose_core.io.formats.frame_numbers import frame_numbers
from diffpose_core.io.formats.link import LINK_GAP_FRAMES, link
from diffpose_core.io.formats.people import build_clip
from diffpose_core.io.formats.pieces import fitting_pieces
from diffpose_core.structures import InvalidInput


def detections(persons, ids=None):
    """persons: (F, J, 3) each, frames that are all NaN left out; listed frame by frame, in turns."""
    found = Detections("x")
    for frame in range(max(map(len, persons))):
        order = range(len(persons)) if frame % 2 else reversed(range(len(persons)))
        for number in order:
            person = persons[number]
            if frame < len(person) and not np.isnan(person[frame]).all():
                found.add(frame, person[frame], None if ids is None else ids[number], 1.0 - 0.1 * number)
    return found


def person(frames=30, speed=6.0, shift=(0, 0)):
    return detected(walking(frames, speed) + np.array(shift), "COCO-17")


def test_two_people_who_cross_keep_their_identities():
    clip = build_clip("", detections([person(40, 12.0), person(40, -12.0, (450, 40))]), 40, "x", Notes())
    assert [len(track) for track in clip.tracks] == [40, 40]
    for track in clip.tracks:
        steps = np.diff(track.keypoints[:, 11, 0])
        assert np.ptp(np.sign(steps.round(1))) <= 1 or (np.abs(steps) < 30).all(), "nobody jumps to the other's place"


def test_a_person_who_is_away_for_a_moment_is_the_same_and_for_long_another():
    for away, tracks in ((5, 1), (LINK_GAP_FRAMES + 1, 2)):
        walker = person(60, 3.0)
        walker[20 : 20 + away] = np.nan
        assert len(build_clip("", detections([walker]), 60, "x", Notes()).tracks) == tracks


def test_somebody_far_away_is_somebody_else():
    first, second = person(10), person(20, shift=(600, 0))
    second[:10] = np.nan
    notes = Notes()
    clip = build_clip("", detections([first, second]), 20, "x", notes)
    assert [len(track) for track in clip.tracks] == [10, 10] and any("followed from frame to frame" in n for n in notes)


def test_link_ignores_joints_that_either_frame_lacks():
    points = person(2)[..., :2]
    points[0, :8], points[1, 9:] = np.nan, np.nan
    assert link(np.array([0, 1]), points).tolist() == [0, 0]
    points[1, 8] = np.nan
    assert link(np.array([0, 1]), points).tolist() == [0, 1], "nothing in common"


def test_the_longest_comes_first_then_the_largest():
    small, large = person(10), person(10, shift=(500, 0))
    large[..., :2] = large[..., :2] * 2
    long = person(11, shift=(0, 500))
    clip = build_clip("", detections([small, large, long], ids=["small", "large", "long"]), 11, "x", Notes())
    assert [track.key for track in clip.tracks] == ["long", "large", "small"]
    assert clip.track().key == "long" and clip.track("small").size < clip.track("large").size
    with pytest.raises(InvalidInput, match=r"no person 'x' in this clip; there are: 'long', 'large', 'small'"):
        clip.track("x")


def mixed(*people):
    """The notes of people mixed up, up to the colon."""
    words = ("jumps", "change places", "somebody else")
    notes = read_pose_file(alphapose(people), "a.json").notes
    return [note.partition(":")[0] for note in notes if any(word in note for word in words)]


def test_identities_that_a_file_exchanges_are_pointed_out():
    one, other = person(20), person(20, shift=(400, 0))
    one[10:], other[10:] = other[10:].copy(), one[10:].copy()
    assert mixed(one, other) == ["Persons 1 and 2 change places at frame 10"]
    assert mixed(one) == ["Person 1 jumps at frame 10"]
    assert mixed(person(20), person(20, shift=(400, 0))) == []


@pytest.mark.parametrize("apart", [60, 150, 400])
def test_people_who_stand_near_each_other_and_change_places_are_pointed_out(apart):
    one, other = person(20), person(20, shift=(apart, 5))
    for begin in (8, 15):
        one[begin:], other[begin:] = other[begin:].copy(), one[begin:].copy()
    assert mixed(one, other) == ["Persons 1 and 2 change places at frame 8 and 1 times more"]


def test_people_who_pass_each_other_are_not_suspected():
    for speed in (2.0, 12.0, 30.0):
        one, other = person(40, speed), person(40, -speed, (39 * speed, 10))
        assert mixed(one, other) == [], speed


def test_the_largest_person_can_be_asked_for():
    clip = build_clip("", detections([person(12), person(10, shift=(500, 0)) * (2, 2, 1)], ["long", "large"]), 12, "x",
                      Notes())  # fmt: skip
    assert clip.track().key == "long" and clip.track("largest").key == "large"
    named = build_clip("", detections([person(12), person(10)], ["largest", "x"]), 12, "x", Notes())
    assert named.track("largest") is named.tracks[0], "a person of that name comes first"


def test_too_many_people_are_cut_and_it_is_said(monkeypatch):
    monkeypatch.setattr(people, "MAX_PEOPLE", 3)
    monkeypatch.setattr(people, "MAX_TRACKS", 2)
    notes = Notes()
    crowd = [person(4, shift=(700 * n, 0)) for n in range(5)]
    clip = build_clip("", detections(crowd, ids=list("abcde")), 4, "x", notes)
    assert sorted(track.key for track in clip.tracks) == ["a", "b"], "the surest"
    assert any("More than 3 people in a frame" in n for n in notes) and any(
        "the 2 that are seen longest" in n for n in notes
    )


def test_nobody_and_mixed_joints():
    with pytest.raises(InvalidInput, match="x: there is nobody in any of its frames"):
        build_clip("", Detections("x"), 5, "x", Notes())
    found = detections([person(2)])
    found.add(1, np.ones((26, 3)))
    with pytest.raises(InvalidInput, match=r"different numbers of joints \(\[17, 26\]\)"):
        build_clip("", found, 5, "x", Notes())


def test_a_few_entries_of_another_length_are_left_out():
    found = detections([person(20)])
    found.add(3, np.ones((16, 3)))
    notes = Notes()
    clip = build_clip("", found, 20, "x", notes)
    assert len(clip.tracks) == 1 and "1 entries that don't have 17 joints are left out." in list(notes)


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        ([3, 4, 7], [0, 1, 4]),
        (["0001.jpg", "0002.jpg", "0004.jpg"], [0, 1, 3]),
        (["a_12_keypoints.json", "a_10_keypoints.json"], [2, 0]),
        (["v1.mp4_00003.png", "v1.mp4_00004.png"], [0, 1]),
        ([0, 10, 20, 40], [0, 1, 2, 4]),
        (["b", "a", "b", "c"], [0, 1, 0, 2]),
        ([1.0, 2.0], [0, 1]),
        ([True, False], [0, 1]),
        ([5], [0]),
        ([], []),
        ([10**25, 10**25 + 2], [0, 2]),
    ],
)
def test_frame_numbers(labels, numbers):
    found = frame_numbers(labels, "x", Notes())
    assert [found[label] for label in labels] == numbers


def test_cleaning_keeps_what_is_good():
    points = np.array([[[5.0, 6.0], [0.0, 7.0], [0.0, 0.0]]])
    kept, sure = clean(points, np.array([[0.5, 1.0, 1.0]]), Notes())
    assert np.array_equal(kept[0, :2], points[0, :2]) and sure.tolist() == [[0.5, 1.0, 0.0]]
    assert kept.dtype == sure.dtype == np.float32 and np.isnan(kept[0, 2]).all()


def test_a_crowd_that_would_take_minutes_to_link_is_refused(monkeypatch):
    monkeypatch.setattr("diffpose_core.io.formats.link.MAX_PAIRS", 2 * 9 * 3)
    crowd = np.arange(1.0, 1 + 2 * 17 * 12).reshape(12, 17, 2)
    assert len(link(np.repeat(np.arange(4), 3), crowd)) == 12
    with pytest.raises(InvalidInput, match="crowd: up to 4 people in 3 frames, without identities: too many to follow"):
        link(np.repeat(np.arange(3), 4), crowd, "crowd")


def cut(walker, *places):
    """A person cut into pieces: (begin, end) frames each."""
    pieces = []
    for begin, end in places:
        piece = np.full_like(walker, np.nan)
        piece[begin:end] = walker[begin:end]
        pieces.append(piece)
    return pieces


@pytest.mark.parametrize(
    ("places", "keys", "together"),
    [
        (((0, 30), (60, 100)), ["1", "7"], "7+1"),
        # Away for long, and back under the first name after a while under another.
        (((0, 30), (70, 90), (91, 120)), ["1", "7", "1"], "1+7"),
        (((0, 30), (60, 85), (125, 150)), ["1", "7", "9"], "1+7+9"),
    ],
)
def test_pieces_that_may_be_one_person_are_offered(places, keys, together):
    notes = Notes()
    found = detections(cut(person(150, 2.0), *places), keys)
    clip = build_clip("", found, 150, "x", notes)
    pieces = fitting_pieces(clip, clip.track())
    assert "+".join([clip.track().key, *(piece.key for piece in pieces)]) == together
    assert any(f"--track {together} takes them as one" in note for note in notes)
    whole = clip.track(together)
    assert whole.key == together and len(whole) == sum(end - begin for begin, end in places)
    assert (np.diff(whole.frames) > 0).all()
    assert np.allclose(whole.keypoints, person(150, 2.0)[whole.frames][..., :2], atol=0.01)


def test_pieces_of_one_name_are_told_apart():
    found = detections(cut(person(150, 2.0), (0, 30), (60, 85), (110, 150)), ["1", "7", "9"])
    clip = build_clip("", found, 150, "x", Notes())
    named = replace(clip, tracks=tuple(replace(track, key="7") if track.key == "1" else track for track in clip.tracks))
    assert [piece.frames[0] for piece in fitting_pieces(named, named.track("9"))] == [60, 0]


def test_pieces_of_another_size_or_place_are_not_offered_and_nobody_is_in_a_frame_twice():
    walker, far, large = person(100, 2.0), person(100, 2.0, (900, 0)), person(100, 2.0) * (2, 2, 1)
    for other in (far, large):
        (one,), (two,) = cut(walker, (0, 40)), cut(other, (60, 90))
        clip = build_clip("", detections([one, two], ["a", "b"]), 100, "x", Notes())
        assert fitting_pieces(clip, clip.track()) == []
        assert len(clip.track("a+b")) == 70, "a person may know better"
    clip = build_clip("", detections(cut(walker, (0, 40), (39, 90)), ["a", "b"]), 100, "x", Notes())
    assert fitting_pieces(clip, clip.track()) == []
    with pytest.raises(InvalidInput, match="persons 'a' and 'b' are both in frame 39: not one person"):
        clip.track("a+b")
    with pytest.raises(InvalidInput, match=r"no person 'a\+c' in this clip"):
        clip.track("a+c")


@pytest.mark.parametrize("away", [150.0, 900.0])
def test_frames_that_show_somebody_else_are_counted_and_named_in_one_note(away):
    one = person(40)
    one[[12, 13, 14, 15, 25], :, 0] += away
    assert mixed(one) == ["In 5 of 40 frames person 1 seems to be somebody else, first in frame 12"]
    one[30:, :, 0] += 1200.0
    assert mixed(one)[1:] == ["Person 1 jumps at frame 30"], "another fault has a note of its own"
    assert mixed(person(40)) == []
