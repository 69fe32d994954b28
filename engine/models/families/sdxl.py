"""Stable Diffusion XL (Podell et al. 2023, arXiv:2307.01952), and others of its architecture, such as Illustrious."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.resources import ASSETS
from .. import published
from ..chunks import LENGTHS
from ..contract import Conditioning
from ..family import Family, Part
from ..traits import GenerationDefaults, Traits
from ..unet_backbone import TARGETS, TEXT_TARGETS, UNET_BLOCKS, UNetBackbone, load_parts

if TYPE_CHECKING:
    from torch import Tensor

OPEN_CLIP = "conditioner.embedders.1.model."


class StableDiffusionXL(UNetBackbone):
    """The diffusers backbone of SDXL."""

    def encode_prompts(self, prompts: Sequence[str], pictures: Tensor | None = None) -> Conditioning:
        """The penultimate hidden states of both encoders, concatenated, and the pooled projection of the second for a
        prompt's first chunk."""
        import torch

        del pictures
        encoded = self._encoded(prompts, output_hidden_states=True)
        states = torch.cat([own.output.hidden_states[-2] for own in encoded.values()], dim=-1)
        second = encoded["text_encoder_2"]
        return Conditioning({
            "states": second.sequences(states),
            "pooled": second.firsts(second.output.text_embeds),
            LENGTHS: second.lengths(states),
        })  # fmt: skip

    def _arguments(self, x: Tensor, conditioning: Conditioning) -> dict[str, Any]:
        import torch

        height, width = (side * self.info.latent_factor for side in x.shape[-2:])
        # In float32 whatever the UNet's dtype: beyond 2,048 bf16 rounds sides.
        time_ids = torch.tensor([size_conditioning(height, width)], device=x.device).expand(len(x), -1)
        return {
            **self._text_arguments(conditioning),
            "added_cond_kwargs": {"text_embeds": conditioning["pooled"].to(self.dtype), "time_ids": time_ids},
        }


def size_conditioning(height: int, width: int) -> list[float]:
    """Original size, top-left crop corner and target size in pixels (section 2.2 of the paper), as for a picture that
    was neither resized nor cropped."""
    return [float(value) for value in (height, width, 0, 0, height, width)]


def _recognizes(path: Path, names: frozenset[str]) -> bool:
    del path
    return not names or (UNET_BLOCKS in names and any(name.startswith(OPEN_CLIP) for name in names))


def load(path: Path, *, device: str = "auto", precision: str = "auto", config: Path | None = None) -> StableDiffusionXL:
    """Load a diffusers folder or a checkpoint; ``config`` replaces the family's configuration of checkpoints.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    return StableDiffusionXL(load_parts(path, FAMILY, config), FAMILY, device, precision)


TRAITS = Traits(
    name="sdxl",
    title="Stable Diffusion XL",
    architecture="stable-diffusion-xl-v1-base",
    resolution=1024,
    key_style="kohya",
    published=published.SDXL,
    generation=GenerationDefaults(steps=30, guidance=5.0),
)

FAMILY = Family(
    traits=TRAITS,
    pipeline="StableDiffusionXLPipeline",
    parts={
        "unet": Part(kind="unet", prefix="model.diffusion_model."),
        "vae": Part(kind="vae", prefix="first_stage_model."),
        "text_encoder": Part(kind="clip", prefix="conditioner.embedders.0.transformer."),
        "text_encoder_2": Part(kind="clip_with_projection", prefix=OPEN_CLIP, open_clip=True),
        "tokenizer": Part(kind="tokenizer"),
        "tokenizer_2": Part(kind="tokenizer"),
        "scheduler": Part(kind="scheduler"),
    },
    config=ASSETS / "sdxl_config",
    recognizes=_recognizes,
    load=load,
    targets=TARGETS,
    text_targets=TEXT_TARGETS,
    capabilities=frozenset({"classifier_free_guidance", "text_encoder_training", "size_conditioning"}),
)
