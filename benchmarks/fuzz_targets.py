"""Readers of everything but 2D poses, each with a small file or message that it can read: targets of the fuzzer."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from app.figures.reports import read_report
from app.stage import files, messages
from app.stage.encode import film
from app.stage.payload import Bounds, StagePayload
from app.text import plain, printable
from diffpose_core.cli import outputs
from diffpose_core.config import DenoiserConfig, GraformerConfig, to_dict
from diffpose_core.datasets.footage import load_footage
from diffpose_core.datasets.mocap17 import load_mocap17, motion_set, save_mocap17
from diffpose_core.datasets.motion_files import amass
from diffpose_core.datasets.motion_files.amc import read_amc, read_asf
from diffpose_core.datasets.motion_files.convert import Settings, convert, read_clips
from diffpose_core.datasets.motion_files.joints import read_joint_file
from diffpose_core.datasets.motion_files.labels import read_label_file
from diffpose_core.datasets.procedural import procedural_motion
from diffpose_core.io.calibrations import read_calibration, write_calibration
from diffpose_core.io.checkpoints import (
    Record,
    encoder_tensors,
    fingerprint,
    load_denoiser,
    load_encoder,
    save_checkpoint,
)
from diffpose_core.io.exports import export_bytes
from diffpose_core.io.recipes import find_recipe
from diffpose_core.io.untrusted.json import parse_json
from diffpose_core.io.video_file import is_video, video_facts
from diffpose_core.lifting.folder_reports import FileReport, read_journal
from diffpose_core.models.context import ContextEncoder
from diffpose_core.models.denoiser import Denoiser
from diffpose_core.models.graformer import Graformer
from diffpose_core.presets import PRESETS
from diffpose_core.structures import InvalidInput, LiftResult
from diffpose_core.training.bank import ConditionBank
from diffpose_core.training.run_state import read_state
from diffpose_core.uncertainty.expected_error import FEATURES, LEVELS, LIMITED, Calibration
from diffpose_core.uncertainty.indeterminate import DepthResidual

#: Reads content; True where something came of it. A refusal is an InvalidInput.
Reader = Callable[[bytes], bool]


@dataclass(frozen=True)
class Target:
    """A reader of the fuzzer.

    Attributes:
        seed: A file that it can read.
        read: The reader.
        pack: Makes a file of mutated content, such as one with a matching hash.
    """

    seed: bytes
    read: Reader
    pack: Callable[[bytes], bytes] = lambda content: content


@functools.cache
def _folder() -> Path:
    """A folder of this process for files that readers want by their path. It is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{os.getpid()}-"))
    Finalize(None, shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}, exitpriority=1)
    return folder


def _of_path(ending: str, read: Callable[[Path], Any]) -> Reader:
    """A reader of content whose function wants a path."""

    def reader(content: bytes) -> bool:
        path = _folder() / f"input{ending}"
        path.write_bytes(content)
        return read(path) is not False

    return reader


def _made(ending: str, write: Callable[[Path], Any]) -> bytes:
    """The content of a file that a function writes."""
    path = _folder() / f"seed{ending}"
    write(path)
    return path.read_bytes()


# ---- motion files ----


def _walk(frames: int = 4) -> LiftResult:
    poses = procedural_motion("walk", 3, 2.0)[:frames].astype(np.float32)
    pose = np.stack([poses[..., 0], -poses[..., 2], poses[..., 1]], axis=-1)
    pose -= pose[:, :1]
    still, nobody = np.zeros(pose.shape[:2]), np.zeros(len(pose), bool)
    return LiftResult(pose, pose[:, None], still, still.astype(bool), nobody, pose, 30.0, {})


#: Of the bones of an Acclaim skeleton: parent, and the vector to its end in the file's unit.
_BONES = {
    "lowerback": ("root", (0, 2, 0)), "upperback": ("lowerback", (0, 2, 0)), "thorax": ("upperback", (0, 2, 0)),
    "lowerneck": ("thorax", (0, 1, 0)), "upperneck": ("lowerneck", (0, 1, 0)), "head": ("upperneck", (0, 2, 0)),
    **{f"{side}{name}": (f"{side}{parent}" if parent in ("hipjoint", "femur", "tibia", "clavicle", "humerus",
                         "radius") else parent, tuple(sign * v if n == 0 else v for n, v in enumerate(vector)))
       for side, sign in (("l", 1), ("r", -1)) for name, parent, vector in (
           ("hipjoint", "root", (2, -1, 0)), ("femur", "hipjoint", (0, -8, 0.5)), ("tibia", "femur", (0, -8, -0.5)),
           ("foot", "tibia", (0, -1, 2)), ("clavicle", "thorax", (3, 1, 0)), ("humerus", "clavicle", (5, 0, 0)),
           ("radius", "humerus", (4, 0, 0.5)), ("wrist", "radius", (1, 0, 0)))},
}  # fmt: skip


