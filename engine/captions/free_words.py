"""Words that mean nothing yet: proposals for a trigger word, always the same ones for the same data set."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from ..models.contract import Backbone
from .frequency import frequencies

CONSONANTS = "bcdfghjklmnpqrstvwxz"
VOWELS = "aeiou"
PATTERNS = ("cvcc", "ccvc", "cccv", "cccc")
TRIED = 400
"""Words that are made up and looked up before the shortest ones are chosen."""


def propose(seed: str, taken: Collection[str], backbone: Backbone | None, count: int) -> list[str]:
    """Four letters each, in no dictionary, in no caption, and in few pieces for the base's tokenizers.

    Args:
        seed: equal texts give equal words; the data set's and the class word's, so that the adapters of two data sets
            get words of their own.
        taken: words in lower case that aren't free.
        backbone: whose tokenizers count; without one the pieces aren't known.
        count: words wanted.
    """
    free = [word for word in islice(_made_up(seed), TRIED) if word not in taken and _unknown(word)]
    return sorted(free, key=lambda word: pieces(backbone, word))[:count]


def pieces(backbone: Backbone | None, text: str) -> int:
    """Into how many pieces the tokenizer that cuts ``text`` up most does it; 0 where that isn't known."""
    tokens = backbone.tokenize(text) if backbone else {}
    return max(map(len, tokens.values()), default=0)


def _made_up(seed: str) -> Iterator[str]:
    """Endless words without a letter twice, by the bytes of hashes: the same on every machine and version."""
    seen = set()
    number = 0
    while True:
        digest = hashlib.sha256(f"{seed}\n{number}".encode()).digest()
        number += 1
        word = "".join(_letter(kind, byte) for kind, byte in zip(PATTERNS[digest[0] % 4], digest[1:], strict=False))
        if len(set(word)) == len(word) and word not in seen:
            seen.add(word)
            yield word


def _letter(kind: str, byte: int) -> str:
    letters: Sequence[str] = VOWELS if kind == "v" else CONSONANTS
    return letters[byte % len(letters)]


def _unknown(word: str) -> bool:
    return not any(part.zipf for part in frequencies(word) or [])
