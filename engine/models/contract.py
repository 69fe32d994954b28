"""The interface of base models: all that training and generation use of them.

Shapes: B batch, C latent channels, h and w latent height and width, H and W picture height and width.
"""

from __future__ import annotations

import contextlib
import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ..core.hashing import value_hash
from ..data.scripts import composed
from ..diffusion.prediction import PredictionType
from ..diffusion.shift import Shift
from .quick_operations import quick_operations
from .traits import GenerationDefaults, KeyStyle, Traits
from .word_embeddings import WordEmbedding, pieces

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from typing_extensions import Self

_WITH_WORDS = "+"
"""Between the content hash of a base model and that of its words."""

CAPABILITIES: Mapping[str, str] = {
    "classifier_free_guidance": "is guided by a negative prompt",
    "guidance_input": "takes the guidance scale as an input, ``guidance`` in the conditioning",
    "prompts_see_pictures": "its text encoder sees the pictures to edit",
    "reference_guidance": "is guided by the picture to edit too, ``reference_guidance`` in the conditioning",
    "reference_pictures": "edits pictures, ``reference`` in the conditioning",
    "size_conditioning": "is told the size of pictures",
    "text_encoder_training": "has text encoders that take adapters",
}
"""What a base model may be able to do -> in words, after *it*."""


@dataclass(frozen=True, kw_only=True)
class BackboneInfo:
    """What is known about a base model without running it."""

    traits: Traits
    """Of its family. Code outside a family's file checks capabilities instead of its name."""
    content_hash: str
    prediction_type: PredictionType
    latent_channels: int
    latent_factor: int
    """Side of a picture divided by the side of its latent."""
    resolution: int
    """Side of the pictures that the model was trained on, in pixels."""
    target_presets: Mapping[str, tuple[str, ...]]
    """Preset -> ends of module keys in the denoiser; has all of ``TARGETS`` in ``training/settings/adapter.py``."""
    text_target_presets: Mapping[str, tuple[str, ...]]
    """The same for the text encoders."""
    key_style: KeyStyle
    shift: Shift = field(default_factory=Shift)
    """How the model's own sampler shifts noise levels; none unless it predicts ``flow``."""
    patch: int = 1
    """Side of the square of latent pixels that is one of the tokens that ``shift`` goes by."""
    name: str = ""
    """File or folder name of the model, for people."""
    generation: GenerationDefaults = field(default_factory=GenerationDefaults)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Recipe settings by name that this model declares; they suit it better than its family's."""
    recipe_reason: str = ""
    """Why these settings, for people."""
    capabilities: frozenset[str] = field(default_factory=frozenset)
    """Any of :data:`CAPABILITIES`."""

    @property
    def family(self) -> str:
        """Name of the family, for people and files."""
        return self.traits.name

    @property
    def architecture(self) -> str:
        """``modelspec.architecture`` without the ``/lora``."""
        return self.traits.architecture


@dataclass(frozen=True, kw_only=True)
class Timesteps:
    """Noise levels in the model's own terms, one per sample."""

    t: Tensor
    """The ``t`` of ``predict``, shape (B,)."""
    alpha: Tensor
    """Factor of the clean latent, shape (B,), float32."""
    sigma: Tensor
    """Factor of the noise, shape (B,), float32."""


