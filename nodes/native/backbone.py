"""The backbone over what ComfyUI has loaded: its MODEL, CLIP and VAE, of every family that it knows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...engine.adapters.stack import Stack
from ...engine.core.errors import AdapterError
from ...engine.diffusion.noisy_ranks import of_each
from ...engine.models.contract import Backbone, Conditioning, Timesteps
from .conditioning import as_comfy, chunk_lengths, encode, in_groups, one_by_one, together_in_groups, tokens_of
from .description import describe, reference_input
from .encoders import encoders_of, tokenizers_of
from .kernels import differentiable_kernels
from .loading import compute_dtype, loadable, loadable_clip, own_dtype
from .mirror import mirrored, normal, twin, weights_of
from .names import Names, denoiser_names, text_encoder_names
from .patches import with_stack
from .prediction import model_input, raw, timesteps
from .sampling import Regions, apply_arguments, euler
from .seam import CLIP, COMFY, VAE, BaseModel, Conditionings, ModelPatcher, ModelSampling, TextEncoder

if TYPE_CHECKING:
    from torch import Tensor, nn

_DISTILLED = 1.0
"""Guidance that models which take it as an input are trained at where nothing else is said."""
_ACTIVATIONS = 8
"""Memory of a training step over that of a call without gradients, which keeps nothing for a backward pass."""


class NativeBackbone(Backbone):
    """ComfyUI's loaded models as a base model.

    The model that came in is never changed: adapters go into a mirror of it (see ``mirror.py``), and stacks onto clones
    that carry patches, as with the stock loaders.

    Args:
        model: adapters that it carries are part of the base.
        clip: its text encoders, of any kind.
        vae: its autoencoder.
        precision: dtype of the activations while training: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        name: of the model, for people.

    Raises:
        BaseModelError: it can't be trained here.
    """

    offloads_by_itself = True

    def __init__(self, model: ModelPatcher, clip: CLIP, vae: VAE, *, precision: str = "auto", name: str = "") -> None:
        self._patcher = loadable(model)
        self._clip, self._vae = loadable_clip(clip), vae
        self.device = self._patcher.load_device
        self.dtype = compute_dtype(self._patcher, precision)
        self._names = denoiser_names(self._base)
        self._mirror: BaseModel | None = None
        self._encoder: TextEncoder | None = None
        self._masked: Regions | None = None
        self.info = describe(self._patcher, clip, vae, self._names, name)

    @property
    def _base(self) -> BaseModel:
        return self._patcher.model

    @property
    def _sampling(self) -> ModelSampling:
        return self._patcher.get_model_object("model_sampling")

    @property
    def denoiser(self) -> nn.Module:
        return (self._mirror or self._base).diffusion_model

    @property
    def text_encoder_names(self) -> tuple[str, ...]:
        return tuple(encoders_of(self._clip.cond_stage_model))

    def load_component(self, name: str) -> nn.Module:
        if name == "denoiser":
            return self.denoiser
        root = self._clip.cond_stage_model
        if self._mirror is not None:
            self._clip.load_model()
            root = self._encoder = self._encoder or mirrored(root)
        return encoders_of(root)[name].transformer

    @cached_property
    def _text_names(self) -> dict[str, Names]:
        encoders = encoders_of(self._clip.cond_stage_model)
        return {component: text_encoder_names(component, e.transformer) for component, e in encoders.items()}

    def module_shapes(self) -> dict[str, tuple[int, ...]]:
        return dict(part for names in (self._names, *self._text_names.values()) for part in names.part_shapes())

    def file_parts(self, key: str) -> Sequence[tuple[str, slice]]:
        component, path = key.split(".", 1)
        names = self._names if component == "denoiser" else self._text_names[component]
        return [(part.key, part.rows) for part in names.layers.get(path, ())]

    def layer_weights(self, component: str) -> Iterator[tuple[str, Tensor]]:
        with self.training(1, self.info.resolution):
            yield from weights_of(component, self.load_component(component), self.device)

    @contextlib.contextmanager
    def training(self, batch: int, resolution: int) -> Iterator[None]:
        """Load the model as ComfyUI does, and mirror it; ComfyUI has its memory back when the block ends."""
        self._load(_ACTIVATIONS * self._base.memory_required(self._latent_shape(batch, resolution)))
        before = COMFY.in_training
        self._mirror = self._mirrored()
        COMFY.in_training = True  # ComfyUI's layers then don't overwrite their inputs
        try:
            with differentiable_kernels():
                yield
        finally:
            COMFY.in_training = before
            self._mirror = self._encoder = None
            COMFY.soft_empty_cache()

    @contextlib.contextmanager
    def gradients(self) -> Iterator[None]:
        """Transformers add to their activations in place: what the backward pass needs is then copied first."""
        from torch.autograd.graph import allow_mutation_on_saved_tensors

        in_place = not isinstance(self._base.diffusion_model, COMFY.UNetModel)
        with super().gradients(), allow_mutation_on_saved_tensors() if in_place else contextlib.nullcontext():
            yield

    @contextlib.contextmanager
    def carrying(self, stack: Stack) -> Iterator[None]:
        """Inside the block, model and text encoders are clones that carry the stack as ComfyUI's patches.

        Raises:
            AdapterError: an adapter doesn't fit, or only partly.
        """
        own = self._patcher, self._clip
        if stack.active():
            patcher, clip, report = with_stack(*own, stack)
            if report.warnings:
                raise AdapterError("\n".join(report.warnings), hint="use adapters of this model's family.")
            self._patcher, self._clip = patcher, clip
        try:
            yield
        finally:
            self._patcher, self._clip = own

    @contextlib.contextmanager
    def carrying_regions(self, stack: Stack) -> Iterator[None]:
        """Inside the block, ``sample`` has each adapter count where its mask is.

        Raises:
            AdapterError: an adapter doesn't fit, or only partly.
        """
        patchers, before = [], self._masked
        for mask in (None, *stack.masks):
            with self.carrying(stack.region(mask)):
                patchers.append(self._patcher)
        self._masked = Regions(patchers=patchers, masks=stack.masks)
        try:
            yield
        finally:
            self._masked = before

    def _regions(self) -> Regions:
        """What the next step is sampled with."""
        return self._masked or Regions(patchers=[self._patcher])

    def encode_images(self, images: Tensor) -> Tensor:
        import torch

        with torch.inference_mode():
            pixels = (images.movedim(1, -1) + 1) / 2
            batches = pixels.split(1) if self._axes > 2 else [pixels]  # video models take a batch for one video
            latents = torch.cat([self._vae.encode(batch) for batch in batches])
            scaled = self._base.process_latent_in(latents.to(self.device, torch.float32))
        return normal(scaled.squeeze(2) if scaled.ndim > 4 else scaled)

    def encode_prompts(self, prompts: Sequence[str], pictures: Tensor | None = None) -> Conditioning:
        seen = pictures if "prompts_see_pictures" in self.info.capabilities else None
        return encode(self._clip, prompts, self._encoder, seen, self.words).to(self.device)

    def _tokens(self, text: str) -> dict[str, list[str]]:
        return tokens_of(self._clip, text)

    def token_vectors(self, text: str) -> dict[str, Tensor]:
        if not (tokenizers := tokenizers_of(self._clip)):
            return {}
        encoders: Mapping[str, Any] = encoders_of(self._clip.cond_stage_model)
        found = {}
        for component, tokenizer in tokenizers.items():
            table = normal(encoders[component].transformer.get_input_embeddings().weight.detach()).float().cpu()
            [[_, *tokens], *_] = tokenizer.tokenize_with_weights(text)  # after the start
            ids = [token for token, *_ in tokens]
            found[component] = table[ids[: ids.index(tokenizer.end_token)]]
        return found

    @cached_property
    def chunk_lengths(self) -> dict[str, int]:  # type: ignore[override]
        return chunk_lengths(self._clip)

    def timesteps(self, u: Tensor) -> Timesteps:
        made = timesteps(self._sampling, self.info.prediction_type, u)
        return Timesteps(**{name: value.to(self.device) for name, value in vars(made).items()})

    def predict(self, x_t: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        import torch

        if self._mirror is None:
            self._load(self._base.memory_required(list(x_t.shape)))
        mirror = self._mirror or self._mirrored()
        x = self._with_time(model_input(self.info.prediction_type, x_t, t))
        predicted = torch.empty_like(x, dtype=torch.float32)
        for members, own in of_each(in_groups(conditioning)):
            # One assignment a group keeps every sample's gradients: prompts of other lengths can't share a call.
            predicted[members] = self._apply(mirror, x[members], t[members], own).float()
        return self._without_time(predicted)

    def sample(
        self, noise: Tensor, conditioning: Conditioning, negative: Conditioning | None, *, steps: int, guidance: float
    ) -> Iterator[Tensor]:
        import torch

        scale = guidance if "classifier_free_guidance" in self.info.capabilities else 1.0
        both = {"positive": conditioning} | ({"negative": negative} if negative is not None else {})
        x = noise.to(self.device, torch.float32).clone()
        groups = [
            (members, self._euler(noise[members], prompts, guidance, steps=steps, guidance=scale))
            for members, prompts in together_in_groups(both)
        ]
        for _ in range(steps):
            for members, latents in groups:
                x[members] = next(latents)
            yield x.clone()

    def _euler(self, noise: Tensor, prompts: Mapping[str, Conditioning], told: float, **how: Any) -> Iterator[Tensor]:
        """Sample with prompts of equal lengths. ``told`` is the guidance that some models take as an input."""
        given = {kind: self._prompt(prompt, told) for kind, prompt in prompts.items()}
        latents = self._with_time(noise)
        for x in euler(self._regions, latents, given, loaded=self._mirror_for_sampling(), **how):
            yield self._without_time(x)

    def decode(self, latents: Tensor) -> Tensor:
        import torch

        with torch.inference_mode():
            images = self._vae.decode(self._base.process_latent_out(self._with_time(latents.float())))
            pictures = images[:, 0] if images.ndim > 4 else images
        return normal(pictures.movedim(-1, 1)).to(self.device, torch.float32).clamp(0, 1)

    def release_encoders(self) -> None:
        """Nothing: ComfyUI moves its models itself when the denoiser needs the memory."""

    @property
    def _axes(self) -> int:
        """Axes of a picture in the latents: 2, or 3 where the model makes videos too."""
        return self._base.latent_format.latent_dimensions

    def _with_time(self, x: Tensor) -> Tensor:
        return x.unsqueeze(2) if self._axes > 2 else x

    def _without_time(self, x: Tensor) -> Tensor:
        return x.squeeze(2) if self._axes > 2 else x

    def _latent_shape(self, batch: int, resolution: int) -> list[int]:
        side = resolution // self.info.latent_factor
        return [batch, self.info.latent_channels, *[1] * (self._axes - 2), side, side]

    def _load(self, memory: float) -> None:
        COMFY.load_models_gpu([self._patcher], memory_required=memory)

    def _mirrored(self) -> BaseModel:
        """The loaded model's mirror, which computes in ``dtype`` and gives predictions as they are."""
        mirror = mirrored(self._base, None if self.dtype == own_dtype(self._base) else self.dtype)
        mirror.manual_cast_dtype = self.dtype
        mirror.current_patcher = self._patcher
        mirror.model_sampling = raw(self._sampling)
        return mirror

    def _mirror_for_sampling(self) -> BaseModel | None:
        """While training, a mirror that shares the adapters being trained and predicts clean latents."""
        if self._mirror is None:
            return None
        mirror = twin(self._mirror)
        mirror.model_sampling = self._sampling
        return mirror

    def _apply(self, mirror: BaseModel, x: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """One call of ComfyUI's ``apply_model``, for prompts of equal lengths."""
        height, width = (side * self.info.latent_factor for side in x.shape[-2:])
        guided = conditioning["guidance"].tolist() if "guidance" in conditioning else [_DISTILLED] * len(x)
        prompts = [
            self._prompt(own, guidance, height=height, width=width)
            for own, guidance in zip(one_by_one(conditioning), guided, strict=True)
        ]
        given = apply_arguments(mirror, prompts, x)
        options = {
            **self._patcher.model_options["transformer_options"],
            "cond_or_uncond": [0], "sigmas": sigma, "optimized_attention_override": _differentiable_attention,
        }  # fmt: skip
        return mirror.apply_model(x, sigma, **given, transformer_options=options)

    def _prompt(self, conditioning: Conditioning, guidance: float, **sizes: int) -> Conditionings:
        """ComfyUI's CONDITIONING, with what this model takes besides: its guidance scale, and pictures to edit."""
        more: dict[str, Any] = dict(sizes)
        if "guidance_input" in self.info.capabilities:
            more["guidance"] = guidance
        if (name := reference_input(self._base)) and "reference" in conditioning:
            latents = self._base.process_latent_out(self._with_time(conditioning["reference"]))
            more[name] = [latents] if name == "reference_latents" else latents
        return as_comfy(conditioning, **more)


def _differentiable_attention(function: Any, *args: Any, **kwargs: Any) -> Tensor:
    """torch's own attention, whatever ComfyUI was started with: others have no gradients, or need more memory."""
    del function
    return COMFY.attention_pytorch(*args, **kwargs)
