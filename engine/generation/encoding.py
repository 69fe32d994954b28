"""Prompts and pictures to edit, each encoded once for a batch of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..data.views import Size, View, fitted
from ..models.contract import Backbone, Conditioning

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor


class Encoded:
    """What a base model is told of each picture.

    Args:
        backbone: the base model.
        reference_guidance: scale of guidance by the pictures to edit.
    """

    def __init__(self, backbone: Backbone, reference_guidance: float) -> None:
        self._backbone, self._reference_guidance = backbone, reference_guidance
        self._prompts: dict[tuple[str, int], Conditioning] = {}
        self._pictures: dict[int, tuple[Tensor, Tensor]] = {}

    def conditioning(self, prompts: Sequence[str], references: Sequence[Image.Image | None]) -> Conditioning:
        """Of batch B: a prompt for each picture, and what it edits, all of one size, or ``None`` for all."""
        import torch

        joined = Conditioning.join([self._prompt(*one) for one in zip(prompts, references, strict=True)])
        latents = [self._picture(picture)[1] for picture in references if picture]
        if latents:
            joined["reference"] = torch.cat(latents)
        if latents and "reference_guidance" in self._backbone.info.capabilities:
            joined["reference_guidance"] = torch.full((len(latents),), self._reference_guidance)
        return joined

    def _prompt(self, prompt: str, picture: Image.Image | None) -> Conditioning:
        import torch

        sees = picture is not None and "prompts_see_pictures" in self._backbone.info.capabilities
        key = prompt, id(picture) if sees else 0
        if key not in self._prompts:
            with torch.no_grad():
                pixels = self._picture(picture)[0] if picture and sees else None
                self._prompts[key] = self._backbone.encode_prompts([prompt], pixels)
        return self._prompts[key]

    def _picture(self, picture: Image.Image) -> tuple[Tensor, Tensor]:
        """Its pixels (1, 3, H, W) in [-1, 1], and its latents."""
        import numpy as np
        import torch

        if id(picture) not in self._pictures:
            values = torch.from_numpy(np.asarray(picture, np.float32)) / 127.5 - 1
            pixels = values.permute(2, 0, 1)[None]
            self._pictures[id(picture)] = pixels, self._backbone.encode_images(pixels)
        return self._pictures[id(picture)]


def in_shape(picture: Image.Image, size: Size) -> Image.Image:
    """The middle of a picture, as large as the aspect ratio of ``size`` allows, scaled to it, as RGB."""
    return View(crop=fitted(picture.size, size)).of(picture.convert("RGB"))
