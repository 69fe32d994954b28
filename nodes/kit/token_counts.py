"""Base models of a workflow, by whose tokenizers the front end has captions counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from ...engine.core.errors import BaseModelError
from ..host import host
from .base_models import stamp_of_base

if TYPE_CHECKING:
    from ...engine.data.caption_tokens import Tokenizing
    from ...engine.models.contract import Backbone

_MOST = 32
"""Base models that are remembered; none is kept in memory by this."""
_KNOWN: OrderedDict[str, ref[Backbone]] = OrderedDict()
_LOCK = Lock()


def remembered(backbone: Backbone) -> dict[str, str]:
    """Remember a base model for as long as somebody else has it.

    Returns:
        What the front end needs to have tokens counted by it.
    """
    token = backbone.info.content_hash
    with _LOCK:
        _KNOWN[token] = ref(backbone)
        _KNOWN.move_to_end(token)
        while len(_KNOWN) > _MOST:
            _KNOWN.popitem(last=False)
    return {"token": token, "name": backbone.info.name}


class Counting(NamedTuple):
    """A base model to count tokens by."""

    name: str
    tokenizing: Tokenizing | None
    """``None`` if its tokenizers are unknown."""


def for_pages(backbone: Backbone) -> dict[str, Any]:
    """The part of a node's ``ui`` that tells pages of which family its base model is, and who counts its tokens."""
    return {"lw_base": [{"family": backbone.info.family, **remembered(backbone)}]}


def known_bases(tokens: Iterable[str], names: Iterable[str]) -> list[Counting]:
    """What can count: base models of these tokens that are in memory, or else tokenizers of those of these names."""
    with _LOCK:
        found = [_KNOWN[token]() for token in dict.fromkeys(tokens) if token in _KNOWN]
    loaded = [Counting(backbone.info.name, backbone) for backbone in found if backbone is not None]
    return loaded or list(_named(dict.fromkeys(names)))


def _named(names: Iterable[str]) -> Iterator[Counting]:
    """Base models by names as people write them; those that aren't there are left out, as one may still be typing."""
    for name in names:
        with suppress(BaseModelError):
            path = host().base_path(name)
            yield Counting(path.stem, _tokenizers(path, stamp_of_base(path)))


@lru_cache(maxsize=8)
def _tokenizers(path: Path, changed: str) -> Tokenizing | None:
    from ...engine.models.registry import tokenizers_of

    del changed  # part of the key only
    return tokenizers_of(path)


def counts(bases: Sequence[Counting], caption: str) -> dict[str, Any] | None:
    """The tokens of a caption by the base model that needs the most chunks for it; ``None`` if none can tell.

    It is counted as it is trained, without other programs' marks.
    """
    from ...engine.data.caption_tokens import count_tokens
    from ...engine.data.limits import MAX_CHARACTERS
    from ...engine.data.marks import unmarked
    from ...engine.data.scripts import composed

    text = composed(unmarked(caption[:MAX_CHARACTERS]))
    counted = [(count_tokens(own.tokenizing, text), own.name) for own in bases if own.tokenizing]
    found = [(count, name) for count, name in counted if count]
    if not found:
        return None
    most, name = max(found, key=lambda one: (one[0].chunks, len(one[0].tokens)))
    return {"tokens": len(most.tokens), "limit": most.length, "model": name}
