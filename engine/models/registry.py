"""Families of base models by name. Each is a file beside this one and a registration in ``__init__.py``."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import BaseModelError
from ..core.registry import Registry
from .contract import Backbone, Source
from .diffusers_parts import read_index, tensor_names
from .family import Family
from .tokenizing import ClipTokenizers
from .unet_backbone import load_parts

FAMILIES: Registry[Family] = Registry("family of base models", BaseModelError)


def load_base(path: str | Path, *, device: str = "auto", precision: str = "auto") -> Backbone:
    """Load a diffusers folder or a single-file checkpoint, offline.

    Args:
        path: the folder or ``.safetensors`` file.
        device: ``auto``, ``cpu``, ``cuda``, ``mps`` or a torch device string.
        precision: of the frozen weights: ``auto``, ``fp32``, ``bf16``, ``fp16``, or quantized, ``fp8``, ``int8`` or
            ``nf4``.

    Raises:
        BaseModelError: there is no such model, it is damaged, or no family recognizes it.
    """
    path = Path(path)
    backbone = family_of(path).load(path, device=device, precision=precision)
    backbone.source = Source(path.absolute(), precision)
    return backbone


def family_of(path: Path) -> Family:
    """The family of a diffusers folder or a single-file checkpoint, which isn't loaded.

    Raises:
        BaseModelError: there is no such model, or no family recognizes it.
    """
    if not path.exists():
        raise BaseModelError(
            f"No base model at {path}.",
            expected="a diffusers folder (with model_index.json) or a .safetensors checkpoint",
            hint="check the name; the demo base is in assets/demo_base.",
        )
    pipeline = _pipeline(path) if path.is_dir() else None
    names = tensor_names(path) if path.suffix == ".safetensors" and path.is_file() else frozenset()
    for family in FAMILIES:
        if (pipeline == family.pipeline or names) and family.recognizes(path, names):
            return family
    raise BaseModelError(
        f"{path} is not a base model of a known family.",
        expected=f"one of: {', '.join(FAMILIES.names())}",
        hint="use a diffusers folder or a single-file checkpoint of one of these families.",
    )


def tokenizers_of(path: Path) -> ClipTokenizers | None:
    """The tokenizers of a diffusers folder or a checkpoint; ``None`` where its text encoders aren't CLIP's.

    Raises:
        BaseModelError: there is no such model, it is damaged, or no family recognizes it.
    """
    family = family_of(path)
    if not any(part.kind == "tokenizer" for part in family.parts.values()):
        return None
    return ClipTokenizers(load_parts(path, family), family)


def _pipeline(folder: Path) -> str | None:
    """The pipeline class of a diffusers folder; ``None`` for other folders."""
    try:
        return read_index(folder)["_class_name"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
