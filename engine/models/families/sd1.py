"""Stable Diffusion 1.x and all models of its architecture: UNet, one CLIP text encoder, KL autoencoder."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.resources import ASSETS
from ..chunks import LENGTHS
from ..contract import Conditioning
from ..diffusers_parts import read_config
from ..family import Family, Part
from ..traits import Traits
from ..unet_backbone import TARGETS, TEXT_TARGETS, UNET_BLOCKS, UNetBackbone, load_parts

if TYPE_CHECKING:
    from torch import Tensor

TEXT_ENCODER = "cond_stage_model.transformer."


class StableDiffusion1(UNetBackbone):
    """The diffusers backbone of SD1.x."""

    def encode_prompts(self, prompts: Sequence[str], pictures: Tensor | None = None) -> Conditioning:
        del pictures
        encoded = self._encoded(prompts)["text_encoder"]
        states = encoded.output.last_hidden_state
        return Conditioning({"states": encoded.sequences(states), LENGTHS: encoded.lengths(states)})

    def _arguments(self, x: Tensor, conditioning: Conditioning) -> dict[str, Any]:
        del x
        return self._text_arguments(conditioning)


def _recognizes(path: Path, names: frozenset[str]) -> bool:
    """Stable Diffusion 2.x uses the same pipeline, but linear projections and another text encoder."""
    if not names:
        with contextlib.suppress(OSError, ValueError):  # loading will say what is wrong with the folder
            return not read_config(path, "unet").get("use_linear_projection")
        return True
    return UNET_BLOCKS in names and any(name.startswith(TEXT_ENCODER) for name in names)


def load(path: Path, *, device: str = "auto", precision: str = "auto", config: Path | None = None) -> StableDiffusion1:
    """Load a diffusers folder or a checkpoint; ``config`` replaces the family's configuration of checkpoints.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    return StableDiffusion1(load_parts(path, FAMILY, config), FAMILY, device, precision)


TRAITS = Traits(
    name="sd1", title="Stable Diffusion 1.x", architecture="stable-diffusion-v1", resolution=512, key_style="kohya"
)

FAMILY = Family(
    traits=TRAITS,
    pipeline="StableDiffusionPipeline",
    parts={
        "unet": Part(kind="unet", prefix="model.diffusion_model."),
        "vae": Part(kind="vae", prefix="first_stage_model."),
        "text_encoder": Part(kind="clip", prefix=TEXT_ENCODER),
        "tokenizer": Part(kind="tokenizer"),
        "scheduler": Part(kind="scheduler"),
    },
    config=ASSETS / "sd1_config",
    recognizes=_recognizes,
    load=load,
    targets=TARGETS,
    text_targets=TEXT_TARGETS,
    capabilities=frozenset({"classifier_free_guidance", "text_encoder_training"}),
)
