"""An adapter with its block weights in its tensors, for programs that know no block weights."""

from __future__ import annotations

from dataclasses import replace

from ..core.errors import AdapterError
from .adapter import Adapter
from .kinds import LowRank, Update
from .stack import StackEntry


def with_blocks(entry: StackEntry) -> Adapter:
    """The adapter of an entry, scaled so that the entry's weights alone do what they do with its block weights.

    Raises:
        AdapterError: it has block weights, and updates that can't be scaled, or none that are left.
    """
    blocks, adapter = entry.blocks, entry.adapter
    if blocks is None:
        return adapter
    modules: dict[str, Update] = {}
    for key, update in adapter.modules.items():
        if not (factor := blocks.factor(key)):
            continue
        if factor == 1:
            modules[key] = update
            continue
        if not isinstance(update, LowRank):
            raise AdapterError(
                f"The block weights of {adapter.name} can't be put into a file: it has updates of kind {update.kind}.",
                expected="a LoRA, whose updates can be scaled one by one",
                hint="connect stack instead of lora_stack, or leave out its block weights.",
            )
        bias = None if update.bias is None else factor * update.bias
        modules[key] = replace(update, alpha=factor * update.alpha, bias=bias)
    if not modules:
        raise AdapterError(
            f"The block weights {blocks} leave nothing of {adapter.name}.",
            expected="a block with a weight other than 0",
            hint="turn the adapter off instead.",
        )
    metadata = {**adapter.metadata, "lw.block_weights": str(blocks)}
    return replace(adapter, name=f"{adapter.name}-blocks", modules=modules, metadata=metadata, path=None)
