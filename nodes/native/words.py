"""Words with vectors of their own in prompts that ComfyUI tokenizes, by its own way for them: ``embedding:name``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...engine.models.word_embeddings import WordEmbedding, pieces
from .encoders import tokenizers_of
from .seam import CLIP

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_NAME = "lora-workbench-word-"
"""Names that no file has, for ComfyUI's tokenizers."""


def named(prompt: str, words: Sequence[WordEmbedding], literal: Callable[[str], str]) -> str:
    """A prompt with the words as ComfyUI writes them, and the rest made ``literal``."""
    numbers = {id(own): number for number, own in enumerate(words)}
    parts = pieces(prompt, words)
    return " ".join(literal(p) if isinstance(p, str) else f"embedding:{_NAME}{numbers[id(p)]}" for p in parts)


@contextlib.contextmanager
def known(clip: CLIP, words: Sequence[WordEmbedding]) -> Iterator[None]:
    """Inside the block, ComfyUI's tokenizers know the words by the names that :func:`named` gives them."""
    with contextlib.ExitStack() as tokenizers:
        if words:
            for component, tokenizer in tokenizers_of(clip).items():
                vectors = [own.vectors[component] for own in words]
                tokenizers.enter_context(_knowing(tokenizer, vectors))
        yield


@contextlib.contextmanager
def _knowing(tokenizer: Any, vectors: Sequence[Tensor]) -> Iterator[None]:
    find, folder = tokenizer._try_get_embedding, tokenizer.embedding_directory

    def found(text: str) -> tuple[Any, ...]:
        """(vectors or nothing, …): what follows has changed with ComfyUI's versions, and is left as it comes."""
        name = text.split()[0]
        _, *rest = find(text)
        own = vectors[int(name.removeprefix(_NAME))] if name.startswith(_NAME) else find(text)[0]
        return own, *rest

    tokenizer._try_get_embedding = found
    tokenizer.embedding_directory = [] if folder is None else folder  # without any it doesn't look
    try:
        yield
    finally:
        del tokenizer._try_get_embedding
        tokenizer.embedding_directory = folder
