"""Base models that nodes have given, by whose tokenizers the front end has captions counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
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


def known_bases(tokens: Iterable[str]) -> list[Backbone]:
    """The base models of these tokens that are still in memory."""
    with _LOCK:
        found = [_KNOWN[token]() for token in dict.fromkeys(tokens) if token in _KNOWN]
    return [backbone for backbone in found if backbone is not None]


def counts(backbones: Sequence[Backbone], caption: str) -> dict[str, Any] | None:
    """The tokens of a caption by the base model that needs the most chunks for it; ``None`` if none can tell.

    It is counted as it is trained, without other programs' marks.
    """
    from ...engine.data.caption_tokens import count_tokens
    from ...engine.data.limits import MAX_CHARACTERS
    from ...engine.data.marks import unmarked
    from ...engine.data.scripts import composed

    text = composed(unmarked(caption[:MAX_CHARACTERS]))
    found = [(count, own.info.name) for own in backbones if (count := count_tokens(own, text))]
    if not found:
        return None
    most, name = max(found, key=lambda one: (one[0].chunks, len(one[0].tokens)))
    return {"tokens": len(most.tokens), "limit": most.length, "model": name}
