"""Qwen-Image-Edit (Wu et al. 2025, arXiv:2508.02324), 2509 and 2511: their text encoder sees the picture to edit."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import published
from ..contract import Conditioning
from ..conversations import refuse_longer
from ..family import ONE_ENCODER, Family, Part
from ..flow_backbone import folder_parts
from ..picture_processor import as_image
from ..traits import GenerationDefaults, Traits
from .qwen_image import MOST_TOKENS, TRAITS, QwenImage

if TYPE_CHECKING:
    from torch import Tensor

_SHOWN = "<|vision_start|><|image_pad|><|vision_end|>"
"""Stands for the picture in the text around prompts."""


class QwenImageEdit(QwenImage):
    """The diffusers backbone of Qwen-Image-Edit.

    Without a picture to edit, prompts are encoded by the same text around them, less what stands for the picture; that
    is what diffusers' pipeline of 2509 does.
    """

    @property
    def _seen_side(self) -> int:
        """Side in pixels of a square with the area that pictures have for the text encoder."""
        return self.info.resolution

    def _encode(self, pipeline: Any, prompt: str, picture: Tensor | None) -> Conditioning:
        if picture is None:
            pipeline = copy.copy(pipeline)
            pipeline.prompt_template_encode = pipeline.prompt_template_encode.replace(_SHOWN, "")
        shown = None if picture is None else [self._seen(pipeline, as_image(picture))]
        states, _ = pipeline.encode_prompt(prompt, image=shown, device=self.device)
        refuse_longer(prompt, states.shape[1], MOST_TOKENS, self.info.traits.title)
        return Conditioning({"states": states})

    def _seen(self, pipeline: Any, picture: Any) -> Any:
        """A picture at the size that the text encoder has it in."""
        from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus import calculate_dimensions

        width, height = calculate_dimensions(self._seen_side**2, picture.width / picture.height)
        return pipeline.image_processor.resize(picture, height, width)

    def _prompt_parts(self) -> dict[str, Any]:
        loaded = super()._prompt_parts()
        loaded["text_encoder"].register_forward_pre_hook(_tell_pictures, with_kwargs=True)
        return loaded


class QwenImageEditPlus(QwenImageEdit):
    """The diffusers backbone of Qwen-Image-Edit 2509 and 2511."""

    @property
    def _seen_side(self) -> int:
        return 384

    @property
    def _traits(self) -> Traits:
        return EDIT_2511 if self._transformer.config.zero_cond_t else EDIT_2509


def _tell_pictures(encoder: Any, arguments: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Tell the text encoder which tokens are a picture's, so that it places them in rows and columns.

    Since transformers 5 it has to be told, or it places them one behind the other; diffusers' pipelines don't tell it
    (https://github.com/huggingface/diffusers/issues/14194).
    """
    if named.get("image_grid_thw") is not None:
        named.setdefault("mm_token_type_ids", (named["input_ids"] == encoder.config.image_token_id).int())
    return arguments, named


def load(path: Path, *, device: str = "auto", precision: str = "auto") -> QwenImageEdit:
    """Load a diffusers folder.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    return QwenImageEdit(folder_parts(path, FAMILY), FAMILY, device, precision)


def load_plus(path: Path, *, device: str = "auto", precision: str = "auto") -> QwenImageEditPlus:
    """Load a diffusers folder of 2509 or 2511.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    return QwenImageEditPlus(folder_parts(path, PLUS_FAMILY), PLUS_FAMILY, device, precision)


EDIT = replace(
    TRAITS,
    title="Qwen-Image-Edit",
    architecture="Qwen-Image-Edit",
    resolution=1024,
    published=published.QWEN_IMAGE_EDIT,
    missing="In ComfyUI it counts as Qwen-Image, and its text encoder sees pictures as that of 2509 does.",
)
EDIT_2509 = replace(
    EDIT,
    title="Qwen-Image-Edit 2509",
    architecture="Qwen-Image-Edit-Plus",
    generation=GenerationDefaults(steps=40, guidance=4.0),
    missing="More than one picture to edit at once. In ComfyUI it counts as Qwen-Image.",
)
EDIT_2511 = replace(
    EDIT_2509,
    title="Qwen-Image-Edit 2511",
    architecture="Qwen-Image-Edit-2511",
    missing="More than one picture to edit at once.",
)
"""Its pictures to edit count as free of noise, which the transformer sees to."""

FAMILY = Family(
    traits=EDIT,
    pipeline="QwenImageEditPipeline",
    parts={**ONE_ENCODER, "processor": Part(kind="processor")},
    load=load,
    capabilities=frozenset({"classifier_free_guidance", "reference_pictures", "prompts_see_pictures"}),
)
PLUS_FAMILY = replace(FAMILY, traits=EDIT_2509, pipeline="QwenImageEditPlusPipeline", load=load_plus)
