"""A base model with a stack of adapters baked into its weights, to be saved as any other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ..adapters.adapter import Adapter
from ..adapters.binding import changeable
from ..adapters.changes import no_bias
from ..adapters.fused import bind_to
from ..adapters.kinds.summing import Part as Change
from ..adapters.kinds.summing import bias_change, updated
from ..adapters.merges.aligning import refuse_other_families
from ..adapters.merges.header import MERGED, Made, merged_metadata
from ..adapters.stack import Stack
from ..core.errors import AdapterError, BaseModelError
from ..core.hashing import value_hash
from ..models.contract import Backbone
from ..models.from_parts import ChangedParts, PartsBackbone

_PHRASE = "modelspec.trigger_phrase"
_OF_ADAPTERS = ("ss_network", "lw.suggested_weight", "lw.companions", "modelspec.implementation")
"""Beginnings of metadata fields that mean nothing of a base model."""


def baked(base: Backbone, stack: Stack, *, name: str) -> PartsBackbone:
    """A base model that is what the base model is with the stack, without the stack.

    Its weights are computed in float32 from those in the files of the base model, and rounded once, to the dtype that
    they are saved or computed in.

    Args:
        base: left as it is.
        stack: for its family.
        name: of the result.

    Raises:
        AdapterError: the stack is empty, or an adapter doesn't fit.
        BaseModelError: ComfyUI has loaded the base model, or its weights are quantized.
    """
    before = _bakeable(base)
    if not stack.active():
        raise AdapterError(
            "There is nothing to bake: the stack has no adapter that is on and has a weight.",
            expected="a stack with one or more adapters",
            hint="add adapters with Stack Adapters, and turn them on.",
        )
    stack.refuse_varying("a file")
    refuse_other_families([entry.adapter for entry in stack.active()])
    return before.with_parts(PartsWithStack(before, stack, name))


class PartsWithStack(ChangedParts):
    """The parts of a base model, with adapters added to their weights.

    Args:
        base: the base model.
        stack: the adapters.
        name: of the changed base model, for people.

    Raises:
        AdapterError: an adapter doesn't fit.
    """

    def __init__(self, base: PartsBackbone, stack: Stack, name: str) -> None:
        super().__init__(base.parts, base.family.parts, name=name, metadata=_metadata(base, stack, name))
        self._hash = value_hash("baked", base.info.content_hash, stack.content_hash)
        changes: dict[str, list[Change]] = defaultdict(list)
        for entry in stack.active():
            for key, update in bind_to(base, entry.adapter).modules.items():
                if weight := entry.weight_for(key):
                    changes[key].append((update, weight))
        components = dict.fromkeys(key.split(".", 1)[0] for key in changes)
        layers = changeable({name: base.load_component(name) for name in components})
        # Whole ones: only models that ComfyUI has loaded have layers that files cut into several.
        self._changes = {layer: changes[key] for layer in layers for key, _ in base.file_parts(layer) if key in changes}

    def content_hash(self) -> str:
        return self._hash

    def change(self, component: str, module: Any) -> None:
        for key, changes in self._changes.items():
            own, path = key.split(".", 1)
            if own == component:
                _change(key, module.get_submodule(path), changes)


def _change(key: str, layer: Any, changes: Sequence[Change]) -> None:
    """Add updates to a layer's weight and bias, which become float32.

    Raises:
        AdapterError: there is no bias to change.
    """
    import torch

    layer.weight = torch.nn.Parameter(updated(layer.weight.detach().float(), changes), requires_grad=False)
    if (change := bias_change(changes)) is None:
        return
    if getattr(layer, "bias", None) is None:
        raise no_bias(key)
    layer.bias = torch.nn.Parameter(layer.bias.detach().float() + change, requires_grad=False)


def _bakeable(base: Backbone) -> PartsBackbone:
    """The base model, if its weights can be changed and saved.

    Raises:
        BaseModelError: they can't.
    """
    if not isinstance(base, PartsBackbone):
        raise BaseModelError(
            f"Adapters can't be baked into {base.info.name or 'this model'}, which ComfyUI has loaded.",
            expected="a base model from Load Base Model",
            hint="load the same file with Load Base Model; or use Apply Stack, and ComfyUI's own Save Checkpoint.",
        )
    if base.weights:
        raise BaseModelError(
            f"Adapters can't be baked into {base.info.name} in {base.weights}: they would be rounded to few bits.",
            expected="a base model in fp32, bf16 or fp16",
            hint="choose auto or bf16 as the precision in Load Base Model.",
        )
    return base


def _metadata(base: PartsBackbone, stack: Stack, name: str) -> dict[str, str]:
    """What its file says: what it was, what was added, and what calls that."""
    own = base.parts.metadata if isinstance(base.parts, ChangedParts) else {}
    made = Adapter(name=name, family=base.info.family, modules={})
    told = merged_metadata(made, stack.active(), Made("baked", {"base": base.info.name}))
    phrases = [own.get(_PHRASE, ""), told.get(_PHRASE, "")]
    found = {key: value for key, value in {**told, **own}.items() if not key.startswith(_OF_ADAPTERS)}
    facts = {MERGED: told[MERGED], _PHRASE: ", ".join(filter(None, phrases)), "lw.base_hash": base.info.content_hash}
    architecture = {"modelspec.architecture": base.info.architecture}
    return {key: value for key, value in (found | facts | architecture).items() if value}
