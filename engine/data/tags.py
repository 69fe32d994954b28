"""Captions as lists of tags: shuffled, with tags dropped, removed and added. Prose and data stay to the letter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache

from ..core.hashing import value_hash
from .caption_form import ends_a_sentence, form_of
from .scripts import composed, find_word
from .tag_lists import TagList, parse, separator_for


def split_tags(caption: str, separator: str = "") -> list[str]:
    """The tags of a list, as :func:`parse` finds them."""
    return list(parse(caption, separator).tags)


def is_list(caption: str, separator: str = "") -> bool:
    """Whether a caption is a list of tags. Whoever names a separator says that it is."""
    return bool(separator) or form_of(caption) == "tags"


def shuffled(caption: str, keep: int, seed: int | str, separator: str = "") -> str:
    """The caption with its tags shuffled, except for the first ``keep`` or those that keep marks hold.

    The order depends only on the seed and the caption, on every machine. Prose and data are returned unchanged, as is a
    caption with fewer than two tags to shuffle.
    """
    tags = _list(caption, separator)
    places = tags.movable(keep)
    if len(places) < 2:
        return caption
    order = sorted(range(len(places)), key=lambda i: value_hash("tags", seed, caption, i))
    moved = [places[i] for i in order]
    return str(tags.reordered([*range(places.start), *moved, *range(places.stop, len(tags.tags))]))


def thinned(
    caption: str, keep: int, rate: float, seed: int | str, stays: Callable[[str], bool], separator: str = ""
) -> str:
    """The caption without some of its tags, each dropped with a probability of ``rate``.

    Args:
        caption: prose and data are returned unchanged.
        keep: number of tags at the beginning that are never dropped; keep marks go before it.
        rate: 0 to 1.
        seed: with the caption, decides which tags are dropped, on every machine.
        stays: whether a tag is never dropped, wherever it stands.
        separator: as for :func:`parse`.
    """
    tags = _list(caption, separator)
    places = tags.movable(keep)

    def drawn(number: int) -> float:
        return int(value_hash("drop", seed, caption, number)[:12], 16) / 16**12

    gone = {number for number in places if drawn(number) < rate and not stays(tags.tags[number])}
    return str(tags.only(lambda number: number not in gone)) if gone else caption


def without_tags(caption: str, unwanted: Collection[str], separator: str = "") -> str:
    """The caption without some tags, ignoring case; empty if none is left. Prose and data are returned unchanged."""
    tags = _list(caption, separator)
    lower = {tag.lower() for tag in unwanted}
    kept = [tag.lower() not in lower for tag in tags.tags]
    return caption if all(kept) else str(tags.only(lambda number: kept[number]))


def with_tags(caption: str, wanted: Sequence[str], separator: str = "") -> str:
    """The caption with those tags at its end that it lacks, ignoring case.

    Prose and data keep every letter: the tags follow behind the last sentence, or behind a comma.
    """
    for tag in wanted:
        if is_list(caption, separator):
            tags = parse(caption, separator)
            if tag.lower() not in (known.lower() for known in tags.tags):
                caption = str(tags.with_added(tag)) if not _is_one_sentence(tags) else f"{caption.rstrip()} {tag}"
        elif not find_word(composed(caption), tag):
            caption = _behind(caption, tag)
    return caption


@lru_cache(maxsize=8)  # all variants of one caption are made one after another
def _list(caption: str, separator: str) -> TagList:
    return parse(caption, separator) if is_list(caption, separator) else TagList((), ("",))


def _is_one_sentence(tags: TagList) -> bool:
    return len(tags.tags) == 1 and ends_a_sentence(tags.tags[0])


def _behind(caption: str, text: str) -> str:
    """Prose with a further part behind it."""
    kept = caption.rstrip()
    if ends_a_sentence(kept):
        return f"{kept}{'' if separator_for(kept) == '，' else ' '}{text}"
    return f"{kept} {text}" if kept.endswith((",", ";")) else f"{kept}{separator_for(kept)}{text}"
