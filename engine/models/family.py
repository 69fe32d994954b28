"""What a family of base models declares, so that shared code knows none by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .contract import Backbone
from .traits import Traits

PartKind = Literal["unet", "vae", "clip", "clip_with_projection", "tokenizer", "scheduler", "library", "processor"]
"""``library`` is a model or tokenizer of the class that ``model_index.json`` names, ``processor`` one of Qwen-VL's."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a diffusers folder."""

    kind: PartKind
    prefix: str = ""
    """Prefix of the names of its tensors in single-file checkpoints; empty for parts without weights there."""
    weights: bool = False
    """Whether its folder has weights, where ``prefix`` doesn't say it."""
    open_clip: bool = False
    """Whether checkpoints store it in OpenCLIP's layout."""


ONE_ENCODER: Mapping[str, Part] = {
    "transformer": Part(kind="library", weights=True),
    "vae": Part(kind="library", weights=True),
    "text_encoder": Part(kind="library", weights=True),
    "tokenizer": Part(kind="library"),
    "scheduler": Part(kind="library"),
}
"""The parts of a flow transformer with one text encoder."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of base models."""

    traits: Traits
    pipeline: str
    """``_class_name`` in the index of a diffusers folder, ``model_index.json`` or that of a modular pipeline."""
    parts: Mapping[str, Part]
    """Folder name -> part."""
    load: Callable[..., Backbone]
    recognizes: Callable[[Path, frozenset[str]], bool] = lambda _, names: not names
    """Whether a folder of this pipeline, or a checkpoint with tensors of these names, belongs to the family; the set of
    names is empty for folders. By default only folders do."""
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Preset -> suffixes of module names in the denoiser, where ``presets.py`` doesn't find them."""
    text_targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The same for the text encoders that take adapters."""
    config: Path | None = None
    """Folder with the configuration of each part, for checkpoints, which hold only weights; ``None`` where there are no
    checkpoints that hold all parts."""
    capabilities: frozenset[str] = frozenset()

    @property
    def text_encoders(self) -> tuple[str, ...]:
        """Names of the text encoders, in order."""
        return tuple(name for name, part in self.parts.items() if part.kind in ("clip", "clip_with_projection"))
