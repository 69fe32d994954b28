"""Krea 2 (Krea 2026): a single-stream transformer that reads twelve layers of Qwen3-VL; Raw and Turbo."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...diffusion.shift import Shift
from .. import published
from ..contract import Conditioning
from ..family import ONE_ENCODER, Family
from ..flow_backbone import StandardizedLatents, folder_parts
from ..latents import packed, unpacked
from ..traits import GenerationDefaults, Traits

if TYPE_CHECKING:
    from torch import Tensor

TOKENS = 512
"""Of a prompt, at least; longer ones get as many as they need."""
TURBO_MU = 1.15
"""Logarithm of the shift that Turbo is sampled with at any size."""


class Krea2(StandardizedLatents):
    """The diffusers backbone of Krea 2."""

    def _encode(self, pipeline: Any, prompt: str, picture: Tensor | None) -> Conditioning:
        del picture
        # The pipeline counts from the end of the system's message to that of the assistant's.
        told = len(pipeline.tokenizer(pipeline.prompt_template_encode_prefix + prompt).input_ids)
        outside = pipeline.prompt_template_encode_num_suffix_tokens - pipeline.prompt_template_encode_start_idx
        tokens = told + outside
        states, mask = pipeline.encode_prompt(prompt, device=self.device, max_sequence_length=max(TOKENS, tokens))
        return Conditioning({"states": states, "mask": mask})

    def _apply(self, x: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        from diffusers import Krea2Pipeline

        height, width = x.shape[-2:]
        states = conditioning["states"].to(self.dtype)
        predicted = self._transformer(
            hidden_states=packed(x, self.patch),
            encoder_hidden_states=states,
            timestep=sigma.to(self.dtype),
            position_ids=Krea2Pipeline.prepare_position_ids(
                states.shape[1], height // self.patch, width // self.patch, x.device
            ),
            encoder_attention_mask=conditioning["mask"].bool(),
        ).sample
        return unpacked(predicted, self.patch, height, width)

    def _shift(self, steps: int) -> Shift:
        return Shift.fixed(math.exp(TURBO_MU)) if self._is_distilled else super()._shift(steps)

    @property
    def _is_distilled(self) -> bool:
        return bool(self._parts.settings().get("is_distilled"))

    @property
    def _traits(self) -> Traits:
        return TURBO if self._is_distilled else TRAITS


def load(path: Path, *, device: str = "auto", precision: str = "auto") -> Krea2:
    """Load a diffusers folder.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    return Krea2(folder_parts(path, FAMILY), FAMILY, device, precision)


TRAITS = Traits(
    name="krea2",
    title="Krea 2 Raw",
    architecture="Krea-2",
    resolution=1024,
    key_style="transformer",
    published=published.KREA2,
    # diffusers' scale is 4.5: it counts from 0, and we from 1.
    generation=GenerationDefaults(steps=28, guidance=5.5),
)
TURBO = replace(
    TRAITS,
    title="Krea 2 Turbo",
    published=published.KREA2_TURBO,
    generation=GenerationDefaults(steps=8, guidance=1.0),
)

FAMILY = Family(
    traits=TRAITS,
    pipeline="Krea2Pipeline",
    parts=ONE_ENCODER,
    load=load,
    capabilities=frozenset({"classifier_free_guidance"}),
)
