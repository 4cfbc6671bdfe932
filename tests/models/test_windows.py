"""Windows of a clip: every frame in its place, whatever the clip's length."""

import numpy as np
import pytest
import torch

from diffpose_core.models.windows import cut_windows, held, windows_by_person


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 12, 13, 14, 26, 27, 28, 40, 100])
def test_frames_come_back_in_their_places(count: int, every: int) -> None:
    numbers = np.arange(count)
    windows = cut_windows(numbers, count, 27, every)
    assert windows.frames.shape[1] == 27
    assert windows.frames.min() >= 0 and windows.frames.max() < count
    blended = windows.blend(torch.from_numpy(windows.frames).double().flatten())
    torch.testing.assert_close(blended, torch.arange(count).double())
    np.testing.assert_allclose(windows.weights.sum(1), 1.0)
    assert (windows.weights >= 0).all()


def test_a_window_reads_neighbours_in_order_and_repeats_the_ends() -> None:
    windows = cut_windows(np.array([13]), 40, 27)
    np.testing.assert_array_equal(windows.frames, [np.arange(27)])
    edge = cut_windows(np.array([0]), 40, 27)
    np.testing.assert_array_equal(edge.frames, [np.maximum(np.arange(-13, 14), 0)])
    short = cut_windows(np.array([2]), 3, 9)
    np.testing.assert_array_equal(short.frames, [[0, 0, 0, 0, 0, 1, 2, 2, 2]])


def test_a_frame_does_not_depend_on_the_others_that_are_asked_for() -> None:
    alone = cut_windows(np.array([17]), 60, 27)
    among = cut_windows(np.array([3, 17, 59]), 60, 27)
    for which in range(2):
        one, many = alone.rows[0, which], among.rows[1, which]
        np.testing.assert_array_equal(alone.frames[one // 27], among.frames[many // 27])
        assert one % 27 == many % 27
    np.testing.assert_array_equal(alone.weights[0], among.weights[1])


def test_values_fade_from_window_to_window_without_a_jump() -> None:
    windows = cut_windows(np.arange(200), 200, 27)
    # Each window has an opinion of its own: the blend moves by no more than their difference over half a window.
    opinion = torch.arange(len(windows.frames)).double().repeat_interleave(27)
    steps = windows.blend(opinion).diff().abs()
    assert steps.max() <= 1.0 / 13 + 1e-9


def test_frames_between_form_clips_of_their_own() -> None:
    windows = cut_windows(np.array([20, 21]), 120, 27, every=2)
    assert sorted({tuple(np.unique(row % 2)) for row in windows.frames}) == [(0,), (1,)]


def test_several_clips_are_blended_apart() -> None:
    windows = cut_windows(np.array([14, 20]), 40, 27)
    values = torch.stack([torch.full((windows.frames.size,), float(clip)) for clip in range(3)]).flatten()
    torch.testing.assert_close(windows.blend(values, clips=3), torch.tensor([0.0, 0, 1, 1, 2, 2]))


def test_single_frames_are_read_as_they_are() -> None:
    windows = cut_windows(np.array([5, 2, 2]), 9, 1)
    np.testing.assert_array_equal(windows.frames, [[5], [2], [2]])
    values = torch.tensor([[1.0, 2], [3, 4], [5, 6]])
    assert torch.equal(windows.blend(values), values)


def test_one_person_gets_the_usual_windows() -> None:
    numbers = np.array([3, 17, 50])
    usual, found = cut_windows(numbers, 60, 27, 2), windows_by_person(numbers, np.zeros(60, dtype=np.int64), 27, 2)
    for name in ("frames", "rows", "weights"):
        np.testing.assert_array_equal(getattr(found, name), getattr(usual, name))


def test_a_window_shows_the_person_of_its_frame_and_holds_the_nearest_pose_instead_of_others() -> None:
    people = np.zeros(40, dtype=np.int64)
    people[[10, 11, 12, 20]] = 1
    windows = windows_by_person(np.array([13, 11]), people, 27)
    first, second = windows.frames[windows.rows[0, 0] // 27], windows.frames[windows.rows[1, 0] // 27]
    assert (people[first] == 0).all() and (people[second] == 1).all()
    np.testing.assert_array_equal(first[[9, 10, 12, 13, 20, 21]], [9, 9, 13, 13, 19, 21])
    np.testing.assert_array_equal(windows.frames.reshape(-1)[windows.rows[:, 0]], [13, 11])


def test_frames_of_several_people_come_back_in_their_places() -> None:
    people = np.random.default_rng(3).integers(0, 3, 90)
    windows = windows_by_person(np.arange(90), people, 27)
    blended = windows.blend(torch.from_numpy(windows.frames).double().flatten())
    torch.testing.assert_close(blended, torch.arange(90).double())


def test_frames_around_others_are_held_at_the_same_person() -> None:
    people = np.array([0, 0, 1, 1, 0, 0])
    around = np.array([[0, 1, 2], [1, 2, 3], [3, 4, 5]])
    np.testing.assert_array_equal(held(around, np.array([1, 2, 4]), people), [[0, 1, 1], [2, 2, 3], [4, 4, 5]])
