"""Several adapters with weights, and their effect on a base model."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ..core.hashing import value_hash
from .adapter import Adapter
from .binding import adaptable, bind
from .files import AdapterFile
from .kinds import LowRank, Update
from .kinds.lora import joined

if TYPE_CHECKING:
    from torch import Tensor, nn

TOO_MUCH = 2.0
"""Sum of the weights' magnitudes above which pictures tend to break."""
FAR_OFF = 2.0
"""Magnitude of a single weight that is rarely meant; usual are 0.5 to 1."""


@dataclass(frozen=True)
class StackEntry:
    """One adapter of a stack."""

    adapter: Adapter
    weight: float = 1.0
    """Of its denoiser updates; 0 leaves them out, negative weights push the other way."""
    text_encoder_weight: float = 1.0
    """Of its text-encoder updates."""
    enabled: bool = True

    @property
    def active(self) -> bool:
        """Whether it changes anything."""
        return self.enabled and (self.weight != 0 or self.text_encoder_weight != 0)

    def weight_for(self, module_key: str) -> float:
        return self.weight if module_key.startswith("denoiser.") else self.text_encoder_weight


@dataclass(frozen=True)
class Stack:
    """An ordered list of adapters with weights. Their updates add up."""

    entries: tuple[StackEntry, ...] = ()

    def adding(self, entry: StackEntry) -> Stack:
        """This stack with one more entry at its end."""
        return Stack((*self.entries, entry))

    def alone(self, index: int) -> Stack:
        """Only the entry at ``index``, with its weights and switched on."""
        return Stack((replace(self.entries[index], enabled=True),))

    def active(self) -> tuple[StackEntry, ...]:
        """The entries that change anything."""
        return tuple(entry for entry in self.entries if entry.active)

    def triggers(self) -> tuple[str, ...]:
        """Trigger phrases of the active adapters in order, each once; adapters without one are left out."""
        return tuple(dict.fromkeys(entry.adapter.trigger for entry in self.active() if entry.adapter.trigger))

    def total_weight(self) -> float:
        """Sum of the magnitudes of the active denoiser weights."""
        return sum(abs(entry.weight) for entry in self.active())

    def warnings(self) -> list[str]:
        """What is likely to go wrong, one sentence each; empty when nothing is."""
        found = []
        if self.total_weight() > TOO_MUCH:
            found.append(f"The weights add up to {self.total_weight():.3g}; above {TOO_MUCH:g} pictures tend to break.")
        for entry in self.active():
            if max(abs(entry.weight), abs(entry.text_encoder_weight)) > FAR_OFF:
                found.append(f"{entry.adapter.name} has a weight beyond {FAR_OFF:g}; usual are 0.5 to 1.")
            if not entry.adapter.trigger:
                found.append(f"{entry.adapter.name} names no trigger word; look up how it is called.")
        found += [f"{name} is in the stack more than once; its weights add up." for name in self._repeated()]
        families = sorted({entry.adapter.family for entry in self.active() if entry.adapter.family})
        if len(families) > 1:
            found.append(f"The adapters are of different families ({', '.join(families)}); no base model fits all.")
        return found

    def _repeated(self) -> list[str]:
        """Names of adapters whose content is there more than once."""
        adapters = {}
        for entry in self.active():
            adapters.setdefault(entry.adapter.content_hash, []).append(entry.adapter.name)
        return [names[0] for names in adapters.values() if len(names) > 1]

    @property
    def content_hash(self) -> str:
        """Of what the stack does: its active adapters, their order and weights."""
        return value_hash([[e.adapter.content_hash, e.weight, e.text_encoder_weight] for e in self.active()])


@dataclass(frozen=True)
class WeightedFile:
    """An adapter file that may be of a kind which no stack takes."""

    file: AdapterFile
    weight: float
    text_encoder_weight: float


class HasComponents(Protocol):
    """A base model whose weights can be exchanged, as every ``Backbone`` is by itself."""

    def module_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Module key -> shape of its weight."""
        ...

    def load_component(self, name: str) -> nn.Module:
        """The module of a component."""
        ...


@runtime_checkable
class CarriesStacks(Protocol):
    """A base model with a way of its own to take a stack, such as the patches of ComfyUI's models."""

    def carrying(self, stack: Stack) -> contextlib.AbstractContextManager[None]:
        """Within the block the model carries the stack; :func:`applied` says what that means."""
        ...


def applied(base: HasComponents | CarriesStacks, stack: Stack) -> contextlib.AbstractContextManager[None]:
    r"""Within the block, the base model's weights are :math:`W + \sum_i w_i \frac{\alpha_i}{r_i} B_i A_i`.

    However many adapters there are, each affected weight is computed once, in float32, and cast to its own type.
    The original parameters are put aside untouched and put back when the block ends, also after an error.

    Args:
        base: the model.
        stack: may be empty.

    Raises:
        AdapterError: an adapter doesn't fit the model; it is named, and nothing has been changed.
    """
    return base.carrying(stack) if isinstance(base, CarriesStacks) else _exchanged(base, stack)


@contextlib.contextmanager
def _exchanged(base: HasComponents, stack: Stack) -> Iterator[None]:
    """The stack on the parameters of the components that it changes; others aren't loaded."""
    updates = _updates_by_module(base.module_shapes(), stack) if stack.active() else {}
    names = dict.fromkeys(key.split(".", 1)[0] for key in updates)
    modules = adaptable({name: base.load_component(name) for name in names})
    originals: dict[str, Tensor] = {}
    try:
        for key, parts in updates.items():
            original = modules[key].weight
            modules[key].weight = _updated(original, parts)
            originals[key] = original
        yield
    finally:
        for key, original in originals.items():
            modules[key].weight = original


def _updates_by_module(known: Mapping[str, tuple[int, ...]], stack: Stack) -> dict[str, list[tuple[Update, float]]]:
    """Module key -> (update, weight) of each adapter that touches it."""
    updates: dict[str, list[tuple[Update, float]]] = defaultdict(list)
    for entry in stack.active():
        for key, update in bind(entry.adapter, known).modules.items():
            if weight := entry.weight_for(key):
                updates[key].append((update, weight))
    return updates


def _updated(weight: Tensor, parts: list[tuple[Update, float]]) -> nn.Parameter:
    """The weight with the sum of all updates; those of LoRAs are added as one product."""
    import torch

    low_rank = [(update, share) for update, share in parts if type(update) is LowRank]
    with torch.no_grad():
        original = total = weight.detach().float()
        if low_rank:
            update = joined(low_rank, device=weight.device)
            up, down = update.up.float().flatten(1), update.down.float().flatten(1)
            total = torch.addmm(total.flatten(1), up, down, alpha=update.alpha / update.rank).reshape(weight.shape)
        for update, share in parts:
            if type(update) is not LowRank:
                total = total + share * update.delta(original)
        return torch.nn.Parameter(total.to(weight.dtype), requires_grad=False)
