"""Opening files that nobody vouches for: bounded in size, time and memory, and never running what they hold.

Everything here raises InvalidInput that states the limit or says what is damaged.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import orjson

from diffpose_core.structures import InvalidInput

MIB = 1024 * 1024
MAX_FILE_BYTES = 256 * MIB
MAX_UNPACKED_BYTES = 512 * MIB
MAX_ENTRIES = 110_000
MAX_JSON_DEPTH = 64
#: What parsed JSON may take. A number or a name costs a Python object, a list or an object more.
MAX_JSON_MEMORY = 768 * MIB
_NUMBER_COST, _LIST_COST, _OBJECT_COST = 40, 100, 250
_MAX_PICKLED_ITEMS = 5_000_000
#: Steps of a pickle's program: what bounds its time, and with the size of the file its memory.
_MAX_PICKLED_STEPS = 6_000_000


@dataclass(frozen=True)
class Limits:
    """How large an archive may be, packed and unpacked, bytes."""

    packed: int
    unpacked: int


#: A data set that its user has fetched and names on the command line.
DATA_SET = Limits(2048 * MIB, 6144 * MIB)


def check_size(size: int, name: str, limit: int | None = None) -> None:
    """Refuse a file that is larger than `limit`, MAX_FILE_BYTES by default."""
    limit = MAX_FILE_BYTES if limit is None else limit
    if size > limit:
        raise InvalidInput(f"{name}: {size / MIB:.0f} MiB; the limit is {limit // MIB} MiB")


def read_file(path: str | Path, what: str, limits: Limits) -> bytes:
    """The bytes of a file of a data set. what: says in the message what was looked for."""
    path = Path(path)
    if not path.is_file():
        raise InvalidInput(f"{path}: no such file; expected {what}")
    check_size(path.stat().st_size, str(path), limits.packed)
    return path.read_bytes()


# JSON and text


def decode_text(content: bytes, name: str) -> str:
    """Text in UTF-8, or in UTF-16 with its mark; a byte order mark is taken off."""
    utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        pass
    if utf16 or b"\0" in content[:4096]:
        raise InvalidInput(f"{name}: not text; expected a file in UTF-8")
    # Old spreadsheets write names in Latin-1; every byte has a meaning there.
    return content.decode("latin-1")


def in_utf8(content: bytes, name: str) -> bytes:
    """The same without a byte order mark, and in UTF-8 if its mark says that it is in UTF-16."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return decode_text(content, name).encode()
    return content.removeprefix(b"\xef\xbb\xbf")


def parse_json(content: bytes, name: str) -> Any:
    """Parse JSON, NaN and Infinity as Python writes them included, after bounding its depth and its memory.

    A number beyond what a double holds is infinity.
    """
    check_size(len(content), name)
    content = in_utf8(content, name)
    depth = _depth(content)
    if depth > MAX_JSON_DEPTH:
        raise InvalidInput(f"{name}: JSON nested {depth} deep; the limit is {MAX_JSON_DEPTH}")
    memory = (
        len(content) + _NUMBER_COST * content.count(b",") + _LIST_COST * content.count(b"[")
        + _OBJECT_COST * content.count(b"{")
    )  # fmt: skip
    if memory > MAX_JSON_MEMORY:
        raise InvalidInput(
            f"{name}: this JSON would take about {memory // MIB} MiB of memory; the limit is "
            f"{MAX_JSON_MEMORY // MIB} MiB. Cut the clip into parts"
        )
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        reason = str(error)
    # Strict JSON has no NaN, Python's does, and so have many files. The slower parser runs only for these.
    if b"NaN" in content or b"Infinity" in content or "infinity" in reason:
        try:
            return json.loads(content, parse_int=_whole)
        except (ValueError, RecursionError) as error:
            reason = str(error)
    raise InvalidInput(f"{name}: not readable as JSON ({reason[:120]})")


def _whole(digits: str) -> int | float:
    # Python refuses to read whole numbers of thousands of digits, and numpy those of more than 64 bits.
    return int(digits) if len(digits) < 19 else float(digits)


