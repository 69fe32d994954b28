"""Adapters with random values, for tests that need several without training them."""

from __future__ import annotations

import torch
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.models.contract import Backbone


def random_adapter(base: Backbone, name: str, seed: int, *, text: bool = False, std: float = 0.05) -> Adapter:
    """A LoRA of rank 2 of all attention projections of the denoiser and, with ``text``, the text encoders."""
    generator, modules = torch.Generator().manual_seed(seed), {}
    for key, shape in base.module_shapes().items():
        own = key.startswith("denoiser.") or text
        if own and len(shape) == 2 and key.endswith(("to_q", "to_v", "q_proj", "v_proj")):
            up = torch.randn(shape[0], 2, generator=generator) * std
            down = torch.randn(2, shape[1], generator=generator)
            modules[key] = LowRank(up=up, down=down, alpha=2.0)
    return Adapter(name=name, family=base.info.family, modules=modules)
