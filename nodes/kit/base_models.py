"""Loading and describing base models."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..host import io
from . import sockets
from .files import stamp_of

if TYPE_CHECKING:
    from ...engine.models.contract import Backbone


@lru_cache(maxsize=1)
def loaded(path: Path, changed: str, device: str, precision: str) -> Backbone:
    """A base model; the latest one stays in memory, since node classes keep no state of their own.

    Args:
        path: a diffusers folder or a checkpoint.
        changed: stamp of its files, so that a changed model is loaded again.
        device: as for ``load_base``.
        precision: as for ``load_base``.
    """
    from ...engine.models.registry import load_base

    del changed  # part of the key only
    return load_base(path, device=device, precision=precision)


def stamp_of_base(path: Path) -> str:
    """Changes with any file that a base model is read from; no weights are read."""
    from ...engine.models.reference_channels import plain_model

    plain = plain_model(path)
    return stamp_of(path) + (stamp_of(plain) if plain else "")


def in_words(backbone: Backbone) -> str:
    """For example ``demo_base: sd1, epsilon, 64 px, on cpu in float32``."""
    info = backbone.info
    dtype = str(backbone.dtype).removeprefix("torch.")
    weights = f", its weights in {backbone.weights}" if backbone.weights else ""
    return (
        f"{info.name}: {info.family}, {info.prediction_type}, {info.resolution} px, on {backbone.device} in {dtype}"
        f"{weights}"
    )


def base_output() -> io.Output:
    return sockets.Base.Output("base", tooltip="The base model; training and generation leave it unchanged.")
