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
