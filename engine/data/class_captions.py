"""Captions of the class: what a caption says with the class word in place of the trigger word."""

from __future__ import annotations

import re

from .dataset import Dataset, ImageRecord, TriggerWord
from .scripts import composed, find_word, is_unspaced

_BETWEEN = r"[\s,，、]*"


def class_caption(caption: str, trigger: TriggerWord) -> str:
    """The caption with the class word wherever the trigger word stands.

    A class word beside the trigger word isn't repeated: ``an ohwx fox, ohwx sitting`` becomes ``a fox, fox sitting``.

    Args:
        caption: captions without the trigger word are returned as they are.
        trigger: with a class word.
    """
    text, done = composed(caption), ""
    while found := find_word(text, trigger.word):
        start, end = found
        before = _without_last(done + text[:start], trigger.class_word)
        after = _without_first(text[end:], trigger.class_word)
        done, text = _with_article(before, trigger.class_word) + trigger.class_word, after
    return done + text


def without_trigger(caption: str, trigger: TriggerWord) -> str:
    """What the caption says of others than the subject: with the class word in place of the trigger word, or with the
    trigger word left out where there is no class word."""
    if trigger.class_word:
        return class_caption(caption, trigger)
    text = composed(caption)
    while found := find_word(text, trigger.word):
        before, after = text[: found[0]].rstrip(), text[found[1] :].lstrip(" \t,，、")
        blank = "" if is_unspaced(before[-1:]) or is_unspaced(after[:1]) else " "
        text = f"{before}{blank}{after}".strip()
    return text


def trigger_of(record: ImageRecord, dataset: Dataset) -> TriggerWord | None:
    """The trigger word of a record."""
    return record.trigger or dataset.trigger


def without_class_word(dataset: Dataset) -> list[str]:
    """Names of the records that have no class word."""
    words = [(record.name, trigger_of(record, dataset)) for record in dataset]
    return [name for name, trigger in words if not (trigger and trigger.class_word)]


def _without_first(text: str, word: str) -> str:
    """The text without a word at its beginning, where nothing but a comma is before it."""
    found = find_word(text, word)
    return text[found[1] :] if found and re.fullmatch(_BETWEEN, text[: found[0]]) else text


def _without_last(text: str, word: str) -> str:
    """The text without a word at its end."""
    kept = text.rstrip()
    at = max(0, len(kept) - len(word) - 1)  # with the character before, which may belong to the word
    found = find_word(kept[at:], word)
    return kept[: at + found[0]] if found and at + found[1] == len(kept) else text


def _with_article(before: str, word: str) -> str:
    """The text before a word, with the indefinite article of English that the word wants where there is one."""

    def fitting(found: re.Match[str]) -> str:
        article = "an" if word[0].lower() in "aeiou" else "a"
        return (article.capitalize() if found[1][0].isupper() else article) + found[2]

    return re.sub(r"(?<!\w)(an?)(\s+)$", fitting, before, flags=re.IGNORECASE)
