"""Stacks: several adapters with weights, and their effect on a base model."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import AdapterError, ConfigError
from ..core.hashing import value_hash
from ..core.words import first_of
from .adapter import Adapter
from .block_names import block_of
from .files import AdapterFile
from .masks import Mask
from .metadata import contexts, embeddings
from .schedules import Schedule, factor_at, in_words

if TYPE_CHECKING:
    from .block_names import Block
    from .block_weights import BlockWeights

FAR_OFF = 2.0
"""Absolute weight above which it is probably a mistake; usually 0.5 to 1."""
Role = Literal["", "training_only", "context", "start_from"]
"""What an adapter is to a training: nothing, or one of the roles of ``companions.py``. Pictures don't depend on it."""


@dataclass(frozen=True)
class StackEntry:
    """One adapter of a stack."""

    adapter: Adapter
    weight: float = 1.0
    """Of its denoiser updates; 0 leaves them out, and negative weights reverse them."""
    text_encoder_weight: float = 1.0
    """Of its text-encoder updates."""
    enabled: bool = True
    role: Role = ""
    """What it is to a training that takes the stack as companions."""
    blocks: BlockWeights | None = None
    """What its weights are multiplied by, block by block; ``None``: by 1 everywhere."""
    triggers: tuple[str, ...] | None = None
    """The trigger phrases that are on, its own or others; ``None``: the first of its own."""
    steps: Schedule = ()
    """What its denoiser weight is multiplied by as a picture is sampled; empty: by 1 throughout."""
    mask: Mask | None = None
    """Where in the picture its denoiser updates count; ``None``: everywhere."""

    def __post_init__(self) -> None:
        """Refuse weights that would make every weight of the base model nan.

        Raises:
            AdapterError: a weight isn't finite.
        """
        if not (math.isfinite(self.weight) and math.isfinite(self.text_encoder_weight)):
            raise AdapterError(
                f"{self.adapter.name} has the weights {self.weight:g} and {self.text_encoder_weight:g}.",
                expected="finite numbers, usually from 0 to 1",
                hint="correct them; a node that computes weights may have divided by 0.",
            )

    @property
    def active(self) -> bool:
        """Whether it has an effect."""
        return self.enabled and (self.weight != 0 or self.text_encoder_weight != 0)

    def weight_for(self, module_key: str) -> float:
        """The weight of the update of a layer, by its name in the base model or in the file."""
        return weight_for(module_key, self.weight, self.text_encoder_weight, self.blocks)

    @property
    def phrases(self) -> tuple[str, ...]:
        """The trigger phrases that are on."""
        return self.adapter.triggers[:1] if self.triggers is None else self.triggers

    @property
    def label(self) -> str:
        """Its adapter and weight, for example ``fox 0.8``, and what else it depends on."""
        further = [str(self.blocks or ""), in_words(self.steps), "masked" if self.mask else ""]
        told = "; ".join(filter(None, further))
        return f"{self.adapter.name} {self.weight:.3g}" + (f" ({told})" if told else "")

    def identity(self) -> list[Any]:
        """What pictures depend on, and trainings beside its role."""
        further: dict[str, Any] = {"blocks": self.blocks.identity()} if self.blocks else {}
        further |= {"steps": self.steps} if self.steps else {}
        further |= {"mask": self.mask.content_hash} if self.mask else {}
        own = [self.adapter.content_hash, self.weight, self.text_encoder_weight]
        return [*own, further] if further else own