def _acclaim(frames: int = 3) -> tuple[bytes, bytes]:
    """A skeleton, and a motion of it."""
    asf = [":version 1.10", ":units", "  length 0.45", "  angle deg", ":root", "   order TX TY TZ RX RY RZ",
           "   axis XYZ", "   position 0 0 0", "   orientation 0 0 0", ":bonedata"]  # fmt: skip
    for number, (bone, (_, vector)) in enumerate(_BONES.items(), 1):
        length = float(np.linalg.norm(vector))
        asf += ["  begin", f"     id {number}", f"     name {bone}",
                f"     direction {' '.join(f'{v / length:.4f}' for v in vector)}", f"     length {length:.4f}",
                "     axis 10 20 30  XYZ", "    dof rx ry rz", "  end"]  # fmt: skip
    asf += [":hierarchy", "  begin", *(f"    {parent} {bone}" for bone, (parent, _) in _BONES.items()), "  end"]
    amc = [":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(frames):
        amc += [str(frame + 1), f"root {frame} 17 0 0 {frame} 0", *(f"{bone} {frame} 1 2" for bone in _BONES)]
    return "\n".join(asf).encode(), "\n".join(amc).encode()


def _clips_are_finite(path: Path) -> bool:
    clips, _ = read_clips(path, Settings(min_seconds=0, body_model=_body_model()))
    for clip in clips:
        assert np.isfinite(clip.poses).all()
    return bool(clips)


def _acclaim_reader(asf: bytes, amc: bytes) -> bool:
    clips, _ = convert(read_amc(amc, "a.amc", read_asf(asf, "a.asf")), "a.amc", Settings(min_seconds=0))
    for clip in clips:
        assert np.isfinite(clip.poses).all()
    return bool(clips)


def _model_arrays() -> dict[str, np.ndarray]:
    """A body model with a vertex for each joint and one at the crown."""
    joints = len(amass.NAMES)
    generator = np.random.default_rng(0)
    template = 0.17 * generator.normal(size=(joints + 1, 3))
    template[-1] = (0, 0.5, 0)
    tree = np.array([amass.PARENTS, range(joints)], np.int64)
    return {"J_regressor": np.eye(joints, joints + 1), "v_template": template,
            "shapedirs": 0.01 * generator.normal(size=(joints + 1, 3, 4)), "kintree_table": tree}  # fmt: skip


@functools.cache
def _body_model() -> Path:
    path = _folder() / "model.npz"
    np.savez(path, **_model_arrays())  # type: ignore[arg-type]
    return path


def _load_model(path: Path) -> None:
    amass.load_body_model.cache_clear()
    amass.load_body_model(path, "neutral").rest(np.zeros(2))


def _amass_clip(path: Path) -> None:
    generator = np.random.default_rng(0)
    poses = generator.normal(size=(4, 66)) * 0.1
    np.savez(path, poses=poses, trans=np.zeros((4, 3)), betas=np.zeros(4), gender="female", mocap_framerate=30.0)


def _motion_targets() -> dict[str, Target]:
    asf, amc = _acclaim()
    motions = motion_set([procedural_motion("walk", 3, 2.0)[:4]], 30.0, name=["a"], source=["s"])
    footage = {
        "keypoints_px": np.ones((2, 3, 33, 2)), "visibility": np.ones((2, 3, 33)), "size": np.array([640, 480]),
        "detector_pose3d_m": np.ones((2, 3, 33, 3)), "truth_world_m": np.ones((3, 33, 3)), "fps": np.array(30.0),
        "rotation": np.stack([np.eye(3)] * 2), "centre_m": np.ones((2, 3)), "intrinsics": np.ones((2, 4)),
        "on_person": np.ones((2, 3), bool),
    }  # fmt: skip
    mapping = {"RHip": "RightUpLeg", "Spine": ["Spine1", "Spine2"], "Head": None}
    return {
        "bvh": Target(export_bytes(_walk(), "bvh")[0], _of_path(".bvh", _clips_are_finite)),
        "asf": Target(asf, lambda content: _acclaim_reader(content, amc)),
        "amc": Target(amc, lambda content: _acclaim_reader(asf, content)),
        "amass": Target(_made(".npz", _amass_clip), _of_path(".npz", _clips_are_finite)),
        "body model": Target(
            _made(".npz", lambda path: np.savez(path, **_model_arrays())),  # type: ignore[arg-type]
            _of_path(".npz", _load_model),
        ),
        "mocap17": Target(_made(".npz", lambda path: save_mocap17(motions, path)), _of_path(".npz", load_mocap17)),
        "mocap17 as motion": Target(
            _made(".npz", lambda path: save_mocap17(motions, path)), _of_path(".npz", _clips_are_finite)
        ),
        "footage": Target(_made(".npz", lambda path: np.savez(path, **footage)), _of_path(".npz", load_footage)),
        "joint names": Target(json.dumps(mapping).encode(), lambda content: bool(read_joint_file(content, "j.json"))),
        "labels": Target(
            b"file,subject,action\na.bvh,S1,walk\nb/c.bvh,S2,run\n",
            lambda content: bool(read_label_file(content, "l.csv")),
        ),
    }


# ---- weights, runs, settings, reports ----


def _checkpoint(path: Path, denoiser: bool = False) -> None:
    """A tiny encoder, or a tiny denoiser of it."""
    config = GraformerConfig(channels=8, num_blocks=1, num_heads=1)
    depth = DepthResidual(torch.eye(17), torch.ones(17), torch.ones(17))
    tensors = encoder_tensors(ContextEncoder(Graformer(config), depth))
    record = Record("graformer", "graformer", to_dict(config), {}, "d", "c", 0, {"m": 1.0}, "Apache-2.0")
    if denoiser:
        of_denoiser = DenoiserConfig(channels=8, context_channels=8, num_blocks=1, num_heads=1)
        record = Record("denoiser", "diffpose", to_dict(of_denoiser), {}, "d", "c", 0, {}, "Apache-2.0",
                        fingerprint(tensors))  # fmt: skip
        tensors = dict(Denoiser(of_denoiser).state_dict())
    save_checkpoint(path, tensors, record)


def _calibration(path: Path) -> None:
    joints = 17
    write_calibration(
        Calibration(
            "diffpose", "a", "b", np.ones((joints, len(FEATURES) + 1)), np.ones((joints, 3)), np.ones(joints),
            np.cumsum(np.ones((joints, len(LEVELS))), 1), np.ones(len(LIMITED)), {"data": "d"},
        ),
        path,
    )  # fmt: skip


def _state() -> bytes:
    content = io.BytesIO()
    torch.save({"epoch": 1, "state_dict": {"a": torch.ones(3)}, "loops": [1, "x", {"y": 2.5}]}, content)
    return content.getvalue()


def _hashed(raw: bytes) -> bytes:
    """A run's state as it lies on the disk."""
    return b"diffpose-run/1 " + hashlib.sha256(raw).hexdigest().encode() + b"\n" + raw


def _bank(path: Path) -> None:
    ConditionBank(**{name: torch.ones(1, 2) for name in ConditionBank.__dataclass_fields__}).save(path)


def _origins(path: Path) -> None:
    """Whether a file is a command's own: asked of whatever lies where an output should go."""
    checks = (outputs.is_lift_result, outputs.is_report_of("evaluate"), outputs.is_checkpoint_of("graformer"),
              outputs.is_bundled_clip, outputs.is_procedural, outputs.is_data_page(path, path))  # fmt: skip
    for check in checks:
        assert isinstance(check(path), bool)


def _work_targets() -> dict[str, Target]:
    report = {"frames": 3, "methods": {"DiffPose": {"mpjpe_mm": 1.0, "p_mpjpe_mm": 2.0, "actions": {"walk": 1.0}}},
              "provenance": {"command": "diffpose evaluate --data x", "data": "x", "seed": 0}}  # fmt: skip
    journal = f"{FileReport('a.npz', 'lifted', outputs={'a.bvh': 7}, key='k').to_json()}\n" * 2
    encoder, recipe = _made(".safetensors", _checkpoint), {"epochs": 3, "learning_rate": 1e-3, "loss": "squared"}
    result = export_bytes(_walk(), "npz")[0]
    return {
        "encoder": Target(encoder, _of_path(".safetensors", load_encoder)),
        "denoiser": Target(
            _made(".safetensors", lambda path: _checkpoint(path, denoiser=True)),
            _of_path(".safetensors", load_denoiser),
        ),
        "calibration": Target(_made(".json", _calibration), _of_path(".json", read_calibration)),
        "bank": Target(_made(".safetensors", _bank), _of_path(".safetensors", ConditionBank.load)),
        "state": Target(_state(), _of_path(".ckpt", read_state), _hashed),
        "recipe json": Target(
            json.dumps(recipe).encode(), _of_path(".json", lambda path: find_recipe(PRESETS["diffpose"], str(path)))
        ),
        "recipe toml": Target(
            "\n".join(f"{name} = {json.dumps(value)}" for name, value in recipe.items()).encode(),
            _of_path(".toml", lambda path: find_recipe(PRESETS["diffpose"], str(path))),
        ),
        "report": Target(json.dumps(report).encode(), _of_path(".json", read_report)),
        "journal": Target(journal.encode(), _of_path(".jsonl", read_journal)),
        "result in the way": Target(result, _of_path(".npz", _origins)),
        "report in the way": Target(json.dumps(report).encode(), _of_path(".json", _origins)),
        "weights in the way": Target(encoder, _of_path(".safetensors", _origins)),
    }


# ---- the app ----


@functools.cache
def _packed() -> bytes:
    payload = StagePayload(
        "reverse", "Reverse", "hash", [50, 0], Bounds((-1, -1, -1), (1, 1, 1), -1), frames=[3, 8], clip="walk"
    )
    payload.pose("mean", np.zeros((2, 2, 17, 3), np.float32), "frame", "step")
    return payload.pack()


def _message(content: bytes) -> bool:
    """Whatever a browser may send, to every place that takes a message."""
    value = parse_json(content, "message")
    messages.number(value, range(17))
    messages.open_view(value, ("Overview", "Reverse"), 5)
    assert len(messages.request_id(value)) <= 40
    request = messages.file_request(value)
    if request.kind in ("npz", "html"):
        assert files.make_file(request, _packed(), ("<div></div>", "a {}", "let a = 1;")).content
    return True


def _name(content: bytes) -> bool:
    """A name from a file or a link, as the page and the terminal show it."""
    text = content.decode("utf-8", "replace")
    shown = plain(text)
    assert "://" not in shown and shown.replace("\u2060", "").isprintable()
    assert all(c.isprintable() or c == "\n" for c in printable(text))
    return True


def _video(content: bytes) -> bool:
    if not is_video(content):
        raise InvalidInput("input: no video")
    return min(video_facts(content, "input").size) > 0


def _encoded(kind: str) -> Reader:
    """A reader that makes a film of one picture, as the process for it does."""
    header = json.dumps({"kind": kind, "interval_s": 0.1}).encode()
    return lambda content: bool(film([header, content]))


def _picture() -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)).save(content, "PNG")
    return content.getvalue()


