"""FLUX.3 klein (Black Forest Labs 2026): blocks apart for picture, prompt and picture to edit, then joint ones."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import published
from ..contract import Conditioning
from ..family import Family, Part
from ..flow_backbone import folder_parts
from ..traits import GenerationDefaults, Traits
from .flux2 import PackedLatents

if TYPE_CHECKING:
    from torch import Tensor

TOKENS = 8192
"""Of a prompt, at least; longer ones get as many as they need."""
_WINDOW = 80
"""Prompts are padded to multiples of so many tokens, which the transformer sees."""
_PLACES = 0.5
"""Distance of neighboring tokens of a picture in the transformer's positions."""


class Flux3(PackedLatents):
    """The diffusers backbone of FLUX.3.

    The distilled model is a flow map: beside the noise level it is told the one that a step ends at. In training the
    two are the same, where a flow map is the velocity.
    """

    def _encode(self, pipeline: Any, prompt: str, picture: Tensor | None) -> Conditioning:
        del picture
        said = [{"role": "user", "content": prompt}]
        written = pipeline.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        tokens = len(pipeline.tokenizer.tokenizer(written).input_ids)
        window = _WINDOW * math.ceil(tokens / _WINDOW)
        states = pipeline(prompt=prompt, max_sequence_length=max(TOKENS, window), output="prompt_embeds")
        return Conditioning({"states": states})

    def _apply(self, x: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        import torch

        states = conditioning["states"].to(self.dtype)
        edited: dict[str, Tensor] = {}
        if "reference" in conditioning:
            shown = conditioning["reference"].to(x)
            edited = {"image_cond_hidden_states": _tokens(shown), "image_cond_ids": _places(shown, -1)}
        flow_map = self._transformer.config.flow_map
        predicted = self._transformer(
            hidden_states=_tokens(x),
            timestep=sigma,
            target_timestep=conditioning.get("end", sigma) if flow_map else None,
            encoder_hidden_states=states,
            txt_ids=torch.cartesian_prod(*[torch.zeros(1)] * 3, torch.arange(float(states.shape[1]))).to(x.device),
            img_ids=_places(x, 0),
            **edited,
        ).sample
        return predicted.transpose(1, 2).reshape(x.shape)

    def _going_to(self, conditioning: Conditioning, sigma: Tensor) -> Conditioning:
        batch = len(next(iter(conditioning.values())))
        return Conditioning(conditioning | {"end": sigma.expand(batch)})

    def _load_scheduler(self) -> Any:
        """The one of diffusers' pipeline, as folders have none."""
        from diffusers.modular_pipelines.flux3.before_denoise import Flux3SetTimestepsStep

        [declared] = Flux3SetTimestepsStep().expected_components
        return declared.create()

    def _prompt_pipeline(self) -> Any:
        from diffusers.modular_pipelines.flux3.encoders import Flux3DistilledTextEncoderStep

        pipeline = Flux3DistilledTextEncoderStep().init_pipeline()
        pipeline.update_components(**self._prompt_parts())
        return pipeline


def _tokens(picture: Tensor) -> Tensor:
    """Latents (B, C, h, w) as (B, h w, C)."""
    return picture.flatten(2).transpose(1, 2)


def _places(picture: Tensor, number: int) -> Tensor:
    """(0, row, column, number) of each token of latents (B, C, h, w); the picture that is made is number 0."""
    import torch

    rows, columns = (torch.arange(float(side)) * _PLACES for side in picture.shape[-2:])
    return torch.cartesian_prod(torch.zeros(1), rows, columns, torch.tensor([float(number)])).to(picture.device)


def load(path: Path, *, family: Family, device: str = "auto", precision: str = "auto") -> Flux3:
    """Load the folder of a modular pipeline.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    return Flux3(folder_parts(path, family), family, device, precision)


BASE = Traits(
    name="flux3",
    title="FLUX.3 klein base",
    architecture="flux-3-image",
    resolution=1024,
    key_style="transformer",
    generation=GenerationDefaults(steps=50, guidance=3.5),
    missing="models that ComfyUI loads (0.33 knows none); folders of diffusers' modular pipeline are read, without the "
    "prompt upsampler.",
)
DISTILLED = replace(
    BASE,
    title="FLUX.3 klein",
    published=published.FLUX3_DISTILLED,
    generation=GenerationDefaults(steps=16, guidance=1.0),
)

FAMILY = Family(
    traits=BASE,
    pipeline="Flux3ModularPipeline",
    parts={
        "transformer": Part(kind="library", weights=True),
        "vae": Part(kind="library", weights=True),
        "text_encoder": Part(kind="library", weights=True),
        "tokenizer": Part(kind="processor"),
    },
    load=lambda path, **options: load(path, family=FAMILY, **options),
    capabilities=frozenset({"classifier_free_guidance", "reference_pictures"}),
)
DISTILLED_FAMILY = replace(
    FAMILY,
    traits=DISTILLED,
    pipeline="Flux3DistilledModularPipeline",
    load=lambda path, **options: load(path, family=DISTILLED_FAMILY, **options),
    capabilities=frozenset({"reference_pictures"}),
)
"""Its adapters are those of the base."""
