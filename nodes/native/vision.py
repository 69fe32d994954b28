"""Vision models that ComfyUI has loaded, as feature spaces in which pictures are compared by what they show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...engine.evaluation.looks import FeatureSpace
from ..kit.pictures import to_tensor
from .seam import ClipVision

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


def feature_space(vision: ClipVision) -> FeatureSpace:
    """The space of a model's picture embeddings: CLIP-I with CLIP's model, DINO with that one, as in DreamBooth
    (arXiv:2208.12242, section 4.2)."""

    def describe(pictures: Sequence[Image]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            # One by one: pictures may differ in size, and few models are measured in memory.
            vectors = [vision.encode_image(to_tensor([picture])).image_embeds.float() for picture in pictures]
            return torch.nn.functional.normalize(torch.cat(vectors), dim=-1).cpu().numpy()

    return FeatureSpace(name="embeddings of the vision model", describe=describe)
