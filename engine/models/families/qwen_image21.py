"""Qwen-Image 2.1 (Alibaba 2026): a single-stream transformer that reads Qwen3-VL and edits pictures too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import BaseModelError
from .. import published
from ..contract import Conditioning
from ..conversations import refuse_longer
from ..family import Family, Part
from ..flow_backbone import StandardizedLatents, folder_parts
from ..picture_processor import as_image
from ..traits import GenerationDefaults, Traits

if TYPE_CHECKING:
    from torch import Tensor

_TOKENS_PER_SLOT = 4
"""Tokens of a picture for each of the text encoder's that show it."""
_MOST_TOKENS = 8000
"""Of a prompt; the transformer has 8,192 positions, and places the picture behind the prompt."""


class QwenImage21(StandardizedLatents):
    """The diffusers backbone of Qwen-Image 2.1.

    Its autoencoder has a fourth channel for transparency, which is opaque in pictures that go in, and left out of those
    that come out.
    """

    patch = 1

    def _encode(self, pipeline: Any, prompt: str, picture: Tensor | None) -> Conditioning:
        tokens = len(pipeline.processor.tokenizer(pipeline.prompt_template_t2i.format(prompt)).input_ids)
        refuse_longer(prompt, tokens, _MOST_TOKENS, TRAITS.title)
        pipeline.processor.images.do_resize = False  # its tokens must be in step with the latents
        shown = None if picture is None else [as_image(picture)]
        states, _, slots = pipeline.encode_prompt(prompt, image=shown, device=self.device)
        return Conditioning({"states": states, "mask": slots})

    def _apply(self, x: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        import torch

        pictures = [conditioning["reference"].to(x), x] if "reference" in conditioning else [x]
        slots = conditioning["mask"].bool()
        _refuse_unseen(slots, pictures[:-1])
        target = slots.new_ones(len(x), x[0, 0].numel() // _TOKENS_PER_SLOT)
        predicted = self._transformer(
            hidden_states=torch.cat([shown.flatten(2).transpose(1, 2) for shown in pictures], dim=1),
            timestep=sigma,
            encoder_hidden_states=conditioning["states"].to(self.dtype),
            img_shapes=[[(1, *shown.shape[-2:]) for shown in pictures]] * len(x),
            img_mask=torch.cat([slots, target], dim=1),
        ).sample
        return predicted[:, -x[0, 0].numel() :].transpose(1, 2).reshape(x.shape)

    def encode_images(self, images: Tensor) -> Tensor:
        import torch

        step = 2 * self.info.latent_factor
        height, width = images.shape[-2:]
        if height % step or width % step:
            raise BaseModelError(
                f"A picture has {width} x {height} pixels.",
                expected=f"sides that are multiples of {step}, as {TRAITS.title} takes them",
                hint="choose another resolution, or bucket sizes in such steps.",
            )
        return super().encode_images(torch.cat([images, torch.ones_like(images[:, :1])], dim=1))

    def decode(self, latents: Tensor) -> Tensor:
        return super().decode(latents)[:, :3]

    def _levels(self, steps: int) -> list[float]:
        few = self._parts.settings().get("sample_sigmas")
        return few if few and len(few) == steps else super()._levels(steps)

    @property
    def _traits(self) -> Traits:
        few = self._parts.settings().get("sample_sigmas")
        return turbo(len(few)) if few else TRAITS


def _refuse_unseen(slots: Tensor, references: list[Tensor]) -> None:
    """Refuse references whose tokens have no place in the prompt, and prompts that show pictures without latents."""
    places = int(slots[0].sum()) * _TOKENS_PER_SLOT
    given = sum(shown[0, 0].numel() for shown in references)
    if places != given:
        raise BaseModelError(
            f"The picture to edit has {given:,} tokens, and the prompt has places for {places:,}.",
            expected="prompts that are encoded with the very pictures to edit, at the size of their latents",
            hint="give pictures and prompts together, with sides that are multiples of 32.",
        )


def load(path: Path, *, device: str = "auto", precision: str = "auto") -> QwenImage21:
    """Load a diffusers folder.

    Raises:
        BaseModelError: a part is missing or damaged, or the device or precision doesn't exist.
    """
    return QwenImage21(folder_parts(path, FAMILY), FAMILY, device, precision)


TRAITS = Traits(
    name="qwen-image-2.1",
    title="Qwen-Image 2.1",
    architecture="Qwen-Image-2.1",
    resolution=1024,
    key_style="transformer",
    published=published.QWEN_IMAGE_21,
    generation=GenerationDefaults(steps=40, guidance=1.0),
    missing="models that ComfyUI loads; diffusers folders are read.",
)


def turbo(steps: int) -> Traits:
    """The traits of a variant that is distilled to a few steps of its own."""
    return replace(TRAITS, title="Qwen-Image 2.1 Turbo", generation=GenerationDefaults(steps=steps, guidance=1.0))


FAMILY = Family(
    traits=TRAITS,
    pipeline="QwenImage21Pipeline",
    parts={
        "transformer": Part(kind="library", weights=True),
        "vae": Part(kind="library", weights=True),
        "text_encoder": Part(kind="library", weights=True),
        "processor": Part(kind="processor"),
        "scheduler": Part(kind="library"),
    },
    load=load,
    capabilities=frozenset({"classifier_free_guidance", "reference_pictures", "prompts_see_pictures"}),
)