def _depth(content: bytes) -> int:
    """The deepest nesting of brackets, more where strings hold brackets; 0 where there are too few for the limit."""
    deepest = level = 0
    if content.count(b"[") + content.count(b"{") <= MAX_JSON_DEPTH:
        return deepest
    for begin in range(0, len(content), 4 * MIB):
        part = np.frombuffer(content, np.uint8, min(4 * MIB, len(content) - begin), begin)
        brackets = part[(part | 0x26) == 0x7F]  # one of [ ] { } and a few that the next line leaves out
        steps = np.isin(brackets, (0x5B, 0x7B)).astype(np.int32) - np.isin(brackets, (0x5D, 0x7D))
        if steps.size:
            levels = level + np.cumsum(steps)
            deepest, level = max(deepest, int(levels.max())), int(levels[-1])
    return deepest


# Archives


def open_zip(content: bytes, name: str, limits: Limits | None = None) -> zipfile.ZipFile:
    """Open an archive after bounding its entries and what they unpack to. Names that lead elsewhere are refused."""
    packed, most = (MAX_FILE_BYTES, MAX_UNPACKED_BYTES) if limits is None else (limits.packed, limits.unpacked)
    check_size(len(content), name, packed)
    # zipfile makes an object for every entry before anybody can ask how many there are.
    entries = content.count(b"PK\x01\x02")
    if entries > MAX_ENTRIES:
        raise InvalidInput(f"{name}: an archive of {entries} files; the limit is {MAX_ENTRIES}")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    # A damaged archive fails inside zipfile in many ways.
    except Exception as error:
        raise InvalidInput(f"{name}: not a readable archive, perhaps truncated ({str(error)[:120]})") from error
    unpacked = 0
    for entry in archive.infolist():
        parts = entry.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0].endswith(":") or (parts[0] == "" and len(parts) > 1):
            raise InvalidInput(f"{name}: the archive names a file outside itself ({entry.filename[:80]!r}); not read")
        if entry.flag_bits & 1:
            raise InvalidInput(f"{name}: the archive is encrypted; expected one without a password")
        unpacked += entry.file_size
    if unpacked > most:
        raise InvalidInput(f"{name}: unpacks to {unpacked / MIB:.0f} MiB; the limit is {most // MIB} MiB")
    return archive


def read_entry(archive: zipfile.ZipFile, entry: str, name: str) -> bytes:
    """One file of an archive that `open_zip` opened."""
    try:
        return archive.read(entry)
    except Exception as error:
        raise InvalidInput(f"{name}: {entry[:80]!r} in the archive is damaged ({str(error)[:120]})") from error


# Arrays


def read_npz(
    content: bytes, name: str, keys: Sequence[str], objects: bool = False, limits: Limits | None = None
) -> dict[str, Any]:
    """Those arrays of an .npz that have the given keys.

    objects: whether arrays of objects are read too, by `restricted_unpickle`: they come back as nested lists, dicts and
    arrays of numbers. limits: of its size, MAX_FILE_BYTES and MAX_UNPACKED_BYTES by default.
    """
    archive = open_zip(content, name, limits)
    found = {}
    for entry in archive.namelist():
        key = entry.removesuffix(".npy")
        if key != entry and key in keys:
            found[key] = _read_npy(read_entry(archive, entry, name), f"{name}: {key[:40]}", objects)
    return found


def npz_keys(content: bytes, name: str) -> tuple[str, ...]:
    """Names of the arrays in an .npz."""
    names = open_zip(content, name).namelist()
    return tuple(entry.removesuffix(".npy") for entry in names if entry.endswith(".npy"))


def _read_npy(content: bytes, label: str, objects: bool) -> Any:
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        reader: Callable[[Any], Any] = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = reader(file)
    # The header is text from outside, read by numpy with ast.literal_eval.
    except Exception as error:
        raise InvalidInput(f"{label} has a damaged header ({str(error)[:120]})") from error
    if dtype.hasobject and not objects:
        raise InvalidInput(f"{label} holds pickled objects; expected an array of numbers or text")
    if dtype.hasobject:
        return restricted_unpickle(content[file.tell() :], label)
    return _array(dtype.str, shape, fortran, content[file.tell() :], label)