def _film() -> bytes:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for shade in (20, 120, 220):
            frame = av.VideoFrame.from_ndarray(np.full((32, 48, 3), shade, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def _app_targets() -> dict[str, Target]:
    point = {"x": 1.0, "y": 2, "z": -3.5}
    wanted: dict[str, Any] = {
        "id": "7", "kind": "html", "name": "walk.html", "camera": {"eye": point, "center": point, "up": point},
        "step": 1, "frame": 0, "joint": 3, "hidden": ["truth"], "ghosts": True, "view": "Reverse",
        "theme": {"background": "#000000", "text": "rgb(1, 2, 3)", "primary": "#fff", "dark": True},
    }  # fmt: skip
    of_film = {"id": "8", "kind": "gif", "pictures": ["aGVsbG8=", "iVBORw0KGgo="], "interval_ms": 100.0}
    return {
        "message": Target(json.dumps(wanted).encode(), _message),
        "message for a film": Target(json.dumps(of_film).encode(), _message),
        "message of a view": Target(b'{"view": "Reverse", "frame": 3}', _message),
        "name": Target(b"https://a.example/x www.b.example c@d.example *e* [f](g) \x1b[31m\n    h", _name),
        "video": Target(_film(), _video),
        "picture for a film": Target(_picture(), _encoded("gif")),
    }


@functools.cache
def targets() -> dict[str, Target]:
    """All of them, by name."""
    return {**_motion_targets(), **_work_targets(), **_app_targets()}


def is_safetensors(content: bytes) -> bool:
    """Whether content begins with the length of a JSON header and the header."""
    return len(content) > 10 and struct.unpack("<Q", content[:8])[0] < len(content) and content[8:9] == b"{"
