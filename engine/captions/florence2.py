"""Florence-2 (arXiv:2311.06242): a sentence or a paragraph, as asked."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from .contract import Captioner, CaptionOptions
from .hub_folder import HubParts, load_parts

if TYPE_CHECKING:
    import torch
    from PIL import Image

TASKS = {
    "<CAPTION>": "What does the image describe?",
    "<DETAILED_CAPTION>": "Describe in detail what is shown in the image.",
    "<MORE_DETAILED_CAPTION>": "Describe with a paragraph what is shown in the image.",
}
"""What it was taught to answer; other questions hardly reach it."""


class Florence2(Captioner):
    """In the layout of transformers itself; the first releases brought code of their own, which isn't run."""

    kind = "florence2"
    options = frozenset({"prompt", "max_tokens"})
    BEAMS = 3
    _counted: int | None = None

    @cached_property
    def _parts(self) -> HubParts:
        return load_parts(self.folder, "Florence2ForConditionalGeneration", self._device, self._precision)

    def caption(self, image: Image.Image, options: CaptionOptions) -> str:
        parts = self._parts
        inputs = parts.pixels(image)
        asked = options.prompt or "<MORE_DETAILED_CAPTION>"
        inputs["input_ids"] = self._tokens(TASKS.get(asked, asked), inputs["pixel_values"])
        return parts.text(parts.generate(inputs, max_tokens=options.max_tokens, beams=self.BEAMS))

    def _tokens(self, question: str, pixels: torch.Tensor) -> torch.Tensor:
        """A place for each feature of the picture, then the question, as its own processor puts them."""
        tokenizer = self._parts.tokenizer
        place = tokenizer.convert_ids_to_tokens(self._parts.model.config.image_token_id)
        text = place * self._places(pixels) + tokenizer.bos_token + question + tokenizer.eos_token
        tokens = tokenizer(text, add_special_tokens=False, return_tensors="pt")
        return tokens.input_ids.to(self._parts.device)

    def _places(self, pixels: torch.Tensor) -> int:
        """How many features the picture has; the same for all, as they are scaled to one size."""
        import torch

        if self._counted is None:
            with torch.no_grad():
                features = self._parts.model.get_image_features(pixels)
            self._counted = int(getattr(features, "pooler_output", features).shape[1])
        return self._counted
