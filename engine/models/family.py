"""What a family of base models declares, so that shared code knows none by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .contract import Backbone, GenerationDefaults, KeyStyle

PartKind = Literal["unet", "vae", "clip", "clip_with_projection", "tokenizer", "scheduler"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a diffusers folder."""

    kind: PartKind
    prefix: str = ""
    """Prefix of the names of its tensors in single-file checkpoints; empty for parts without weights."""
    open_clip: bool = False
    """Whether checkpoints store it in OpenCLIP's layout."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of base models."""

    name: str
    architecture: str
    """``modelspec.architecture`` without the ``/lora``."""
    pipeline: str
    """``_class_name`` in ``model_index.json`` of a diffusers folder."""
    parts: Mapping[str, Part]
    """Folder name -> part."""
    config: Path
    """Folder with the configuration of each part, for checkpoints, which hold only weights."""
    recognizes: Callable[[Path, frozenset[str]], bool]
    """Whether a folder of this pipeline, or a checkpoint with tensors of these names, belongs to the family; the set of
    names is empty for folders."""
    load: Callable[..., Backbone]
    targets: Mapping[str, tuple[str, ...]]
    """Preset -> suffixes of module names in the denoiser."""
    text_targets: Mapping[str, tuple[str, ...]]
    """The same for the text encoders."""
    key_style: KeyStyle = "kohya"
    generation: GenerationDefaults = field(default_factory=GenerationDefaults)
    timestep_distribution: str = "uniform"
    """Suggested distribution of timesteps for training."""
    capabilities: frozenset[str] = frozenset()

    @property
    def text_encoders(self) -> tuple[str, ...]:
        """Names of the text encoders, in order."""
        return tuple(name for name, part in self.parts.items() if part.kind in ("clip", "clip_with_projection"))
