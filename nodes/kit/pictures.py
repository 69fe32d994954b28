"""Between Pillow's pictures and ComfyUI's IMAGE: a tensor (B, H, W, C), float32 in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor


def to_tensor(pictures: Sequence[Image]) -> Tensor:
    """Pictures of one size as (B, H, W, 3)."""
    import numpy as np
    import torch

    return torch.from_numpy(np.stack([np.asarray(picture.convert("RGB"), np.float32) / 255 for picture in pictures]))


def to_pictures(images: Tensor) -> list[Image]:
    """Images (B, H, W, 3 or 4) as RGB or RGBA pictures, masks (B, H, W) as grayscale; values are clamped to [0, 1]."""
    from PIL import Image

    arrays = (images.detach().cpu().float().clamp(0, 1) * 255).round().byte().numpy()
    return [Image.fromarray(array) for array in arrays]
