"""The trigger word in captions: inserted, checked, shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ..core.errors import CaptionError
from ..data.dataset import Dataset, TriggerWord
from ..data.remarks import remarks
from ..data.tag_lists import separator_for

CaptionMode = Literal["prepend", "replace", "fill_missing"]
_TRIGGER = re.compile(r"\[(trigger|name)\]|\{trigger\}", re.IGNORECASE)
_CLASS = re.compile(r"\[class\]|\{class\}", re.IGNORECASE)
MODES = ("prepend", "replace", "fill_missing")


def apply_trigger(dataset: Dataset, trigger: TriggerWord, mode: CaptionMode) -> Dataset:
    """The data set with the trigger word in every caption.

    ``[trigger]``, ``{trigger}``, ``[class]`` and ``{class}`` in captions are filled in first, as is ``[name]``, which
    other programs have for the trigger word.

    Args:
        dataset: the data set; not modified.
        trigger: the word, the class word and the template of the phrase.
        mode: ``prepend`` puts the phrase before each caption without the trigger word; ``replace`` replaces every
            caption by the phrase; ``fill_missing`` uses the phrase only for records without a caption.

    Raises:
        CaptionError: the trigger word is empty, the template is unusable, the mode is unknown, or captions that
            ``fill_missing`` would keep lack the trigger word.
    """
    if mode not in MODES:
        raise CaptionError(
            f"Unknown caption mode {mode!r}.", expected=f"one of {', '.join(MODES)}", hint="choose one of these."
        )
    trigger = replace(trigger, word=trigger.word.strip(), class_word=trigger.class_word.strip())
    _check_template(trigger)
    captions = [_fill_in(r.caption or "", trigger) for r in dataset]
    lost = [r.name for r, c in zip(dataset, captions, strict=True) if c and not trigger.is_in(c)]
    if mode == "fill_missing" and lost:
        raise CaptionError(
            f"{len(lost)} captions lack the trigger word {trigger.word!r}, so it wouldn't be learned there:\n  "
            + "\n  ".join(lost),
            expected="the trigger word, or [trigger], in every caption",
            hint="use the mode prepend, or write the trigger word into these captions.",
        )
    return dataset.with_captions([_with_phrase(c, trigger, mode) for c in captions], trigger)


def give_captions(dataset: Dataset, captions: Sequence[str], *, keep_existing: bool = False) -> Dataset:
    """The data set with captions from elsewhere, one for each record in order; line breaks become spaces.

    Args:
        dataset: the data set; not modified.
        captions: blank ones mean no caption.
        keep_existing: whether existing captions are kept.

    Raises:
        CaptionError: there are more or fewer captions than records.
    """
    if len(captions) != len(dataset):
        raise CaptionError(
            f"Got {len(captions)} captions for the {len(dataset)} pictures of {dataset.name}.",
            expected="one caption for each picture, in the order of LW_PreviewDataset",
            hint="caption the pictures of this data set exactly, without those that were left out.",
        )
    written = [" ".join(caption.split()) or None for caption in captions]
    if keep_existing:
        written = [record.caption or caption for record, caption in zip(dataset, written, strict=True)]
    return dataset.with_captions(written)


def caption_table(dataset: Dataset) -> str:
    """Name, repeats and final caption of each record as a text table, then what is to be known of the files."""
    rows = [("Name", "Repeats", "Caption")]
    rows += [(_one_line(r.name), str(r.repeats), _one_line(r.caption or "(no caption)")) for r in dataset]
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{name:<{width}}  {repeats:>7}  {caption}" for name, repeats, caption in rows]
    if files := remarks(dataset):
        lines += ["", *map(_one_line, files)]
    return "\n".join(lines)


def _check_template(trigger: TriggerWord) -> None:
    if not trigger.word:
        raise CaptionError(
            "The trigger word is empty.",
            expected="a rare word that will stand for what the adapter learns, for example ohwx",
            hint="choose a word that the base model doesn't know.",
        )
    if "{trigger}" not in trigger.template:
        raise CaptionError(
            f"The template {trigger.template!r} has no {{trigger}} in it.",
            expected="a template such as: a photo of {trigger} {class}",
            hint="put {trigger} where the trigger word should be.",
        )
    if not trigger.is_in(trigger.phrase()):
        raise CaptionError(
            f"The trigger word runs into its neighbors in {trigger.phrase()!r}.",
            expected="{trigger} as a separate word in the template",
            hint="put spaces around {trigger}, unless its neighbor is of another script.",
        )
    rest = trigger.template.replace("{trigger}", "").replace("{class}", "")
    if unknown := re.findall(r"\{[^{}]*\}|[{}]", rest):
        raise CaptionError(
            f"The template {trigger.template!r} has unknown placeholders: {', '.join(unknown)}.",
            expected="{trigger} and {class} only",
            hint="remove the others.",
        )


def _fill_in(caption: str, trigger: TriggerWord) -> str:
    caption = _TRIGGER.sub(lambda _: trigger.word, caption)
    return _CLASS.sub(lambda _: trigger.class_word, caption).strip()


def _with_phrase(caption: str, trigger: TriggerWord, mode: CaptionMode) -> str:
    phrase = trigger.phrase()
    if mode == "replace" or not caption:
        return phrase
    if trigger.is_in(caption):
        return caption
    rest = caption.lstrip(" ,，、；")
    if not rest or phrase.endswith((",", "，", "、")):
        return f"{phrase}{' ' if rest and phrase.endswith(',') else ''}{rest}"
    return f"{phrase}{separator_for(phrase)}{rest}"


def _one_line(text: str) -> str:
    """Text for one row of the table: no line breaks, no control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))
