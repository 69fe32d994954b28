"""Training the vectors of a word: textual inversion (Gal et al. 2022, arXiv:2208.01618, eq. 2)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..models.contract import Backbone
from ..models.word_embeddings import WordEmbedding

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class TrainedVectors:
    """The vectors of a word, for all text encoders.

    Args:
        word: as it stands in captions.
        first: text encoder -> first values (N, D), float32.
        device: where they are trained.
    """

    def __init__(self, word: str, first: Mapping[str, Tensor], device: torch.device) -> None:
        import torch

        self._made = {name: torch.nn.Parameter(value.to(device, copy=True)) for name, value in first.items()}
        self.embedding = WordEmbedding(word=word, vectors=self._made)
        """The word with what is in training."""

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """``<text encoder>.vectors`` -> (N, D), float32."""
        return {f"{name}.vectors": parameter for name, parameter in self._made.items()}

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Set all vectors; names as in ``parameters``."""
        import torch

        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(values[name])

    def result(self) -> dict[str, Tensor]:
        """Text encoder -> vectors (N, D), float32, on the CPU."""
        return {name: parameter.detach().to("cpu", copy=True) for name, parameter in self._made.items()}


@contextlib.contextmanager
def in_training(base: Backbone, word: str, first: Mapping[str, Tensor]) -> Iterator[TrainedVectors]:
    """Inside the block, prompts of a base model have vectors in training in the place of a word."""
    base.load_components()  # text encoders of ComfyUI's give gradients as components
    trainee = TrainedVectors(word, first, base.device)
    before = base.words
    base.words = (*(own for own in before if own.word != word), trainee.embedding)
    try:
        yield trainee
    finally:
        base.words = before
