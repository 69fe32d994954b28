"""Adapters with random values for real base models, in place of trained ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.kinds import LowRank

if TYPE_CHECKING:
    from lora_workbench.engine.models.contract import Backbone

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "conv1", "q_proj", "v_proj")
"""Ends of the layers that they change: linear ones and convolutions, in both kinds of component."""


def random_adapter(
    base: Backbone,
    name: str,
    *,
    seed: int = 0,
    rank: int = 4,
    alpha: float = 2.0,
    strength: float = 0.05,
    ends: Iterable[str] = ATTENTION,
    trigger: str = "",
) -> Adapter:
    """A LoRA of some layers of a base model, strong enough to be seen.

    Args:
        base: the base model.
        name: of the adapter.
        seed: of its values.
        rank: of each layer.
        alpha: of each layer.
        strength: standard deviation of the factors' values.
        ends: of the module keys that it changes.
        trigger: phrase of its metadata.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    modules = {}
    for key, (out, *inner) in sorted(base.module_shapes().items()):
        if key.endswith(tuple(ends)):
            down, up = (
                torch.randn(*s, generator=generator) for s in ((rank, *inner), (out, rank, *[1] * len(inner[1:])))
            )
            modules[key] = LowRank(down * strength, up * strength, alpha)
    info = base.info
    metadata = {"modelspec.architecture": f"{info.architecture}/lora", "lw.family": info.family}
    metadata |= {"modelspec.trigger_phrase": trigger} if trigger else {}
    return Adapter(name=name, family=info.family, modules=modules, key_style=info.key_style, metadata=metadata)
