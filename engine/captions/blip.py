"""BLIP (arXiv:2201.12086): a short sentence, such as ``a fox sitting in the snow``."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from .contract import Captioner, CaptionOptions
from .hub_folder import HubParts, load_parts

if TYPE_CHECKING:
    from PIL import Image


class Blip(Captioner):
    """Its captions begin with the prompt, and it goes on from there."""

    kind = "blip"
    options = frozenset({"prompt", "max_tokens"})
    BEAMS = 3

    @cached_property
    def _parts(self) -> HubParts:
        return load_parts(self.folder, "BlipForConditionalGeneration", self._device, self._precision)

    def caption(self, image: Image.Image, options: CaptionOptions) -> str:
        parts = self._parts
        inputs = parts.pixels(image)
        if options.prompt:
            inputs["input_ids"] = parts.tokenizer(options.prompt, return_tensors="pt").input_ids.to(parts.device)
        return parts.text(parts.generate(inputs, max_tokens=options.max_tokens, beams=self.BEAMS))
