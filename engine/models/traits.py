"""What a family of base models is like, whoever runs it: diffusers here, or ComfyUI."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..core.fields import positive, raise_all
from .published import Published

KeyStyle = Literal["kohya", "transformer", "native"]
"""How adapter files of a family name their tensors; see ``adapters/names.py``, which declares the same."""


@dataclass(frozen=True, kw_only=True)
class GenerationDefaults:
    """Settings that a model generates well with."""

    steps: int = 25
    """1 or more."""
    guidance: float = 7.0
    """Classifier-free guidance scale, 0 or more; 1 switches it off. Where guidance is an input, its value."""
    reference_guidance: float = 1.5
    """Scale of guidance by the picture to edit, 0 or more; 1 switches it off."""

    def __post_init__(self) -> None:
        problems: list[str] = []
        positive(problems, self, "steps")
        positive(problems, self, "guidance", "reference_guidance", zero=True)
        raise_all(problems, "generation")


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
    published: Published = field(default_factory=Published)
    """What others found to train it well."""
    folders: bool = True
    """Whether diffusers folders of this variant are read, if those of its family are."""
    missing: str = ""
    """What can't be done with it here, for people."""
