"""Z-Image (Tongyi Lab 2025, arXiv:2511.22699): one stream of picture and prompt, the base model and Turbo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import CaptionError
from .. import published
from ..chunks import LENGTHS
from ..contract import Conditioning
from ..family import Family, Part
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

    def _encode(self, pipeline: Any, prompts: Sequence[str], pictures: Tensor | None) -> Conditioning:
        import torch

        del pictures
        longest = max(self._length(pipeline.tokenizer, prompt) for prompt in prompts)
        found, _ = pipeline.encode_prompt(
            list(prompts), device=self.device, do_classifier_free_guidance=False, max_sequence_length=longest
        )
        lengths = [len(states) for states in found]
        return Conditioning(
            {
                "states": torch.nn.utils.rnn.pad_sequence(found, batch_first=True),
                LENGTHS: torch.tensor(lengths, device=self.device),
            }
        )

    def _length(self, tokenizer: Any, prompt: str) -> int:
        """Tokens of a prompt within the conversation that the pipeline makes of it."""
        conversation = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=True
        )
        length = len(tokenizer(conversation).input_ids)
        # Prompt, filled up, and picture follow each other on an axis of positions, which begins with one for the fill.
        places = (self._transformer.config.axes_lens[0] - 2) // BLOCK * BLOCK
        if length > places:
            raise CaptionError(
                f"A caption or prompt has {length:,} tokens; it begins {prompt[:60]!r}.",
                expected=f"at most {places:,} tokens, which is all that {self._traits.title} has positions for",
                hint="shorten it; if it comes from a file, check that the file holds a caption.",
            )
        return length

    def _apply(self, x: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        import torch

        states = conditioning["states"].to(self.dtype)
        lengths = conditioning[LENGTHS].tolist()
        predicted = self._transformer(
            list(x.unsqueeze(2)),
            1 - sigma,
            [own[:length] for own, length in zip(states, lengths, strict=True)],
        ).sample
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
    parts={
        "transformer": Part(kind="library", weights=True),
        "vae": Part(kind="library", weights=True),
        "text_encoder": Part(kind="library", weights=True),
        "tokenizer": Part(kind="library"),
        "scheduler": Part(kind="library"),
    },
    load=load,
    capabilities=frozenset({"classifier_free_guidance"}),
)
