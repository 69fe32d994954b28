"""Qwen-Image (Wu et al. 2025, arXiv:2508.02324), up to 2512."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import published
from ..contract import Conditioning
from ..conversations import refuse_longer
from ..family import ONE_ENCODER, Family
from ..flow_backbone import StandardizedLatents, folder_parts
from ..latents import packed, unpacked
from ..traits import GenerationDefaults, Traits

if TYPE_CHECKING:
    from torch import Tensor

MOST_TOKENS = 3900
"""Of a prompt; the transformer has 4,096 positions, and places the prompt behind half the side of the picture."""


class QwenImage(StandardizedLatents):
    """The diffusers backbone of Qwen-Image."""

    def _encode(self, pipeline: Any, prompt: str, picture: Tensor | None) -> Conditioning:
        del picture
        tokens = len(pipeline.tokenizer(pipeline.prompt_template_encode.format(prompt)).input_ids)
        pipeline.tokenizer_max_length = tokens  # where the pipeline would cut prompts off
        states, _ = pipeline.encode_prompt(prompt, device=self.device, max_sequence_length=tokens)
        refuse_longer(prompt, states.shape[1], MOST_TOKENS, self.info.traits.title)
        return Conditioning({"states": states})

    def _apply(self, x: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        import torch

        pictures = [x, conditioning["reference"].to(x)] if "reference" in conditioning else [x]
        tokens = [packed(shown, self.patch) for shown in pictures]
        predicted = self._transformer(
            hidden_states=torch.cat(tokens, dim=1),
            timestep=sigma,
            encoder_hidden_states=conditioning["states"].to(self.dtype),
            encoder_hidden_states_mask=None,
            img_shapes=[[(1, *(side // self.patch for side in shown.shape[-2:])) for shown in pictures]] * len(x),
        ).sample
        return unpacked(predicted[:, : tokens[0].shape[1]], self.patch, *x.shape[-2:])

    def _guided(self, without: Tensor, towards: Tensor, guidance: float) -> Tensor:
        """Guided, with each token as long as without guidance."""
        tokens = packed(super()._guided(without, towards, guidance), self.patch)
        length = packed(towards, self.patch).norm(dim=-1, keepdim=True)
        scaled = tokens * (length / tokens.norm(dim=-1, keepdim=True))
        return unpacked(scaled, self.patch, *towards.shape[-2:])


def load(path: Path, *, device: str = "auto", precision: str = "auto") -> QwenImage:
    """Load a diffusers folder.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    return QwenImage(folder_parts(path, FAMILY), FAMILY, device, precision)


TRAITS = Traits(
    name="qwen-image",
    title="Qwen-Image",
    architecture="Qwen-Image",
    resolution=1328,
    key_style="transformer",
    published=published.QWEN_IMAGE,
    generation=GenerationDefaults(steps=50, guidance=4.0),
)

FAMILY = Family(
    traits=TRAITS,
    pipeline="QwenImagePipeline",
    parts=ONE_ENCODER,
    load=load,
    capabilities=frozenset({"classifier_free_guidance"}),
)
