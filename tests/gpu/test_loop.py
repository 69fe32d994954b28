"""The training loop on the device: losses read late, steps that run out of memory, gradients that overflow."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from gpu_steps import RECIPE, Loss, trained
from lora_workbench.engine.core.errors import TrainingError
from lora_workbench.engine.core.events import Message
from lora_workbench.engine.memory.blocks import blocks_of
from lora_workbench.engine.memory.checkpointing import checkpointed
from lora_workbench.engine.memory.streaming import streamed
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from torch import Tensor

TOO_MUCH = 2**50
"""Bytes; no device has them."""


@pytest.fixture(scope="module")
def base(folder: Path, device: str) -> Backbone:
    return load_base(folder, device=device, precision="fp32")


class OutOfMemoryOnce(Loss):
    """Runs out of memory for real in the middle of a run."""

    happened = False

    def of_micro_batch(self, step: int, micro: int) -> Tensor:
        value = super().of_micro_batch(step, micro)
        if step == 3 and not self.happened:
            self.happened = True
            torch.empty(TOO_MUCH, dtype=torch.uint8, device=self.base.device)
        return value


class Huge(Loss):
    """Its gradients overflow float16 in the first steps, at the scale that the scaler begins with."""

    def of_micro_batch(self, step: int, micro: int) -> Tensor:
        return super().of_micro_batch(step, micro) * (1e6 if step < 2 else 1)


class Infinite(Loss):
    def of_micro_batch(self, step: int, micro: int) -> Tensor:
        return super().of_micro_batch(step, micro) / (0 if step == 3 else 1)


@pytest.mark.parametrize("ahead", [1, 3])
def test_losses_that_are_read_late_are_the_same(base: Backbone, tmp_path: Path, ahead: int):
    at_once, _, _ = trained(base, Loss(base), tmp_path / "at once", ahead=0)
    late, _, _ = trained(base, Loss(base), tmp_path / "late", ahead=ahead)
    assert late.losses == pytest.approx(at_once.losses, rel=1e-4)


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_streamed_run_is_the_same(base: Backbone, tmp_path: Path, ahead: int):
    plain, _, _ = trained(base, Loss(base), tmp_path / "plain", ahead=0)
    streaming = streamed([*blocks_of(base.denoiser).values()], base.device)
    ours, _, _ = trained(base, Loss(base), tmp_path / "streamed", streaming, ahead=ahead)
    assert ours.losses == pytest.approx(plain.losses, rel=1e-4)


def test_a_run_goes_on_after_it_ran_out_of_memory(base: Backbone, tmp_path: Path):
    plain, _, _ = trained(base, Loss(base), tmp_path / "plain")
    with ExitStack() as stack:

        def need_less_memory() -> str:
            stack.enter_context(checkpointed(blocks_of(base.denoiser).values()))
            return "now with less"

        loss = OutOfMemoryOnce(base)
        less, events, _ = trained(base, loss, tmp_path / "less", need_less_memory=need_less_memory)
    assert loss.happened
    assert [event.text for event in events if isinstance(event, Message)] == ["now with less"]
    assert less.losses == pytest.approx(plain.losses, rel=1e-4)


def test_steps_whose_gradients_overflow_float16_are_skipped(folder: Path, device: str, tmp_path: Path):
    half = load_base(folder, device=device, precision="fp16")
    trainer, events, values = trained(half, Huge(half), tmp_path / "state")
    assert trainer.step == RECIPE.schedule.steps
    assert any(isinstance(event, Message) and "overflowed float16" in event.text for event in events)
    assert all(value.isfinite().all() for value in values.values())


@pytest.mark.parametrize("ahead", [0, 2])
def test_nothing_moves_after_a_loss_that_is_not_finite(base: Backbone, tmp_path: Path, ahead: int):
    with pytest.raises(TrainingError, match="at step 4"):
        trained(base, Infinite(base), tmp_path / "state", ahead=ahead)
