"""What a person should know of preservation with the base model as the teacher, before a run starts."""

from __future__ import annotations

from collections.abc import Iterator

from ..data.class_captions import class_caption, trigger_of
from ..data.dataset import Dataset
from .recipe import Recipe


def preservation_notes(recipe: Recipe, dataset: Dataset) -> Iterator[str]:
    """A sentence each: which captions are preserved, and what works against it."""
    settings, captions = recipe.prior, recipe.captions
    if settings.output_preservation:
        yield from _class_notes(dataset)
    if settings.blank_preservation and captions.caption_dropout:
        yield (
            f"caption_dropout = {captions.caption_dropout:g} teaches the empty prompt the pictures, and "
            f"blank_preservation = {settings.blank_preservation:g} keeps it from learning them: set one of them to 0."
        )


def _class_notes(dataset: Dataset) -> Iterator[str]:
    pairs = [(record, trigger_of(record, dataset)) for record in dataset]
    found = [(r, class_caption(r.caption or "", trigger)) for r, trigger in pairs if trigger and trigger.class_word]
    if not found:
        return
    if same := [record.name for record, caption in found if caption == record.caption]:
        yield (
            f"output_preservation works against the training: the captions of {len(same)} pictures stay the same with "
            f"the class word in place of the trigger word, such as {same[0]}. Choose a trigger word of its own."
        )
    yield f"output_preservation keeps what the base model makes of captions such as: {found[0][1]}"
