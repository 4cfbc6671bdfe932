"""Hostile files and messages: `python -m benchmarks.hostile_files` prints peak memory and seconds of each.

Files of 2D poses are here, those of other readers and the app's messages in `hostile_others.py`. Each is made and read
in a process of its own. Allowed is a result, or a refusal in one sentence, within --seconds of processor time and --mib
of memory above the idle process. Films count with the process that encodes them.
"""

from __future__ import annotations

import argparse
import bz2
import functools
import io
import json
import lzma
import multiprocessing
import pickle
import resource
import struct
import tempfile
import zipfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import pose_files as write
from benchmarks.hostile_others import OTHERS, reader_of
from diffpose_core.io.formats import read_pose_file, to_clip
from diffpose_core.io.video_file import is_video, video_facts
from diffpose_core.structures import InvalidInput

MIB = 1024 * 1024


def packed(method: int, size: int, inside: str = "a_1_keypoints.json") -> bytes:
    """An archive whose only file declares 1,000 bytes and holds `size` zeros, packed by a method of zipfile's."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive, archive.open(inside, "w", force_zip64=True) as entry:
        for _ in range(size // MIB):
            entry.write(bytes(MIB))
    content = bytearray(file.getvalue())
    place = content.rfind(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 1000)
    return bytes(content)


def object_npy(pickled: bytes) -> bytes:
    """An .npy of one object, with these bytes for its pickle."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|O", "fortran_order": False, "shape": ()})
    return head.getvalue() + pickled


def npz(**entries: bytes) -> bytes:
    """An .npz of .npy files."""
    return write.zipped({f"{name}.npy": content for name, content in entries.items()})


def encoded_again(times: int, size: int = 60_000) -> bytes:
    """A pickle that encodes one remembered text again and again, and keeps all results."""
    text = b"\x80\x02X" + struct.pack("<I", size) + b"x" * size + b"q\x01" + b"X\x06\x00\x00\x00latin1q\x020]"
    return text + b"(" + b"c_codecs\nencode\nh\x01h\x02\x86R" * times + b"e."


def shared_array(times: int, shape: tuple[int, ...] = (100_000, 17, 2), dtype: str = "<f4") -> bytes:
    """A data set whose clips are all the same array."""
    return npz(positions_2d=object_npy(pickle.dumps({"S1": {"Walk": [np.ones(shape, dtype)] * times}})))


def mixtures(frames: int, modes: int) -> bytes:
    """A clip of mixtures in 8 bits."""
    poses = np.ones((frames, 17, modes, 5), np.int8)
    return npz(positions_2d=object_npy(pickle.dumps({"S1": {"Walk": [poses]}})))


def people_json(count: int, joints: int, frames: int) -> bytes:
    """AlphaPose's list of many people with few joints, scattered over the frames."""
    one = ",".join(["7,9,1"] * joints)
    rows = (f'{{"image_id":{number % frames},"keypoints":[{one}]}}' for number in range(count))
    return f"[{','.join(rows)}]".encode()


def crowd_json(frames: int, people: int, joints: int = 17) -> bytes:
    """AlphaPose's list of as many people as are looked at, in other places in every frame."""
    generator = np.random.default_rng(1)
    rows = []
    for frame in range(frames):
        for place in generator.integers(1, 9000, (people, 2)):
            flat = ",".join(f"{place[0] + j % 5 * 9},{place[1] + j * 9},1" for j in range(joints))
            rows.append(f'{{"image_id":{frame},"keypoints":[{flat}]}}')
    return f"[{','.join(rows)}]".encode()


def names_csv(rows: int) -> bytes:
    """A table of a joint a row, each with a name of its own."""
    lines = "\n".join(f"0,j{number},1,2" for number in range(rows))
    return f"frame,joint,x,y\n{lines}\n".encode()


def wide_csv(rows: int, joints: int) -> bytes:
    """A table as wide and long as is allowed."""
    head = ",".join(f"j{joint}_x,j{joint}_y,j{joint}_c" for joint in range(joints))
    row = ",".join(["1,2,1"] * joints)
    return (head + "\n" + "\n".join([row] * rows) + "\n").encode()


def openpose_zip(prefixes: int, frames: int, people: int) -> bytes:
    """OpenPose's files of many clips."""
    person = {"pose_keypoints_2d": [float(n % 97 + 1) for n in range(75)]}
    content = json.dumps({"people": [person] * people}).encode()
    return write.zipped({
        f"clip{prefix}/c{prefix}_{frame:06d}_keypoints.json": content
        for prefix in range(prefixes) for frame in range(frames)
    })  # fmt: skip


