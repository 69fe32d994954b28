"""Pictures to edit in prompts, as ComfyUI's text encoder of Qwen-Image sees them.

ComfyUI can't tell Qwen-Image-Edit, 2509 and 2511 from each other by their weights. Prompts are those of 2509 and 2511,
as its node *TextEncodeQwenImageEditPlus* makes them.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from .seam import CLIP, BaseModel

if TYPE_CHECKING:
    from torch import Tensor

_SIDE = 384
"""Of a square with the area that the text encoder has pictures in."""
_START = "<|vision_start|>"


def sees_pictures(model: BaseModel, clip: CLIP) -> bool:
    """Whether the text encoder of an edit model is shown the pictures."""
    is_qwen_image = any(cls.__name__ == "QwenImage" for cls in type(model).__mro__)
    return is_qwen_image and hasattr(clip.tokenizer, "llama_template_images")


def showing(clip: CLIP, picture: Tensor) -> dict[str, Any]:
    """What the tokenizer is given beside a prompt that shows a picture, (1, 3, H, W) in [-1, 1]."""
    import torch

    scale = _SIDE / sqrt(picture.shape[-2] * picture.shape[-1])
    size = [round(side * scale) for side in picture.shape[-2:]]
    pixels = torch.nn.functional.interpolate((picture + 1) / 2, size=size, mode="area")
    template = clip.tokenizer.llama_template_images.replace(_START, f"Picture 1: {_START}", 1)
    return {"images": [pixels.movedim(1, -1)], "llama_template": template}
