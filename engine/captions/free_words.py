"""Invented words without a meaning: proposals for a trigger word, always the same ones for the same data set."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterator

from ..models.contract import Backbone
from .frequency import frequencies

LETTERS = {"c": "bcdfghjklmnpqrstvwxz", "v": "aeiou"}
PATTERNS = ("cvcc", "ccvc", "cccv", "cccc")
CANDIDATES = 400
"""Invented words to look up before the ones with the fewest tokens are chosen."""


def propose(seed: str, taken: Collection[str], backbone: Backbone | None, count: int) -> list[str]:
    """Words of four letters that are in no dictionary and take few tokens, those with the fewest tokens first.

    Args:
        seed: equal texts give equal words. With the names of data set and class, the adapters of two data sets get
            different words.
        taken: words that can't be used, in lower case.
        backbone: its tokenizers count the tokens; without one the number of tokens is ignored.
        count: number of words.
    """
    candidates = (word for word in itertools.islice(_invented(seed), CANDIDATES) if word not in taken)
    free = [word for word in candidates if not any(part.zipf for part in frequencies(word) or [])]
    return sorted(free, key=lambda word: token_count(backbone, word))[:count]


def token_count(backbone: Backbone | None, text: str) -> int:
    """Number of tokens in ``text``, the largest of several tokenizers; 0 if unknown."""
    tokens = backbone.tokenize(text) if backbone else {}
    return max(map(len, tokens.values()), default=0)


def _invented(seed: str) -> Iterator[str]:
    """Endless words without repeated letters, from the bytes of hashes: the same on every machine and version."""
    seen = set()
    for number in itertools.count():
        digest = hashlib.sha256(f"{seed}\n{number}".encode()).digest()
        letters = (LETTERS[kind] for kind in PATTERNS[digest[0] % 4])
        word = "".join(choice[byte % len(choice)] for choice, byte in zip(letters, digest[1:], strict=False))
        if len(set(word)) == len(word) and word not in seen:
            seen.add(word)
            yield word
