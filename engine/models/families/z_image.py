"""Z-Image (Tongyi Lab 2025, arXiv:2511.22699): one stream of picture and prompt, the base model and Turbo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import published
from ..contract import Conditioning
from ..conversations import conversation, refuse_longer
from ..family import ONE_ENCODER, Family
from ..flow_backbone import FlowBackbone, folder_parts
from ..latents import scaled, unscaled
from ..traits import GenerationDefaults, Traits

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 32
"""The transformer fills prompts up to a multiple of this many tokens."""
TURBO_SHIFT = 3.0
"""Of the noise levels that Turbo is sampled with; the base model's is 6. Nothing else tells them apart."""


class ZImage(FlowBackbone):
    """The diffusers backbone of Z-Image."""

    def _encode(self, pipeline: Any, prompt: str, picture: Tensor | None) -> Conditioning:
        del picture
        tokens = len(pipeline.tokenizer(conversation(pipeline.tokenizer, prompt, thinking=True)).input_ids)
        # Prompt, filled up, and picture follow each other on an axis of positions, which begins with one for the fill.
        places = (self._transformer.config.axes_lens[0] - 2) // BLOCK * BLOCK
        refuse_longer(prompt, tokens, places, self._traits.title)
        [states], _ = pipeline.encode_prompt(
            [prompt], device=self.device, do_classifier_free_guidance=False, max_sequence_length=tokens
        )
        return Conditioning({"states": states[None]})

    def _apply(self, x: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        import torch

        states = list(conditioning["states"].to(self.dtype))
        predicted = self._transformer(list(x.unsqueeze(2)), 1 - sigma, states).sample
        return -torch.stack(predicted).squeeze(2)

    def _from_autoencoder(self, latents: Tensor) -> Tensor:
        return scaled(latents, self._encoder("vae").config)

    def _to_autoencoder(self, latents: Tensor) -> Tensor:
        return unscaled(latents, self._encoder("vae").config)

    @property
    def _latent_channels(self) -> int:
        return self._transformer.config.in_channels

    @property
    def _traits(self) -> Traits:
        return TURBO if self._scheduler.config.shift <= TURBO_SHIFT else TRAITS


def load(path: Path, *, device: str = "auto", precision: str = "auto") -> ZImage:
    """Load a diffusers folder.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    return ZImage(folder_parts(path, FAMILY), FAMILY, device, precision)


TRAITS = Traits(
    name="z-image",
    title="Z-Image",
    architecture="Z-Image",
    resolution=1024,
    key_style="transformer",
    published=published.Z_IMAGE,
    # Its makers show 28 to 50 steps and a guidance scale of 4, which is 5 here: diffusers counts from 0.
    generation=GenerationDefaults(steps=28, guidance=5.0),
)
TURBO = replace(
    TRAITS,
    title="Z-Image Turbo",
    published=published.Z_IMAGE_TURBO,
    generation=GenerationDefaults(steps=9, guidance=1.0),
)

FAMILY = Family(
    traits=TRAITS,
    pipeline="ZImagePipeline",
    parts=ONE_ENCODER,
    load=load,
    capabilities=frozenset({"classifier_free_guidance"}),
)
