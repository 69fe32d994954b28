"""Captions for the pictures of a data set, each made once: a stream of events that goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from ..core.cache import TextCache
from ..core.events import Event, Progress
from ..data.dataset import Dataset
from .contract import Captioner, CaptionOptions


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """A captioned data set, and how its captions came about."""

    dataset: Dataset
    kept: int
    """Captions that were there already."""
    written: int
    """Captions by the captioner, now or earlier."""
    cached: int
    """How many of these were written earlier."""
    blank: tuple[str, ...]
    """Names of the pictures that it had nothing to say about; they keep what they had."""


def caption_dataset(
    dataset: Dataset, captioner: Captioner, options: CaptionOptions, cache: TextCache, *, overwrite: bool = False
) -> Generator[Event, None, Captioned]:
    """Describe the pictures that have no caption.

    Args:
        dataset: left as it is.
        captioner: its weights are loaded only if something is missing in the cache.
        options: how to describe.
        cache: keyed by the content of picture and model, and by the options that matter to this model.
        overwrite: whether pictures with a caption are described anew too.

    Raises:
        CaptionerError: the model can't be loaded.
        DatasetError: a picture has changed or gone.
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
