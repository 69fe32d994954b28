"""The common part of Stable Diffusion 1.x and XL: diffusers' UNet, CLIP text encoders and KL autoencoder."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..core.devices import pick_device
from ..core.errors import BaseModelError
from ..core.precision import Precision, pick_precision
from ..core.quiet import quiet
from .chunks import LENGTHS, Encoded, chunks_of, in_rows
from .contract import BackboneInfo, Conditioning, Timesteps
from .declarations import declarations
from .diffusers_parts import CheckpointParts, FolderParts, Parts
from .family import Family
from .from_parts import PartsBackbone
from .layers import layer_shapes
from .quantized import identity, place
from .tokenizing import ClipTokenizers
from .word_embeddings import looked_up

if TYPE_CHECKING:
    from torch import Tensor, nn

UNET_BLOCKS = "model.diffusion_model.input_blocks.0.0.weight"
"""A tensor in every checkpoint with such a UNet."""

_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
_FEED_FORWARD = ("ff.net.0.proj", "ff.net.2")
_OTHERS = (
    "proj_in", "proj_out", "conv1", "conv2", "conv_shortcut", "conv", "time_emb_proj", "conv_in", "conv_out",
    "time_embedding.linear_1", "time_embedding.linear_2",
)  # fmt: skip
"""SDXL's ``add_embedding`` is left out: diffusers reads kohya's names of its two layers as one, and drops both."""
TARGETS: Mapping[str, tuple[str, ...]] = {
    "attention": _ATTENTION,
    "attention_and_feed_forward": _ATTENTION + _FEED_FORWARD,
    "all_layers": _ATTENTION + _FEED_FORWARD + _OTHERS,
}
_TEXT_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
_TEXT_ALL = (*_TEXT_ATTENTION, "fc1", "fc2")
TEXT_TARGETS: Mapping[str, tuple[str, ...]] = {
    "attention": _TEXT_ATTENTION,
    "attention_and_feed_forward": _TEXT_ALL,
    "all_layers": _TEXT_ALL,
}


def load_parts(path: Path, family: Family, config: Path | None = None) -> Parts:
    """The parts of a diffusers folder or a checkpoint; ``config`` replaces the family's configuration of checkpoints.

    Raises:
        BaseModelError: a part is missing or damaged.
    """
    return (
        FolderParts(path, family.parts)
        if path.is_dir()
        else CheckpointParts(path, family.parts, config or cast(Path, family.config))
    )


class UNetBackbone(PartsBackbone):
    """A UNet with its encoders, which are loaded on first use.

    Args:
        parts: the parts of the base model.
        family: its family.
        device: as in ``load_base``.
        precision: of the UNet, as in ``load_base``.

    Raises:
        BaseModelError: a part is damaged, the prediction type is unsupported, or the device or precision doesn't exist.
    """

    def __init__(self, parts: Parts, family: Family, device: str, precision: str) -> None:
        import torch

        self._parts, self._family = parts, family
        self.device = pick_device(device)
        self._scheduler = parts.load("scheduler")
        self._alphas_cumprod: Tensor = self._scheduler.alphas_cumprod.float()
        self._clip = ClipTokenizers(parts, family)
        self._tokenizers, self._lengths = self._clip.by_encoder, self._clip.lengths
        self._encoders: dict[str, nn.Module] = {}
        self._unet = self.from_files("denoiser").requires_grad_(False)
        chosen = pick_precision(precision, self.device, sum(p.numel() for p in self._unet.parameters()))
        self.dtype, self.weights = chosen.dtype, chosen.in_words
        self.info = _describe(parts, family, self._scheduler.config.prediction_type, chosen)
        with quiet():
            place(self._unet, self.device, chosen, torch.channels_last)

    def _load_denoiser(self) -> Any:
        return self._parts.load("unet")

    @abstractmethod
    def _arguments(self, x: Tensor, conditioning: Conditioning) -> dict[str, Any]:
        """Arguments of the UNet besides latents ``x`` and timesteps."""

    @property
    def denoiser(self) -> nn.Module:
        return self._unet

    @property
    def text_encoder_names(self) -> tuple[str, ...]:
        return self._family.text_encoders

    def load_component(self, name: str) -> nn.Module:
        return self._unet if name == "denoiser" else self._encoder(name)

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        roots = {"denoiser": self._unet} | {name: self._parts.empty(name) for name in self.text_encoder_names}
        return layer_shapes(roots)

    def module_shapes(self) -> dict[str, tuple[int, ...]]:
        return self._shapes

    def release_encoders(self) -> None:
        self._encoders.clear()

    def encode_images(self, images: Tensor) -> Tensor:
        import torch

        vae = self._encoder("vae")
        with torch.no_grad():
            posterior = vae.encode(images.to(self.device, torch.float32)).latent_dist
        return posterior.mode() * vae.config.scaling_factor

    def _tokens(self, text: str) -> dict[str, list[str]]:
        return self._clip.tokenize(text)

    def token_vectors(self, text: str) -> dict[str, Tensor]:
        found = {}
        for name, tokenizer in self._tokenizers.items():
            table = self._encoder(name).get_input_embeddings().weight.detach()
            found[name] = table[tokenizer(text, add_special_tokens=False, verbose=False).input_ids].cpu()
        return found

    @property
    def chunk_lengths(self) -> dict[str, int]:
        return self._clip.chunk_lengths

    def timesteps(self, u: Tensor) -> Timesteps:
        steps = len(self._alphas_cumprod)
        t = (u * steps).long().clamp(max=steps - 1)
        alpha_bar = self._alphas_cumprod.to(u.device)[t]
        return Timesteps(
            t=t.to(self.device), alpha=alpha_bar.sqrt().to(self.device), sigma=(1 - alpha_bar).sqrt().to(self.device)
        )

    def predict(self, x_t: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        import torch

        x = x_t.to(self.dtype, memory_format=torch.channels_last)
        return self._unet(x, t, **self._arguments(x, conditioning)).sample.float()

    def sample(
        self, noise: Tensor, conditioning: Conditioning, negative: Conditioning | None, *, steps: int, guidance: float
    ) -> Iterator[Tensor]:
        import torch

        scheduler = copy.deepcopy(self._scheduler)
        scheduler.set_timesteps(steps, device=self.device)
        branches = self._branches(conditioning, negative, guidance)
        states = Conditioning.join(branches)
        x = noise.to(self.device) * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            with torch.no_grad():
                scaled = scheduler.scale_model_input(torch.cat([x] * len(branches)), t)
                parts = self.predict(scaled, t, states).chunk(len(branches))
                x = scheduler.step(self._guided(parts, conditioning, guidance), t, x).prev_sample
            yield x

    def _branches(
        self, conditioning: Conditioning, negative: Conditioning | None, guidance: float
    ) -> list[Conditioning]:
        """What a step of the sampler predicts with, one after the other."""
        return [conditioning] if negative is None or guidance == 1 else [negative, conditioning]

    def _guided(self, parts: Sequence[Tensor], conditioning: Conditioning, guidance: float) -> Tensor:
        """The predictions of ``_branches`` as one."""
        del conditioning
        if len(parts) == 1:
            return parts[0]
        without, towards = parts
        return without + guidance * (towards - without)

    def decode(self, latents: Tensor) -> Tensor:
        import torch

        vae = self._encoder("vae")
        with torch.no_grad():
            images = vae.decode(latents.to(self.device, torch.float32) / vae.config.scaling_factor).sample
        return (images / 2 + 0.5).clamp(0, 1)

    def _encoder(self, part: str) -> Any:
        """Text encoder or autoencoder, in float32: they run rarely, and these autoencoders overflow in float16."""
        import torch

        if part not in self._encoders:
            module = self._parts.load(part).requires_grad_(False)
            with quiet():
                self._encoders[part] = module.to(self.device, torch.float32)
        return self._encoders[part]

    def _encoded(self, prompts: Sequence[str], **options: Any) -> dict[str, Encoded]:
        """The output of each text encoder for prompts, all with the same number of chunks for a prompt.

        Args:
            prompts: of any lengths.
            options: for the text encoders' ``forward``.

        Raises:
            CaptionError: a prompt is absurdly long.
        """
        import torch

        chunks = {
            name: [chunks_of(tokenizer, prompt, self._lengths[name], self.words) for prompt in ["", *prompts]]
            for name, tokenizer in self._tokenizers.items()
        }
        counts = [max(map(len, own)) for own in zip(*(split[1:] for split in chunks.values()), strict=True)]
        result = {}
        for name, ([empty], *own) in chunks.items():
            encoder = self._encoder(name)
            with looked_up(encoder.get_input_embeddings(), in_rows(own, counts, empty), name) as ids:
                output = encoder(torch.tensor(ids, device=self.device), **options)
            result[name] = Encoded(output=output, counts=counts)
        return result

    def _text_arguments(self, conditioning: Conditioning) -> dict[str, Any]:
        """The UNet's arguments for encoded prompts; where some may be padded, with a mask that hides the padding."""
        import torch

        states = conditioning["states"]
        arguments: dict[str, Any] = {"encoder_hidden_states": states.to(self.dtype)}
        if LENGTHS in conditioning and states.shape[1] > max(self._lengths.values()):
            places = torch.arange(states.shape[1], device=states.device)
            arguments["encoder_attention_mask"] = places < conditioning[LENGTHS][:, None]
        return arguments


def _describe(parts: Parts, family: Family, prediction_type: str, precision: Precision) -> BackboneInfo:
    if prediction_type not in ("epsilon", "v_prediction"):
        raise BaseModelError(
            f"{parts.name} predicts {prediction_type!r}, which isn't supported.",
            expected="prediction_type epsilon or v_prediction in scheduler/scheduler_config.json",
            hint="correct the scheduler's configuration, or use another base model.",
        )
    unet, vae = parts.config("unet"), parts.config("vae")
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    own = declarations(parts.folder, family.traits.generation)
    return BackboneInfo(
        traits=family.traits,
        name=parts.name,
        content_hash=identity(parts.content_hash(), precision),
        prediction_type=prediction_type,
        latent_channels=unet["out_channels"],
        latent_factor=factor,
        resolution=unet["sample_size"] * factor,
        key_style=family.traits.key_style,
        target_presets=family.targets,
        text_target_presets=family.text_targets,
        generation=own.generation,
        recipe=own.recipe,
        recipe_reason=own.reason,
        capabilities=family.capabilities,
    )
