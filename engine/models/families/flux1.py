"""FLUX.1 dev, schnell, Krea and Kontext (Black Forest Labs 2024): two text encoders, guidance as an input of dev."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import published
from ..contract import Conditioning
from ..family import Family, Part
from ..flow_backbone import FlowBackbone, folder_parts
from ..latents import packed, scaled, unpacked, unscaled
from ..traits import GenerationDefaults, Traits

if TYPE_CHECKING:
    from torch import Tensor

TOKENS = 512
"""Of T5, at least; longer prompts get as many as they need."""


class Flux1(FlowBackbone):
    """The diffusers backbone of FLUX.1."""

    def _encode(self, pipeline: Any, prompt: str, picture: Tensor | None) -> Conditioning:
        del picture
        tokens = len(pipeline.tokenizer_2(prompt).input_ids)
        states, pooled, _ = pipeline.encode_prompt(
            prompt=prompt, prompt_2=None, device=self.device, max_sequence_length=max(TOKENS, tokens)
        )
        return Conditioning({"states": states, "pooled": pooled})

    def _apply(self, x: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        import torch

        height, width = x.shape[-2:]
        pictures = [x]
        if "reference" in conditioning:
            pictures.append(conditioning["reference"].to(x))
        ids = [_places(shown, self.patch, number) for number, shown in enumerate(pictures)]
        states = conditioning["states"].to(self.dtype)
        guidance = None
        if "guidance_input" in self.info.capabilities:
            guidance = conditioning.get("guidance", torch.ones(len(x), device=x.device)).float()
        predicted = self._transformer(
            hidden_states=torch.cat([packed(shown, self.patch) for shown in pictures], dim=1),
            timestep=sigma.float(),
            guidance=guidance,
            pooled_projections=conditioning["pooled"].to(self.dtype),
            encoder_hidden_states=states,
            txt_ids=torch.zeros(states.shape[1], 3, device=x.device),
            img_ids=torch.cat(ids).to(x.device),
        ).sample
        return unpacked(predicted[:, : len(ids[0])], self.patch, height, width)

    def _from_autoencoder(self, latents: Tensor) -> Tensor:
        return scaled(latents, self._encoder("vae").config)

    def _to_autoencoder(self, latents: Tensor) -> Tensor:
        return unscaled(latents, self._encoder("vae").config)

    @property
    def _capabilities(self) -> frozenset[str]:
        guided = {"guidance_input"} if self._transformer.config.guidance_embeds else set()
        return self._family.capabilities | guided

    @property
    def _traits(self) -> Traits:
        return self._family.traits if self._transformer.config.guidance_embeds else SCHNELL


def _places(picture: Tensor, patch: int, number: int) -> Tensor:
    """(number, row, column) of each token of latents (B, C, h, w); the picture that is made is number 0."""
    import torch

    rows, columns = (torch.arange(float(side // patch)) for side in picture.shape[-2:])
    return torch.cartesian_prod(torch.tensor([float(number)]), rows, columns)


def load(path: Path, *, device: str = "auto", precision: str = "auto") -> Flux1:
    """Load a diffusers folder.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    return Flux1(folder_parts(path, FAMILY), FAMILY, device, precision)


def load_kontext(path: Path, *, device: str = "auto", precision: str = "auto") -> Flux1:
    """Load a diffusers folder of Kontext.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    return Flux1(folder_parts(path, KONTEXT_FAMILY), KONTEXT_FAMILY, device, precision)


DEV = Traits(
    name="flux1",
    title="FLUX.1 dev and Krea",
    architecture="flux-1-dev",
    resolution=1024,
    key_style="transformer",
    published=published.FLUX1,
    generation=GenerationDefaults(steps=28, guidance=3.5),
)
SCHNELL = replace(
    DEV,
    title="FLUX.1 schnell",
    architecture="flux-1-schnell",
    published=published.FLUX1_SCHNELL,
    generation=GenerationDefaults(steps=4, guidance=1.0),
)
KONTEXT = replace(DEV, title="FLUX.1 Kontext dev", generation=GenerationDefaults(steps=28, guidance=2.5))

FAMILY = Family(
    traits=DEV,
    pipeline="FluxPipeline",
    parts={
        "transformer": Part(kind="library", weights=True),
        "vae": Part(kind="library", weights=True),
        "text_encoder": Part(kind="library", weights=True),
        "text_encoder_2": Part(kind="library", weights=True),
        "tokenizer": Part(kind="library"),
        "tokenizer_2": Part(kind="library"),
        "scheduler": Part(kind="library"),
    },
    load=load,
)
KONTEXT_FAMILY = replace(
    FAMILY,
    traits=KONTEXT,
    pipeline="FluxKontextPipeline",
    load=load_kontext,
    capabilities=frozenset({"reference_pictures"}),
)
"""Its adapters are those of FLUX.1."""
