"""A GPU that is only pretended, for machines without one: tensors of another device whose numbers lie on the CPU.

It finds what a real one would find: an operation that is given tensors of two devices, and numbers that are read
without having been brought back. It says nothing of speed, of memory, or of how a real one rounds.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "pretended"
_backend = types.SimpleNamespace(
    is_available=lambda: True, is_initialized=lambda: True, current_device=lambda: 0, device_count=lambda: 1,
    _is_in_bad_fork=lambda: False, manual_seed_all=lambda seed: None, get_amp_supported_dtype=lambda: [torch.bfloat16],
)  # fmt: skip
_setup_privateuseone_for_python_backend(NAME, _backend)
#: Autocast changes nothing there.
_autocast = torch.library.Library("_", "IMPL", "AutocastPrivateUse1")
_autocast.fallback(torch.library.fallthrough_kernel)

_aten = torch.ops.aten
#: What may be given tensors of two devices: copies, and indices that lie on the CPU.
_MAY_MIX = {"_to_copy", "copy_", "to", "type_as", "index", "index_put", "index_put_"}


class _Pretended(Tensor):
    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor, requires_grad: bool = False) -> _Pretended:
        made: _Pretended = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=torch.device(NAME, 0), requires_grad=requires_grad,
        )  # fmt: skip
        made.held = held
        return made

    def __repr__(self, **_: Any) -> str:
        return f"pretended {self.held!r}"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _on_the_cpu(value: Any) -> Any:
    if isinstance(value, torch.device):
        return torch.device("cpu")
    return value.held if isinstance(value, _Pretended) else value


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One operation, done on the CPU; its result lies where the real one would put it."""
    given = [tensor for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)]
    ours = [isinstance(tensor, _Pretended) for tensor in given]
    there = any(ours)
    wanted = [value for value in tree_leaves((args, kwargs)) if isinstance(value, torch.device)]
    if wanted:
        there = wanted[0].type == NAME
    # Single numbers of the CPU may be mixed with anything.
    strangers = [tensor for tensor, own in zip(given, ours, strict=True) if not own and tensor.ndim]
    if any(ours) and strangers and func._schema.name.removeprefix("aten::") not in _MAY_MIX:
        raise RuntimeError(f"{func} expects all tensors on one device, found {NAME} and {strangers[0].device}")
    held = tree_map(_on_the_cpu, (args, kwargs))
    found = func(*held[0], **held[1])
    if func._schema.is_mutable:
        named = dict(zip((spec.name for spec in func._schema.arguments), args, strict=False)) | kwargs
        written = [named[s.name] for s in func._schema.arguments if s.alias_info and s.alias_info.is_write]
        return written[0] if len(written) == 1 else tuple(written)
    wrap = there and func is not _aten._local_scalar_dense.default
    return tree_map(lambda t: _Pretended(t) if wrap and isinstance(t, Tensor) else t, found)


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


@contextmanager
def pretended_gpu() -> Iterator[str]:
    """While this is entered, tensors can be made on the device that it gives the name of, and brought there."""
    future = torch.__future__
    overwrite = future.get_overwrite_module_params_on_conversion()
    # Its tensors can't be those of inference mode, and none can take another's place inside a parameter.
    no_inference = mock.patch.object(torch._C, "_InferenceMode", lambda on: torch.no_grad() if on else nullcontext())
    future.set_overwrite_module_params_on_conversion(True)
    try:
        with no_inference, _Mode():
            yield NAME
    finally:
        future.set_overwrite_module_params_on_conversion(overwrite)
