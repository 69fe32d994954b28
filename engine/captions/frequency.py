"""How common a word is in English text, from wordfreq's lists (https://github.com/rspeer/wordfreq)."""

from __future__ import annotations

from dataclasses import dataclass

COMMON = 3.5
"""Zipf value from which a word counts as common: the middle of the scale, about one in 300,000 words of text."""
KNOWN = 2.5
"""Zipf value below which a word counts as rare: a name or an abbreviation, such as ``sks``."""


@dataclass(frozen=True, kw_only=True)
class WordFrequency:
    """One word and how common it is."""

    word: str
    zipf: float
    """Base-10 logarithm of its occurrences in a billion words: 7.7 for ``the``, 0 for words in no list."""

    def in_words(self) -> str:
        """For example ``a common English word (1 in 8,000)``."""
        if not self.zipf:
            return "not an English word"
        kind = "common" if self.zipf >= COMMON else "known" if self.zipf >= KNOWN else "rare"
        one_in = float(f"{10 ** (9 - self.zipf):.0e}")  # one significant digit
        return f"a {kind} English word (1 in {one_in:,.0f})"


def frequencies(text: str) -> list[WordFrequency] | None:
    """Each word of ``text``, as wordfreq splits it; ``None`` if wordfreq isn't installed."""
    try:
        import wordfreq
    except ImportError:
        return None
    words = wordfreq.tokenize(text, "en")
    return [WordFrequency(word=word, zipf=wordfreq.zipf_frequency(word, "en")) for word in words]
