"""Fixtures that tests share: where the data is, one thread a process, small networks and a clip."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from diffpose_core.camera import look_at_camera
from diffpose_core.config import GraformerConfig, MixSTEConfig, to_dict
from diffpose_core.datasets.detector import clip_from_motion
from diffpose_core.datasets.h36m import KEPT_JOINTS, h36m_cameras
from diffpose_core.datasets.mpi_inf_3dhp import FROM_RELEVANT, TEST_SEQUENCES, mpi_inf_3dhp_cameras
from diffpose_core.datasets.procedural import procedural_motion, write_procedural_dataset
from diffpose_core.io.checkpoints import Record, encoder_tensors, fingerprint, save_checkpoint
from diffpose_core.lifting.models import Models, load_models
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.models.graformer import Graformer
from diffpose_core.models.mixste import MixSTE
from diffpose_core.presets import PRESETS
from diffpose_core.structures import PoseClip2D
from diffpose_core.uncertainty.indeterminate import DepthResidual

ROOT = Path(__file__).resolve().parent.parent

# Tests run in several processes; small tensors are slower on many threads than on one.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of Mocap-17 (mocap17_train.npz, _val, _test); skips where it isn't at hand.

    DIFFPOSE_DATA names it; without that it is ../shared/data beside the repository.
    """
    folder = Path(os.environ.get("DIFFPOSE_DATA") or "../shared/data")
    folder = folder if folder.is_absolute() else (ROOT / folder)
    if not (folder / "mocap17_test.npz").is_file():
        pytest.skip(f"needs the Mocap-17 data, and there is no mocap17_test.npz in {folder} (set DIFFPOSE_DATA)")
    return folder


#: Networks small enough for a test, by the names of their presets.
TINY_ENCODER = {"channels": 16, "num_blocks": 1, "num_heads": 2, "joint_embedding": True}
TINY_DENOISER = {"channels": 32, "context_channels": 16, "num_blocks": 1, "num_heads": 2}


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of checkpoints with random weights: both encoders and every denoiser that is compared."""
    folder = tmp_path_factory.mktemp("weights")
    generator = torch.Generator().manual_seed(0)

    def seeded_weights(network: torch.nn.Module) -> torch.nn.Module:
        with torch.no_grad():
            for _, parameter in sorted(network.named_parameters()):
                drawn = torch.randn(parameter.shape, generator=generator) / max(1, parameter.shape[-1]) ** 0.5
                parameter.copy_(1.5 * drawn + (0.0 if parameter.ndim > 1 else 0.5))
        return network.eval()

    def record(kind: str, name: str, config: object, encoder: str | None = None) -> Record:
        return Record(kind, name, to_dict(config), {}, "random", "none", 0, {}, "Apache-2.0", encoder_sha256=encoder)

    of_frames = ("diffpose", "diffpose_no_context", "diffpose_standard", "diffpose_supplement", "diffpose_paper")
    of_video = ("diffpose_video", "diffpose_video_no_context", "diffpose_video_standard")
    depth = DepthResidual(torch.eye(17), torch.full((17,), 0.002), torch.full((17,), 0.5))
    for network, names in (
        (Graformer(GraformerConfig(**TINY_ENCODER)), of_frames),
        (MixSTE(MixSTEConfig(receptive_field=9, **TINY_ENCODER)), of_video),
    ):
        seeded_weights(network)
        encoder = ContextEncoder(network, depth)
        tensors = encoder_tensors(encoder)
        own = record(encoder.name, encoder.name, network.config)
        save_checkpoint(folder / f"{encoder.name}.safetensors", tensors, own)
        for name in names:
            config = replace(PRESETS[name].network, **TINY_DENOISER)
            denoiser = seeded_weights(Denoiser(config))
            own = record("denoiser", name, config, fingerprint(tensors))
            save_checkpoint(folder / f"{name}.safetensors", dict(denoiser.state_dict()), own)
    return folder


@pytest.fixture(scope="session")
def tiny_models(tiny_weights: Path) -> Models:
    """The loaded networks of `tiny_weights`, of single frames."""
    return load_models(tiny_weights)


@pytest.fixture(scope="session")
def tiny_video_models(tiny_weights: Path) -> Models:
    """The loaded networks of `tiny_weights`, of windows of nine frames."""
    return load_models(tiny_weights, "video")


@pytest.fixture(scope="session")
def walking_clip() -> PoseClip2D:
    """70 frames of a procedural walk, detected, with its camera and its truth: longer than one block of frames."""
    motion = procedural_motion("walk", 3, 2.5)[:70]
    camera = look_at_camera(np.array([4.0, 2.0, 1.5]), motion[:, 0].mean(0))
    return clip_from_motion("walk", motion, camera, 30.0, 4, {"action": "walk"})


@pytest.fixture(scope="session")
def shipped_models() -> Models:
    """The weights that are in the repository, of single frames."""
    return load_models()


@pytest.fixture(scope="session")
def shipped_video_models() -> Models:
    """The weights that are in the repository, of video."""
    return load_models(setting="video")


#: Subject, recording, the procedural motion that plays it, frames.
H36M_RECORDINGS = (
    ("S1", "Walking 1", "walk", 12),
    ("S8", "Greeting", "wave", 9),
    ("S9", "Directions 1", "wave", 11),
    ("S9", "WalkDog", "walk", 8),
    ("S11", "WalkDog 1", "walk", 10),
    ("S11", "SittingDown", "sit-stand", 7),
)


@pytest.fixture(scope="session")
def h36m_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files in the layout of VideoPose3D's Human3.6M: procedural motion, its real cameras, noise for a detector."""
    folder = tmp_path_factory.mktemp("h36m")
    random = np.random.default_rng(0)
    world: dict[str, dict[str, np.ndarray]] = {}
    exact: dict[str, dict[str, list[np.ndarray]]] = {}
    detected: dict[str, dict[str, list[np.ndarray]]] = {"S2": {"Walking": [np.zeros((3, 17, 2), np.float32)] * 4}}
    for seed, (subject, recording, motion, frames) in enumerate(H36M_RECORDINGS):
        poses = procedural_motion(motion, seed, 2.0)[:frames].astype(np.float32)
        poses[..., :2] -= poses[:1, :1, :2]
        recorded = random.standard_normal((frames, 32, 3)).astype(np.float32)
        recorded[:, list(KEPT_JOINTS)] = poses
        seen = []
        for camera in h36m_cameras()[subject]:
            points = camera.to_cam(poses.astype(np.float64))
            i, bent = camera.intrinsics, camera.distortion.distort(points[..., :2] / points[..., 2:])
            seen.append((bent * [i.fx, i.fy] + [i.cx, i.cy]).astype(np.float32))
        world.setdefault(subject, {})[recording] = recorded
        exact.setdefault(subject, {})[recording] = seen
        # The cameras ran on for two frames after the markers' recording had ended.
        longer = [np.concatenate((points, points[-2:])) for points in seen]
        noisy = [points + random.normal(0, 4, points.shape).astype(np.float32) for points in longer]
        detected.setdefault(subject, {})[recording] = noisy
    sides = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]
    np.savez_compressed(folder / "data_3d_h36m.npz", positions_3d=world)
    metadata = {"num_joints": 17, "keypoints_symmetry": sides}
    np.savez_compressed(folder / "data_2d_h36m_gt.npz", positions_2d=exact, metadata=metadata)
    metadata = {"layout_name": "h36m", **metadata}
    np.savez_compressed(folder / "data_2d_h36m_cpn_ft_h36m_dbb.npz", positions_2d=detected, metadata=metadata)
    return folder


