"""Adapter files as small as a header, for tests of the vault, and cards beside what their files load as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lora_workbench.engine.adapters.adapter import Adapter
    from lora_workbench.engine.vault.card import Card

SDXL = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_1_attn2_to_k"
SD1 = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


def file_bytes(
    shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None, fill: int = 0
) -> bytes:
    """A whole safetensors file of float32, whose values have this byte."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        begin, count = end, 1
        for side in shape:
            count *= side
        end += 4 * count
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes([fill]) * end


def lora_shapes(stem: str = SD1, rank: int = 4, inputs: int = 8, outputs: int = 6) -> dict[str, tuple[int, ...]]:
    return {f"{stem}.lora_down.weight": (rank, inputs), f"{stem}.lora_up.weight": (outputs, rank)}


def lora_file(path: Path, *, stem: str = SD1, rank: int = 4, fill: int = 0, **metadata: str) -> Path:
    """A LoRA of one layer. Dots in metadata fields are written ``__``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    named = {name.replace("__", "."): value for name, value in metadata.items()}
    path.write_bytes(file_bytes(lora_shapes(stem, rank), named, fill))
    return path


def card_of(path: Path) -> Card:
    from lora_workbench.engine.vault.reading import read_card
    from lora_workbench.engine.vault.sidecars import Folders

    return read_card(path.name, path, Folders().beside(path))


def assert_card(path: Path, adapter: Adapter) -> None:
    """Compare an adapter's card, from its header alone, with the adapter that its tensors make."""
    card, updates = card_of(path), [*adapter.modules.values()]
    assert adapter.origin is not None
    ranked = [update for update in updates if update.scaled] or updates
    assert (card.problem, card.remarks) == ("", ())
    assert {*card.kinds} == {update.kind for update in updates}
    doubled = any("two names" in note for note in adapter.origin.notes)
    assert card.ranks == tuple(sorted({update.rank for update in ranked})) or doubled, "whose ranks are joined"
    assert card.modules == len(updates) == sum(card.targets.values())
    assert card.components.keys() == {key.split(".", 1)[0] for key in adapter.modules}
    assert card.writer == adapter.origin.writer
    assert card.family == ("sd1" if "denoiser" in card.components else ""), "CLIP alone may be of several families"
    assert card.triggers == adapter.triggers
