"""BLIP (arXiv:2201.12086): one short sentence, such as ``a fox sitting in the snow``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contract import CaptionOptions
from .hub_folder import HubCaptioner

if TYPE_CHECKING:
    from PIL import Image


class Blip(HubCaptioner):
    """Its captions continue the prompt."""

    kind = "blip"
    model_types = frozenset({"blip"})
    model_class = "BlipForConditionalGeneration"
    BEAMS = 3

    def caption(self, image: Image.Image, options: CaptionOptions) -> str:
        parts = self._parts
        inputs = parts.pixels(image)
        if options.prompt:
            inputs["input_ids"] = parts.tokenizer(options.prompt, return_tensors="pt").input_ids.to(parts.device)
        return parts.text(parts.generate(inputs, max_tokens=options.max_tokens, beams=self.BEAMS))
