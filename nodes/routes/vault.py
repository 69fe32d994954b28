"""The vault as the sidebar shows it: cards, preview pictures, kept graphs and notes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ...engine.core.errors import ConfigError
from ...engine.core.lru import LRU
from ...engine.core.stamps import file_stamp
from ..host import host
from .table import MOST_AT_ONCE, PREFIX, Answer, Asked, Route, json_answer, missing

if TYPE_CHECKING:
    from pathlib import Path

    from ...engine.vault.card import Card
    from ...engine.vault.index import Index

_SIDE = 192
"""Pixels of a preview's longer side."""
_PREVIEWS: LRU[bytes] = LRU(500)
_MOST_NOTE = 100_000
"""Characters."""
_MOST_RECENT = 20
"""Names that a page may want first."""
_HERE = "LoRA Workbench"
"""How the name of the program begins that writes adapters here."""
_UNKNOWN = "The vault doesn't have this."


def vault(asked: Asked) -> Answer:
    """The cards that words and filters find, from ``from`` on, at most ``count``.

    Raises:
        ConfigError: a filter of the search isn't known.
    """
    from ...engine.vault.index import opened
    from ...engine.vault.searching import Query

    narrow = {name: asked.query.get(name, "") for name in ("family", "fits", "kind")}
    query = Query.of(asked.query.get("search", "")).narrowed(**narrow, writer=_HERE if _is_on(asked, "here") else "")
    recent = asked.query.get("recent", "").split("\n")[:_MOST_RECENT]
    first, count = asked.whole("from", 0, 10**6), asked.whole("count", MOST_AT_ONCE, MOST_AT_ONCE)
    with opened(host().vault_file()) as index:
        if index.note or not _is_on(asked, "known"):  # one in memory knows nothing yet
            _refresh(index)
        cards = index.search(query, recent=recent, first=first, most=count)
        total, families = index.count(query), index.families()
    return json_answer({"total": total, "families": families, "cards": [_in_short(card) for card in cards]})


def card(asked: Asked) -> Answer:
    """The card of one adapter."""
    from ...engine.vault.index import opened

    path = _path(name := asked.query.get("name", ""))
    if path is None:
        return missing(_UNKNOWN)
    with opened(host().vault_file()) as index:
        return json_answer(_in_short(index.card(name, path)))


def preview(asked: Asked) -> Answer:
    """The picture beside an adapter, small."""
    from PIL import Image

    from ...engine.vault.sidecars import Folders

    path = _path(asked.query.get("name"))
    picture = Folders().beside(path).preview if path else None
    if picture is None:
        return missing(_UNKNOWN)
    try:
        small = _PREVIEWS.get(picture, lambda: _small(picture), version=str(file_stamp(picture)))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return missing(_UNKNOWN)
    return Answer(small, "image/webp", headers={"Cache-Control": "private, no-cache"})


def _small(picture: Path) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(picture) as image:
        image.thumbnail((_SIDE, _SIDE))
        image.convert("RGB").save(buffer, "WEBP")
    return buffer.getvalue()


def workflow(asked: Asked) -> Answer:
    """The graph that trained an adapter, of its file's header.

    Raises:
        AdapterError: the file is damaged.
    """
    from ...engine.adapters.headers import read_header
    from ...engine.vault.values import parsed

    path = _path(asked.query.get("name"))
    text = read_header(path).metadata.get("workflow", "") if path else ""
    graph = parsed(text) if text else None
    if not isinstance(graph, dict) or not graph:
        return missing(_UNKNOWN)
    return json_answer({"workflow": graph})


def note(asked: Asked) -> Answer:
    """Keep a note beside an adapter, in place of the one before.

    Raises:
        ConfigError: it isn't a text, or too long.
    """
    from ...engine.vault.notes import write_notes

    path, text = _path(asked.body.get("name")), asked.body.get("note")
    if path is None:
        return missing(_UNKNOWN)
    if not isinstance(text, str) or len(text) > _MOST_NOTE:
        raise ConfigError("This isn't a note.", expected=f"a text of at most {_MOST_NOTE} characters")
    write_notes(path, notes=text)
    return json_answer({"note": text})


def _path(name: object) -> Path | None:
    """The file of an adapter that the host lists; no path is made of another name."""
    return host().adapter_path(name) if isinstance(name, str) and name in host().adapter_files() else None


def _is_on(asked: Asked, name: str) -> bool:
    return asked.query.get(name, "") in ("1", "true")


def _refresh(index: Index) -> None:
    files = [(name, host().adapter_path(name)) for name in host().adapter_files()]
    for _ in index.refresh(files):
        pass


def _in_short(card: Card) -> dict[str, Any]:
    return {
        "name": card.name,
        "family": card.family,
        "kinds": card.kinds,
        "rank": card.rank,
        "triggers": card.triggers,
        "verdict": card.verdict,
        "note": card.notes,
        "base": card.base,
        "preview": bool(card.preview),
        "problem": card.problem,
    }


ROUTES = [
    Route("GET", f"{PREFIX}vault", vault),
    Route("GET", f"{PREFIX}vault/card", card),
    Route("GET", f"{PREFIX}vault/preview", preview),
    Route("GET", f"{PREFIX}vault/workflow", workflow),
    Route("POST", f"{PREFIX}vault/note", note),
]
