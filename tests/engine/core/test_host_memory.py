"""Giving memory back."""

from __future__ import annotations

import sys

import psutil
import pytest
import torch
from lora_workbench.engine.core.host_memory import give_back_freed


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own way")
def test_freed_memory_between_pieces_in_use_goes_back_to_the_system() -> None:
    pieces = [torch.ones(16_000) for _ in range(4000)]  # of 64 KB, which glibc takes from its heap
    last = pieces[-1]
    before = psutil.Process().memory_info().rss
    del pieces
    give_back_freed()
    assert before - psutil.Process().memory_info().rss > 200_000_000
    assert last.sum() == 16_000
