"""What a run does with its captions that a person wouldn't expect, in words."""

from __future__ import annotations

from ..core.words import first_of
from ..data.caption_remarks import caption_remarks
from ..training.caption_order import TagChanges, left_as_written, variants
from ..training.recipe import Recipe
from .key import Run


def tag_changes(recipe: Recipe) -> TagChanges:
    """How a recipe varies the tags of captions."""
    captions = recipe.captions
    return TagChanges(
        count=captions.caption_shuffle,
        keep=captions.caption_keep,
        dropout=captions.tag_dropout,
        separator=captions.tag_separator,
    )


def caption_notes(run: Run) -> tuple[str, ...]:
    """A line each for captions of several chunks, other programs' marks, and captions whose tags can't be changed."""
    return (*caption_remarks(run.dataset, run.base), *_unchanged(run))


def _unchanged(run: Run) -> list[str]:
    changes = tag_changes(run.recipe)
    wanted = [
        name for name, used in (("caption_shuffle", changes.count > 1), ("tag_dropout", changes.dropout > 0)) if used
    ]
    if not wanted:
        return []
    setting = " and ".join(wanted)
    lines = []
    if written := left_as_written(run.dataset, changes):
        lines.append(
            f"{setting} leave{'s' * (len(wanted) == 1)} {len(written)} captions as written, since they aren't lists of "
            f"tags: {first_of(written)}"
        )
    if all(len(variants(r.caption or "", changes)) == 1 for r in run.dataset):
        lines.append(f"{setting} ha{'s' if len(wanted) == 1 else 've'} no effect: no caption has tags to change")
    return lines
