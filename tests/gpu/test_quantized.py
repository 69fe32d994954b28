"""Base models in 8 bits and less learn on the device as on a CPU, and streaming carries their packed weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from gpu_steps import Loss, adapted, close, gradients
from lora_workbench.engine.core.errors import BaseModelError
from lora_workbench.engine.memory.blocks import blocks_of
from lora_workbench.engine.memory.streaming import streamed
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base

formats = pytest.importorskip("lora_workbench.engine.models.formats")


def loaded(folder: Path, device: str, name: str) -> Backbone:
    try:
        return load_base(folder, device=device, precision=name)
    except BaseModelError as error:
        pytest.skip(str(error).splitlines()[0])


@pytest.mark.parametrize("name", sorted(formats.FORMATS))
def test_gradients_are_those_of_a_cpu(folder: Path, device: str, name: str):
    found = []
    for base in (loaded(folder, device, name), loaded(folder, "cpu", name)):
        with adapted(base) as injection:
            found.append(gradients(base, Loss(base), injection))
    close(found[0], found[1], 0.1)


@pytest.mark.parametrize("name", sorted(formats.FORMATS))
def test_streamed_they_give_the_same(folder: Path, device: str, name: str):
    base = loaded(folder, device, name)
    loss = Loss(base)
    with adapted(base) as injection:
        plain = gradients(base, loss, injection)
        with streamed([*blocks_of(base.denoiser).values()], base.device):
            several = [gradients(base, loss, injection) for _ in range(2)]
    for own in several:
        close(own, plain, 0.02)
