"""Edit models that nobody has trained yet: a plain model whose UNet gets input channels for the picture to edit.

The new channels begin at zero, as in InstructPix2Pix (Brooks et al. 2022, arXiv:2211.09800, section 3.2), so that the
model makes what it made before, until an adapter with all layers teaches it to look. The folder of such a model needs
no weights of its own: its index names the folder of the plain one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.hashing import value_hash
from .diffusers_parts import FolderParts, read_index

if TYPE_CHECKING:
    from .family import Part

_ENTRY = "adds_reference_channels_to"
"""In ``model_index.json``: the plain model's folder, relative to the edit model's."""


def plain_model(folder: Path) -> Path | None:
    """The folder of the plain model that an edit model is made of; ``None`` for models with weights of their own."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        named = read_index(folder).get(_ENTRY)
        return (folder / named).resolve() if named else None
    return None


def add_reference_channels(unet: Any) -> None:
    """Double the input channels of diffusers' ``UNet2DConditionModel`` in place, the new ones with weights of zero."""
    import torch
    from torch import nn

    plain = unet.conv_in
    wider = nn.Conv2d(2 * plain.in_channels, plain.out_channels, plain.kernel_size, padding=plain.padding)
    wider.to(plain.weight)
    with torch.no_grad():
        wider.weight.zero_()[:, : plain.in_channels] = plain.weight
        wider.bias.copy_(plain.bias)  # pyright: ignore[reportOptionalMemberAccess] - it has one
    unet.conv_in = wider
    unet.register_to_config(in_channels=wider.in_channels)


class PartsWithReferenceChannels(FolderParts):
    """The parts of an edit model that is made of a plain one as it is loaded.

    Args:
        folder: the edit model's, with its index and declarations.
        plain: the plain model's, with all parts.
        parts: those of the family.

    Raises:
        BaseModelError: a part of the plain model has no folder, no configuration or incomplete weights.
    """

    def __init__(self, folder: Path, plain: Path, parts: Mapping[str, Part]) -> None:
        super().__init__(plain, parts)
        self.name, self.folder = folder.name, folder

    def content_hash(self) -> str:
        return value_hash([super().content_hash(), "reference channels of zeros"])

    def config(self, part: str) -> dict[str, Any]:
        config = super().config(part)
        return {**config, "in_channels": 2 * config["in_channels"]} if part == "unet" else config

    def load(self, part: str) -> Any:
        loaded = super().load(part)
        if part == "unet":
            add_reference_channels(loaded)
        return loaded
