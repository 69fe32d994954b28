"""Stable Diffusion 1.x, and every model of its architecture: UNet, CLIP text encoder, KL autoencoder, by diffusers."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BaseModelError
from ..storage import file_hash, value_hash
from .contract import Backbone, BackboneInfo, Conditioning, NoiseLevels
from .devices import pick_device, pick_dtype

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
FEED_FORWARD = ("ff.net.0.proj", "ff.net.2")
TEXT_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
TEXT_FEED_FORWARD = ("fc1", "fc2")


def recognises(path: Path) -> bool:
    """A diffusers folder of a Stable Diffusion pipeline with one text encoder, or a checkpoint with such a UNet."""
    if path.is_dir():
        index = path / "model_index.json"
        return index.is_file() and json.loads(index.read_text(encoding="utf-8"))["_class_name"] == "StableDiffusionPipeline"
    return path.suffix == ".safetensors" and _is_sd1_checkpoint(path)


def _is_sd1_checkpoint(path: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            keys = set(file.keys())
    except (SafetensorError, OSError):
        return False
    return "model.diffusion_model.input_blocks.0.0.weight" in keys and any(
        key.startswith("cond_stage_model.transformer.") for key in keys
    )


def load(path: Path, *, device: str = "auto", precision: str = "auto") -> StableDiffusion1:
    """Load a diffusers folder, or a single-file checkpoint with SD1.x's standard sizes.

    Raises:
        BaseModelError: a part is missing or damaged.
    """
    parts = _FolderParts(path) if path.is_dir() else _CheckpointParts(path)
    return StableDiffusion1(parts, pick_device(device), precision)


class _FolderParts:
    """The parts of a diffusers folder, each loaded when asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        self.scheduler_class = index["scheduler"][1]

    def content_hash(self) -> str:
        files = sorted(p for p in self.folder.glob("*/*") if p.suffix in (".safetensors", ".json", ".txt"))
        return value_hash([[p.relative_to(self.folder).as_posix(), file_hash(p)] for p in files])

    def load(self, part: str) -> Any:
        import diffusers
        import transformers

        classes = {
            "unet": diffusers.UNet2DConditionModel, "vae": diffusers.AutoencoderKL,
            "text_encoder": transformers.CLIPTextModel, "tokenizer": transformers.CLIPTokenizer,
            "scheduler": getattr(diffusers, self.scheduler_class),
        }
        try:
            return classes[part].from_pretrained(self.folder / part, local_files_only=True)
        except (OSError, ValueError) as error:
            raise BaseModelError(
                f"{self.folder.name} has no usable {part}: {str(error).splitlines()[0]}",
                expected=f"a folder {part}/ as diffusers saves it",
                hint="save or download the model again; nothing is fetched from the network here.",
            ) from error


class _CheckpointParts:
    """The parts of a single-file checkpoint, converted by diffusers on first use with SD1.x's configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.stem
        self._pipeline: Any = None

    def content_hash(self) -> str:
        return file_hash(self.path)

    def load(self, part: str) -> Any:
        from diffusers import StableDiffusionPipeline

        if self._pipeline is None:
            config = Path(__file__).parents[2] / "assets" / "sd1_config"
            try:
                self._pipeline = StableDiffusionPipeline.from_single_file(
                    str(self.path), config=str(config), local_files_only=True, safety_checker=None
                )
            except (OSError, ValueError, KeyError, RuntimeError) as error:
                raise BaseModelError(
                    f"{self.path.name} can't be read as a Stable Diffusion 1.x checkpoint: {str(error).splitlines()[0]}",
                    expected="a complete .safetensors checkpoint with UNet, text encoder and autoencoder",
                    hint="use a full checkpoint (not a pruned UNet or an adapter), or a diffusers folder.",
                ) from error
        return getattr(self._pipeline, part)


class StableDiffusion1(Backbone):
    """The diffusers backbone of SD1.x."""

    def __init__(self, parts: _FolderParts | _CheckpointParts, device: torch.device, precision: str) -> None:
        import torch

        self._parts = parts
        self.device = device
        unet = parts.load("unet").eval().requires_grad_(False)
        self.dtype = pick_dtype(precision, device, sum(p.numel() for p in unet.parameters()))
        self._unet = unet.to(device, self.dtype, memory_format=torch.channels_last)
        self._tokenizer = parts.load("tokenizer")
        self._scheduler = parts.load("scheduler")
        self._loaded: dict[str, nn.Module] = {}
        config = self._scheduler.config
        self._alphas_cumprod: Tensor = self._scheduler.alphas_cumprod.float()
        vae_levels = len(self._vae.config.block_out_channels)
        self.info = BackboneInfo(
            family="sd1", name=parts.name, content_hash=parts.content_hash(), objective=config.prediction_type,
            latent_channels=unet.config.in_channels, latent_factor=2 ** (vae_levels - 1),
            resolution=unet.config.sample_size * 2 ** (vae_levels - 1), key_style="kohya",
            architecture="stable-diffusion-v1",
            target_presets={"attention": ATTENTION, "attention_and_feed_forward": ATTENTION + FEED_FORWARD},
            text_target_presets={
                "attention": TEXT_ATTENTION, "attention_and_feed_forward": TEXT_ATTENTION + TEXT_FEED_FORWARD
            },
            capabilities=frozenset({"classifier_free_guidance", "text_encoder_training"}),
        )

    def _lazily(self, part: str) -> Any:
        """An encoder, in float32: it runs seldom, and SD1.x's autoencoder overflows in fp16."""
        if part not in self._loaded:
            self._loaded[part] = self._parts.load(part).eval().requires_grad_(False).float().to(self.device)
        return self._loaded[part]

    @property
    def _vae(self) -> Any:
        return self._lazily("vae")

    @property
    def denoiser(self) -> nn.Module:
        return self._unet

    @property
    def text_encoders(self) -> Mapping[str, nn.Module]:
        return {"text_encoder": self._lazily("text_encoder")}

    def release_encoders(self) -> None:
        self._loaded.clear()

    def encode_images(self, images: Tensor) -> Tensor:
        import torch

        with torch.no_grad():
            posterior = self._vae.encode(images.to(self.device, torch.float32)).latent_dist
        return posterior.mode() * self._vae.config.scaling_factor

    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        encoder = self._lazily("text_encoder")
        tokens = self._tokenizer(
            list(prompts), padding="max_length", truncation=True,
            max_length=encoder.config.max_position_embeddings, return_tensors="pt",
        )
        return Conditioning(states=encoder(tokens.input_ids.to(self.device))[0])

    def levels(self, u: Tensor) -> NoiseLevels:
        steps = len(self._alphas_cumprod)
        t = (u * steps).long().clamp(max=steps - 1)
        alpha_bar = self._alphas_cumprod[t]
        return NoiseLevels(
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

        with torch.no_grad():
            images = self._vae.decode(latents.to(self.device, torch.float32) / self._vae.config.scaling_factor).sample
        return (images / 2 + 0.5).clamp(0, 1)
