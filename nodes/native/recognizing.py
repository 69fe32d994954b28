"""Of which family the file of a base model is, as ComfyUI's loaders would recognize it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...engine.core.errors import BaseModelError
from ...engine.models.traits import Traits
from .families import known_traits
from .seam import RECOGNIZING

if TYPE_CHECKING:
    from torch import Tensor


def traits_of_file(path: Path) -> Traits:
    """What is known of the models in a checkpoint, or in the file of a denoiser alone, by the header.

    Raises:
        BaseModelError: it isn't a safetensors file, or of no family that is known.
    """
    tensors = _without_values(path)
    try:
        config = RECOGNIZING.model_config_from_unet(tensors, RECOGNIZING.unet_prefix_from_state_dict(tensors))
    except Exception as error:  # some families are told by values, which aren't read
        raise _unknown(path) from error
    traits = known_traits(config) if config is not None else None
    if traits is None:
        raise _unknown(path)
    return traits


def _without_values(path: Path) -> Mapping[str, Tensor]:
    """Its tensors, of which only shapes and types are there.

    Raises:
        BaseModelError: it isn't a safetensors file.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: torch.empty(file.get_slice(name).get_shape(), device="meta") for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _unknown(path) from error


def _unknown(path: Path) -> BaseModelError:
    return BaseModelError(f"{path} is not a base model of a known family.")
