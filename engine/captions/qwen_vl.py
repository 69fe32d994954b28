"""Qwen2-VL (arXiv:2409.12191), Qwen2.5-VL and Qwen3-VL: captions of any kind, in answer to a prompt."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from .contract import CaptionOptions
from .hub_folder import HubCaptioner

if TYPE_CHECKING:
    from PIL import Image

QUESTION = (
    "Describe this picture in one or two plain sentences: subject, pose, surroundings, light and framing. "
    "Begin with the subject, and don't guess at what can't be seen."
)
TALK = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n<|vision_start|>{picture}<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
)
"""The chat template that all of them were trained with."""


class QwenVL(HubCaptioner):
    """The prompt is a question or an instruction."""

    kind = "qwen_vl"
    model_types = frozenset({"qwen2_vl", "qwen2_5_vl", "qwen3_vl"})
    model_class = "AutoModelForImageTextToText"
    MAX_SIDE = 1024
    """In pixels. Larger pictures are scaled down, since every 28 x 28 pixels cost a token."""

    def caption(self, image: Image.Image, options: CaptionOptions) -> str:
        inputs = self._inputs(image, options.prompt or QUESTION)
        tokens = self._parts.generate(inputs, max_tokens=options.max_tokens, beams=1)
        answer = self._parts.text(tokens[inputs["input_ids"].shape[1] :])
        return re.sub(r"^.*</think>\s*", "", answer)

    def _inputs(self, image: Image.Image, question: str) -> dict[str, Any]:
        parts = self._parts
        small = image.copy()
        small.thumbnail((self.MAX_SIDE, self.MAX_SIDE))
        inputs: dict[str, Any] = parts.pixels(small)
        image_token = parts.tokenizer.convert_ids_to_tokens(parts.model.config.image_token_id)
        count = int(inputs["image_grid_thw"].prod()) // parts.images.merge_size**2
        text = TALK.format(picture=image_token * count, question=question)
        inputs |= parts.tokenizer(text, return_tensors="pt").to(parts.device)
        if "mm_token_type_ids" in inspect.signature(parts.model.forward).parameters:
            # Since transformers 5, positions within the picture are computed from these.
            inputs["mm_token_type_ids"] = (inputs["input_ids"] == parts.model.config.image_token_id).int()
        return inputs
