"""Captions for the pictures of a data set, each generated once and cached, so that a stopped run continues."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from ..core.cache import TextCache
from ..core.events import Event, Progress
from ..data.dataset import Dataset
from .contract import Captioner, CaptionOptions


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """A captioned data set, and where its captions come from."""

    dataset: Dataset
    kept: int
    """Number of captions that already existed."""
    written: int
    """Number of captions by the captioner, cached ones included."""
    cached: int
    """Number of captions from the cache."""
    blank: tuple[str, ...]
    """Names of the pictures for which the captioner gave no text; their captions are unchanged."""


def caption_dataset(
    dataset: Dataset, captioner: Captioner, options: CaptionOptions, cache: TextCache, *, overwrite: bool = False
) -> Generator[Event, None, Captioned]:
    """Caption the pictures that have no caption.

    Args:
        dataset: the data set; not modified.
        captioner: its weights are loaded only if a caption isn't cached.
        options: how to describe.
        cache: keyed by the content of picture and model, and by the options that this model uses.
        overwrite: whether to caption pictures that already have a caption, too.

    Raises:
        CaptionerError: the model can't be loaded.
        DatasetError: a picture is missing or has changed.
    """
    captions = [record.caption for record in dataset]
    wanted = [i for i, caption in enumerate(captions) if overwrite or not (caption or "").strip()]
    cached, blank = 0, []
    for done, i in enumerate(wanted, 1):
        record = dataset.records[i]
        key = captioner.key(record.content_hash, options)
        found = cache.get(key)
        if found is None:
            found = captioner.caption(record.load(), options)
            cache.put(key, found)
            yield Progress(done=done, total=len(wanted), label="describing pictures")
        else:
            cached += 1
        if found:
            captions[i] = found
        else:
            blank.append(record.name)
    return Captioned(
        dataset=dataset.with_captions(captions),
        kept=len(captions) - len(wanted),
        written=len(wanted) - len(blank),
        cached=cached,
        blank=tuple(blank),
    )
