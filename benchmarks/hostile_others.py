"""Hostile files and messages for all other readers: (target of `fuzz_targets`, or one of READERS here; maker)."""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from benchmarks import pose_files as write

MIB = 1024 * 1024


def png(width: int, height: int, chunks: bytes = b"", bomb: int = 0) -> bytes:
    """A black picture. chunks: further ones before its pixels. bomb: bytes that the pixels unpack to instead."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    pack, pixels = zlib.compressobj(9), b""
    total = bomb or height * (1 + 3 * width)
    for begin in range(0, total, MIB):
        pixels += pack.compress(bytes(min(MIB, total - begin)))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunks + chunk(b"IDAT", pixels + pack.flush()) + chunk(b"IEND", b"")


def text_chunk(size: int) -> bytes:
    """A chunk of compressed text for a PNG."""
    content = b"Comment\0\0" + zlib.compress(bytes(size), 9)
    return struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))


def film_message(kind: str, pictures: list[bytes], interval_ms: float = 100.0) -> bytes:
    """A request for an animation."""
    coded = [base64.b64encode(picture).decode() for picture in pictures]
    return json.dumps({"kind": kind, "pictures": coded, "interval_ms": interval_ms}).encode()


def tensors(header: dict[str, object], size: int = 16) -> bytes:
    """A safetensors file with this header and `size` zeros."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(size)


def many_tensors(count: int) -> bytes:
    """A safetensors file of many tensors without numbers."""
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    return tensors({f"t{number}": empty for number in range(count)}, 0)


def record(dtype: str = "F32", **changes: object) -> bytes:
    """A checkpoint whose record claims something."""
    values: dict[str, object] = {
        "format": "diffpose-checkpoint/1", "kind": "graformer", "name": "graformer", "training": {}, "data": "d",
        "command": "c", "seed": 0, "metrics": {}, "licence": "l", "config": {},
    }  # fmt: skip
    return tensors({
        "__metadata__": {"diffpose": json.dumps({**values, **changes})},
        "a": {"dtype": dtype, "shape": [16 if dtype.startswith("F8") else 4], "data_offsets": [0, 16]},
    })  # fmt: skip


