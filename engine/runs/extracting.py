"""An adapter out of two base models of one family: of a fine-tuned model and the one that it began as."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..adapters.adapter import Adapter
from ..adapters.extraction import Share, Wanted, added, by_block, low_rank
from ..adapters.kinds import Update
from ..core.errors import AdapterError
from ..core.events import Event, Progress
from ..core.words import counted, first_of
from ..models.contract import Backbone
from ..models.from_parts import ChangedParts, PartsBackbone

if TYPE_CHECKING:
    from torch import Tensor

_LITTLE = 0.5
"""Kept energy below which a person should know of it."""


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """The difference of two base models as an adapter."""

    adapter: Adapter
    shares: Mapping[str, Share]
    """Module key -> what the adapter keeps of its layer's difference, for all layers that differ."""
    notes: tuple[str, ...] = field(default=())
    """What isn't in it, for people."""

    @property
    def share(self) -> Share:
        """Of all layers together."""
        return added(self.shares.values())

    def report(self) -> dict[str, Any]:
        """As plain values."""
        blocks = {name: round(share.energy, 4) for name, share in by_block(self.shares).items()}
        return {
            "name": self.adapter.name, "layers": len(self.shares), "rank": self.share.rank,
            "energy": round(self.share.energy, 4), "blocks": blocks, "notes": list(self.notes),
        }  # fmt: skip

    def __str__(self) -> str:
        """As text: all, then one block a line."""
        share = self.share
        whole = (
            f"{self.adapter.name}: {counted(len(self.shares), 'layer')}, rank up to {share.rank}, keeps "
            f"{share.energy:.1%} of the difference's energy."
        )
        blocks = [f"{name}: {own.energy:.1%}, rank up to {own.rank}" for name, own in by_block(self.shares).items()]
        return "\n".join([whole, *blocks, *self.notes])


def extract_adapter(
    before: Backbone, after: Backbone, wanted: Wanted, *, name: str, text_encoders: bool = True
) -> Generator[Event, None, Extracted]:
    """What turns one base model into another, as a LoRA.

    Args:
        before: the base model that the adapter will be used on.
        after: the same after training, of the same family and sizes.
        wanted: ranks.
        name: of the adapter.
        text_encoders: whether to compare these too, where they take adapters.

    Raises:
        AdapterError: they are of different families or sizes, or don't differ in any layer that adapters change.
    """
    _refuse_other_families(before, after)
    updates: dict[str, Update] = {}
    shares: dict[str, Share] = {}
    nameless: list[str] = []
    components = ("denoiser", *(before.text_encoder_names if text_encoders else ()))
    total, done = len(before.module_shapes()), 0
    for component in components:
        own = dict(before.layer_weights(component))
        for key, weight in after.layer_weights(component):
            done += 1
            yield Progress(done=done, total=max(done, total), label="comparing weights")
            difference = _difference(key, own.pop(key, None), weight, after.info.name)
            if not difference.any():
                continue
            parts = before.file_parts(key)
            nameless += [] if parts else [key]
            for part, rows in parts:
                updates[part], shares[part] = low_rank(difference[rows], wanted)
    if not updates:
        raise AdapterError(
            f"{before.info.name} and {after.info.name} have the same weights in every layer that adapters change.",
            expected="two base models that differ",
            hint="choose the base model before training and the one after it.",
        )
    info = before.info
    adapter = Adapter(
        name=name, family=info.family, modules=updates, key_style=info.key_style,
        metadata=_metadata(before, after, name, added(shares.values())),
    )  # fmt: skip
    return Extracted(adapter=adapter, shares=shares, notes=tuple(_notes(nameless, added(shares.values()))))


def _difference(key: str, before: Tensor | None, after: Tensor, name: str) -> Tensor:
    if before is None or before.shape != after.shape:
        shape = None if before is None else tuple(before.shape)
        raise AdapterError(
            f"{key} of {name} has shape {tuple(after.shape)}; in the base model before training it is {shape}.",
            expected="two base models of the same sizes",
            hint="choose the base model that the other one was trained from.",
        )
    return after.float() - before.float()


def _refuse_other_families(before: Backbone, after: Backbone) -> None:
    if before.info.family != after.info.family:
        raise AdapterError(
            f"{before.info.name} is of the family {before.info.family}, and {after.info.name} of {after.info.family}.",
            expected="two base models of one family",
            hint="choose the base model that the other one was trained from.",
        )


def _notes(nameless: list[str], share: Share) -> Iterator[str]:
    yield "Norms, biases and embeddings of tokens aren't compared: LoRA has no place for them."
    if nameless:
        yield f"Left out, as adapter files have no name for them: {first_of(nameless, 3)}."
    if share.energy < _LITTLE:
        yield f"The adapter keeps {share.energy:.0%} of the difference: raise the rank for more."


def _metadata(before: Backbone, after: Backbone, name: str, share: Share) -> dict[str, str]:
    """The header of the file; the trigger phrase is that of the training, where it is known."""
    info = before.info
    trained = _trained_metadata(after)
    facts = {"from": before.info.name, "to": after.info.name, "energy": round(share.energy, 4)}
    told = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{info.architecture}/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": name,
        "modelspec.date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "modelspec.trigger_phrase": trained.get("modelspec.trigger_phrase", ""),
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(share.rank),
        "ss_network_alpha": str(float(share.rank)),
        "lw.version": "1",
        "lw.family": info.family,
        "lw.base_hash": info.content_hash,
        "lw.extracted": json.dumps(facts, ensure_ascii=False),
    }
    return {key: value for key, value in told.items() if value}


def _trained_metadata(base: Backbone) -> Mapping[str, str]:
    if isinstance(base, PartsBackbone) and isinstance(base.parts, ChangedParts):
        return base.parts.metadata
    return {}
