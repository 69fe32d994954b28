"""What a family of base models is like, whoever runs it: diffusers here, or ComfyUI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ..core.fields import positive, raise_all

KeyStyle = Literal["kohya", "transformer", "native"]
"""How adapter files of a family name their tensors; see ``adapters/names.py``, which declares the same."""


@dataclass(frozen=True, kw_only=True)
class GenerationDefaults:
    """Settings that a model generates well with."""

    steps: int = 25
    """1 or more."""
    guidance: float = 7.0
    """Classifier-free guidance scale, 0 or more; 1 switches it off. Where guidance is an input, its value."""

    def __post_init__(self) -> None:
        problems: list[str] = []
        positive(problems, self, "steps")
        positive(problems, self, "guidance", zero=True)
        raise_all(problems, "generation")


class Sourced(NamedTuple):
    """A value of a recipe with where it comes from."""

    value: Any
    source: str
    """Who published it, for people: ``OneTrainer's preset for 16 GB``."""


@dataclass(frozen=True, kw_only=True)
class Traits:
    """A family of base models, or one of its variants that trains or generates otherwise."""

    name: str
    """Of the family, for example ``flux1``, as adapters are marked with it."""
    title: str
    """For people, for example ``FLUX.1 dev``."""
    architecture: str
    """``modelspec.architecture`` without the ``/lora``, for example ``stable-diffusion-v1``."""
    resolution: int
    """Side of the pictures that it was trained on, in pixels, where a model doesn't say it."""
    key_style: KeyStyle
    generation: GenerationDefaults = field(default_factory=GenerationDefaults)
    recipe: Mapping[str, Sourced] = field(default_factory=dict)
    """Settings of a recipe that suit it, whatever the goal."""
    goals: Mapping[str, Mapping[str, Sourced]] = field(default_factory=dict)
    """Goal -> settings that suit it besides, or instead."""
    missing: str = ""
    """What can't be done with it here, for people."""
