"""The common part of the flow-matching transformers that diffusers has."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.devices import pick_device, pick_dtype
from ..core.precision import QUANTIZED, Precision, pick_precision
from ..core.quiet import quiet
from ..diffusion.noisy_ranks import of_each
from ..diffusion.shift import Shift
from .chunks import check_length
from .contract import BackboneInfo, Conditioning, Timesteps
from .declarations import declarations
from .diffusers_parts import FolderParts, Parts
from .family import Family
from .from_parts import PartsBackbone
from .latents import standardized, unstandardized
from .layers import layer_shapes
from .lengths import by_length, with_length
from .presets import target_presets
from .quantized import identity, place
from .traits import Traits

if TYPE_CHECKING:
    from torch import Tensor, nn

_READS_PROMPTS = ("tokenizer", "text_encoder", "processor", "t5_tokenizer")
"""What the names of the parts that encode prompts begin with."""


class FlowBackbone(PartsBackbone):
    """A transformer with its encoders, which are loaded on first use.

    A family says how its prompts are encoded, how its autoencoder's latents are scaled and how its transformer is
    called. Prompts are encoded by diffusers' own pipeline of the family, which has the text encoders and nothing else.

    Args:
        parts: the parts of the base model.
        family: its family.
        device: as in ``load_base``.
        precision: of the transformer, as in ``load_base``.

    Raises:
        BaseModelError: a part is damaged, or the device or precision doesn't exist.
    """

    patch: int = 2
    """Side of the square of latents that is one token."""

    def __init__(self, parts: Parts, family: Family, device: str, precision: str) -> None:
        self._parts, self._family = parts, family
        self.device = pick_device(device)
        # Text encoders run before the first step only, and are released then.
        self._encoder_precision = "auto" if precision in QUANTIZED else precision
        self._scheduler = self._load_scheduler()
        self._encoders: dict[str, Any] = {}
        self._transformer = self.from_files("denoiser").requires_grad_(False)
        chosen = pick_precision(precision, self.device, _size(self._transformer))
        self.dtype, self.weights = chosen.dtype, chosen.in_words
        with quiet():
            place(self._transformer, self.device, chosen)
        self.info = self._describe(chosen)

    @abstractmethod
    def _encode(self, pipeline: Any, prompt: str, picture: Tensor | None) -> Conditioning:
        """A prompt, by the family's pipeline with tokenizers and text encoders, as ``states`` and what else there is.

        Args:
            pipeline: diffusers' pipeline.
            prompt: all of it must be encoded.
            picture: the picture to edit, (1, 3, H, W) in [-1, 1].
        """

    @abstractmethod
    def _apply(self, x: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """The transformer's prediction of the velocity, noise minus picture, (B, C, h, w), for prompts of one length.

        Args:
            x: noisy latents (B, C, h, w) in the transformer's dtype.
            sigma: noise levels (B,), float32.
            conditioning: batch B, without padding.
        """

    def _guided(self, without: Tensor, towards: Tensor, guidance: float) -> Tensor:
        """Classifier-free guidance of predictions (B, C, h, w)."""
        return without + guidance * (towards - without)

    def _going_to(self, conditioning: Conditioning, sigma: Tensor) -> Conditioning:
        """The conditioning of a step of sampling that ends at noise level ``sigma``, a scalar."""
        del sigma
        return conditioning

    @abstractmethod
    def _from_autoencoder(self, latents: Tensor) -> Tensor:
        """The autoencoder's latents as the transformer wants them."""

    @abstractmethod
    def _to_autoencoder(self, latents: Tensor) -> Tensor:
        """The way back."""

    def _load_denoiser(self) -> Any:
        return self._parts.load("transformer")

    def _load_scheduler(self) -> Any:
        return self._parts.load("scheduler")

    def _shift(self, steps: int) -> Shift:
        """Of the noise levels in sampling, which may depend on the number of steps."""
        del steps
        return Shift.of_scheduler(self._scheduler.config)

    def _levels(self, steps: int) -> list[float]:
        """The noise levels of sampling before the shift, falling from 1."""
        import torch

        return torch.linspace(1, 1 / steps, steps).tolist()

    @property
    def _latent_channels(self) -> int:
        return self._transformer.config.in_channels // self.patch**2

    @property
    def _latent_factor(self) -> int:
        config = self._parts.config("vae")
        if "temperal_downsample" in config:
            return 2 ** len(config["temperal_downsample"])
        return 2 ** (len(config["block_out_channels"]) - 1)

    @property
    def _capabilities(self) -> frozenset[str]:
        """Those of this model, where they aren't the family's."""
        return self._family.capabilities

    @property
    def _traits(self) -> Traits:
        """Those of this model's variant, where the family has several."""
        return self._family.traits

    @property
    def denoiser(self) -> nn.Module:
        return self._transformer

    @property
    def text_encoder_names(self) -> tuple[str, ...]:
        return ()

    def load_component(self, name: str) -> nn.Module:
        return self._transformer if name == "denoiser" else self._encoder(name)

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return layer_shapes({"denoiser": self._transformer})

    def module_shapes(self) -> dict[str, tuple[int, ...]]:
        return self._shapes

    def release_encoders(self) -> None:
        self._encoders.clear()

    def encode_images(self, images: Tensor) -> Tensor:
        import torch

        vae = self._encoder("vae")
        pixels = images.to(self.device, torch.float32)
        with torch.no_grad():
            posterior = vae.encode(pixels.unsqueeze(2) if self._makes_videos else pixels).latent_dist
            latents = posterior.mode()
            return self._from_autoencoder(latents.squeeze(2) if self._makes_videos else latents)

    def decode(self, latents: Tensor) -> Tensor:
        import torch

        vae = self._encoder("vae")
        with torch.no_grad():
            given = self._to_autoencoder(latents.to(self.device, torch.float32))
            images = vae.decode(given.unsqueeze(2) if self._makes_videos else given).sample
        return ((images.squeeze(2) if self._makes_videos else images) / 2 + 0.5).clamp(0, 1)

    @property
    def _makes_videos(self) -> bool:
        """Whether the autoencoder has an axis of time, of which a picture is one frame."""
        return "temperal_downsample" in self._parts.config("vae")

    def encode_prompts(self, prompts: Sequence[str], pictures: Tensor | None = None) -> Conditioning:
        import torch

        check_length(prompts)
        pipeline = self._encoder("prompts")
        shown = [None] * len(prompts) if pictures is None else pictures.split(1)
        with torch.no_grad(), quiet():
            # One by one: in a batch, shorter prompts would be padded, and padding isn't neutral.
            encoded = [self._encode(pipeline, *one) for one in zip(prompts, shown, strict=True)]
        return Conditioning.join([with_length(own) for own in encoded])

    def timesteps(self, u: Tensor) -> Timesteps:
        sigma = u.float().to(self.device)
        return Timesteps(t=sigma, alpha=1 - sigma, sigma=sigma)

    def predict(self, x_t: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        import torch

        x, parts, places = x_t.to(self.dtype), [], []
        for members, own in of_each(by_length(conditioning)):
            parts.append(self._apply(x[members], t[members], own).float())
            places += members
        predicted = torch.cat(parts)
        return predicted if places == sorted(places) else predicted[torch.tensor(places).argsort()]

    def sample(
        self, noise: Tensor, conditioning: Conditioning, negative: Conditioning | None, *, steps: int, guidance: float
    ) -> Iterator[Tensor]:
        import torch

        scheduler = copy.deepcopy(self._scheduler)
        x = noise.to(self.device)
        tokens = x.shape[-2] * x.shape[-1] // self.patch**2
        scheduler.set_timesteps(sigmas=self._levels(steps), mu=self._shift(steps).mu(tokens), device=self.device)
        states = Conditioning(conditioning)
        if "guidance_input" in self.info.capabilities:
            states["guidance"] = torch.full((len(x),), guidance, device=self.device)
        elif guidance == 1:
            negative = None
        if negative is not None and "guidance_input" not in self.info.capabilities:
            states = Conditioning.join([negative, conditioning])
        doubled = len(next(iter(states.values()))) > len(x)
        sigmas = scheduler.sigmas.to(self.device)
        for t, sigma, end in zip(scheduler.timesteps, sigmas, sigmas[1:], strict=False):
            with torch.no_grad():
                given = torch.cat([x, x]) if doubled else x
                predicted = self.predict(given, sigma.expand(len(given)), self._going_to(states, end))
                if doubled:
                    predicted = self._guided(*predicted.chunk(2), guidance)
                x = scheduler.step(predicted, t, x).prev_sample
            yield x

    def _encoder(self, part: str) -> Any:
        """The autoencoder in float32, or ``prompts``: the family's pipeline with what encodes prompts alone."""
        import torch

        if part not in self._encoders:
            if part == "prompts":
                self._encoders[part] = self._prompt_pipeline()
            else:
                module = self._parts.load(part).requires_grad_(False)
                with quiet():
                    self._encoders[part] = module.to(self.device, torch.float32)
        return self._encoders[part]

    def _prompt_pipeline(self) -> Any:
        """diffusers' pipeline with tokenizers and text encoders."""
        import diffusers

        loaded = self._prompt_parts()
        absent = dict.fromkeys(name for name in self._family.parts if name not in loaded)
        return getattr(diffusers, self._family.pipeline)(**absent, **loaded, **self._parts.settings())

    def _prompt_parts(self) -> dict[str, Any]:
        """Tokenizers and text encoders by name. T5 and its like overflow in float16."""
        import torch

        names = [name for name in self._family.parts if name.startswith(_READS_PROMPTS)]
        loaded = {name: self._parts.load(name) for name in names}
        for module in loaded.values():
            if isinstance(module, torch.nn.Module):
                dtype = pick_dtype(self._encoder_precision, self.device, _size(module))
                module.requires_grad_(False).to(self.device, torch.float32 if dtype == torch.float16 else dtype)
        return loaded

    def _describe(self, precision: Precision) -> BackboneInfo:
        parts, traits = self._parts, self._traits
        own = declarations(parts.folder, traits.generation)
        return BackboneInfo(
            traits=traits,
            name=parts.name,
            content_hash=identity(parts.content_hash(), precision),
            prediction_type="flow",
            latent_channels=self._latent_channels,
            latent_factor=self._latent_factor,
            resolution=own.resolution or traits.resolution,
            shift=self._shift(own.generation.steps),
            patch=self.patch,
            key_style=traits.key_style,
            target_presets=target_presets(
                key.removeprefix("denoiser.") for key, shape in self._shapes.items() if len(shape) > 1
            ),
            text_target_presets={},
            generation=own.generation,
            recipe=own.recipe,
            recipe_reason=own.reason,
            capabilities=self._capabilities,
        )


class StandardizedLatents(FlowBackbone):
    """With an autoencoder whose latents are standardized channel by channel, as Qwen-Image's is."""

    def _from_autoencoder(self, latents: Tensor) -> Tensor:
        return standardized(latents, self._encoder("vae").config)

    def _to_autoencoder(self, latents: Tensor) -> Tensor:
        return unstandardized(latents, self._encoder("vae").config)


def folder_parts(path: Path, family: Family) -> Parts:
    """The parts of a diffusers folder.

    Raises:
        BaseModelError: a part is missing or damaged.
    """
    return FolderParts(path, family.parts)


def _size(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
