"""Fixtures of fast inference."""

import pytest

from diffpose_core import onednn
from diffpose_core.models.fast.bfloat16 import PackedLinear


@pytest.fixture(params=[True, False], ids=["oneDNN", "torch's own"])
def library(request, monkeypatch):
    """Float32 products with weights by each of two libraries, whichever is faster here."""
    if request.param and not PackedLinear.available():
        pytest.skip("this torch or this processor has no fused layers")
    monkeypatch.setattr(onednn, "is_faster", lambda: request.param)
