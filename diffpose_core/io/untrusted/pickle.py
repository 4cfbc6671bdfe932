"""Pickles of plain containers and arrays, read without running anything."""

from __future__ import annotations

import io
import math
import pickle
import struct
from typing import Any, ClassVar

from diffpose_core.io.untrusted.arrays import array_from_bytes, check_shape
from diffpose_core.io.untrusted.files import MIB
from diffpose_core.io.untrusted.json import MAX_JSON_DEPTH
from diffpose_core.structures import InvalidInput
from diffpose_core.words import short

_MAX_PICKLED_ITEMS = 5_000_000
#: Bytes of all arrays that a pickle unfolds to. One that is referred to again is counted again: readers copy it.
_MAX_PICKLED_BYTES = 512 * MIB
#: Steps of a pickle's program: they bound its time, and with the size of the file its memory.
_MAX_PICKLED_STEPS = 6_000_000


class _Dtype:
    """Stands for numpy.dtype while unpickling: numpy's own takes whatever memory a file claims."""

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


def _no_bytes() -> bytes:
    # Old protocols write empty bytes as a call of their type; with an argument it could ask for any size.
    return b""


def _container(*_: Any) -> dict[Any, Any]:
    return {}


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
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
    """Makes plain containers and stand-ins for arrays, and nothing else.

    Args:
        data: the pickle.
        label: names it in messages.
    """

    dispatch: ClassVar = {code: load for code, load in _Base.dispatch.items() if bytes([code]) not in _REFUSED}

    def __init__(self, data: bytes, label: str) -> None:
        super().__init__(_Steps(data, label), encoding="latin1")
        self._bytes_left = len(data)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return self._encode
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}"[:120]) from None

    def _encode(self, text: Any, encoding: Any = "latin1") -> bytes:
        """Old protocols write bytes as text that is to be encoded; no honest one encodes the same text twice."""
        if encoding != "latin1" or not isinstance(text, str):
            raise pickle.UnpicklingError(f"text encoded as {encoding!r}")
        self._bytes_left -= len(text)
        if self._bytes_left < 0:
            raise pickle.UnpicklingError("more bytes than the file holds")
        return text.encode("latin1")

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

    def load_build(self) -> None:
        # Only stand-ins have a state; a function that is given one keeps it for the next file.
        if not isinstance(self.stack[-2], (_Array, _Dtype)):
            raise pickle.UnpicklingError("a state of something other than an array")
        _Base.load_build(self)

    def load_dict(self) -> None:
        for key in self.stack[::2]:
            self._check_key(key)
        _Base.load_dict(self)

    def load_frame(self) -> None:
        # Frames only group the steps after them; read one by one, every step counts.
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
    dispatch[pickle.BUILD[0]] = load_build


class _Steps(io.BytesIO):
    """A pickle's bytes, with a limit on the number of reads."""

    def __init__(self, data: bytes, label: str) -> None:
        super().__init__(data)
        self.left, self.label = _MAX_PICKLED_STEPS, label

    def read(self, size: int | None = -1, /) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise InvalidInput(f"{self.label} has more than {_MAX_PICKLED_STEPS:,} parts; cut the clip into parts")
        return super().read(size)


def restricted_unpickle(data: bytes, label: str) -> Any:
    """Read a pickle of arrays of numbers, text, numbers, lists, tuples and dicts; anything else is refused.

    Args:
        data: the pickle.
        label: names it in messages.

    Returns:
        The content. Arrays of objects come back as (nested) lists; an array of objects without axes as its object.

    Raises:
        InvalidInput: damaged, beyond a limit, or with other objects.
    """
    try:
        value = _Unpickler(data, label).load()
    except InvalidInput:
        raise
    # A damaged or hostile pickle fails in as many ways as there are opcodes.
    except Exception as error:
        raise InvalidInput(
            f"{label} holds pickled objects other than arrays and plain containers, or is damaged ({short(error, 160)})"
        ) from error
    return _plain(value, label, _Budget(label), 0)


class _Budget:
    """Counts the values that a pickle unfolds to: a few bytes can refer to the same list or array again and again."""

    def __init__(self, label: str) -> None:
        self._label, self._items, self._bytes = label, 0, 0

    def add_item(self) -> None:
        self._items += 1
        if self._items > _MAX_PICKLED_ITEMS:
            raise InvalidInput(f"{self._label} holds more than {_MAX_PICKLED_ITEMS:,} objects")

    def add_bytes(self, size: int) -> None:
        self._bytes += size
        if self._bytes > _MAX_PICKLED_BYTES:
            raise InvalidInput(
                f"{self._label} holds arrays of more than {_MAX_PICKLED_BYTES // MIB} MiB; cut the file into parts"
            )


def _plain(value: Any, label: str, budget: _Budget, depth: int) -> Any:
    budget.add_item()
    if depth > MAX_JSON_DEPTH:
        raise InvalidInput(f"{label}: nested more than {MAX_JSON_DEPTH} deep")
    if isinstance(value, _Array):
        return _plain_array(value, label, budget, depth)
    if isinstance(value, (list, tuple)):
        return [_plain(item, label, budget, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_text(key): _plain(item, label, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        # Python makes no text of a number of thousands of digits. JSON's are read as floats, too.
        return float(value) if abs(value) < 2**1023 else math.copysign(math.inf, 1 if value > 0 else -1)
    if value is None or isinstance(value, (bool, int, float, bytes)):
        return value
    raise InvalidInput(f"{label} holds a {type(value).__name__.lstrip('_').lower()} where arrays were expected")


def _plain_array(value: _Array, label: str, budget: _Budget, depth: int) -> Any:
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
        return items[0] if shape == () and items else _folded(items, shape, label)
    if not isinstance(data, (bytes, str)):
        raise InvalidInput(f"{label}: an array without its bytes")
    budget.add_bytes(len(data))
    if isinstance(data, str):
        try:
            data = data.encode("latin1")
        except UnicodeEncodeError:
            raise InvalidInput(f"{label}: an array whose bytes are text") from None
    array = array_from_bytes(text, shape, bool(fortran), data, label)
    return array.item() if shape == () else array


def _folded(items: list[Any], shape: Any, label: str) -> list[Any]:
    """A flat list as the nested lists of an array's shape (its order in memory is taken to be C's)."""
    check_shape(shape, label)
    if math.prod(shape) != len(items):
        raise InvalidInput(f"{label}: an array {shape} needs {math.prod(shape)} objects, found {len(items)}")
    for size in reversed(shape[1:]):
        if size == 0:
            return []
        items = [items[begin : begin + size] for begin in range(0, len(items), size)]
    return items


def _text(key: Any) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else _printable(str(key)[:1000])


def _printable(text: str) -> str:
    """The text without halves of surrogate pairs, which can't be written as UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
