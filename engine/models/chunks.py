"""Prompts as chunks of tokens, so that no part of a long prompt is cut off.

A CLIP text encoder reads a fixed number of tokens at once. As in ComfyUI, longer prompts are split into chunks, each
between a start and an end token, and the encoded chunks follow each other in the conditioning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.errors import CaptionError
from ..data.limits import MAX_CHARACTERS
from .word_embeddings import Token, WordEmbedding, pieces

if TYPE_CHECKING:
    from torch import Tensor

LENGTHS = "lengths"
"""Name in the conditioning of the number of states of each prompt, shape (B,); the rest is padding."""
MARKS = 2
"""Tokens of a chunk that aren't the prompt's: start and end."""


def check_length(prompts: Iterable[str]) -> None:
    """Refuse prompts that can't be meant as such.

    Raises:
        CaptionError: a prompt is longer than ``MAX_CHARACTERS``.
    """
    for prompt in prompts:
        if len(prompt) > MAX_CHARACTERS:
            raise CaptionError(
                f"A caption or prompt has {len(prompt):,} characters; it begins {prompt[:60]!r}.",
                expected=f"at most {MAX_CHARACTERS:,} characters, about {MAX_CHARACTERS // 4:,} tokens",
                hint="shorten it; if it comes from a file, check that the file holds a caption.",
            )


def chunks_of(tokenizer: Any, prompt: str, length: int, words: Sequence[WordEmbedding] = ()) -> list[list[Token]]:
    """The chunks of one prompt, at least one, each padded to ``length`` tokens.

    Args:
        tokenizer: of transformers, with start, end and padding token.
        prompt: may be empty.
        length: tokens that the text encoder reads at once, with start and end.
        words: that have vectors of their own.

    Raises:
        CaptionError: the prompt is longer than ``MAX_CHARACTERS``.
    """
    check_length([prompt])
    start, end = tokenizer("", verbose=False).input_ids
    tokens = [*_tokens(tokenizer, prompt, words)]
    room = length - MARKS
    parts = [tokens[at : at + room] for at in range(0, len(tokens), room)] or [[]]
    return [[start, *part, end, *[tokenizer.pad_token_id] * (room - len(part))] for part in parts]


def _tokens(tokenizer: Any, prompt: str, words: Sequence[WordEmbedding]) -> Iterator[Token]:
    for piece in pieces(prompt, words):
        if isinstance(piece, str):
            yield from tokenizer(piece, add_special_tokens=False, verbose=False).input_ids
        else:
            yield from ((piece, number) for number in range(piece.count))


def in_rows(chunks: Sequence[Sequence[list[Token]]], counts: Sequence[int], empty: list[Token]) -> list[list[Token]]:
    """The chunks of all prompts below each other, each prompt filled up to its count with empty chunks."""
    return [row for own, count in zip(chunks, counts, strict=True) for row in [*own, *[empty] * (count - len(own))]]


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """What a text encoder makes of the chunks of B prompts."""

    output: Any
    """The text encoder's, with a row for each chunk."""
    counts: Sequence[int]
    """Number of chunks of each prompt."""

    def sequences(self, states: Tensor) -> Tensor:
        """States of the chunks (rows, L, D) as those of the prompts (B, N L, D), zero-padded to the most chunks N."""
        import torch

        if max(self.counts) == 1:
            return states
        own = [rows.flatten(0, 1) for rows in states.split(list(self.counts))]
        return torch.nn.utils.rnn.pad_sequence(own, batch_first=True)

    def lengths(self, states: Tensor) -> Tensor:
        """How much of each prompt's sequence isn't padding, shape (B,)."""
        import torch

        return states.new_tensor(self.counts, dtype=torch.long) * states.shape[1]

    def firsts(self, pooled: Tensor) -> Tensor:
        """The vectors of the first chunks, (B, D), of one for each chunk."""
        return pooled[[sum(self.counts[:number]) for number in range(len(self.counts))]]