class Conditioning(dict[str, "Tensor"]):
    """Encoded prompts: named tensors with the batch as first dimension.

    These names mean the same for every base model:

    - ``guidance``, shape (B,): the guidance scale, where the base model takes it as an input; 1 if there is none;
    - ``reference``, shape (B, C, h, w): the latents of the pictures to edit, as ``encode_images`` gives them;
    - ``reference_guidance``, shape (B,): the scale of guidance by these pictures, which ``sample`` reads.
    """

    @staticmethod
    def join(parts: Sequence[Conditioning]) -> Conditioning:
        """Concatenate batches.

        Tensors of different lengths in their second dimension are zero-padded at its end; a backbone that encodes
        prompts to different lengths keeps the lengths as a separate tensor.
        """
        import torch
        from torch.nn.functional import pad

        def padded(tensors: list[Tensor]) -> list[Tensor]:
            if tensors[0].ndim < 2:
                return tensors
            longest = max(tensor.shape[1] for tensor in tensors)
            after = [0, 0] * (tensors[0].ndim - 2)
            return [pad(t, [*after, 0, longest - t.shape[1]]) if t.shape[1] < longest else t for t in tensors]

        return Conditioning({key: torch.cat(padded([part[key] for part in parts])) for key in parts[0]})

    def pick(self, index: Tensor | slice) -> Conditioning:
        return Conditioning({key: value[index] for key, value in self.items()})

    def to(self, *args: object, **kwargs: object) -> Conditioning:
        return Conditioning({key: value.to(*args, **kwargs) for key, value in self.items()})  # type: ignore[call-overload]


class Source(NamedTuple):
    """Where a base model was loaded from, and how."""

    path: Path
    precision: str
    """As for ``load_base``."""


