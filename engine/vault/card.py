"""The card of an adapter: what is known of it without reading its tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..adapters.block_names import component_of
from ..core.words import counted


@dataclass(frozen=True, kw_only=True)
class Card:
    """What the header of an adapter's file, and the files beside it, tell. Whatever isn't told is empty."""

    name: str
    """Path below the folder of adapters, with forward slashes, as loaders know it."""
    bytes: int = 0
    """Of all its tensors' files."""
    problem: str = ""
    """Why it can't be read; what follows is then what the files beside it tell."""
    family: str = ""
    """Of base models, such as ``sdxl``."""
    kinds: tuple[str, ...] = ()
    """Kinds of its updates, such as ``dora``; of what isn't read here, such as ``GLoRA``."""
    ranks: tuple[int, ...] = ()
    """Distinct ones, ascending."""
    alpha: float | None = None
    """As the header says it, or of the first module that has a tensor of it."""
    modules: int = 0
    targets: Mapping[str, int] = field(default_factory=dict)
    """Level of blocks, such as ``down.1`` -> number of modules, in the order of the file."""
    writer: str = ""
    """The program that wrote it, in words."""
    triggers: tuple[str, ...] = ()
    """Trigger phrases, each of which calls what it was trained on."""
    told_by: str = ""
    """Where the trigger phrases stand, in words."""
    base: str = ""
    """Base model that it was trained on, as its sources call it."""
    trained: Mapping[str, str] = field(default_factory=dict)
    """Facts of the training by name: steps, epochs, pictures, learning rate …"""
    verdict: str = ""
    """The verdict on the run's snapshots, in words."""
    weight: float | None = None
    """Recommended, for stacks."""
    notes: str = ""
    """The user's own, and those of other programs' users."""
    pinned: bool = False
    """Whether the user has it at hand: agents get a tool for each pinned adapter."""
    prompts: tuple[str, ...] = ()
    """Some sample prompts."""
    preview: str = ""
    """Name of the picture beside it."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """What sources call their hash -> its value."""
    fingerprint: str = ""
    """Of how many values there are and how they begin: equal in copies, whatever their names and metadata."""
    remarks: tuple[str, ...] = ()
    """What was wrong with files beside it, one sentence each."""

    @property
    def rank(self) -> int:
        """The largest; 0 where none is known."""
        return max(self.ranks, default=0)

    @property
    def trigger(self) -> str:
        """The first trigger phrase; empty if there is none."""
        return self.triggers[0] if self.triggers else ""

    @property
    def components(self) -> dict[str, int]:
        """Component -> number of modules."""
        found: dict[str, int] = {}
        for target, modules in self.targets.items():
            component = component_of(target)
            found[component] = found.get(component, 0) + modules
        return found

    def described(self) -> str:
        """For lists and messages: ``sdxl, lora of rank 16, 722 modules``."""
        kinds = " and ".join(self.kinds)
        shape = f"{kinds} of rank {self.rank}" if self.rank else kinds
        parts = [self.family, shape, counted(self.modules, "module") if self.modules else ""]
        return ", ".join(filter(None, parts))

    def renamed(self, name: str) -> Card:
        """The card of the same file by another name."""
        return replace(self, name=name)

    def facts(self) -> dict[str, Any]:
        """As plain values, for programs."""
        told = {name: value for name, value in asdict(self).items() if name != "fingerprint"}
        return {"name": self.name, "bytes": self.bytes, "trigger": self.trigger, "rank": self.rank, **told}

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Card:
        """The card that :meth:`to_json` wrote.

        Raises:
            ValueError: it is no such text.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            for name in ("kinds", "ranks", "triggers", "prompts", "remarks"):
                values[name] = tuple(values[name])
            return Card(**values)
        except (TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"no card: {error}") from error