def _array(dtype_text: str, shape: Any, fortran: bool, data: bytes, label: str) -> np.ndarray:
    """An array of numbers or text from its raw bytes, every claim of which is checked."""
    try:
        dtype = np.dtype(dtype_text)
    except (TypeError, ValueError):
        dtype = np.dtype("V")
    if dtype.kind not in "fiubUS":
        raise InvalidInput(f"{label}: arrays of numbers or text expected, found {dtype_text[:20]!r}")
    _check_shape(shape, label)
    if math.prod(shape) * dtype.itemsize != len(data):
        raise InvalidInput(
            f"{label}: an array {shape} of {dtype} needs {math.prod(shape) * dtype.itemsize} bytes, found {len(data)}"
        )
    if not data:
        return np.zeros(shape, dtype)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _check_shape(shape: Any, label: str) -> None:
    if not isinstance(shape, tuple) or len(shape) > 8 or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise InvalidInput(f"{label}: the shape of an array is damaged")


class _Dtype:
    """Stands for numpy.dtype while unpickling: numpy's own would believe whatever a file says about memory."""

    def __init__(self, *arguments: Any) -> None:
        self.text = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        self.plain = True

    def __setstate__(self, state: Any) -> None:
        _, order, subtype, names, fields, *_ = state
        self.plain = subtype is None and names is None and fields is None
        if order in ("<", ">"):
            self.text = order + self.text.lstrip("<>|=")


class _Array:
    """Stands for numpy.ndarray while unpickling; `_plain` makes a real one of it."""

    def __init__(self) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    array = _Array()
    array.state = (1, shape, dtype, order == "F", data)
    return array


def _scalar(dtype: Any, data: Any = b"") -> _Array:
    array = _Array()
    array.state = (1, (), dtype, False, data)
    return array


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if encoding != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError(f"text encoded as {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    # Old protocols write empty bytes as a call of their type; with an argument it could ask for any size.
    return b""


def _container(*_: Any) -> dict[Any, Any]:
    return {}


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("builtins", "bytes"): _no_bytes,
    ("__builtin__", "bytes"): _no_bytes,
    ("collections", "OrderedDict"): _container,
    ("collections", "defaultdict"): _container,
    ("builtins", "dict"): _container,
    ("__builtin__", "dict"): _container,
}
for _module in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_module}.multiarray", "_reconstruct"] = _reconstruct
    _ALLOWED[f"{_module}.multiarray", "scalar"] = _scalar
    _ALLOWED[f"{_module}.numeric", "_frombuffer"] = _frombuffer

_REFUSED = (
    pickle.PERSID, pickle.BINPERSID, pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2,
    pickle.EXT4, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER, pickle.EMPTY_SET, pickle.ADDITEMS,
    pickle.FROZENSET,
)  # fmt: skip


# The C implementation reserves memory for whatever number a file uses as a label of its memory; this one does not.
_Base: Any = pickle._Unpickler


class _Unpickler(_Base):
    """Makes plain containers and stand-ins for arrays, and nothing else."""

    dispatch: ClassVar = {code: load for code, load in _Base.dispatch.items() if bytes([code]) not in _REFUSED}

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}"[:120]) from None

    def _check_key(self, key: Any) -> None:
        # The hash of a deeply nested tuple would overflow the stack.
        if not isinstance(key, (str, bytes)) and not (type(key) is int and abs(key) < 2**63):
            raise pickle.UnpicklingError("a dict whose keys are neither text nor whole numbers")

    def load_setitem(self) -> None:
        self._check_key(self.stack[-2])
        _Base.load_setitem(self)

    def load_setitems(self) -> None:
        for key in self.stack[::2]:
            self._check_key(key)
        _Base.load_setitems(self)

    def load_dict(self) -> None:
        for key in self.stack[::2]:
            self._check_key(key)
        _Base.load_dict(self)

    def load_frame(self) -> None:
        # Frames only group what follows; read one by one, every step counts.
        self.read(8)

    def load_bytearray8(self) -> None:
        # Python's own reserves the size before it looks whether the bytes are there.
        (size,) = struct.unpack("<Q", self.read(8))
        data = self.read(size)
        if len(data) != size:
            raise pickle.UnpicklingError("truncated")
        self.append(data)

    dispatch[pickle.FRAME[0]] = load_frame
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.DICT[0]] = load_dict


