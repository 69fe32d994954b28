"""Stable Diffusion 1.x, and every model of its architecture: UNet, CLIP text encoder, KL autoencoder, by diffusers."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.devices import pick_device, pick_dtype
from ..core.errors import BaseModelError
from ..core.quiet import quiet
from ..core.resources import ASSETS
from .contract import Backbone, BackboneInfo, Conditioning, Timesteps
from .diffusers_parts import PREFIXES, CheckpointParts, FolderParts, tensor_names

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
FEED_FORWARD = ("ff.net.0.proj", "ff.net.2")
ALL_LAYERS = (
    *ATTENTION, *FEED_FORWARD, "proj_in", "proj_out", "conv1", "conv2", "conv_shortcut", "conv", "time_emb_proj",
    "conv_in", "conv_out", "linear_1", "linear_2",
)  # fmt: skip
TEXT_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
TEXT_FEED_FORWARD = ("fc1", "fc2")
STANDARD_CONFIG = ASSETS / "sd1_config"


def recognizes(path: Path) -> bool:
    """A diffusers folder of a Stable Diffusion 1.x pipeline, or a checkpoint with such a UNet and text encoder.

    Raises:
        BaseModelError: the checkpoint is damaged.
    """
    if path.is_dir():
        # Stable Diffusion 2.x is the same pipeline, but projects linearly and has another text encoder.
        return _entry(path / "model_index.json", "_class_name") == "StableDiffusionPipeline" and not _entry(
            path / "unet" / "config.json", "use_linear_projection"
        )
    if path.suffix != ".safetensors":
        return False
    names = tensor_names(path)
    return f"{PREFIXES['unet']}input_blocks.0.0.weight" in names and any(
        name.startswith(PREFIXES["text_encoder"]) for name in names
    )


def _entry(file: Path, key: str) -> Any:
    """One entry of a JSON object, or nothing where the file isn't one."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value.get(key) if isinstance(value, dict) else None


def load(
    path: Path, *, device: str = "auto", precision: str = "auto", config: Path = STANDARD_CONFIG
) -> StableDiffusion1:
    """Load a diffusers folder, or a single-file checkpoint.

    Args:
        path: the folder or ``.safetensors`` file.
        device: as in ``load_base``.
        precision: as in ``load_base``.
        config: folder with the configuration of a checkpoint's parts; unused for a diffusers folder, which has its own.

    Raises:
        BaseModelError: a part is missing or damaged, or there is no such device or precision.
    """
    chosen = pick_device(device)
    return StableDiffusion1(FolderParts(path) if path.is_dir() else CheckpointParts(path, config), chosen, precision)


class StableDiffusion1(Backbone):
    """The diffusers backbone of SD1.x."""

    def __init__(self, parts: FolderParts | CheckpointParts, device: torch.device, precision: str) -> None:
        import torch

        self._parts = parts
        self.device = device
        self._scheduler = parts.load("scheduler")
        self._alphas_cumprod: Tensor = self._scheduler.alphas_cumprod.float()
        self._tokenizer = parts.load("tokenizer")
        self._encoders: dict[str, nn.Module] = {}
        self._unet = parts.load("unet").requires_grad_(False)
        self.dtype = pick_dtype(precision, device, sum(p.numel() for p in self._unet.parameters()))
        self.info = _describe(parts, self._scheduler.config.prediction_type)
        with quiet():
            self._unet.to(device, self.dtype, memory_format=torch.channels_last)

    def _encoder(self, part: str) -> Any:
        """Text encoder or autoencoder, in float32: they run seldom, and SD1.x's autoencoder overflows in fp16."""
        import torch

        if part not in self._encoders:
            module = self._parts.load(part).requires_grad_(False)
            with quiet():
                self._encoders[part] = module.to(self.device, torch.float32)
        return self._encoders[part]

    @property
    def denoiser(self) -> nn.Module:
        return self._unet

    @property
    def text_encoders(self) -> Mapping[str, nn.Module]:
        return {"text_encoder": self._encoder("text_encoder")}

    def release_encoders(self) -> None:
        self._encoders.clear()

    def encode_images(self, images: Tensor) -> Tensor:
        import torch

        vae = self._encoder("vae")
        with torch.no_grad():
            posterior = vae.encode(images.to(self.device, torch.float32)).latent_dist
        return posterior.mode() * vae.config.scaling_factor

    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        encoder = self._encoder("text_encoder")
        tokens = self._tokenizer(
            list(prompts),
            padding="max_length",
            truncation=True,
            max_length=encoder.config.max_position_embeddings,
            return_tensors="pt",
        )
        return Conditioning(states=encoder(tokens.input_ids.to(self.device))[0])

    def tokenize(self, text: str) -> dict[str, list[str]]:
        return {"text_encoder": [piece.removesuffix("</w>") for piece in self._tokenizer.tokenize(text)]}

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
        return self._unet(x, t, conditioning["states"].to(self.dtype)).sample.float()

    def sample(
        self, noise: Tensor, conditioning: Conditioning, negative: Conditioning | None, *, steps: int, guidance: float
    ) -> Iterator[Tensor]:
        import torch

        scheduler = copy.deepcopy(self._scheduler)
        scheduler.set_timesteps(steps, device=self.device)
        guided = negative is not None and guidance != 1
        states = Conditioning.join([negative, conditioning]) if negative is not None and guided else conditioning
        x = noise.to(self.device) * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            with torch.no_grad():
                scaled = scheduler.scale_model_input(torch.cat([x, x]) if guided else x, t)
                predicted = self.predict(scaled, t, states)
                if guided:
                    without, towards = predicted.chunk(2)
                    predicted = without + guidance * (towards - without)
                x = scheduler.step(predicted, t, x).prev_sample
            yield x

    def decode(self, latents: Tensor) -> Tensor:
        import torch

        vae = self._encoder("vae")
        with torch.no_grad():
            images = vae.decode(latents.to(self.device, torch.float32) / vae.config.scaling_factor).sample
        return (images / 2 + 0.5).clamp(0, 1)


def _describe(parts: FolderParts | CheckpointParts, prediction_type: str) -> BackboneInfo:
    if prediction_type not in ("epsilon", "v_prediction"):
        raise BaseModelError(
            f"{parts.name} predicts {prediction_type!r}, which can't be trained here.",
            expected="prediction_type epsilon or v_prediction in scheduler/scheduler_config.json",
            hint="correct the scheduler's configuration, or use another base model.",
        )
    unet, vae = parts.config("unet"), parts.config("vae")
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    return BackboneInfo(
        family="sd1",
        name=parts.name,
        content_hash=parts.content_hash(),
        prediction_type=prediction_type,
        latent_channels=unet["in_channels"],
        latent_factor=factor,
        resolution=unet["sample_size"] * factor,
        key_style="kohya",
        architecture="stable-diffusion-v1",
        target_presets={
            "attention": ATTENTION,
            "attention_and_feed_forward": ATTENTION + FEED_FORWARD,
            "all_layers": ALL_LAYERS,
        },
        text_target_presets={
            "attention": TEXT_ATTENTION,
            "attention_and_feed_forward": TEXT_ATTENTION + TEXT_FEED_FORWARD,
            "all_layers": TEXT_ATTENTION + TEXT_FEED_FORWARD,
        },
        capabilities=frozenset({"classifier_free_guidance", "text_encoder_training"}),
    )