class Backbone(ABC):
    """A loaded base model. Its weights are frozen, and change only within the contexts of ``adapters/applying.py``."""

    info: BackboneInfo
    offloads_by_itself: ClassVar[bool] = False
    """Whether its host moves weights between devices, so that nothing else may."""
    device: torch.device
    dtype: torch.dtype
    """Dtype of the denoiser's activations, and of those of its frozen weights that aren't quantized."""
    source: Source | None = None
    """What it was loaded from, so that another process can load it too; ``None`` where that isn't possible."""
    words: tuple[WordEmbedding, ...] = ()
    """Words that prompts may have, with vectors of their own."""
    weights: str = ""
    """How the denoiser's frozen weights are quantized, for people, and why; empty where they aren't."""

    @property
    @abstractmethod
    def denoiser(self) -> nn.Module:
        """The module that takes denoiser adapters."""

    @property
    @abstractmethod
    def text_encoder_names(self) -> tuple[str, ...]:
        """Components other than ``denoiser`` that take adapters: ``text_encoder``, ``text_encoder_2``."""

    @abstractmethod
    def load_component(self, name: str) -> nn.Module:
        """The module of a component, ``denoiser`` or a text encoder. It may have to load gigabytes."""

    def load_components(self) -> dict[str, nn.Module]:
        """All components by name."""
        return {name: self.load_component(name) for name in ("denoiser", *self.text_encoder_names)}

    @abstractmethod
    def module_shapes(self) -> dict[str, tuple[int, ...]]:
        """Module key, as in adapter files -> shape of its weight, for all modules that take adapters.

        Norms, which adapters of others may change, are among them where ``applied`` needs them. It loads no weights.
        """

    def file_parts(self, key: str) -> Sequence[tuple[str, slice]]:
        """The modules in adapter files that make up a module of ``load_components()``: (module key, its output rows).

        Usually one, with all rows. Fused layers, such as one projection to queries, keys and values, are several in
        files. Layers that files have no name for have none.
        """
        return [(key, slice(None))]

    @abstractmethod
    def layer_weights(self, component: str) -> Iterator[tuple[str, Tensor]]:
        """(module key, weight) of each linear layer and convolution of a component, as exact as it is known here.

        Weights are as they came in, before they were rounded or quantized to compute with, where they can still be
        had so. Adapters that a model carries are in them.
        """

    @contextlib.contextmanager
    def training(self, batch: int, resolution: int) -> Iterator[None]:
        """Within the block, the components take adapters and are differentiable.

        Args:
            batch: pictures per step.
            resolution: side in pixels of a square with the area of the largest picture.
        """
        del batch, resolution
        yield

    def gradients(self) -> contextlib.AbstractContextManager[object]:
        """Context for the forward and backward pass of one micro-batch."""
        return quick_operations(self.device, self.dtype)

    @abstractmethod
    def encode_images(self, images: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1] -> scaled latents (B, C, h, w), float32."""

    @abstractmethod
    def encode_prompts(self, prompts: Sequence[str], pictures: Tensor | None = None) -> Conditioning:
        """Prompts -> conditioning of batch B, differentiable with respect to the text encoders' adapters.

        No token is cut off: prompts beyond what a text encoder reads at once are encoded in chunks.

        Args:
            prompts: of any lengths.
            pictures: the pictures to edit, (B, 3, H, W) in [-1, 1]; read with the capability ``prompts_see_pictures``.

        Raises:
            CaptionError: a prompt is absurdly long.
        """

    @property
    def known_words(self) -> dict[str, str]:
        """Word with vectors of its own -> content hash of these."""
        return {own.word: own.content_hash for own in self.words}

    def tokenize(self, text: str) -> dict[str, list[str]]:
        """Component -> tokens of ``text`` for each text encoder, without start and end tokens.

        A word with vectors of its own is there once for each. Empty if the base model's tokenizers are unknown.
        """
        found: dict[str, list[str]] = {}
        for piece in pieces(text, self.words):
            known = isinstance(piece, WordEmbedding)
            own = {name: [piece.word] * piece.count for name in piece.vectors} if known else self._tokens(piece)
            for name, tokens in own.items():
                found[name] = [*found.get(name, []), *tokens]
        return found

    def _tokens(self, text: str) -> dict[str, list[str]]:
        """As :meth:`tokenize`, of a text without such words."""
        del text
        return {}

    def token_vectors(self, text: str) -> dict[str, Tensor]:
        """Text encoder -> vectors (N, D) that it looks up for the tokens of ``text``, float32 on the CPU.

        Empty if words can't have vectors of their own here: the base model has text encoders other than CLIP's.
        """
        del text
        return {}

    def with_words(self, *words: WordEmbedding) -> Self:
        """This base model once more, sharing its weights, with words that have vectors of their own.

        Each replaces an earlier one of the same spelling.
        """
        kept = {composed(own.word).lower(): own for own in (*self.words, *words)}
        other = copy.copy(self)
        other.words = tuple(kept.values())
        known = self.info.content_hash.split(_WITH_WORDS)[0]
        made = value_hash(*sorted(own.content_hash for own in other.words))
        other.info = replace(self.info, content_hash=f"{known}{_WITH_WORDS}{made}")
        other.source = None  # whoever loads that has no such words
        return other

    @property
    def chunk_lengths(self) -> Mapping[str, int]:
        """Component -> tokens, without start and end, that a text encoder reads at once.

        Text encoders that read prompts of any length, or whose tokenizers are unknown, are left out.
        """
        return {}

    @abstractmethod
    def timesteps(self, u: Tensor) -> Timesteps:
        """Map u in [0, 1] (0 clean, 1 pure noise), shape (B,), to the model's timesteps and noise factors.

        With ``epsilon`` and ``v_prediction`` u chooses among the timesteps that the model was trained on. With ``flow``
        u is sigma itself: the recipe's distribution and shift have been applied to it, and the model's own sampling
        shift has no part in it.
        """

    @abstractmethod
    def predict(self, x_t: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        """The denoiser's prediction (B, C, h, w), of type ``info.prediction_type``, float32."""

    @abstractmethod
    def sample(
        self, noise: Tensor, conditioning: Conditioning, negative: Conditioning | None, *, steps: int, guidance: float
    ) -> Iterator[Tensor]:
        """Denoise from pure noise (B, C, h, w) to clean latents with the model's own sampler.

        Yields:
            Latents (B, C, h, w), float32, after each call of the denoiser; the last are clean. Some samplers make a
            call or two more than ``steps``.

        Args:
            noise: standard normal, float32.
            conditioning: batch B.
            negative: batch B, or ``None`` to turn classifier-free guidance off.
            steps: denoising steps, 1 or more.
            guidance: classifier-free guidance scale; 1 means none.
        """

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents (B, C, h, w) -> pictures (B, 3, H, W) in [0, 1], float32."""

    @abstractmethod
    def release_encoders(self) -> None:
        """Free the memory of autoencoder and text encoders; they are loaded again when next used."""
