"""Florence-2 (arXiv:2311.06242): a sentence or a paragraph, depending on the task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contract import CaptionOptions
from .hub_folder import HubCaptioner

if TYPE_CHECKING:
    import torch
    from PIL import Image

TASKS = {
    "<CAPTION>": "What does the image describe?",
    "<DETAILED_CAPTION>": "Describe in detail what is shown in the image.",
    "<MORE_DETAILED_CAPTION>": "Describe with a paragraph what is shown in the image.",
}
"""Tasks that it was trained on; other questions have little effect."""


class Florence2(HubCaptioner):
    """In transformers' own layout; the first releases came with code of their own, which isn't run."""

    kind = "florence2"
    model_types = frozenset({"florence2"})
    model_class = "Florence2ForConditionalGeneration"
    BEAMS = 3
    _feature_count: int | None = None

    def caption(self, image: Image.Image, options: CaptionOptions) -> str:
        parts = self._parts
        inputs = parts.pixels(image)
        prompt = options.prompt or "<MORE_DETAILED_CAPTION>"
        inputs["input_ids"] = self._tokens(TASKS.get(prompt, prompt), inputs["pixel_values"])
        return parts.text(parts.generate(inputs, max_tokens=options.max_tokens, beams=self.BEAMS))

    def _tokens(self, question: str, pixels: torch.Tensor) -> torch.Tensor:
        """An image token for each feature of the picture, then the question, as in the model's own processor."""
        import torch

        model, tokenizer = self._parts.model, self._parts.tokenizer
        if self._feature_count is None:  # the same for all pictures, which are scaled to one size
            with torch.no_grad():
                features = model.get_image_features(pixels)
            self._feature_count = int(getattr(features, "pooler_output", features).shape[1])
        image_tokens = tokenizer.convert_ids_to_tokens(model.config.image_token_id) * self._feature_count
        text = image_tokens + tokenizer.bos_token + question + tokenizer.eos_token
        tokens = tokenizer(text, add_special_tokens=False, return_tensors="pt")
        return tokens.input_ids.to(self._parts.device)
