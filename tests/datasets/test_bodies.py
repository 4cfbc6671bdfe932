"""Bodies drawn from human measures, and motion that takes them."""

import numpy as np
import pytest
import torch

from diffpose_core.datasets.bodies import (
    MEASURES,
    SEGMENTS,
    BodyRanges,
    draw_bodies,
    measure,
    vary_measures,
    with_measures,
)
from diffpose_core.datasets.joint_definitions import with_middle_joints
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.skeleton import MIRROR


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def clips():
    """(3, 90, 17, 3): three clips of three seconds."""
    motion = np.stack([procedural_motion(action, 1, 3.0) for action in ("walk", "kick", "bow")])
    return with_middle_joints(torch.from_numpy(motion).float())


def segments(poses):
    return torch.stack([poses[..., child, :] - poses[..., parent, :] for parent, child, _ in SEGMENTS], dim=-2)


def test_a_body_gets_the_measures_it_is_given(clips):
    wanted = draw_bodies(3, BodyRanges(), generator(1))
    assert torch.allclose(measure(with_measures(clips, wanted)), wanted, atol=1e-5)


def test_directions_stay_when_measures_change(clips):
    changed = with_measures(clips, draw_bodies(3, BodyRanges(), generator(1)))
    cosine = torch.nn.functional.cosine_similarity(segments(clips), segments(changed), dim=-1)
    assert cosine.min() > 1 - 1e-5


def test_the_hip_rises_with_the_legs_and_steps_get_longer(clips):
    own = measure(clips)
    longer = own.clone()
    longer[:, 1:3] *= 1.5
    changed = with_measures(clips, longer)
    assert torch.allclose(changed[:, :, 0, 2], 1.5 * clips[:, :, 0, 2], atol=1e-5)
    path, before = (p[:, :, 0, :2] - p[:, :1, 0, :2] for p in (changed, clips))
    assert torch.allclose(path, 1.5 * before, atol=1e-5)
    assert torch.equal(changed[:, 0, 0, :2], clips[:, 0, 0, :2])


def test_measures_of_many_people_are_those_that_anthropometry_has():
    joints = BodyRanges(children_share=0.0, landmark_std=(0.0,) * len(MEASURES))
    people = draw_bodies(20_000, joints, generator(2))
    of = dict(zip(MEASURES, people.mean(0).tolist(), strict=True))
    # Stature 1.69 m on average: half women, half men.
    assert of["thigh"] == pytest.approx(0.242 * 1.693, rel=0.01)
    assert of["trunk"] == pytest.approx(0.282 * 1.693, rel=0.01)
    widths = 2 * people[:, MEASURES.index("half shoulders")]
    assert widths.quantile(0.03) < 0.26 and widths.quantile(0.97) > 0.40
    assert people.min() > 0.02
    assert torch.corrcoef(people[:, 1:3].T)[0, 1] > 0.2  # tall people have both
    landmarks = draw_bodies(20_000, BodyRanges(children_share=0.0), generator(2))
    assert (landmarks.std(0) > 1.2 * people.std(0)).all(), "detectors measure between other points"
    assert landmarks.min() > 0.01


def test_children_are_smaller_with_larger_heads():
    adults = draw_bodies(4000, BodyRanges(children_share=0.0), generator(3))
    children = draw_bodies(4000, BodyRanges(children_share=1.0), generator(3))
    assert children[:, 1].mean() < 0.8 * adults[:, 1].mean()
    relative = [people[:, 8].mean() / people[:, 3].mean() for people in (children, adults)]
    assert relative[0] > 1.05 * relative[1]


def test_some_clips_keep_their_own_body(clips):
    many = clips[:1].expand(400, -1, -1, -1)
    kept = vary_measures(many, BodyRanges(own_share=1.0), generator(4))
    same = (measure(kept) - measure(many)).abs().amax(-1) < 1e-5
    assert 0.4 < same.float().mean() < 0.6
    factor = measure(kept) / measure(many)
    assert factor.min() > 0.9 * 0.9 - 1e-4 and factor.max() < 1.1 * 1.1 + 1e-4
    drawn = vary_measures(many, BodyRanges(own_share=0.0), generator(4))
    assert not bool(((measure(drawn) - measure(many)).abs().amax(-1) < 1e-4).any())


def test_bodies_stay_symmetric(clips):
    changed = vary_measures(clips, BodyRanges(), generator(5))
    lengths = segments(changed).norm(dim=-1)[:, 0]
    by_child = {child: lengths[:, place] for place, (_, child, _) in enumerate(SEGMENTS)}
    for child in (1, 2, 3, 14, 15, 16):
        assert torch.allclose(by_child[child], by_child[MIRROR[child]], rtol=0.02)
