"""The trigger word in captions: inserted, checked, shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Literal

from ..core.errors import CaptionError
from ..core.words import first_of
from ..data.dataset import Dataset, TriggerWord
from ..data.remarks import remarks
from ..data.tag_lists import separator_for

CaptionMode = Literal["prepend", "replace", "fill_missing"]
_TRIGGER = re.compile(r"\[(trigger|name)\]|\{trigger\}", re.IGNORECASE)
_CLASS = re.compile(r"\[class\]|\{class\}", re.IGNORECASE)
MODES = ("prepend", "replace", "fill_missing")


def apply_trigger(
    dataset: Dataset, trigger: TriggerWord, mode: CaptionMode, by_folder: Mapping[str, TriggerWord] | None = None
) -> Dataset:
    """The data set with the trigger word in every caption.

    ``[trigger]``, ``{trigger}``, ``[class]`` and ``{class}`` in captions are filled in first, as is ``[name]``, which
    other programs have for the trigger word.

    Args:
        dataset: the data set; not modified.
        trigger: the word, the class word and the template of the phrase.
        mode: ``prepend`` puts the phrase before each caption without the trigger word; ``replace`` replaces every
            caption by the phrase; ``fill_missing`` uses the phrase only for records without a caption.
        by_folder: other trigger words for pictures in these folders; of several folders, the innermost counts.

    Raises:
        CaptionError: a folder has no picture, a trigger word is empty, the template is unusable, the mode is unknown,
            or captions that ``fill_missing`` would keep lack the trigger word.
    """
    if mode not in MODES:
        raise CaptionError(
            f"Unknown caption mode {mode!r}.", expected=f"one of {', '.join(MODES)}", hint="choose one of these."
        )
    triggers = _of_records(dataset, trigger, by_folder or {})
    for word in dict.fromkeys(triggers):
        _check_template(word)
    captions = [_fill_in(r.caption or "", word) for r, word in zip(dataset, triggers, strict=True)]
    lost = [r.name for r, c, word in zip(dataset, captions, triggers, strict=True) if c and not word.is_in(c)]
    if mode == "fill_missing" and lost:
        words = ", ".join(repr(word.word) for word in dict.fromkeys(triggers))
        raise CaptionError(
            f"{len(lost)} captions lack the trigger word {words}, so it wouldn't be learned there:\n  "
            + "\n  ".join(lost),
            expected="the trigger word, or [trigger], in every caption",
            hint="use the mode prepend, or write the trigger word into these captions.",
        )
    written = [_with_phrase(caption, word, mode) for caption, word in zip(captions, triggers, strict=True)]
    return dataset.with_captions(written).with_triggers(triggers)


def parse_folders(text: str, template: str) -> dict[str, TriggerWord]:
    """Trigger words by folder, from lines such as ``10_ohwx fox: ohwx, fox``; the class word is optional.

    Raises:
        CaptionError: a line has no colon, no trigger word, or the folder of another.
    """
    found: dict[str, TriggerWord] = {}
    for line in filter(None, map(str.strip, text.lstrip("\ufeff").splitlines())):
        read = re.fullmatch(r"(.+)[:：]([^,，、]+)(?:[,，、](.*))?", line)
        folder, word, class_word = (part.strip() for part in read.groups("")) if read else ("", "", "")
        folder = folder.strip("/")
        if not folder or not word or folder in found:
            raise CaptionError(
                f"Two lines are for the folder {folder!r}."
                if folder in found
                else f"Can't read the trigger word in {line!r}.",
                expected="a folder, a colon, the trigger word, and perhaps a comma and the class word",
                hint="write for example: foxes: ohwx, fox",
            )
        found[folder] = TriggerWord(word=word, class_word=class_word, template=template)
    return found


def _of_records(dataset: Dataset, trigger: TriggerWord, by_folder: Mapping[str, TriggerWord]) -> list[TriggerWord]:
    """The trigger word of each record.

    Raises:
        CaptionError: a folder has no picture.
    """
    own = replace(trigger, word=trigger.word.strip(), class_word=trigger.class_word.strip())
    unused = set(by_folder)
    triggers = []
    for record in dataset:
        # A folder may be given by its name or by its path.
        parents = [key for path in PurePosixPath(record.name).parents for key in (str(path), path.name)]
        folder = next((key for key in parents if key in by_folder), None)
        unused.discard(folder or "")
        triggers.append(by_folder[folder] if folder else own)
    if unused:
        folders = sorted({str(PurePosixPath(record.name).parent) for record in dataset} - {"."})
        raise CaptionError(
            f"No picture lies in {first_of(sorted(unused))}.",
            expected=f"folders of the data set: {first_of(folders) or 'it has none'}",
            hint="correct the names of the folders, or remove these lines.",
        )
    return triggers


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