def packed_state(size: int) -> bytes:
    """A run's state whose tensor's bytes are deflated zeros."""
    import torch

    plain, packed = io.BytesIO(), io.BytesIO()
    torch.save({"epoch": 1, "a": torch.ones(4)}, plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            with new.open(entry, "w", force_zip64=True) as file:
                if not entry.endswith("/data/0"):
                    file.write(old.read(entry))
                    continue
                for _ in range(size // MIB):
                    file.write(bytes(MIB))
    return packed.getvalue()


def film(width: int = 64, height: int = 48, change: Callable[[bytearray], None] = lambda content: None) -> bytes:
    """A short MP4, with some of its bytes changed."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for shade in (20, 120, 220):
            frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), shade, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    content = bytearray(file.getvalue())
    change(content)
    return bytes(content)


def _after(mark: bytes, skip: int, new: bytes) -> Callable[[bytearray], None]:
    """A change of the bytes so far behind a box's name."""

    def change(content: bytearray) -> None:
        place = content.find(mark) + len(mark) + skip
        content[place : place + len(new)] = new

    return change


def bvh(joints: int = 1, frames: int = 1, deep: bool = True, numbers: str = "0 0 0 ") -> bytes:
    """A motion file with a chain, or a bush, of joints."""
    opened = "OFFSET 0 1 0\nCHANNELS 3 Xrotation Yrotation Zrotation\n"
    if deep:
        body = "".join(f"JOINT j{n}\n{{\n{opened}" for n in range(joints)) + "}\n" * joints
    else:
        body = "".join(f"JOINT j{n}\n{{\n{opened}}}\n" for n in range(joints))
    head = f"HIERARCHY\nROOT r\n{{\n{opened}{body}}}\nMOTION\nFrames: {frames}\nFrame Time: 0.04\n"
    return (head + (numbers * (joints + 1) + "\n") * min(frames, 200)).encode()


def arrays(**found: np.ndarray) -> bytes:
    """An .npz of arrays."""
    return write.saved(**found)


def amass(frames: int) -> bytes:
    """A long clip of AMASS in few bytes."""
    return arrays(poses=np.zeros((frames, 66), np.int8), trans=np.zeros((frames, 3), np.int8),
                  betas=np.zeros(4), gender=np.array("male"), mocap_framerate=np.array(30.0))  # fmt: skip


def mocap(frames: int, clips: int = 1) -> bytes:
    """A data set in Mocap-17 layout of joints that don't move, in few bytes."""
    text = np.full(clips, "x" * 20)
    return arrays(root=np.zeros((frames, 3), np.float16), joints=np.zeros((frames, 16, 3), np.int16),
                  start=np.linspace(0, frames, clips + 1).astype(np.int64), fps=np.full(clips, 1e-3),
                  **dict.fromkeys(("name", "source", "subject", "action", "style"), text))  # fmt: skip


def footage(cameras: int, frames: int) -> bytes:
    """Real footage of many cameras in few bytes."""
    shape = (cameras, frames, 33)
    return arrays(
        keypoints_px=np.ones((*shape, 2), np.int8), visibility=np.ones(shape, np.int8), size=np.array([640, 480]),
        detector_pose3d_m=np.ones((*shape, 3), np.int8), truth_world_m=np.ones((frames, 33, 3), np.int8),
        rotation=np.stack([np.eye(3, dtype=np.int8)] * cameras), centre_m=np.ones((cameras, 3), np.int8),
        intrinsics=np.ones((cameras, 4), np.int8), on_person=np.ones(shape[:2], bool), fps=np.array(1.0),
    )  # fmt: skip


def amc(frames: int) -> bytes:
    """A motion of a skeleton of which every frame has the root alone."""
    rows = "".join(f"{n}\nroot 0 17 0 0 0 0\n" for n in range(1, frames + 1))
    return f":FULLY-SPECIFIED\n:DEGREES\n{rows}".encode()


def asf(bones: int) -> bytes:
    """A skeleton that is one chain."""
    data = "".join(f"begin\nid {n}\nname b{n}\ndirection 0 1 0\nlength 1\naxis 0 0 0 XYZ\nend\n" for n in range(bones))
    tree = "".join(f"{'root' if n == 0 else f'b{n - 1}'} b{n}\n" for n in range(bones))
    return f":units\nlength 1\n:root\norder TX\n:bonedata\n{data}:hierarchy\nbegin\n{tree}end\n".encode()


def wide_message(size: int) -> bytes:
    """A request with long texts everywhere."""
    return json.dumps({"kind": "html", "id": "x" * size, "name": "n" * size, "hidden": ["h" * size] * 3}).encode()


_HUGE = struct.pack(">I", 0xFFFFFFFF)
#: Name -> (reader, maker).
OTHERS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "weights, a header of 2^62 bytes": ("encoder", lambda: struct.pack("<Q", 2**62) + b"{}"),
    "weights, 150,000 tensors": ("encoder", lambda: many_tensors(150_000)),
    "weights, a shape of 2^62": ("encoder", lambda: tensors(
        {"a": {"dtype": "F32", "shape": [2**31, 2**31], "data_offsets": [0, 16]}})),
    "weights, 8-bit floats": ("encoder", lambda: record("F8_E4M3")),
    "weights, the largest network": ("encoder", lambda: record(
        config={"channels": 1024, "num_blocks": 64, "num_heads": 64, "cheb_order": 16})),
    "weights, the largest video network": ("encoder", lambda: record(kind="mixste", config={
        "receptive_field": 999, "channels": 1024, "num_blocks": 64, "num_heads": 64, "mlp_ratio": 16})),
    "weights, the largest denoiser": ("denoiser", lambda: record(kind="denoiser", config={
        "channels": 1024, "context_channels": 1024, "num_blocks": 64, "num_heads": 64, "num_steps": 10_000})),
    "weights, a record of 15 MB": ("encoder", lambda: record(data="d" * 15_000_000)),
    "weights, a record nested deep": ("encoder", lambda: tensors(
        {"__metadata__": {"diffpose": "[" * 1_000_000}}, 0)),
    "bank, 150,000 tensors": ("bank", lambda: many_tensors(150_000)),
    "state, 2 GB deflated": ("state", lambda: packed_state(2048 * MIB)),
    "state, zeros": ("state", lambda: bytes(300 * MIB)),
    "recipe, nested deep": ("recipe toml", lambda: b"a = " + b"[" * 900_000),
    "recipe, 900 kB of tables": ("recipe toml", lambda: b"".join(b"[a.b%d]\n" % n for n in range(90_000))),
    "recipe, dotted names": ("recipe toml", lambda: b".".join([b"a"] * 450_000) + b" = 1"),
    "recipe, JSON nested deep": ("recipe json", lambda: b"[" * 999_000),
    "calibration, nested deep": ("calibration", lambda: b"[" * 199_000),
    "journal, 200 MB": ("journal", lambda: b'{"file": "a", "status": "lifted"}\n' * 6_000_000),
    "journal, one line of 200 MB": ("journal", lambda: b'{"file": "' + b"a" * (200 * MIB)),
    "result in the way, JSON nested deep": ("report in the way", lambda: b"[" * (30 * MIB)),
    "result in the way, 60 MB of lists": ("report in the way", lambda: b"[" + b"[]," * (20 * MIB) + b"[]]"),
    "weights in the way, a header of 2^62 bytes": ("weights in the way", lambda: struct.pack("<Q", 2**62) + b"{}"),
    "names of joints, long": ("joint names", lambda: json.dumps({"RHip": "x" * 90_000}).encode()),
    "labels, 3,000,000 rows": ("labels", lambda: b"file,subject\n" + b"a,b\n" * 3_000_000),
    "bvh, 30,000 joints deep": ("bvh", lambda: bvh(30_000)),
    "bvh, 30,000 joints beside each other": ("bvh", lambda: bvh(30_000, deep=False)),
    "bvh, 10^12 frames": ("bvh", lambda: bvh(1, 999_999_999_999)),
    "bvh, 100 MB of numbers": ("bvh", lambda: bvh(1, 1, numbers="0 " * (50 * MIB))),
    "asf, 9,000 bones in a chain": ("asf", lambda: asf(9_000)),
    "amc, 5,000,000 frames": ("amc", lambda: amc(5_000_000)),
    "amass, 280,000 frames": ("amass", lambda: amass(280_000)),
    "amass, 7,000,000 frames": ("amass", lambda: amass(7_000_000)),
    "mocap17, 10,000,000 frames at 0.001 a second": ("mocap17 as motion", lambda: mocap(10_000_000)),
    "mocap17, 300,000 clips": ("mocap17 as motion", lambda: mocap(300_000, 300_000)),
    "footage, 1,000 cameras": ("footage", lambda: footage(1_000, 300)),
    "video, 65,535 x 65,535 pixels": ("video", lambda: film(change=_after(b"mp4v", 24, b"\xff\xff\xff\xff"))),
    "video, 4 billion frames": ("video", lambda: film(change=_after(b"stts", 8, _HUGE))),
    "video, boxes of 2^32 bytes": ("video", lambda: film(change=_after(b"moov", -8, _HUGE))),
    "video, no time scale": ("video", lambda: film(change=_after(b"mvhd", 12, bytes(4)))),
    "message, texts of 20 MB": ("message", lambda: wide_message(20_000_000)),
    "message, nested 60 deep, 5,000,000 lists": (
        "message", lambda: b"[" + b",".join([b"[" * 60 + b"]" * 60] * 80_000) + b"]"),
    "message, 3,000,000 layers to hide": (
        "message", lambda: b'{"kind": "html", "hidden": [' + b'"",' * 3_000_000 + b'""]}'),
    "message, a page of 400 pictures": ("film", lambda: film_message("gif", [png(1580, 1580)] * 400)),
    "message, pictures that unpack to 2 GB": ("film", lambda: film_message("gif", [png(64, 64, bomb=2048 * MIB)] * 3)),
    "message, pictures with 200 MB of text": (
        "film", lambda: film_message("gif", [png(64, 64, text_chunk(200 * MIB))] * 3)),
    "message, a film of the most pixels": ("film", lambda: film_message("mp4", [png(2000, 2000)] * 33, 1000.0)),
    "message, a picture of 30,000 x 2": ("film", lambda: film_message("mp4", [png(30_000, 2)])),
    "name, 50 MB of brackets and colons": ("name", lambda: b"[](http://a.b) \x1b[31m" * 2_000_000),
}  # fmt: skip


def film_reader() -> Callable[[bytes], bool]:
    """A reader of requests for animations, encoded as the app does."""
    from app.stage import files, messages
    from diffpose_core.io.untrusted.json import parse_json

    def read(content: bytes) -> bool:
        request = messages.file_request(parse_json(content, "message"))
        return bool(files.make_file(request, b"", ("", "", "")).content)

    return read


def reader_of(name: str) -> tuple[Callable[[bytes], bool], bytes]:
    """A reader by its name, and a small input for it."""
    if name == "film":
        return film_reader(), film_message("gif", [png(16, 16)])
    from benchmarks.fuzz_targets import targets

    target = targets()[name]
    return lambda content: target.read(target.pack(content)), target.seed
