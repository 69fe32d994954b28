"""Qwen-VL's processors for prompts with pictures.

transformers' own classes need torchvision, for videos, even where there is no video. This one has what diffusers'
pipelines call of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

IMAGE_PAD = "<|image_pad|>"
"""Stands in a prompt where a picture is shown, and is repeated for each of its tokens."""


class PictureProcessor:
    """A tokenizer and an image processor.

    Args:
        tokenizer: of Qwen's class.
        images: of Qwen-VL's class, without its need of torchvision.
    """

    def __init__(self, tokenizer: Any, images: Any) -> None:
        self.tokenizer, self.images = tokenizer, images

    @staticmethod
    def load(folder: Path) -> PictureProcessor:
        """Load the folder of a processor, offline."""
        from transformers import AutoImageProcessor, AutoTokenizer

        return PictureProcessor(
            AutoTokenizer.from_pretrained(folder, local_files_only=True),
            AutoImageProcessor.from_pretrained(folder, local_files_only=True),
        )

    def __call__(self, *, text: list[str], images: list[Any] | None = None, **tokenizing: Any) -> Any:
        """Tokens of prompts and patches of the pictures that they show, as a ``BatchFeature``.

        Args:
            text: prompts with a mark :data:`IMAGE_PAD` for each picture.
            images: PIL pictures in the order of the marks.
            tokenizing: options of the tokenizer.
        """
        from transformers import BatchFeature

        shown: dict[str, Tensor] = {}
        if images:
            shown = dict(self.images(images=images, return_tensors="pt"))
            tokens = shown["image_grid_thw"].prod(1) // self.images.merge_size**2
            text = _repeated(text, tokens.tolist())
        written = self.tokenizer(text, **tokenizing)
        pictures = written["input_ids"] == self.tokenizer.convert_tokens_to_ids(IMAGE_PAD)
        return BatchFeature({**written, **shown, "mm_token_type_ids": pictures.long()})

    def apply_chat_template(self, messages: list[dict[str, Any]], **options: Any) -> str | list[list[int]]:
        """A conversation as its tokens, in a batch of one, or with ``tokenize=False`` as its text."""
        written = self.tokenizer.apply_chat_template(messages, **options)
        return written if isinstance(written, str) else [written]


def as_image(picture: Tensor) -> Any:
    """A picture (1, 3, H, W) in [-1, 1] as processors take it, of PIL."""
    from PIL import Image

    pixels = ((picture[0].permute(1, 2, 0).float() + 1) * 127.5).round().clamp(0, 255).byte()
    return Image.fromarray(pixels.cpu().numpy())


def _repeated(prompts: list[str], tokens: list[int]) -> list[str]:
    """Prompts with as many marks for each picture as it has tokens."""
    counts = iter(tokens)
    return [
        "".join(piece if number == 0 else IMAGE_PAD * next(counts) + piece for number, piece in enumerate(cut))
        for cut in (prompt.split(IMAGE_PAD) for prompt in prompts)
    ]
