"""A real step of a run before it starts, for its time and memory."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..memory.peak import peak_memory
from ..memory.room import gigabytes
from ..training.optimizer_states import kept_bytes
from ..training.trainee import Trainee
from .planning import LargestStep


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a real step took."""

    seconds: float
    memory: int | None
    """Bytes beyond the weights, with the optimizer's state; ``None`` if the device doesn't tell."""

    def __str__(self) -> str:
        """As words."""
        memory = f" and {gigabytes(self.memory)} beside the weights" if self.memory is not None else ""
        return f"{self.seconds:.2g} s{memory}"


def trial_step(step: LargestStep, trainee: Trainee) -> Trial:
    """A step's forward and backward passes, twice, as the first ones prepare kernels: the seconds of the second ones,
    and the memory of both."""
    import torch

    recipe, seconds, device = step.run.recipe, 0.0, step.run.base.device
    with peak_memory(device) as peak:
        for _ in range(2):
            began = time.monotonic()
            for _ in range(recipe.batches.gradient_accumulation):
                step.micro_batch()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds = time.monotonic() - began
            for parameter in trainee.parameters.values():
                parameter.grad = None
    states = kept_bytes(recipe.optimizer, trainee.parameters.values())
    return Trial(seconds=seconds, memory=None if peak.size is None else peak.size + states)
