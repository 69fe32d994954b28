"""Words with token vectors of their own: textual inversion (Gal et al. 2022, arXiv:2208.01618, section 4.2).

A text encoder looks up a vector for each token of a prompt. Where such a word stands, its own vectors take the place of
those of its tokens, and nothing else of the model changes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from ..core.hashing import bytes_hash, value_hash
from ..data.scripts import composed, find_word

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, eq=False)
class WordEmbedding:
    """A word and its vectors."""

    word: str
    """As it stands in prompts; case doesn't matter."""
    vectors: Mapping[str, Tensor] = field(repr=False)
    """Text encoder -> (N, D), float32; N is that of all."""
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The header of its file."""

    @property
    def count(self) -> int:
        """How many vectors it has; each takes the room of a token."""
        return len(next(iter(self.vectors.values())))

    @cached_property
    def content_hash(self) -> str:
        values = [(name, bytes_hash(self.vectors[name].detach().numpy().tobytes())) for name in sorted(self.vectors)]
        return value_hash(composed(self.word).lower(), self.count, values)


Token: TypeAlias = "int | tuple[WordEmbedding, int]"
"""A token's id, or a vector of a word by its number."""


def pieces(prompt: str, words: Sequence[WordEmbedding]) -> Iterator[str | WordEmbedding]:
    """A prompt cut at the words in it, found as trigger words are; the whole prompt if there are none."""
    text = composed(prompt)
    while found := [(*place, own) for own in words if (place := find_word(text, own.word))]:
        start, end, own = min(found, key=lambda place: (place[0], -place[1]))
        if before := text[:start].strip():
            yield before
        yield own
        text = text[end:]
    if text == composed(prompt):
        yield prompt
    elif after := text.strip():
        yield after


@contextlib.contextmanager
def looked_up(table: nn.Module, rows: Sequence[Sequence[Token]], component: str) -> Iterator[list[list[int]]]:
    """Inside the block, a text encoder's table of token vectors gives words their own, with gradients.

    Args:
        table: maps ids (B, L) to vectors (B, L, D).
        rows: of equal lengths.
        component: the text encoder, as in ``WordEmbedding.vectors``.

    Yields:
        The ids to encode, B rows of L. Words have an id that no encoder takes for the end of a prompt.
    """
    import torch

    places = [
        (row, at, token) for row, own in enumerate(rows) for at, token in enumerate(own) if isinstance(token, tuple)
    ]
    ids = [[token if isinstance(token, int) else 0 for token in own] for own in rows]
    if not places:
        yield ids
        return
    index = torch.tensor([[row, at] for row, at, _ in places]).T.unbind()
    vectors = torch.stack([own.vectors[component][number] for _, _, (own, number) in places])

    def replaced(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        return output.index_put([part.to(output.device) for part in index], vectors.to(output))

    handle = table.register_forward_hook(replaced)
    try:
        yield ids
    finally:
        handle.remove()
