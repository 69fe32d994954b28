"""FLUX.2 dev and klein (Black Forest Labs 2025): one language model as text encoder; they edit pictures too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...diffusion.shift import Shift
from .. import published
from ..contract import Conditioning
from ..conversations import conversation
from ..family import ONE_ENCODER, Family
from ..flow_backbone import FlowBackbone, folder_parts
from ..traits import GenerationDefaults, Traits

if TYPE_CHECKING:
    from torch import Tensor

TOKENS = 512
"""Of a prompt, at least; longer ones get as many as they need."""
_REFERENCE_TIME = 10
"""Place of the picture to edit on the axis of time, where the picture that is made has 0."""


class PackedLatents(FlowBackbone):
    """A backbone with FLUX.2's autoencoder, whose latents are packed to tokens by squares of two."""

    patch = 1

    def _from_autoencoder(self, latents: Tensor) -> Tensor:
        from torch.nn.functional import pixel_unshuffle

        mean, deviation = self._statistics()
        return (pixel_unshuffle(latents, 2) - mean) / deviation

    def _to_autoencoder(self, latents: Tensor) -> Tensor:
        from torch.nn.functional import pixel_shuffle

        mean, deviation = self._statistics()
        return pixel_shuffle(latents * deviation + mean, 2)

    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the latents' channels, each (1, C, 1, 1), as the autoencoder has seen them."""
        vae = self._encoder("vae")
        mean, variance = (values.reshape(1, -1, 1, 1) for values in (vae.bn.running_mean, vae.bn.running_var))
        return mean, (variance + vae.config.batch_norm_eps).sqrt()

    @property
    def _latent_factor(self) -> int:
        return 2 * super()._latent_factor


class Flux2Klein(PackedLatents):
    """The diffusers backbone of FLUX.2 klein."""

    def _encode(self, pipeline: Any, prompt: str, picture: Tensor | None) -> Conditioning:
        del picture
        tokens = len(pipeline.tokenizer(conversation(pipeline.tokenizer, prompt, thinking=False)).input_ids)
        states, _ = pipeline.encode_prompt([prompt], device=self.device, max_sequence_length=max(TOKENS, tokens))
        return Conditioning({"states": states})

    def _apply(self, x: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        import torch

        states = conditioning["states"].to(self.dtype)
        pictures = [x]
        if "reference" in conditioning:
            pictures.append(conditioning["reference"].to(x))
        ids = [_places(shown, number * _REFERENCE_TIME) for number, shown in enumerate(pictures)]
        predicted = self._transformer(
            hidden_states=torch.cat([shown.flatten(2).transpose(1, 2) for shown in pictures], dim=1),
            timestep=sigma,
            guidance=None,
            encoder_hidden_states=states,
            txt_ids=torch.cartesian_prod(*[torch.arange(1)] * 3, torch.arange(states.shape[1])).to(x.device),
            img_ids=torch.cat(ids).to(x.device),
        ).sample
        return predicted[:, : x[0, 0].numel()].transpose(1, 2).reshape(x.shape)

    def _shift(self, steps: int) -> Shift:
        return Shift.flux2(steps)

    @property
    def _traits(self) -> Traits:
        traits = variant(
            guidance_embed=False,
            hidden_size=self._transformer.config.num_attention_heads * self._transformer.config.attention_head_dim,
        )
        return distilled(traits) if self._parts.settings().get("is_distilled") else traits


def _places(picture: Tensor, time: int) -> Tensor:
    """(time, row, column, 0) of each token of latents (B, C, h, w)."""
    import torch

    height, width = picture.shape[-2:]
    return torch.cartesian_prod(torch.tensor([time]), torch.arange(height), torch.arange(width), torch.arange(1))


def load(path: Path, *, device: str = "auto", precision: str = "auto") -> Flux2Klein:
    """Load a diffusers folder.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    return Flux2Klein(folder_parts(path, FAMILY), FAMILY, device, precision)


TRAITS = Traits(
    name="flux2",
    title="FLUX.2 dev",
    architecture="Flux.2-dev",
    resolution=1024,
    key_style="transformer",
    published=published.FLUX2,
    generation=GenerationDefaults(steps=50, guidance=4.0),
    folders=False,
    missing="diffusers folders of dev, whose text encoder is another; klein's are read.",
)
KLEIN_4B = replace(TRAITS, title="FLUX.2 klein 4B base", architecture="Flux.2-klein-4b", folders=True, missing="")
KLEIN_9B = replace(TRAITS, title="FLUX.2 klein 9B base", architecture="Flux.2-klein-9b", folders=True, missing="")
_KLEIN_9B_WIDTH = 4096


def variant(*, guidance_embed: bool, hidden_size: int, **others: Any) -> Traits:
    """The variant of a transformer: dev takes its guidance as an input, klein has two sizes and none.

    Args:
        guidance_embed: whether guidance is an input.
        hidden_size: width of its tokens.
        others: what else its configuration says.
    """
    del others
    if guidance_embed:
        return TRAITS
    return KLEIN_9B if hidden_size >= _KLEIN_9B_WIDTH else KLEIN_4B


def distilled(traits: Traits) -> Traits:
    """The traits of klein as distilled to four steps without guidance."""
    return replace(
        traits,
        title=traits.title.removesuffix(" base"),
        published=published.FLUX2_DISTILLED,
        generation=GenerationDefaults(steps=4, guidance=1.0),
    )


FAMILY = Family(
    traits=KLEIN_4B,
    pipeline="Flux2KleinPipeline",
    parts=ONE_ENCODER,
    load=load,
    capabilities=frozenset({"classifier_free_guidance", "reference_pictures"}),
)
