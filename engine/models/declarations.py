"""What a base model declares about itself, in ``lora_workbench.json`` beside ``model_index.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import BaseModelError, ConfigError
from ..core.fields import build
from .traits import GenerationDefaults

FILE = "lora_workbench.json"


@dataclass(frozen=True, kw_only=True)
class Declarations:
    """Settings that suit a base model better than the general ones."""

    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Recipe settings by name."""
    reason: str = ""
    """Why these settings, for people."""
    generation: GenerationDefaults = field(default_factory=GenerationDefaults)
    resolution: int = 0
    """Side of the pictures that it was trained on, in pixels; 0 where its family's is right."""


def declarations(folder: Path | None, general: GenerationDefaults) -> Declarations:
    """The declarations in the folder of a base model.

    Args:
        folder: the diffusers folder, if there is one.
        general: defaults for generation where it declares none.

    Raises:
        BaseModelError: the file is invalid.
    """
    path = folder / FILE if folder else None
    if path is None or not path.is_file():
        return Declarations(generation=general)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        generation = build(GenerationDefaults, asdict(general) | values.pop("generation", {}), where="generation")
        return build(Declarations, {**values, "generation": generation}, where=FILE)
    except (OSError, ValueError, TypeError, AttributeError, ConfigError) as error:
        raise BaseModelError(
            f"{path} can't be used: {error}",
            expected='an object such as {"recipe": {"steps": 400}, "reason": "…", "generation": {"guidance": 3.0}}',
            hint="correct the file, or remove it.",
        ) from error
