"""Anima (CircleStone Labs 2026): Cosmos Predict2 with an adapter from Qwen3 to T5 tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import published
from ..contract import Conditioning
from ..family import ONE_ENCODER, Family, Part
from ..flow_backbone import StandardizedLatents, folder_parts
from ..traits import GenerationDefaults, Traits

if TYPE_CHECKING:
    from torch import Tensor


class Anima(StandardizedLatents):
    """The diffusers backbone of Anima.

    Its text conditioner, which makes the states of T5's tokens from those of Qwen3, is a part of the denoiser, as in
    ComfyUI: adapters may change it.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # In half precision, its angles would be off by whole turns at the end of a prompt.
        rotary = self._transformer.text_conditioner.rotary_emb
        rotary.inv_freq = type(rotary)(2 * len(rotary.inv_freq)).inv_freq.to(self.device)

    def _load_denoiser(self) -> Any:
        return with_conditioner(super()._load_denoiser(), self._parts.load("text_conditioner"))

    def _encode(self, pipeline: Any, prompt: str, picture: Tensor | None) -> Conditioning:
        del picture
        from diffusers.modular_pipelines.anima.encoders import AnimaTextEncoderStep

        tokens = max(len(read(prompt).input_ids) for read in (pipeline.tokenizer, pipeline.t5_tokenizer))
        encoded: dict[str, Any] = AnimaTextEncoderStep.encode_prompt(
            pipeline, prompt, prepare_unconditional_embeds=False, max_sequence_length=tokens, device=self.device
        )
        return Conditioning({"states": encoded["qwen_prompt_embeds"], "ids": encoded["t5_input_ids"]})

    def _apply(self, x: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        import torch

        frames = x.unsqueeze(2)
        states = self._transformer.text_conditioner(
            source_hidden_states=conditioning["states"].to(self.dtype), target_input_ids=conditioning["ids"]
        )
        predicted = self._transformer(
            hidden_states=frames,
            timestep=sigma,
            encoder_hidden_states=states,
            condition_mask=torch.zeros_like(frames[:, :1]),  # joined to the latents where the mask of padding would be
        ).sample
        return predicted.squeeze(2)

    @property
    def _latent_channels(self) -> int:
        return self._transformer.config.in_channels

    def module_shapes(self) -> dict[str, tuple[int, ...]]:
        return self._shapes_in_files

    @cached_property
    def _shapes_in_files(self) -> dict[str, tuple[int, ...]]:
        return {in_files(key): shape for key, shape in self._shapes.items()}

    def file_parts(self, key: str) -> Sequence[tuple[str, slice]]:
        return [(in_files(key), slice(None))]

    def _prompt_pipeline(self) -> Any:
        from diffusers.modular_pipelines.anima.encoders import AnimaTextEncoderStep

        pipeline = AnimaTextEncoderStep().init_pipeline()
        pipeline.update_components(**self._prompt_parts())
        return pipeline


def with_conditioner(transformer: Any, text_conditioner: Any) -> Any:
    """Anima's denoiser: diffusers' transformer, with its text conditioner as a part of that name."""
    # The mask of padding is zeros, which diffusers would resize by torchvision; Anima._apply gives it as it is.
    transformer.register_to_config(concat_padding_mask=False)
    transformer.text_conditioner = text_conditioner
    return transformer


_IN_COMFYUI = {
    "transformer_blocks.": "blocks.",
    "norm1.linear_": "adaln_modulation_self_attn.",
    "norm2.linear_": "adaln_modulation_cross_attn.",
    "norm3.linear_": "adaln_modulation_mlp.",
    "norm_out.linear_": "final_layer.adaln_modulation.",
    "attn1.": "self_attn.",
    "attn2.": "cross_attn.",
    ".to_q": ".q_proj",
    ".to_k": ".k_proj",
    ".to_v": ".v_proj",
    ".to_out.0": ".output_proj",
    ".norm_q": ".q_norm",
    ".norm_k": ".k_norm",
    "ff.net.0.proj": "mlp.layer1",
    "ff.net.2": "mlp.layer2",
    "proj_out": "final_layer.linear",
    "time_embed.t_embedder.": "t_embedder.1.",
    "time_embed.norm": "t_embedding_norm",
    "patch_embed.proj": "x_embedder.proj.1",
    "text_conditioner.": "llm_adapter.",
}
"""diffusers' names -> ComfyUI's, which are those in adapter files: diffusers reads both, ComfyUI only its own."""


def in_files(key: str) -> str:
    """The module key in adapter files of a layer of the denoiser."""
    for ours, theirs in _IN_COMFYUI.items():
        key = key.replace(ours, theirs)
    return key


def load(path: Path, *, device: str = "auto", precision: str = "auto") -> Anima:
    """Load the folder of a modular pipeline.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    return Anima(folder_parts(path, FAMILY), FAMILY, device, precision)


TRAITS = Traits(
    name="anima",
    title="Anima",
    architecture="anima-preview",
    resolution=1024,
    key_style="native",
    published=published.ANIMA,
    generation=GenerationDefaults(steps=30, guidance=4.0),
)

FAMILY = Family(
    traits=TRAITS,
    pipeline="AnimaModularPipeline",
    parts={
        **ONE_ENCODER,
        "text_conditioner": Part(kind="library", weights=True),
        "t5_tokenizer": Part(kind="library"),
    },
    load=load,
    capabilities=frozenset({"classifier_free_guidance"}),
)
