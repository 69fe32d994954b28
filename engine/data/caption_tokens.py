"""How many tokens captions take, in how many chunks, and where the trigger word falls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..core.words import first_of
from .dataset import Dataset, TriggerWord
from .limits import MAX_CHARACTERS
from .marks import unmarked
from .scripts import composed, find_word

_BEGINNING = 5
"""Tokens that are shown of a second chunk."""


class Tokenizing(Protocol):
    """A base model, for counting tokens; see its contract."""

    def tokenize(self, text: str) -> dict[str, list[str]]:
        """Text encoder -> tokens, without start and end."""
        ...

    @property
    def chunk_lengths(self) -> Mapping[str, int]:
        """Text encoder -> tokens that it reads at once, without start and end."""
        ...


@dataclass(frozen=True, kw_only=True)
class TokenCount:
    """The tokens of a text, by the text encoder that needs the most chunks."""

    tokens: tuple[str, ...]
    length: int
    """Tokens in a chunk."""

    @property
    def chunks(self) -> int:
        """At least 1."""
        return max(1, -(-len(self.tokens) // self.length))

    def in_words(self) -> str:
        """For example ``125 tokens in 5 chunks, the second from "long bushy tail"``."""
        words = f"{len(self.tokens)} tokens in {self.chunks} chunk{'s' * (self.chunks > 1)}"
        if self.chunks > 1:
            words += f', the second from "{" ".join(self.tokens[self.length : self.length + _BEGINNING])}"'
        return words


@dataclass(frozen=True, kw_only=True)
class CaptionTokens:
    """What is remarkable about the lengths of a data set's captions."""

    total: int
    """Number of captions."""
    long: dict[str, TokenCount]
    """Picture -> tokens, for captions of more than one chunk."""
    late: tuple[str, ...]
    """Pictures in whose captions the trigger word begins after the first chunk."""
    divided: tuple[str, ...]
    """Pictures in whose captions the trigger word is divided between two chunks."""
    absurd: dict[str, int]
    """Picture -> characters, for captions that are too long to be encoded."""
    words: str
    """The trigger words of the late and divided ones, quoted."""

    def lines(self) -> list[str]:
        """Everything remarkable, a line each; none for short captions."""
        found = []
        if self.absurd:
            told = first_of([f"{name} ({characters:,} characters)" for name, characters in self.absurd.items()])
            found.append(f"{len(self.absurd)} captions are longer than {MAX_CHARACTERS:,} characters: {told}")
        if self.long:
            found.append(self.long_in_words())
        if self.divided:
            found.append(f"the trigger word {self.words} is divided between two chunks in: {first_of(self.divided)}")
        if self.late:
            found.append(
                f"the trigger word {self.words} comes after the first chunk in: {first_of(self.late)}; it is learned, "
                "but programs that cut captions there wouldn't see it, so put it near the start"
            )
        return found

    def long_in_words(self) -> str:
        """Which captions take several chunks; there must be some."""
        length = next(iter(self.long.values())).length
        told = first_of([f"{name} ({count.in_words()})" for name, count in self.long.items()], 3, "; ")
        return (
            f"{len(self.long)} of {self.total} captions are longer than the {length} tokens that the text encoder "
            f"reads at once, and are encoded in chunks: {told}"
        )


def count_tokens(backbone: Tokenizing, text: str) -> TokenCount | None:
    """The tokens of a text; ``None`` if no text encoder reads in chunks."""
    lengths = backbone.chunk_lengths
    counts = [
        TokenCount(tokens=tuple(tokens), length=lengths[name])
        for name, tokens in backbone.tokenize(text).items()
        if name in lengths
    ]
    return max(counts, key=lambda count: count.chunks, default=None)


def caption_tokens(backbone: Tokenizing, dataset: Dataset, trigger: TriggerWord | None = None) -> CaptionTokens:
    """Count the tokens of all captions.

    Args:
        backbone: its tokenizers count; no weights are needed.
        dataset: pictures without a caption are left out.
        trigger: by default that of each picture.
    """
    triggers = {r.name: trigger or r.trigger or dataset.trigger for r in dataset}
    captions = {r.name: composed(unmarked(r.caption)) for r in dataset if r.caption}
    absurd = {name: len(caption) for name, caption in captions.items() if len(caption) > MAX_CHARACTERS}
    counts = {name: count_tokens(backbone, captions[name]) for name in captions if name not in absurd}
    long = {name: count for name, count in counts.items() if count and count.chunks > 1}
    places = {name: _chunks_of_word(backbone, captions[name], triggers[name], long[name].length) for name in long}
    late = tuple(name for name, (first, _) in places.items() if first > 0)
    divided = tuple(name for name, (first, last) in places.items() if first < last)
    words = dict.fromkeys(repr(word.word) for name in (*late, *divided) if (word := triggers[name]))
    return CaptionTokens(
        total=len(captions),
        long=long,
        late=late,
        divided=divided,
        absurd=absurd,
        words=", ".join(words),
    )


def prompt_lines(backbone: Tokenizing, prompts: Iterable[str]) -> list[str]:
    """A line for each prompt of more than one chunk."""
    counts = {prompt: count_tokens(backbone, prompt[:MAX_CHARACTERS]) for prompt in dict.fromkeys(prompts)}
    return [
        f'the prompt "{prompt[:40]}…" is encoded in chunks: {count.in_words()}'
        for prompt, count in counts.items()
        if count and count.chunks > 1
    ]


def _chunks_of_word(backbone: Tokenizing, caption: str, trigger: TriggerWord | None, length: int) -> tuple[int, int]:
    """The chunks with the first and the last token of the trigger word, from 0; of its first place in the caption."""
    place = find_word(caption, trigger.word) if trigger else None
    if place is None:
        return 0, 0
    before, through = (count_tokens(backbone, caption[:end]) for end in place)
    if before is None or through is None:
        return 0, 0
    return len(before.tokens) // length, (len(through.tokens) - 1) // length
