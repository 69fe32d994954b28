"""Measuring the most memory that a computation takes."""

from __future__ import annotations

import os

import pytest
import torch
from lora_workbench.engine.memory.peak import peak_memory


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="only Linux tells it")
def test_it_is_what_is_taken_at_once_and_not_what_was_taken_before() -> None:
    cpu = torch.device("cpu")
    large = torch.ones(100_000_000)
    del large
    with peak_memory(cpu) as peak:
        for _ in range(3):
            torch.ones(50_000_000)
    assert peak.size is not None
    assert 190_000_000 < peak.size < 230_000_000


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="only Linux tells it")
def test_memory_that_was_freed_and_not_given_back_counts_when_it_is_taken_again() -> None:
    pieces = [torch.ones(25_000) for _ in range(1000)]
    last = torch.ones(25_000)  # the heap ends in use, so that it isn't made smaller by itself
    del pieces
    with peak_memory(torch.device("cpu")) as peak:
        again = [torch.ones(25_000) for _ in range(1000)]
    assert len(again) == 1000 and last is not None and peak.size is not None
    assert 90_000_000 < peak.size < 130_000_000
