"""Qwen2-VL (arXiv:2409.12191), Qwen2.5-VL and Qwen3-VL: answers to a prompt, so captions of any kind."""

from __future__ import annotations

import inspect
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .contract import Captioner, CaptionOptions
from .hub_folder import HubParts, load_parts

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
"""The form of conversation that all of them were trained on."""


class QwenVL(Captioner):
    """The prompt is the question that it is asked."""

    kind = "qwen_vl"
    options = frozenset({"prompt", "max_tokens"})
    MAX_SIDE = 1024
    """Larger pictures are scaled down: each 28 x 28 pixels cost a token."""

    @cached_property
    def _parts(self) -> HubParts:
        return load_parts(self.folder, "AutoModelForImageTextToText", self._device, self._precision)

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
        place = parts.tokenizer.convert_ids_to_tokens(parts.model.config.image_token_id)
        places = int(inputs["image_grid_thw"].prod()) // parts.images.merge_size**2
        text = TALK.format(picture=place * places, question=question)
        inputs |= parts.tokenizer(text, return_tensors="pt").to(parts.device)
        if "mm_token_type_ids" in inspect.signature(parts.model.forward).parameters:
            # From transformers 5 on, positions within the picture follow from these.
            inputs["mm_token_type_ids"] = (inputs["input_ids"] == parts.model.config.image_token_id).int()
        return inputs
