"""InstructPix2Pix (Brooks et al. 2022, arXiv:2211.09800): SD1.x that edits a picture by an instruction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import BaseModelError
from .. import published
from ..contract import Conditioning
from ..family import Family
from ..reference_channels import PartsWithReferenceChannels, plain_model
from ..traits import GenerationDefaults, Traits
from ..unet_backbone import TARGETS, TEXT_TARGETS, load_parts
from . import sd1
from .sd1 import StableDiffusion1

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_SCALING_FACTOR = 0.18215
"""Of Stable Diffusion's autoencoder, whose older configurations don't say it."""


class InstructPix2Pix(StableDiffusion1):
    """The diffusers backbone of InstructPix2Pix, whose UNet sees the picture to edit in additional channels."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        channels = self._unet.config.in_channels, 2 * self.info.latent_channels
        if channels[0] != channels[1]:
            raise BaseModelError(
                f"The UNet of {self.info.name} has {channels[0]} input channels.",
                expected=f"{channels[1]}: the latents, and those of the picture to edit",
                hint="save the model again as a StableDiffusionInstructPix2PixPipeline.",
            )
        self._scaling_factor: float = self._parts.config("vae").get("scaling_factor", _SCALING_FACTOR)

    def predict(self, x_t: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        """As the contract says; without a reference, as if for a picture that is none: all zeros, as in section 3.2."""
        import torch

        reference = conditioning.get("reference", torch.zeros_like(x_t))
        # Unlike the latents themselves, those of the picture are as the autoencoder gives them.
        return super().predict(torch.cat([x_t, reference.to(x_t) / self._scaling_factor], dim=1), t, conditioning)

    def _branches(
        self, conditioning: Conditioning, negative: Conditioning | None, guidance: float
    ) -> list[Conditioning]:
        reference, scale = conditioning.get("reference"), conditioning.get("reference_guidance")
        if negative is None or reference is None or scale is None or bool((scale == 1).all()):
            return super()._branches(conditioning, negative, guidance)
        blind = Conditioning(negative | {"reference": reference.new_zeros(reference.shape)})
        return [blind, negative, conditioning]

    def _guided(self, parts: Sequence[Tensor], conditioning: Conditioning, guidance: float) -> Tensor:
        """Equation 3 of the paper, where the picture guides too."""
        if len(parts) < 3:
            return super()._guided(parts, conditioning, guidance)
        blind, without, towards = parts
        scale = conditioning["reference_guidance"].to(blind)[:, None, None, None]
        return blind + guidance * (towards - without) + scale * (without - blind)


def load(path: Path, *, device: str = "auto", precision: str = "auto") -> InstructPix2Pix:
    """Load a diffusers folder, with weights of its own or those of a plain model that its index names.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    plain = plain_model(path)
    parts = PartsWithReferenceChannels(path, plain, FAMILY.parts) if plain else load_parts(path, FAMILY)
    return InstructPix2Pix(parts, FAMILY, device, precision)


TRAITS = Traits(
    name="ip2p",
    title="InstructPix2Pix",
    architecture="stable-diffusion-v1",
    resolution=512,
    key_style="kohya",
    generation=GenerationDefaults(steps=100, guidance=7.5, reference_guidance=1.5),
    published=published.IP2P,
    missing="Single-file checkpoints, which lack the configuration of the UNet: save them as a diffusers folder.",
)

FAMILY = Family(
    traits=TRAITS,
    pipeline="StableDiffusionInstructPix2PixPipeline",
    parts=sd1.FAMILY.parts,
    load=load,
    targets=TARGETS,
    text_targets=TEXT_TARGETS,
    capabilities=sd1.FAMILY.capabilities | {"reference_pictures", "reference_guidance"},
)