def stream_description() -> bytes:
    """A text that begins like an MP4 and asks FFmpeg to join a multicast group."""
    return (
        b"v=0\nftypjp2 \nv=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 239.1.2.3/1\nt=0 0\n"
        b"m=video 45554 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )


def own_clip(**changes: object) -> bytes:
    """This project's own clip as JSON, with some fields changed."""
    clip: dict[str, object] = {
        "schema": "diffpose-clip/1", "name": "c", "width": 1280, "height": 720, "fps": 30.0,
        "keypoints_px": np.full((3, 17, 2), 100.0).tolist(), "confidence": np.ones((3, 17)).tolist(),
    }  # fmt: skip
    return json.dumps({**clip, **changes}).encode()


#: Name -> maker of a hostile file.
FILES: dict[str, Callable[[], bytes]] = {
    "zip, bzip2, 400 MB": lambda: packed(zipfile.ZIP_BZIP2, 400 * MIB),
    "zip, lzma, 400 MB": lambda: packed(zipfile.ZIP_LZMA, 400 * MIB),
    "zip, deflate, 600 MB": lambda: packed(zipfile.ZIP_DEFLATED, 600 * MIB),
    "npz, bzip2, 400 MB": lambda: packed(zipfile.ZIP_BZIP2, 400 * MIB, "positions_2d.npy"),
    "npz, lzma, 400 MB": lambda: packed(zipfile.ZIP_LZMA, 400 * MIB, "header.npy"),
    "npz, text encoded 100,000 times": lambda: npz(positions_2d=object_npy(encoded_again(100_000))),
    **{f"npz, one array {n} times": (lambda n=n: shared_array(n)) for n in (40, 300, 5000)},  # type: ignore[misc]
    "npz, one array in 8 bits 150 times": lambda: shared_array(150, dtype="i1"),
    "npz, one array in 8 bits 23 times": lambda: shared_array(23, dtype="i1"),
    "npz, empty arrays 4,000,000 times": lambda: shared_array(4_000_000, (0, 17, 2)),
    "npz, mixtures (60000, 17, 64, 5) in 8 bits": lambda: mixtures(60_000, 64),
    "npz, mixtures (3600, 17, 64, 5) in 8 bits": lambda: mixtures(3_600, 64),
    "npz, mixtures (40000, 17, 5, 5) in 8 bits": lambda: mixtures(40_000, 5),
    "json, 1,500,000 people of one joint": lambda: people_json(1_500_000, 1, 100_000),
    "json, 300,000 people in 10 frames": lambda: people_json(300_000, 17, 10),
    "json, crowd of 64 in 900 frames": lambda: crowd_json(900, 64),
    "json, crowd of 64 in 4,000 frames": lambda: crowd_json(4_000, 64, 10),
    "json, crowd of 20 in 9,000 frames": lambda: crowd_json(9_000, 20, 17),
    "json, empty lists": lambda: b"[" + b"[]," * 3_000_000 + b"[]]",
    "json, empty objects": lambda: b"[" + b"{}," * 3_000_000 + b"{}]",
    "json, depth 60 again and again": lambda: b"[" + b",".join([b"[" * 60 + b"]" * 60] * 80_000) + b"]",
    "json, NaN and 12,000,000 numbers": lambda: b"[NaN" + b",1" * 12_000_000 + b"]",
    "json, one text of 200 MB": lambda: b'["' + b"x" * (200 * MIB) + b'"]',
    "json, numbers of 4,000 digits": lambda: b"[NaN," + b",".join([b"9" * 4000] * 20_000) + b"]",
    "json, half surrogates": lambda: b"[NaN," + b",".join([b'"\\ud800"'] * 2_000_000) + b"]",
    "csv, 3,000,000 names": lambda: names_csv(3_000_000),
    "csv, 900,000 names": lambda: names_csv(900_000),
    "csv, 990 joints, 6,000 rows": lambda: wide_csv(6_000, 990),
    "csv, 17 joints, 100,000 rows": lambda: wide_csv(100_000, 17),
    "csv, 5,000,000 separators in a row": lambda: b"a,b\n" + b"," * 5_000_000,
    "csv, quotes": lambda: b'frame,nose_x,nose_y\n"' + b"1,2\n" * 5_000_000,
    "zip, 60 clips of OpenPose": lambda: openpose_zip(60, 1_000, 20),
    "zip, 1,000 clips of OpenPose": lambda: openpose_zip(1_000, 60, 2),
    "zip, 100,000 empty frames": lambda: openpose_zip(1, 100_000, 0),
    "zip, frames 0 and 999,999,999 of OpenPose": lambda: write.zipped(
        {f"c_{n:012d}_keypoints.json": b'{"people": [{"pose_keypoints_2d": [1, 2, 1]}]}' for n in (0, 999_999_999)}
    ),
    "zip, 60,000 names of digits": lambda: write.zipped(
        {f"{'1' * 180}x{number:07d}.json": b'{"people":[]}' for number in range(60_000)}
    ),
    "zip, 100,000 labels of YOLO": lambda: write.zipped(
        {f"a_{n}.txt": b"0 0.5 0.5 0.2 0.2" + b" 0.5 0.5 1" * 17 for n in range(100_000)}
    ),
    "txt, 400,000 people of YOLOv7": lambda: (
        b"0 0 400 400 90 300 0.9" + b"\n0 0 400 400 90 300 0.9".join([b" 9 9 1" * 17] * 400_000)
    ),
    "txt, a person of 5,000,000 joints": lambda: b"0 0.5 0.5 0.2 0.2" + b" 0.5 0.5 1" * 5_000_000,
    "json, Ultralytics, 1,000,000 texts": lambda: b'["[{\\"keypoints\\": {}}]"' + b',"[]"' * 1_000_000 + b"]",
    "json, Ultralytics, a person of 6,000,000 joints": lambda: (
        b'[{"keypoints": {"x": [1%s], "y": [1%s]}}]' % ((b",1" * 6_000_000,) * 2)
    ),
    "json, easy_ViTPose, 300,000 identities": lambda: (
        b'{"skeleton": {"0": "nose"}, "keypoints": [{%s}]}'
        % b",".join(b'"%d": [[1, 2, 1]]' % n for n in range(300_000))
    ),
    "json, easy_ViTPose, 3,000,000 names": lambda: (
        b'{"keypoints": [{}], "skeleton": {%s}}' % b",".join(b'"%d": "nose"' % n for n in range(1_500_000))
    ),
    "json, image names of 1 MB": lambda: json.dumps(
        [{"image_id": "7" * MIB + str(n), "keypoints": [1, 2, 1] * 17} for n in range(100)]
    ).encode(),
    "json, landmarks of frame 10^15": lambda: json.dumps(
        {"frames": [{"frame": n, "landmarks": [[{"x": 0.1, "y": 0.2}] * 33]} for n in (0, 10**15)]}
    ).encode(),
    "csv, 400,000 dates that are none": lambda: b"time,left_hip_x,left_hip_y\n" + b"2024-13-45T99:99,1,2\n" * 400_000,
    "csv, the same name 3,000 times": lambda: b",".join([b"nose_x"] * 3_000) + b"\n" + b",".join([b"1"] * 3_000),
    "csv, DeepLabCut, 990 individuals": lambda: "\n".join(
        ",".join([word, *cells])
        for word, cells in (
            ("scorer", ["s"] * 2970),
            ("individuals", [f"i{n // 3}" for n in range(2970)]),
            ("bodyparts", ["nose"] * 2970),
            ("coords", ["x", "y", "likelihood"] * 990),
            *((str(n), ["1"] * 2970) for n in range(3_000)),
        )
    ).encode(),
    "json in UTF-16, 240 MB": lambda: b"\xff\xfe" + "[1,".encode("utf-16-le") * (40 * MIB),
    "npz, mixtures (10, 17, 20000, 5)": lambda: mixtures(10, 20_000),
    "npz, heatmap peaks of 1,000,000 people": lambda: write.saved(
        boxes=np.zeros((2, 1), np.int8), keypoints=np.zeros((1_000_000, 4, 17), np.int8)
    ),
    "npz, a result of 4,000,000 frames": lambda: write.saved(
        pose3d=np.zeros((4_000_000, 17, 3), np.int8), provenance=np.array("{}"), joint_std=np.zeros(1)
    ),
    "npz, a text of characters that don't exist": lambda: npz(
        header=object_npy(b"").replace(b"'|O'", b"'<U1'")[:128] + b"\xff\xff\xff\xff", keypoints_px=b""
    ),
    "npy, a header of 60 kB": lambda: b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + b"(" * 60_000,
    "pkl, 2,000,000 annotations": lambda: pickle.dumps({"annotations": [{}] * 2_000_000}),
    "pkl, a set in a set in a set": lambda: b"\x80\x04" + b"(" * 200_000 + b"l" * 200_000 + b".",
    "h5, zeros behind the mark of HDF5": lambda: b"\x89HDF\r\n\x1a\n" + bytes(200 * MIB),
    "mp4, a stream description": stream_description,
    "mp4, cut off": lambda: b"\0\0\0\x20ftypisom" + bytes(200),
    "clip, coordinates of 3e38": lambda: own_clip(keypoints_px=np.full((3, 17, 2), 3e38).tolist()),
    "clip, 1e-300 frames a second": lambda: own_clip(fps=1e-300),
    "clip, half a surrogate": lambda: own_clip(name="\ud800"),
    "clip, an image of 1e9 px": lambda: own_clip(width=10**9),
    "clip, a focal length of 1e300": lambda: own_clip(intrinsics_px={"fx": 1e300, "fy": 1, "cx": 0, "cy": 0}),
    "bz2 alone": lambda: bz2.compress(bytes(100 * MIB)),
    "lzma alone": lambda: lzma.compress(bytes(100 * MIB)),
    "zeros": lambda: bytes(200 * MIB),
    "spaces": lambda: b" " * (200 * MIB),
    "commas": lambda: b"," * (100 * MIB),
    "line ends": lambda: b"a,b" + b"\n" * (100 * MIB),
}


def read(content: bytes) -> str:
    """Read a file as the app does, and make a clip of it: its outcome in a few words."""
    try:
        if is_video(content):
            facts = video_facts(content, "hostile")
            return f"read: {facts}"
        poses = read_pose_file(content, "hostile")
        return f"read: {len(to_clip(poses).clip)} frames"
    except InvalidInput as error:
        return str(error)


def _maker(name: str, path: str, pipe: Connection) -> None:
    _, make = OTHERS[name] if name in OTHERS else ("poses", FILES[name])
    content = make()
    Path(path).write_bytes(content)
    pipe.send(len(content))


def _reader(name: str, path: str, pipe: Connection) -> None:
    # The reader's modules are part of an idle process, and no cost of the file.
    kind = OTHERS[name][0] if name in OTHERS else "poses"
    if kind == "poses":
        reader, warm = read, (b"[1]", b"frame,nose_x,nose_y\n1,2,3\n")
    else:
        other, seed = reader_of(kind)
        reader, warm = functools.partial(_outcome, other), (seed,)
    for seed in warm:
        reader(seed)
    content = Path(path).read_bytes()
    idle, begin = _used()
    try:
        outcome = reader(content)
    except Exception as error:
        outcome = f"FAILED: {type(error).__name__}: {error}"
    peak, end = _used()
    pipe.send((peak - idle, end - begin, outcome[:300]))


def _outcome(reader: Callable[[bytes], bool], content: bytes) -> str:
    """The outcome of another reader, in a few words."""
    try:
        return "read" if reader(content) else "nothing in it"
    except InvalidInput as error:
        return str(error)


def _used() -> tuple[float, float]:
    """Most memory that this process, and the largest that it waited for, held, MiB; and their seconds together."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_maxrss for one in both) / 1024, sum(one.ru_utime + one.ru_stime for one in both)


def _of_process(context: BaseContext, work: Callable[..., None], name: str, path: str) -> Any:
    """The answer of a function in a fresh process; None where the process died."""
    inner, outer = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(name, path, outer))
    process.start()
    outer.close()
    try:
        return inner.recv()
    except EOFError:
        return None
    finally:
        process.join()


def main() -> None:
    """Read every hostile file and print its cost; the exit status is the number of those beyond the bounds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="files whose names contain this")
    parser.add_argument("--mib", type=float, default=1024.0, help="memory above the idle process")
    parser.add_argument("--seconds", type=float, default=15.0, help="processor time")
    options = parser.parse_args()
    # Modules are loaded once; every process starts from them.
    context, failed = multiprocessing.get_context("forkserver"), 0
    context.set_forkserver_preload(["benchmarks.hostile_files", "benchmarks.fuzz_targets", "pandas", "scipy.optimize"])
    print(f"{'file':<46} {'bytes':>11} {'MiB':>6} {'s':>6}  outcome")
    for name in (name for name in (*FILES, *OTHERS) if options.only in name):
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder, "file"))
            size = _of_process(context, _maker, name, path)
            answer = _of_process(context, _reader, name, path)
        peak, spent, outcome = answer or (0.0, 0.0, "no answer: the process died")
        bad = peak > options.mib or spent > options.seconds or outcome.startswith(("FAILED", "no answer"))
        failed += bad
        print(
            f"{name:<46} {size:>11,} {peak:>6.0f} {spent:>6.1f}  {'BEYOND ' if bad else ''}{outcome[:160]}", flush=True
        )
    print(f"{failed} beyond {options.mib:.0f} MiB or {options.seconds:g} s")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
