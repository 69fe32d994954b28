"""Whether a word is fit to be a trigger word: what tokenizers, dictionary, captions and base model say of it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from ..core.cache import TensorCache
from ..core.errors import CaptionError
from ..core.events import Event
from ..data.dataset import Dataset, TriggerWord
from ..data.trigger_word import has_trigger
from ..models.contract import Backbone
from .free_words import pieces, propose
from .frequency import COMMON, WordFrequency, frequencies, not_looked_up
from .reaction import Reaction, reactions

MANY_PIECES = 4
"""From so many on, a word takes room in every caption and prompt, and is easily mistyped."""
ALIKE = 0.8
"""Share of equal letters (difflib's ratio) from which two words are easily confused."""
WEIGHED, PROPOSED = 8, 3
"""Free words that the base model is tried with, and of these the ones proposed."""


@dataclass(frozen=True, kw_only=True)
class TriggerReport:
    """What is known of a word; nothing in it is a refusal."""

    word: str
    frequencies: tuple[WordFrequency, ...] | None
    """Of each part of the word, or ``None`` where no dictionary is installed."""
    tokens: dict[str, list[str]]
    """Text encoder -> pieces; empty without a base model."""
    reaction: Reaction | None
    """The base model's; ``None`` without one."""
    clashes: tuple[str, ...]
    """What in the captions and the class word is in the way, in words."""
    in_captions: tuple[int, int] | None
    """Captions that hold the word already, and captions at all; ``None`` without a data set."""
    free_words: tuple[str, ...]
    """Proposals, best first, checked in the same way."""

    @property
    def warnings(self) -> list[str]:
        """What speaks against the word, in short sentences; empty for a good one."""
        found = []
        common = [part for part in self.frequencies or () if part.zipf >= COMMON]
        if common:
            found.append(_common(common, self.word))
        if self.reaction and self.reaction.known:
            found.append("the base already draws it")
        most = max(map(len, self.tokens.values()), default=0)
        if most > MANY_PIECES:
            found.append(f"cut into {most} pieces")
        return [*found, *self.clashes]

    def text(self) -> str:
        """The report for people; its first line is the verdict."""
        lines = [f"{self.word}: {'; '.join(self.warnings) or 'free'}"]
        if self.frequencies is None:
            lines.append(f"  {not_looked_up()}")
        else:
            lines += [f"  {part.word}: {part.in_words()}" for part in self.frequencies]
        for encoder, parts in self.tokens.items():
            lines.append(f"  {encoder} reads {len(parts)} piece{'s' * (len(parts) != 1)}: {' '.join(parts)}")
        if self.reaction:
            lines.append(f"  {self.reaction.in_words()}")
        if self.in_captions:
            lines.append(f"  stands in {self.in_captions[0]} of {self.in_captions[1]} captions")
        if self.free_words:
            lines.append(f"Free words: {', '.join(self.free_words)}")
        return "\n".join(lines)


def check_trigger(
    word: str, class_word: str, *, dataset: Dataset | None, backbone: Backbone | None, cache: TensorCache
) -> Generator[Event, None, TriggerReport]:
    """Weigh a trigger word, and propose free ones.

    Args:
        word: one or several words; an empty one takes the first free word.
        class_word: may be empty.
        dataset: whose captions it mustn't clash with.
        backbone: whose tokenizers and denoiser are asked.
        cache: for the base model's reactions.

    Raises:
        CaptionError: the word holds a line break or is longer than a caption should be.
    """
    word, class_word = word.strip(), class_word.strip()
    _check(word)
    free = propose(_seed(class_word, dataset), _taken(word, class_word, dataset), backbone, WEIGHED)
    found: dict[str, Reaction] = {}
    if backbone is not None:
        found = yield from reactions(backbone, [*filter(None, [word]), *free], cache)
        free.sort(key=lambda each: (found[each].known, pieces(backbone, each), found[each].value))
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
    )


def clashes(word: str, class_word: str, dataset: Dataset | None) -> list[str]:
    """What the class word and the captions have against a trigger word, in words."""
    found = []
    if class_word and has_trigger(class_word, TriggerWord(word=word)):
        found.append(f"it is the class word {class_word!r}, or a part of it")
    if dataset is None:
        return found
    holding, captions = _in_captions(word, dataset)
    if 0 < holding < captions:
        found.append(f"{holding} of {captions} captions hold it already, so they say it in another sense")
    near = difflib.get_close_matches(word.lower(), sorted(_words(dataset) - {*word.lower().split()}), 1, ALIKE)
    if near:
        found.append(f"easily confused with {near[0]!r}, which stands in captions")
    return found


def _check(word: str) -> None:
    if "\n" in word or len(word) > 60:
        raise CaptionError(
            f"The trigger word is {len(word)} letters long, or has several lines.",
            expected="a word or two, such as ohwx",
            hint="write a short word, or nothing to take the first free one.",
        )


def _common(parts: Sequence[WordFrequency], word: str) -> str:
    if parts[0].word == word.lower():
        return parts[0].in_words()
    return "; ".join(f"holds {part.word!r}, {part.in_words()}" for part in parts)


def _in_captions(word: str, dataset: Dataset) -> tuple[int, int]:
    captions = [record.caption for record in dataset if record.caption]
    return sum(has_trigger(caption, TriggerWord(word=word)) for caption in captions), len(captions)


def _words(dataset: Dataset) -> set[str]:
    return {word for record in dataset for word in re.findall(r"\w+", (record.caption or "").lower())}


def _taken(word: str, class_word: str, dataset: Dataset | None) -> set[str]:
    return {*word.lower().split(), *class_word.lower().split()} | (_words(dataset) if dataset else set())


def _seed(class_word: str, dataset: Dataset | None) -> str:
    return f"{dataset.name if dataset else ''}\n{class_word}"
