"""Families of base models by name. A family is one file beside this one and one line below."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..core.errors import BaseModelError
from .contract import Backbone

Loader = Callable[..., Backbone]

_FAMILIES: dict[str, tuple[Callable[[Path], bool], Loader]] = {}


def register(family: str, *, recognizes: Callable[[Path], bool], load: Loader) -> None:
    """Make a family known. ``recognizes`` looks at a folder or file without loading weights."""
    if family in _FAMILIES:
        raise ValueError(f"family {family!r} is registered already; known: {', '.join(sorted(_FAMILIES))}")
    _FAMILIES[family] = (recognizes, load)


def families() -> list[str]:
    """The known names."""
    return sorted(_FAMILIES)


def load_base(path: str | Path, *, device: str = "auto", precision: str = "auto") -> Backbone:
    """Load a diffusers folder or a single-file checkpoint, offline.

    Args:
        path: the folder or ``.safetensors`` file.
        device: ``auto``, ``cpu``, ``cuda``, ``mps`` or a torch device string.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``; of the frozen weights.

    Raises:
        BaseModelError: nothing is there, or no known family recognizes it.
    """
    path = Path(path)
    if not path.exists():
        raise BaseModelError(
            f"No base model at {path}.",
            expected="a diffusers folder (with model_index.json) or a .safetensors checkpoint",
            hint="check the name; the demo base lies in assets/demo_base.",
        )
    for recognizes, load in _FAMILIES.values():
        if recognizes(path):
            return load(path, device=device, precision=precision)
    raise BaseModelError(
        f"{path} is not a base model of a known family.",
        expected=f"one of: {', '.join(families())}",
        hint="use a diffusers folder or a single-file checkpoint of one of these families.",
    )