class _Steps(io.BytesIO):
    """A pickle's bytes, which can be read from so many times only."""

    def __init__(self, data: bytes, label: str) -> None:
        super().__init__(data)
        self.left, self.label = _MAX_PICKLED_STEPS, label

    def read(self, size: int | None = -1, /) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise InvalidInput(f"{self.label} has more than {_MAX_PICKLED_STEPS:,} parts; cut the clip into parts")
        return super().read(size)


def restricted_unpickle(data: bytes, label: str) -> Any:
    """Read a pickle that may hold arrays of numbers, text, numbers, lists, tuples and dicts, and nothing else.

    Arrays of objects come back as (nested) lists; an array of objects without axes as the object itself.
    """
    try:
        value = _Unpickler(_Steps(data, label), encoding="latin1").load()
    except InvalidInput:
        raise
    # A damaged or hostile pickle fails in as many ways as there are opcodes.
    except Exception as error:
        raise InvalidInput(
            f"{label} holds pickled objects other than arrays and plain containers, or is damaged ({str(error)[:160]})"
        ) from error
    return _plain(value, label, _count_down(label), 0)


def _count_down(label: str) -> Iterator[None]:
    # A few bytes of a pickle can refer to the same list so often that walking it would take years.
    yield from (None for _ in range(_MAX_PICKLED_ITEMS))
    raise InvalidInput(f"{label} holds more than {_MAX_PICKLED_ITEMS:,} objects")


def _plain(value: Any, label: str, budget: Iterator[None], depth: int) -> Any:
    next(budget)
    if depth > MAX_JSON_DEPTH:
        raise InvalidInput(f"{label}: nested more than {MAX_JSON_DEPTH} deep")
    if isinstance(value, _Array):
        return _plain_array(value, label, budget, depth)
    if isinstance(value, (list, tuple)):
        return [_plain(item, label, budget, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_text(key): _plain(item, label, budget, depth + 1) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    raise InvalidInput(f"{label} holds a {type(value).__name__.lstrip('_').lower()} where arrays were expected")


def _plain_array(value: _Array, label: str, budget: Iterator[None], depth: int) -> Any:
    try:
        _, shape, dtype, fortran, data = value.state
        text, plain = dtype.text, dtype.plain
    except (TypeError, ValueError, AttributeError):
        raise InvalidInput(f"{label}: an array without its contents") from None
    if not plain or not isinstance(text, str):
        raise InvalidInput(f"{label}: arrays of numbers expected, found one of records")
    if text.lstrip("<>|=").startswith("O"):
        if not isinstance(data, list):
            raise InvalidInput(f"{label}: an array of objects without its list")
        items = [_plain(item, label, budget, depth + 1) for item in data]
        return items[0] if shape == () and items else _folded(items, shape, label, budget)
    if isinstance(data, str):
        data = _encode(data)
    if not isinstance(data, bytes):
        raise InvalidInput(f"{label}: an array without its bytes")
    array = _array(text, shape, bool(fortran), data, label)
    return array.item() if shape == () else array


def _folded(items: list[Any], shape: Any, label: str, budget: Iterator[None]) -> list[Any]:
    """A flat list as the nested lists of an array's shape (its order in memory is taken to be C's)."""
    _check_shape(shape, label)
    if math.prod(shape) != len(items):
        raise InvalidInput(f"{label}: an array {shape} needs {math.prod(shape)} objects, found {len(items)}")
    for size in reversed(shape[1:]):
        if size == 0:
            return []
        items = [items[begin : begin + size] for begin in range(0, len(items), size)]
    return items


def _text(key: Any) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else str(key)[:1000]