@dataclass(frozen=True)
class Stack:
    """An ordered list of adapters with weights.

    Additive updates add up. Others, such as DoRA and OFT, change each weight as the adapters before them left it, so
    that their place in the order counts.
    """

    entries: tuple[StackEntry, ...] = ()

    def adding(self, entry: StackEntry) -> Stack:
        """This stack with an entry appended."""
        return Stack((*self.entries, entry))

    def alone(self, index: int) -> Stack:
        """Only the entry at ``index``, enabled."""
        return Stack((replace(self.entries[index], enabled=True),))

    def active(self) -> tuple[StackEntry, ...]:
        """The entries that have an effect."""
        return tuple(entry for entry in self.entries if entry.active)

    def triggers(self) -> tuple[str, ...]:
        """Distinct trigger phrases of the active adapters, in order."""
        return tuple(dict.fromkeys(phrase for entry in self.active() for phrase in entry.phrases))

    @property
    def scheduled(self) -> bool:
        """Whether any active entry's weight changes while a picture is sampled."""
        return any(entry.steps for entry in self.active())

    def index_of(self, which: str) -> int:
        """The place of an entry.

        Args:
            which: the adapter's name, or the entry's number, counted from 1; empty for the last.

        Raises:
            ConfigError: there is none, or there are several of that name.
        """
        names = [entry.adapter.name for entry in self.entries]
        which = which.strip()
        found = [place for place, name in enumerate(names) if name.casefold() == which.casefold()]
        if not found and which.isdecimal() and 0 < int(which) <= len(names):
            found = [int(which) - 1]
        if not which and names:
            found = [len(names) - 1]
        if len(found) == 1:
            return found[0]
        got = f"there are {len(found)} of that name" if found else "it isn't in the stack"
        raise ConfigError(
            f"Can't tell which adapter {which!r} is: {got}.",
            expected=", ".join(f"{place} ({name})" for place, name in enumerate(names, 1)) or "a stack with adapters",
            hint="write its number in the stack, counted from 1.",
        )

    def with_mask(self, index: int, mask: Mask | None) -> Stack:
        """The stack with a mask for the denoiser updates of the entry at ``index``."""
        entries = list(self.entries)
        entries[index] = replace(entries[index], mask=mask)
        return Stack(tuple(entries))

    def with_steps(self, index: int, steps: Schedule) -> Stack:
        """The stack with a schedule for the denoiser weight of the entry at ``index``."""
        entries = list(self.entries)
        entries[index] = replace(entries[index], steps=steps)
        return Stack(tuple(entries))

    def at(self, share: float) -> Stack:
        """The stack as it is when this share of the sampling is done, from 0 to 1, without schedules."""
        return Stack(tuple(replace(e, weight=e.weight * factor_at(e.steps, share), steps=()) for e in self.entries))

    @property
    def masks(self) -> tuple[Mask, ...]:
        """Distinct masks of the active entries, in order."""
        return tuple(dict.fromkeys(entry.mask for entry in self.active() if entry.mask))

    def region(self, mask: Mask | None) -> Stack:
        """What counts where a mask is, or, without one, where there is none; without masks."""
        return Stack(tuple(replace(e, mask=None) for e in self.entries if e.mask is None or e.mask == mask))

    def refuse_varying(self, place: str) -> None:
        """Refuse schedules and masks where one weight is all that can be kept.

        Args:
            place: what can't hold them, in words.

        Raises:
            AdapterError: naming the adapters.
        """
        for what, names in (
            ("weights by sampling step", [e.adapter.name for e in self.active() if e.steps]),
            ("a mask", [e.adapter.name for e in self.active() if e.mask]),
        ):
            if names:
                raise AdapterError(
                    f"{first_of(names)} has {what}, which {place} can't hold.",
                    expected="a stack with one weight for each adapter",
                    hint="take it off, or leave the adapter out.",
                )

    def total_weight(self) -> float:
        """Sum of the absolute denoiser weights of active entries; with block weights, in the block where it is most."""
        return sum_of_weights((entry.weight, entry.blocks, entry.adapter.modules) for entry in self.active())

    def warnings(self) -> list[str]:
        """Likely problems that are seen without measuring, one sentence each; see ``stack_report.warnings``."""
        found = []
        for entry in self.active():
            if max(abs(entry.weight), abs(entry.text_encoder_weight)) > FAR_OFF:
                found.append(f"{entry.adapter.name} has a weight beyond {FAR_OFF:g}; usual weights are 0.5 to 1.")
            if not (entry.phrases or entry.triggers == () or entry.adapter.is_slider):
                found.append(f"{entry.adapter.name} doesn't say its trigger word; look it up where you got the file.")
            notes = entry.adapter.origin.notes if entry.adapter.origin else ()
            found += [f"{entry.adapter.name}: {note}" for note in notes]
        found += [f"{name} is in the stack more than once; its weights add up." for name in self._repeated()]
        found += self.remarks_on_training()
        families = sorted({entry.adapter.family for entry in self.active() if entry.adapter.family})
        if len(families) > 1:
            found.append(f"The adapters are for different families ({', '.join(families)}); no base model fits all.")
        return found

    def remarks_on_training(self, words: Mapping[str, str] | None = None) -> list[str]:
        """What pictures ignore of roles, and what adapters were trained with that is missing here.

        Args:
            words: those that the base model knows, with the content hashes of their vectors.
        """
        found = [
            f"{entry.adapter.name} has the role {entry.role}, which only training reads: in pictures it is an adapter "
            "like any other."
            for entry in self.active()
            if entry.role
        ]
        present = {entry.adapter.content_hash for entry in self.active()}
        return (
            found
            + [
                f"{entry.adapter.name} was trained in the context of {context['name']} with weight "
                f"{context['weight']:g}, which isn't in the stack: add it, unless the base model carries it."
                for entry in self.active()
                for context in contexts(entry.adapter.metadata)
                if context["hash"] not in present
            ]
            + [
                f"{entry.adapter.name} was trained with the embedding {word}, which belongs to its prompts: connect "
                f"LW_LoadEmbedding, or write embedding:{word} into ComfyUI's own prompts."
                for entry in self.active()
                for word, vectors in embeddings(entry.adapter.metadata).items()
                if (words or {}).get(word) != vectors
            ]
        )

    def _repeated(self) -> list[str]:
        """Names of adapters that are in the stack more than once, by content."""
        adapters = {}
        for entry in self.active():
            adapters.setdefault(entry.adapter.content_hash, []).append(entry.adapter.name)
        return [names[0] for names in adapters.values() if len(names) > 1]

    @property
    def content_hash(self) -> str:
        """Of the active adapters, their order and weights."""
        return value_hash([entry.identity() for entry in self.active()])


@dataclass(frozen=True)
class WeightedFile:
    """An adapter file with weights, perhaps of a kind that stacks don't take."""

    file: AdapterFile
    weight: float
    text_encoder_weight: float


def weight_for(module_key: str, weight: float, text_encoder_weight: float, blocks: BlockWeights | None) -> float:
    """The weight of the update of a layer, of an adapter with these weights."""
    own = weight if module_key.startswith("denoiser.") else text_encoder_weight
    return own * blocks.factor(module_key) if own and blocks else own


def sum_of_weights(adapters: Iterable[tuple[float, BlockWeights | None, Iterable[str]]]) -> float:
    """Sum of absolute weights for the denoiser, in the block where it is most.

    Args:
        adapters: the weight, the block weights and the names of the modules of each.
    """
    everywhere = 0.0
    by_block: dict[Block, float] = defaultdict(float)
    for weight, blocks, modules in adapters:
        if blocks is None:
            everywhere += abs(weight)
            continue
        for block, key in {block_of(key): key for key in modules if key.startswith("denoiser.")}.items():
            by_block[block] += abs(weight * blocks.factor(key))
    return everywhere + max(by_block.values(), default=0.0)