@pytest.fixture(scope="session")
def hp_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files in the layout of MPI-INF-3DHP as P-STMO's scripts write them: procedural motion before its real cameras."""
    folder = tmp_path_factory.mktemp("3dhp")
    relevant = np.argsort(FROM_RELEVANT)

    def seen(seed: int, camera: str, frames: int) -> dict[str, np.ndarray]:
        motion = procedural_motion("walk", seed, 2.0)[:frames].astype(np.float64)
        place = look_at_camera(np.array([3.0, 1.0 + seed, 1.5]), motion[:, 0].mean(0))
        joints_cam = place.to_cam(motion)
        lens = mpi_inf_3dhp_cameras()[camera]
        flat = joints_cam[..., :2] / joints_cam[..., 2:]
        bent = flat if lens.distortion is None else lens.distortion.distort(flat)
        i = lens.intrinsics
        points = bent * [i.fx, i.fy] + [i.cx, i.cy]
        return {"data_2d": points[:, relevant], "data_3d": 1000 * joints_cam[:, relevant]}

    test = {name: {**seen(n, name, 9), "valid": np.ones(9)} for n, name in enumerate(TEST_SEQUENCES)}
    test["TS2"]["valid"][[0, 4]] = 0
    train = {name: [{c: seen(n, c, 6) for c in "01245678"}, 25] for n, name in enumerate(("S1 Seq1", "S1 Seq2"))}
    np.savez_compressed(folder / "data_test_3dhp.npz", data=test)
    np.savez_compressed(folder / "data_train_3dhp.npz", data=train)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four procedural motions in Mocap-17 layout, for training runs of seconds."""
    path = tmp_path_factory.mktemp("data") / "procedural.npz"
    write_procedural_dataset(path, 4, seed=1)
    return path


def few_poses(patch: pytest.MonkeyPatch) -> None:
    """Let training take few poses wherever thousands are usual."""
    from diffpose_core.training import train_denoiser, train_encoder  # loads Lightning, which few tests need

    calibrate, load_or_build = train_encoder.calibrate_encoder, train_denoiser.load_or_build_bank
    patch.setattr(train_encoder, "calibrate_encoder", lambda network, sampler: calibrate(network, sampler, 1000))
    patch.setattr(
        train_denoiser,
        "load_or_build_bank",
        lambda source, *rest: load_or_build(replace(source, size=min(source.size, 256)), *rest),
    )
