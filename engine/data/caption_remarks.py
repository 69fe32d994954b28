"""What a user should know of the captions of a data set."""

from __future__ import annotations

from .caption_tokens import Tokenizing, caption_tokens
from .dataset import Dataset
from .marks import in_words, marks_in


def caption_remarks(dataset: Dataset, backbone: Tokenizing | None = None) -> list[str]:
    """A line each for other programs' marks in captions and, with a base model, for captions of several chunks."""
    lines = caption_tokens(backbone, dataset).lines() if backbone else []
    return lines + in_words(marks_in((r.name, r.caption) for r in dataset if r.caption))
