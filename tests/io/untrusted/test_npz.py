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


@pytest.mark.parametrize("order", "<>")
def test_characters_that_do_not_exist_are_refused_or_replaced(order):
    """numpy raises a SystemError when it makes a text of them; halves of pairs can't be written as UTF-8."""

    def text_of(*codes):
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": f"{order}U2", "fortran_order": False, "shape": ()})
        content = zipped({"a.npy": head.getvalue() + struct.pack(f"{order}2I", *codes)})
        return str(read_npz(content, "x.npz", ("a",))["a"])

    assert text_of(0x61, 0x10FFFF) == "a\U0010ffff"
    assert text_of(0xD800, 0xDFFF) == "??" and text_of(0xD7FF, 0xE000) == "\ud7ff\ue000"
    for code in (0x110000, 0xFFFFFFFF):
        with pytest.raises(InvalidInput, match=r"x\.npz: a: text with characters that don't exist"):
            text_of(0x61, code)
