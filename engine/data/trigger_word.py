"""Which captions hold the trigger word."""

from __future__ import annotations

import re

from .dataset import Dataset, TriggerWord


def missing_trigger(dataset: Dataset) -> list[str]:
    """Names of the records whose caption lacks the trigger word; all of them if the data set has no trigger word."""
    trigger = dataset.trigger
    return [r.name for r in dataset if trigger is None or not has_trigger(r.caption or "", trigger)]


def has_trigger(caption: str, trigger: TriggerWord) -> bool:
    """Whether the trigger word stands in the caption as a word of its own, in capitals or not."""
    words = r"\s+".join(map(re.escape, trigger.word.split()))
    return bool(words) and re.search(rf"(?<!\w){words}(?!\w)", caption, re.IGNORECASE) is not None
