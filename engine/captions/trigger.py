"""Whether a word makes a good trigger word, according to tokenizers, dictionary, captions and base model."""

from __future__ import annotations

import difflib
import re
from collections.abc import Generator
from dataclasses import dataclass

from ..core.cache import TensorCache
from ..core.errors import CaptionError
from ..core.events import Event
from ..core.words import missing
from ..data.caption_tokens import caption_tokens
from ..data.dataset import Dataset, TriggerWord
from ..models.contract import Backbone
from .free_words import propose, token_count
from .frequency import COMMON, WordFrequency, frequencies
from .reaction import Reaction, reactions

MAX_TOKENS = 4
"""With more tokens, a word takes up room in every caption and prompt, and is easily mistyped."""
ALIKE = 0.8
"""Share of equal letters (difflib's ratio) from which two words are easily confused."""
TESTED, PROPOSED = 8, 3
"""Number of free words to test with the base model, and number of those to propose."""


@dataclass(frozen=True, kw_only=True)
class TriggerReport:
    """Everything known about a word. Warnings don't stop anyone from using it."""

    word: str
    frequencies: tuple[WordFrequency, ...] | None
    """Of each part of the word; ``None`` if no dictionary is installed."""
    tokens: dict[str, list[str]]
    """Text encoder -> tokens; empty without a base model."""
    reaction: Reaction | None
    """The base model's reaction; ``None`` without a base model."""
    clashes: tuple[str, ...]
    """Conflicts with the captions and the class word, in words."""
    in_captions: tuple[int, int] | None
    """Number of captions with the word, and of all captions; ``None`` without a data set."""
    free_words: tuple[str, ...]
    """Proposals, best first, tested in the same way."""
    captions: tuple[str, ...] = ()
    """What is remarkable about the lengths of the captions and the word's place in them."""

    @property
    def warnings(self) -> list[str]:
        """Reasons not to use the word, in short phrases; empty for a good one."""
        found = []
        common = [part for part in self.frequencies or () if part.zipf >= COMMON]
        if common and common[0].word == self.word.lower():
            found.append(common[0].in_words())
        else:
            found += [f"contains {part.word!r}, {part.in_words()}" for part in common]
        if self.reaction and self.reaction.known:
            found.append("the base model already knows it")
        tokens = max(map(len, self.tokens.values()), default=0)
        if tokens > MAX_TOKENS:
            found.append(f"it takes {tokens} tokens")
        return [*found, *self.clashes]

    def text(self) -> str:
        """The report as text; the first line is the verdict."""
        lines = [f"{self.word}: {'; '.join(self.warnings) or 'free'}"]
        if self.frequencies is None:
            lines.append(f"  not looked up in a dictionary: {missing('wordfreq', 'captions')}")
        else:
            lines += [f"  {part.word}: {part.in_words()}" for part in self.frequencies]
        for encoder, tokens in self.tokens.items():
            lines.append(f"  {encoder} reads {len(tokens)} token{'s' * (len(tokens) != 1)}: {' '.join(tokens)}")
        if self.reaction:
            lines.append(f"  {self.reaction.in_words()}")
        if self.in_captions:
            lines.append(f"  found in {self.in_captions[0]} of {self.in_captions[1]} captions")
        lines += [f"  {line}" for line in self.captions]
        if self.free_words:
            lines.append(f"Free words: {', '.join(self.free_words)}")
        return "\n".join(lines)


def check_trigger(
    word: str, class_word: str, *, dataset: Dataset | None, backbone: Backbone | None, cache: TensorCache
) -> Generator[Event, None, TriggerReport]:
    """Test a trigger word, and propose free ones.

    Args:
        word: one or several words; if empty, the first free word is tested.
        class_word: may be empty.
        dataset: its captions are searched for conflicts.
        backbone: its tokenizers and denoiser are used.
        cache: for the base model's reactions.

    Raises:
        CaptionError: the word contains a line break or is longer than 60 characters.
    """
    word, class_word = word.strip(), class_word.strip()
    _check_length(word)
    taken = {*word.lower().split(), *class_word.lower().split()} | (_words(dataset) if dataset else set())
    free = propose(f"{dataset.name if dataset else ''}\n{class_word}", taken, backbone, TESTED)
    found: dict[str, Reaction] = {}
    if backbone is not None:
        found = yield from reactions(backbone, [*filter(None, [word]), *free], cache)
        free.sort(key=lambda each: (found[each].known, token_count(backbone, each), found[each].value))
    word = word or free[0]
    parts = frequencies(word)
    return TriggerReport(
        word=word,
        frequencies=None if parts is None else tuple(parts),
        tokens=backbone.tokenize(word) if backbone else {},
        reaction=found.get(word),
        clashes=tuple(clashes(word, class_word, dataset)),
        in_captions=_in_captions(word, dataset) if dataset else None,
        free_words=tuple(free[:PROPOSED]),
        captions=tuple(_lengths(word, dataset, backbone)),
    )


def clashes(word: str, class_word: str, dataset: Dataset | None) -> list[str]:
    """Conflicts of a trigger word with the class word and the captions, in words."""
    found = []
    if class_word and TriggerWord(word=word).is_in(class_word):
        found.append(f"it is the class word {class_word!r} or part of it")
    if dataset is None:
        return found
    with_word, captions = _in_captions(word, dataset)
    if 0 < with_word < captions:
        found.append(f"{with_word} of {captions} captions already contain it, perhaps with another meaning")
    near = difflib.get_close_matches(word.lower(), sorted(_words(dataset) - {*word.lower().split()}), 1, ALIKE)
    if near:
        found.append(f"easily confused with {near[0]!r} in the captions")
    return found


def _check_length(word: str) -> None:
    if "\n" in word or len(word) > 60:
        raise CaptionError(
            f"The trigger word has {len(word)} characters, or several lines.",
            expected="a word or two, such as ohwx",
            hint="enter a short word, or none to use the first free word.",
        )


def _in_captions(word: str, dataset: Dataset) -> tuple[int, int]:
    """Number of captions with the word, and of all captions."""
    captions = [record.caption for record in dataset if record.caption]
    return sum(map(TriggerWord(word=word).is_in, captions)), len(captions)


def _lengths(word: str, dataset: Dataset | None, backbone: Backbone | None) -> list[str]:
    if dataset is None or backbone is None:
        return []
    trigger = TriggerWord(word=word)
    return caption_tokens(backbone, dataset, trigger).lines()


def _words(dataset: Dataset) -> set[str]:
    """All words of the captions, in lower case."""
    return {word for record in dataset for word in re.findall(r"\w+", (record.caption or "").lower())}
