"""Compiled blocks give the same gradients but for rounding, and leave the model as it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from lora_workbench.engine.core.errors import TrainingError
from lora_workbench.engine.memory.blocks import blocks_of
from lora_workbench.engine.memory.compiling import compiled
from lora_workbench.engine.models import registry
from tiny import TINY

from .test_checkpointing import gradients


@pytest.mark.proofs
@pytest.mark.skipif(not shutil.which("g++"), reason="there is no C++ compiler")
def test_gradients_are_the_same_but_for_rounding(tmp_path: Path):
    """Checkpointed blocks too, which are computed twice."""
    base = registry.load_base(TINY["flux2"](tmp_path), device="cpu", precision="fp32")
    blocks = list(blocks_of(base.denoiser).values())
    plain = gradients(base, ())
    torch._dynamo.utils.counters.clear()
    with compiled(blocks, base.device):
        fast = gradients(base, blocks)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= len(blocks)
    assert plain.keys() == fast.keys()
    assert all(torch.allclose(fast[name], gradient, rtol=1e-3, atol=1e-6) for name, gradient in plain.items())
    assert not any("forward" in vars(module) for module in base.denoiser.modules())


def test_a_machine_that_can_t_compile_is_told_before_the_first_step(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TrainingError, match=r"no C\+\+ compiler"), compiled([], torch.device("cpu")):
        pass
