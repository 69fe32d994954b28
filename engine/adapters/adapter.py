"""The adapter as a value: the update of each module, and its metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.hashing import bytes_hash
from ..core.words import counted
from .kinds import KINDS, Update
from .names import KeyStyle, flat
from .triggers import trigger_sets

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What reading an adapter's file told about it."""

    writer: str
    """The program that wrote it, as far as that shows."""
    scale: str
    """Where its strength comes from, in words."""
    notes: tuple[str, ...] = ()
    """What was left out or changed, one sentence each."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A trained adapter."""

    name: str
    family: str
    """Family of the base model that it was trained on, or that its file names."""
    modules: Mapping[str, Update] = field(repr=False)
    """``<component>.<module path>`` -> update, for example ``denoiser.mid_block.attentions.0...to_q``."""
    key_style: KeyStyle = "kohya"
    """How files of its family name the tensors."""
    bound: bool = True
    """Whether the module paths are those of a base model. Until ``bind``, they are those of the file, perhaps with
    underscores for dots."""
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The header of the file: ``modelspec.*``, ``ss_*``, ``lw.*``."""
    path: Path | None = None
    """A file that every program loads at the same strength."""
    embeddings: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    """Name in the file -> tensor, of trained words that it brings. They are kept, and not applied."""
    origin: Origin | None = None
    """``None`` unless it was read from a file."""

    @property
    def trigger(self) -> str:
        """The trigger phrase, the first if there are several; empty if there is none."""
        return self.triggers[0] if self.triggers else ""

    @cached_property
    def triggers(self) -> tuple[str, ...]:
        """Its trigger phrases, each of which calls what it was trained on."""
        return trigger_sets(self.metadata)

    @property
    def is_slider(self) -> bool:
        """Whether it was trained to be used at negative weights as well, without a trigger word."""
        return "lw.slider" in self.metadata

    @property
    def rank(self) -> int:
        return max(update.rank for update in self._ranked)

    @property
    def _ranked(self) -> Sequence[Update]:
        """Those that have a rank, if any do: norms and biases, changed as a whole, don't count beside them."""
        updates = [*self.modules.values()]
        return [update for update in updates if update.scaled] or updates

    @property
    def description(self) -> str:
        """Its kinds, ranks, alphas and number of modules, for example ``lora, rank 4, alpha 2, 32 modules``."""
        kinds = " and ".join(dict.fromkeys(update.kind for update in self.modules.values()))
        ranks, alphas = ([getattr(update, name) for update in self._ranked] for name in ("rank", "alpha"))
        return f"{kinds}, {_span('rank', ranks)}, {_span('alpha', alphas)}, {counted(len(self.modules), 'module')}"

    @cached_property
    def content_hash(self) -> str:
        """Of names, tensors and alphas, but not metadata; the same before and after ``bind``."""
        import torch

        parts = []
        for key in sorted(self.modules, key=flat):
            update = self.modules[key]
            tensors = KINDS.get(update.kind).factors(update).values()
            raw = [t.detach().to("cpu", torch.float32).contiguous().numpy().tobytes() for t in tensors]
            if update.kind != "lora":  # whose shapes follow from their sizes
                raw += [repr([update.kind, update.numbers, *(tuple(t.shape) for t in tensors)]).encode()]
            parts.append(bytes_hash(flat(key).encode() + b"".join(raw) + repr(float(update.alpha)).encode()))
        return bytes_hash("".join(parts).encode())

    def told(self, *, family: str, metadata: Mapping[str, str]) -> Adapter:
        """The same updates with what else is known of them; the content hash isn't computed again."""
        if family == self.family and metadata == self.metadata:
            return self
        made = replace(self, family=family, metadata=metadata)
        made.__dict__["content_hash"] = self.content_hash
        return made


def _span(name: str, values: Sequence[float]) -> str:
    """``rank 4``, or ``rank 4 to 16``."""
    least, most = min(values), max(values)
    return f"{name} {least:g}" if least == most else f"{name} {least:g} to {most:g}"
