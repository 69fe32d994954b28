"""What a family of base models declares, so that the shared code needs to know none by name."""

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
    """How the names of its tensors begin in a single-file checkpoint; parts without weights have none."""
    open_clip: bool = False
    """Whether a checkpoint has it in OpenCLIP's layout."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One family."""

    name: str
    architecture: str
    """``modelspec.architecture`` without the ``/lora``."""
    pipeline: str
    """``_class_name`` in ``model_index.json`` of a diffusers folder."""
    parts: Mapping[str, Part]
    """Name of the folder -> part."""
    config: Path
    """Folder with the configuration of each part of a checkpoint, which itself holds weights alone."""
    recognizes: Callable[[Path, frozenset[str]], bool]
    """Whether a folder of this pipeline (without names), or a checkpoint with tensors of these names, is one."""
    load: Callable[..., Backbone]
    targets: Mapping[str, tuple[str, ...]]
    """Preset -> suffixes of the denoiser's layers."""
    text_targets: Mapping[str, tuple[str, ...]]
    """The same for the text encoders."""
    key_style: KeyStyle = "kohya"
    generation: GenerationDefaults = field(default_factory=GenerationDefaults)
    timestep_distribution: str = "uniform"
    """What training samples timesteps from unless a recipe says otherwise."""
    capabilities: frozenset[str] = frozenset()

    @property
    def text_encoders(self) -> tuple[str, ...]:
        """Names of the parts that encode prompts, in order."""
        return tuple(name for name, part in self.parts.items() if part.kind in ("clip", "clip_with_projection"))
