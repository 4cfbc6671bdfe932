"""Training on given cameras and detections: what is drawn is what they saw, mirrored or not."""

import pickle

import numpy as np
import pytest
import torch

from diffpose_core.config import UncertaintyConfig
from diffpose_core.datasets.h36m import TRAIN_SUBJECTS, load_h36m
from diffpose_core.datasets.mpi_inf_3dhp import load_3dhp
from diffpose_core.datasets.views import H36mViews, ViewSampler
from diffpose_core.lifting.view import clip_view
from diffpose_core.rng import seeded
from diffpose_core.skeleton import MIRROR
from diffpose_core.structures import InvalidInput
from diffpose_core.training.bank import prepare_conditions


@pytest.fixture(scope="module")
def data(h36m_folder):
    return load_h36m(h36m_folder, ("S1", "S8"))


def all_views(benchmark):
    """Every frame of every camera as evaluation sees it: normalised 2D poses and poses, (N, 17, 2 and 3)."""
    points, poses = [], []
    for number in range(len(benchmark)):
        for clip in benchmark.recording(number).views:
            view = clip_view(clip, np.arange(len(clip)))
            points.append(view.pose_norm)
            poses.append(view.to_view(torch.from_numpy(clip.pose3d_cam)))
    return torch.cat(points), torch.cat(poses)


def nearest(points, to):
    return (points[:, None] - to[None]).abs().amax((-1, -2)).min(1)


def test_what_is_drawn_is_what_the_cameras_saw(data):
    sampler = ViewSampler(data, mirrored=False)
    # 12 frames of S1 and 9 of S8, four cameras.
    assert len(sampler) == 4 * (12 + 9) and sampler.fps == 50
    batch = sampler.draw(300, seeded("cpu", 0))
    points, poses = all_views(data)
    far, which = nearest(batch.view.pose_norm, points)
    assert far.max() < 1e-4
    assert (batch.pose_view - poses[which]).abs().max() < 1e-4
    assert len(which.unique()) > 60, "frames of all cameras are drawn"
    again = sampler.draw(300, seeded("cpu", 0))
    assert torch.equal(again.pose_view, batch.pose_view) and torch.equal(again.hidden, batch.hidden)


def test_half_of_the_views_are_mirrored_as_a_mirrored_person_would_be_seen(data):
    batch = ViewSampler(data).draw(400, seeded("cpu", 1))
    points, poses = all_views(data)
    mirror = list(MIRROR)
    plain, which = nearest(batch.view.pose_norm, points)
    swapped, which_swapped = nearest(batch.view.pose_norm, points[:, mirror] * torch.tensor([-1.0, 1.0]))
    is_plain, is_swapped = plain < 1e-4, swapped < 1e-4
    assert (is_plain ^ is_swapped).all() and 0.4 < is_plain.float().mean() < 0.6
    expected = poses[which_swapped][:, mirror] * torch.tensor([-1.0, 1.0, 1.0])
    assert (batch.pose_view - expected)[is_swapped].abs().max() < 1e-4
    assert (batch.pose_view - poses[which])[is_plain].abs().max() < 1e-4


def test_windows_are_every_other_frame_of_one_camera_at_50_a_second(data):
    sampler = ViewSampler(data, frames=3, mirrored=False)
    assert sampler.every == 2, "25 frames a second: as near to 30 as whole frames come"
    batch = sampler.draw(100, seeded("cpu", 2))
    points, _ = all_views(data)
    far, which = nearest(batch.view.pose_norm, points)
    assert far.max() < 1e-4
    ends = np.cumsum([12] * 4 + [9] * 4)
    read = {}
    for window in which.reshape(100, 3).numpy():
        camera = np.searchsorted(ends, window, side="right")
        assert len(set(camera)) == 1
        begin = 0 if camera[0] == 0 else ends[camera[0] - 1]
        read.setdefault((ends[camera[0]] - begin, window[1] - begin), tuple(window - begin))
    inside = 0
    for (count, middle), window in read.items():
        # What evaluation reads around that frame, when it is the middle of a window.
        expected = [f for f in range(middle % 2, count, 2)]
        place = expected.index(middle)
        assert window == tuple(expected[min(max(place + step, 0), len(expected) - 1)] for step in (-1, 0, 1))
        inside += window[0] < middle < window[2]
    assert inside > 8 and len(read) > inside, "windows that reach over an end are among them"


def test_it_stands_in_for_the_sampler_of_motions(data, tiny_models):
    """Fields, shapes and types are those that training knows."""
    sampler = ViewSampler(data)
    batch = sampler.draw(4, seeded("cpu", 3))
    assert batch.view.pose_norm.dtype == batch.pose_view.dtype == torch.float32
    fields = prepare_conditions(tiny_models.encoder, batch, UncertaintyConfig(num_samples=50), 2, seeded("cpu", 4))
    assert fields["x_start"].shape == (4, 17, 3) and fields["noise"].isfinite().all()


def test_frames_that_do_not_count_are_not_drawn(hp_folder):
    sampler = ViewSampler(load_3dhp(hp_folder, names=("TS2",)), mirrored=False)
    assert len(sampler) == 7


def test_what_can_not_be_trained_on_is_refused(hp_folder, h36m_folder):
    with pytest.raises(InvalidInput, match=r"of one frame rate expected, found \[25.0, 50.0\]"):
        ViewSampler(load_3dhp(hp_folder, train=True, names=("S1",)))
    with pytest.raises(InvalidInput, match="no actions of subject S5"):
        load_h36m(h36m_folder, TRAIN_SUBJECTS)


def test_what_to_train_on_is_named_and_read_where_it_is_needed(h36m_folder):
    views = H36mViews(h36m_folder, ("S1",))
    assert views.name == "Human3.6M S1 (cpn_ft_h36m_dbb)" and views.paths() == [views.folder]
    sampler = pickle.loads(pickle.dumps(views)).sampler(varied=False, frames=3)
    assert (len(sampler), sampler.mirrored, sampler.frames) == (4 * 12, False, 3)
    exact = H36mViews(h36m_folder, ("S1",), "gt").sampler(varied=False)
    seen, truth = (s.draw(64, seeded("cpu", 1)).view for s in (H36mViews(h36m_folder, ("S1",)).sampler(False), exact))
    assert not torch.allclose(seen.pose_norm, truth.pose_norm, atol=1e-3)
