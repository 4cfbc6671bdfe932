"""Names of files that hold no poses, by how they begin."""

from __future__ import annotations

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a picture (PNG)"), (b"\xff\xd8\xff", "a picture (JPEG)"), (b"GIF8", "a picture (GIF)"),
    (b"BM", "a picture (BMP)"), (b"II*\0", "a picture (TIFF)"), (b"MM\0*", "a picture (TIFF)"),
    (b"%PDF", "a PDF"), (b"\x1f\x8b", "packed by gzip: unpack it first"), (b"BZh", "packed by bzip2: unpack it first"),
    (b"\xfd7zXZ", "packed by xz: unpack it first"), (b"]\0\0", "packed by lzma: unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"), (b"Rar!", "a RAR archive: unpack it first"),
    (b"\x7fELF", "a program"), (b"MZ", "a program"), (b"SQLite format 3", "a database"), (b"PAR1", "a Parquet table"),
    (b"ID3", "a sound file"), (b"OggS", "a sound or video file of a kind that is not read"),
    (b"\xd0\xcf\x11\xe0", "an old Office file: save the table as .csv"), (b"MATLAB 5.0", "a MATLAB file"),
    (b"MATLAB 7.3", "a MATLAB file"),
    (b"FLV", "a video (FLV): export it as MP4"), (b"0&\xb2u\x8ef\xcf\x11", "a video (WMV): export it as MP4"),
    (b"glTF", "a 3D scene (glTF)"), (b"Kaydara FBX", "a 3D scene (FBX)"),
)  # fmt: skip
_MARKERS = (
    "marker positions of motion capture, in 3D ({kind}); expected 2D poses. For training data, `diffpose data` reads "
    "BVH, ASF/AMC and AMASS"
)


def kind_of(content: bytes) -> str | None:
    """Kind of a file that holds no poses, in words; None where it is not known."""
    if content[:12].upper().startswith(b"PATHFILETYPE"):
        return _MARKERS.format(kind="TRC")
    # The second byte of a C3D is 80, the first the number of the block where its parameters are.
    if content[1:2] == b"P" and 2 <= content[0] <= 10 and content[:2] != b"\x04P":
        return _MARKERS.format(kind="C3D")
    if content[:9].upper() == b"HIERARCHY":
        return "a BVH, motion in 3D; expected 2D poses. For training data, `diffpose data` reads it"
    # What a RIFF file holds stands behind its size; packets of MPEG-TS are 188 bytes long.
    if content[:4] == b"RIFF" and content[8:12] in (b"WEBP", b"WAVE"):
        return "a picture (WebP)" if content[8:12] == b"WEBP" else "a sound file"
    if content[:1] == content[188:189] == content[376:377] == b"G" and b"\0" in content[:188]:
        return "a video (MPEG-TS): export it as MP4"
    return next((kind for begin, kind in _BEGINNINGS if content.startswith(begin)), None)
