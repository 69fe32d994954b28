"""The trigger word in the captions: put in, looked for, shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ..core.errors import CaptionError
from ..data.dataset import Dataset, TriggerWord
from ..data.trigger_word import has_trigger

CaptionMode = Literal["prepend", "replace", "fill_missing"]
MODES = ("prepend", "replace", "fill_missing")


def apply_trigger(dataset: Dataset, trigger: TriggerWord, mode: CaptionMode) -> Dataset:
    """The data set with captions that all hold the trigger word.

    ``[trigger]``, ``{trigger}``, ``[class]`` and ``{class}`` inside captions are filled in first.

    Args:
        dataset: left as it is.
        trigger: the word, the class word and the template of the phrase.
        mode: ``prepend`` puts the phrase before each caption that lacks the trigger word; ``replace`` makes the
            phrase every caption; ``fill_missing`` gives it to records without a caption and leaves the others.

    Raises:
        CaptionError: the trigger word is empty, the template isn't usable, the mode isn't known, or captions that
            ``fill_missing`` would keep lack the trigger word.
    """
    if mode not in MODES:
        raise CaptionError(
            f"Caption mode {mode!r} isn't known.", expected=f"one of {', '.join(MODES)}", hint="choose one of them."
        )
    trigger = replace(trigger, word=trigger.word.strip(), class_word=trigger.class_word.strip())
    _check(trigger)
    captions = [_fill_in(r.caption or "", trigger) for r in dataset]
    if mode == "fill_missing":
        _refuse_lost_trigger(dataset, captions, trigger)
    return dataset.with_captions([_caption(c, trigger, mode) for c in captions], trigger)


def give_captions(dataset: Dataset, captions: Sequence[str], *, keep_existing: bool = False) -> Dataset:
    """The data set with captions from elsewhere, one for each record in order; line breaks in them become blanks.

    Args:
        dataset: left as it is.
        captions: blank ones stand for none.
        keep_existing: whether records that have a caption keep it.

    Raises:
        CaptionError: there are more or fewer captions than records.
    """
    if len(captions) != len(dataset):
        raise CaptionError(
            f"{len(captions)} captions came for the {len(dataset)} pictures of {dataset.name}.",
            expected="one caption for each picture, in the order of LW_PreviewDataset",
            hint="describe the very pictures of this data set; a picture that was left out takes its caption along.",
        )
    written = [" ".join(caption.split()) or None for caption in captions]
    if keep_existing:
        written = [record.caption or caption for record, caption in zip(dataset, written, strict=True)]
    return dataset.with_captions(written)


def caption_table(dataset: Dataset) -> str:
    """Name, repeats and final caption of each record as a text table, then the files that were left out."""
    rows = [("Name", "Repeats", "Caption")]
    rows += [(_one_line(r.name), str(r.repeats), _one_line(r.caption or "(no caption)")) for r in dataset]
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{name:<{width}}  {repeats:>7}  {caption}" for name, repeats, caption in rows]
    if dataset.skipped:
        lines += ["", f"Left out ({len(dataset.skipped)}):"]
        lines += [f"{_one_line(s.name)}: {_one_line(s.reason)}" for s in dataset.skipped]
    return "\n".join(lines)


def _check(trigger: TriggerWord) -> None:
    if not trigger.word:
        raise CaptionError(
            "The trigger word is empty.",
            expected="a rare word that calls what the adapter learns, for example ohwx",
            hint="choose a word that the base model doesn't know already.",
        )
    if "{trigger}" not in trigger.template:
        raise CaptionError(
            f"The template {trigger.template!r} has no {{trigger}} in it.",
            expected="a template such as: a photo of {trigger} {class}",
            hint="put {trigger} where the trigger word should stand.",
        )
    if not has_trigger(trigger.phrase(), trigger):
        raise CaptionError(
            f"The trigger word runs into its neighbors in {trigger.phrase()!r}.",
            expected="{trigger} as a word of its own in the template",
            hint="put blanks around {trigger}.",
        )
    rest = trigger.template.replace("{trigger}", "").replace("{class}", "")
    if unknown := re.findall(r"\{[^{}]*\}|[{}]", rest):
        raise CaptionError(
            f"The template {trigger.template!r} has placeholders that aren't known: {', '.join(unknown)}.",
            expected="{trigger} and {class} only",
            hint="take the others out.",
        )


def _fill_in(caption: str, trigger: TriggerWord) -> str:
    for field, word in (("trigger", trigger.word), ("class", trigger.class_word)):
        caption = re.sub(rf"\[{field}\]|\{{{field}\}}", lambda _, word=word: word, caption, flags=re.IGNORECASE)
    return caption.strip()


def _caption(caption: str, trigger: TriggerWord, mode: CaptionMode) -> str:
    phrase = trigger.phrase()
    if mode == "replace" or not caption:
        return phrase
    if has_trigger(caption, trigger):
        return caption
    rest = caption.lstrip(" ,")
    return f"{phrase}{'' if phrase.endswith(',') else ','} {rest}" if rest else phrase


def _refuse_lost_trigger(dataset: Dataset, captions: list[str], trigger: TriggerWord) -> None:
    lost = [r.name for r, c in zip(dataset, captions, strict=True) if c and not has_trigger(c, trigger)]
    if lost:
        raise CaptionError(
            f"{len(lost)} captions lack the trigger word {trigger.word!r}, so it would not be learned there:\n  "
            + "\n  ".join(lost),
            expected="the trigger word, or [trigger], in every caption that is kept",
            hint="use the mode prepend, or write the trigger word into these captions.",
        )


def _one_line(text: str) -> str:
    """Text that stays in its row of the table: no line breaks, no control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))
