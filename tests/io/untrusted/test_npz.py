"""Arrays that claim more than they hold, and headers that are code."""

import io
import struct

import numpy as np
import pytest

from benchmarks.pose_files import zipped
from diffpose_core.io.untrusted.npz import read_npz
from diffpose_core.structures import InvalidInput


def test_an_array_may_not_claim_more_than_its_bytes():
    for shape in ((10**10, 17, 2), (10**18,), (2**62, 2**62), (4, 17, 2)):
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": shape})
        with pytest.raises(InvalidInput, match=r"needs \d+ bytes, found 64|shape of an array is damaged"):
            read_npz(zipped({"a.npy": head.getvalue() + bytes(64)}), "x.npz", ("a",))


def test_a_header_that_is_code_is_not_run(tmp_path):
    trace = tmp_path / "it-ran"
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': open({str(trace)!r}, 'w')}}\n".encode()
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    with pytest.raises(InvalidInput, match="damaged header"):
        read_npz(zipped({"a.npy": head}), "x.npz", ("a",))
    assert not trace.exists()
