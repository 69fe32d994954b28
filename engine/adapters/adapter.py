"""The adapter as a value: the update of each module, and its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..core.hashing import bytes_hash
from .kinds import KINDS, Update
from .names import KeyStyle, flat


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

    @property
    def trigger(self) -> str:
        """The trigger phrase; empty if there is none."""
        return self.metadata.get("modelspec.trigger_phrase", "")

    @property
    def rank(self) -> int:
        return max(update.rank for update in self.modules.values())

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
