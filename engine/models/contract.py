"""What the trainer and the generator ask of a base model; they see nothing else of it.

Shapes: B batch, C latent channels, h and w latent height and width, H and W picture height and width.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..core.fields import positive, raise_all
from ..diffusion.prediction import PredictionType

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

KeyStyle = Literal["kohya", "transformer", "native"]
"""How adapter files of a family name their tensors; see ``adapters/names.py``."""


@dataclass(frozen=True, kw_only=True)
class GenerationDefaults:
    """What a model generates well with."""

    steps: int = 25
    """1 or more."""
    guidance: float = 7.0
    """Classifier-free guidance scale, 0 or more; 1 switches it off."""

    def __post_init__(self) -> None:
        problems: list[str] = []
        positive(problems, self, "steps")
        positive(problems, self, "guidance", zero=True)
        raise_all(problems, "generation")


@dataclass(frozen=True, kw_only=True)
class BackboneInfo:
    """What is known of a base model without running it."""

    family: str
    """Registered name, for example ``sd1``. For people and file names; code asks for capabilities."""
    content_hash: str
    prediction_type: PredictionType
    latent_channels: int
    latent_factor: int
    """Pictures' side over latents' side."""
    resolution: int
    """Side of the pictures that the model was trained on, in pixels."""
    target_presets: Mapping[str, tuple[str, ...]]
    """Preset name -> module-name suffixes inside the denoiser; has every name in
    ``TARGETS`` of ``training/recipe.py``."""
    text_target_presets: Mapping[str, tuple[str, ...]]
    """The same for the text encoders."""
    key_style: KeyStyle
    name: str = ""
    """File or folder name of the model, for people."""
    architecture: str = ""
    """``modelspec.architecture`` without the ``/lora``, for example ``stable-diffusion-v1``."""
    generation: GenerationDefaults = field(default_factory=GenerationDefaults)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Settings of a recipe, by name, that this model wants in place of the general ones."""
    recipe_reason: str = ""
    """Why, for people."""
    capabilities: frozenset[str] = field(default_factory=frozenset)
    """Any of ``classifier_free_guidance``, ``text_encoder_training``, ``size_conditioning``."""


@dataclass(frozen=True, kw_only=True)
class Timesteps:
    """Noise levels in the model's own terms, one a sample."""

    t: Tensor
    """What ``predict`` takes as time, shape (B,)."""
    alpha: Tensor
    """Factor of the clean latent, shape (B,), float32."""
    sigma: Tensor
    """Factor of the noise, shape (B,), float32."""


class Conditioning(dict[str, "Tensor"]):
    """Encoded prompts: named tensors, each with the batch as its first axis."""

    @staticmethod
    def join(parts: Sequence[Conditioning]) -> Conditioning:
        """One batch out of several.

        Tensors of different lengths along their second axis are padded with zeros at its end; a backbone that encodes
        prompts to different lengths keeps the lengths as a tensor of their own.
        """
        import torch

        return Conditioning({key: torch.cat(_padded([part[key] for part in parts])) for key in parts[0]})

    def pick(self, index: Tensor | slice) -> Conditioning:
        return Conditioning({key: value[index] for key, value in self.items()})

    def to(self, *args: object, **kwargs: object) -> Conditioning:
        return Conditioning({key: value.to(*args, **kwargs) for key, value in self.items()})  # type: ignore[call-overload]


def _padded(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors with zeros behind the shorter ones."""
    from torch.nn.functional import pad

    if tensors[0].ndim < 2:
        return list(tensors)
    longest = max(tensor.shape[1] for tensor in tensors)
    after = [0, 0] * (tensors[0].ndim - 2) + [0]
    return [t if t.shape[1] == longest else pad(t, [*after, longest - t.shape[1]]) for t in tensors]


class Backbone(ABC):
    """A base model, loaded. Its weights are frozen and never change but inside a block of ``applied``."""

    info: BackboneInfo
    device: torch.device
    dtype: torch.dtype
    """Of the denoiser's frozen weights while training and generating."""

    @property
    @abstractmethod
    def denoiser(self) -> nn.Module:
        """The module that denoiser adapters are injected into."""

    @property
    @abstractmethod
    def text_encoder_names(self) -> tuple[str, ...]:
        """Components beside ``denoiser`` that adapters can live in: ``text_encoder``, ``text_encoder_2``."""

    @abstractmethod
    def load_component(self, name: str) -> nn.Module:
        """The module of a component, ``denoiser`` or a text encoder; loads gigabytes if it isn't there yet."""

    def load_components(self) -> dict[str, nn.Module]:
        """All of them by name."""
        return {name: self.load_component(name) for name in ("denoiser", *self.text_encoder_names)}

    @abstractmethod
    def module_shapes(self) -> dict[str, tuple[int, ...]]:
        """Module key as adapter files know it -> shape of its weight, for all modules that an adapter can change.

        Loads nothing.
        """

    def file_parts(self, key: str) -> Sequence[tuple[str, slice]]:
        """What adapter files call a module of ``load_components()``, as (module key, rows of its output).

        One part for the whole module, but where the model has in one layer what files keep apart, such as the
        projections to queries, keys and values.
        """
        return [(key, slice(None))]

    @contextlib.contextmanager
    def training(self, batch: int, resolution: int) -> Iterator[None]:
        """Within the block the components' modules can take adapters and be differentiated.

        Args:
            batch: pictures in each step.
            resolution: side in pixels of a square as large as the largest picture.
        """
        del batch, resolution
        yield

    def gradients(self) -> contextlib.AbstractContextManager[object]:
        """What must hold around the forward and backward pass of one micro-batch."""
        return contextlib.nullcontext()

    @abstractmethod
    def encode_images(self, images: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1] -> scaled latents (B, C, h, w), float32."""

    @abstractmethod
    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        """Prompts -> conditioning of batch B. Differentiable with respect to the text encoders' adapters."""

    def tokenize(self, text: str) -> dict[str, list[str]]:
        """The pieces that each text encoder reads for ``text``, without marks of beginning and end, by component name.

        Empty where a base model's tokenizers aren't known.
        """
        del text
        return {}

    @abstractmethod
    def timesteps(self, u: Tensor) -> Timesteps:
        """Map u in [0, 1) (0 clean, 1 noise), shape (B,), to the model's timesteps and noise factors."""

    @abstractmethod
    def predict(self, x_t: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        """The denoiser's prediction (B, C, h, w) in ``info.prediction_type``'s terms, float32."""

    @abstractmethod
    def sample(
        self, noise: Tensor, conditioning: Conditioning, negative: Conditioning | None, *, steps: int, guidance: float
    ) -> Iterator[Tensor]:
        """Denoise from pure noise (B, C, h, w) to clean latents with the model's own sampler.

        Yields:
            The latents (B, C, h, w), float32, after each call of the denoiser; the last are clean. Some samplers warm
            up with a call or two more than ``steps``.

        Args:
            noise: standard normal, float32.
            conditioning: batch B.
            negative: batch B, or ``None`` for no classifier-free guidance.
            steps: denoising steps, 1 or more.
            guidance: classifier-free guidance scale; 1 means none.
        """

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents (B, C, h, w) -> pictures (B, 3, H, W) in [0, 1], float32."""

    @abstractmethod
    def release_encoders(self) -> None:
        """Give back the memory of autoencoder and text encoders; they are loaded again when next used."""
