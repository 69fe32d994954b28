"""The vault as the sidebar shows it: cards, preview pictures, kept graphs and notes."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from ...engine.core.errors import ConfigError
from ...engine.core.lru import LRU
from ...engine.core.stamps import file_stamp
from ..host import host
from .table import MOST_AT_ONCE, PREFIX, Answer, Asked, Route, json_answer, missing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ...engine.vault.card import Card
    from ...engine.vault.index import Field
    from ...engine.vault.library import Library
    from ...engine.vault.searching import Query

_SIDE = 192
"""Pixels of a preview's longer side."""
_QUALITY = 82
_FOR_EVER = "private, max-age=31536000, immutable"
_SMALL: LRU[bytes] = LRU(20_000, most_bytes=64 * 2**20, size=len)
"""Previews by their files."""
_MOST_SAMPLES = 24
_COLUMNS: Mapping[str, Field] = {"family": "family", "kind": "kinds", "base": "base"}
"""Filter of a request -> where the index has its values."""
_MOST_NOTE = 100_000
"""Characters."""
_MOST_RECENT = 20
"""Names that a page may want first."""
_UNKNOWN = "The vault doesn't have this."


def vault(asked: Asked) -> Answer:
    """The cards that words and filters find, from ``from`` on, at most ``count``. ``reading`` tells of new and changed
    files that are being read; when their cards are there, ``version`` is another.

    Raises:
        ConfigError: a filter of the search isn't known.
    """
    library, query = host().library, _query(asked)
    first, count = asked.whole("from", 0, 10**6), asked.whole("count", MOST_AT_ONCE, MOST_AT_ONCE)
    recent = asked.query.get("recent", "").split("\n")[:_MOST_RECENT]
    total, cards = library.search(query, recent=recent, first=first, most=count)
    reading = library.reading
    return json_answer({
        "total": total,
        "families": library.families(),
        "cards": [_told(card, library, asked) for card in cards],
        "reading": reading and reading._asdict(),
        "version": library.version,
        "note": library.note,
    })  # fmt: skip


def values(asked: Asked) -> Answer:
    """What there is to choose among: family, kind and base model with the number of adapters that each would leave,
    which are those that the words and the other filters find.

    Raises:
        ConfigError: a filter of the search isn't known.
    """
    told = {}
    for name, column in _COLUMNS.items():
        counts = host().library.counts(_query(asked, without=name), column)
        told[name] = [*counts.items()][:MOST_AT_ONCE]
    told["here"] = host().library.search(_query(asked, without="here").narrowed(here=True), most=0)[0]
    return json_answer(told)


def card(asked: Asked) -> Answer:
    """The card of one adapter."""
    found, _ = _card(asked.query.get("name"))
    return json_answer(_told(found, host().library, asked)) if found else missing(_UNKNOWN)


def preview(asked: Asked) -> Answer:
    """The picture beside an adapter, small. Its address names its ``version``, so that pages keep it."""
    found, path = _card(asked.query.get("name"))
    picture = path.with_name(found.preview) if found and path and found.preview else None
    stamp = _stamp(picture) if picture else ""
    if picture is None or not stamp:
        return missing(_UNKNOWN)
    small = _SMALL.get(picture, lambda: _sized_down(picture), stamp)
    if not small:
        return missing(_UNKNOWN)
    kept = _FOR_EVER if asked.query.get("version") == stamp else "private, no-cache"
    return Answer(small, "image/webp", headers={"Cache-Control": kept})


def _sized_down(picture: Path) -> bytes:
    """A picture as WebP; nothing if it can't be read."""
    from PIL import Image

    buffer = io.BytesIO()
    try:
        with Image.open(picture) as image:
            image.draft("RGB", (_SIDE, _SIDE))
            image.thumbnail((_SIDE, _SIDE))
            image.convert("RGB").save(buffer, "WEBP", quality=_QUALITY)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return b""
    return buffer.getvalue()


def _stamp(picture: Path) -> str:
    """Changes with a file; empty if there is none."""
    stamp = file_stamp(picture)
    return "" if min(stamp) < 0 else "-".join(f"{part:x}" for part in stamp)


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
    host().library.renew(str(asked.body.get("name")))
    return json_answer({"note": text})


def pin(asked: Asked) -> Answer:
    """Pin an adapter, or take its pin off: agents get a tool for each that is pinned.

    Raises:
        ConfigError: ``pinned`` is neither true nor false.
    """
    from ...engine.vault.notes import write_notes

    path, pinned = _path(asked.body.get("name")), asked.body.get("pinned")
    if path is None:
        return missing(_UNKNOWN)
    if not isinstance(pinned, bool):
        raise ConfigError("This is no pin.", expected="pinned, true or false")
    write_notes(path, pinned=pinned)
    host().library.renew(str(asked.body.get("name")))
    return json_answer({"pinned": pinned})


def pictures(asked: Asked) -> Answer:
    """Sample pictures of the run that trained an adapter, the newest first."""
    from ...engine.runs.following import run_name, samples

    path = _path(asked.query.get("name"))
    run = _run_of(path) if path else None
    if run is None:
        return json_answer({"samples": []})
    found = [
        {"run": run_name(*run), "step": kept.step, "number": number, "prompt": prompt}
        for kept in reversed(samples(host().run_store(), *run))
        for number, prompt in enumerate(kept.prompts, 1)
    ]
    return json_answer({"samples": found[:_MOST_SAMPLES]})


def use_as_preview(asked: Asked) -> Answer:
    """Write a picture beside an adapter as its preview. ``picture`` is a run's sample, or one that ComfyUI shows, as
    nodes' outputs name it; no other file is read.

    Raises:
        DatasetError: it can't be read, or is too large.
        StorageError: it can't be written.
    """
    from ...engine.vault.previews import write_preview

    name, picture = asked.body.get("name"), asked.body.get("picture")
    path, source = _path(name), _picture(picture) if isinstance(picture, dict) else None
    if path is None or source is None:
        return missing(_UNKNOWN)
    write_preview(path, source)
    host().library.renew(str(name))
    return json_answer({"name": name})


def _run_of(path: Path) -> tuple[str, int] | None:
    """Lineage and steps of the run that trained an adapter, as its header tells."""
    from ...engine.adapters.headers import read_header
    from ...engine.core.errors import AdapterError
    from ...engine.runs.following import of_name, run_name
    from ...engine.runs.listing import recipe_of

    try:
        lineage = read_header(path).metadata.get("lw.lineage", "")
    except AdapterError:
        return None
    recipe = recipe_of(path) if lineage else None
    return of_name(run_name(lineage, recipe.schedule.steps)) if recipe else None


def _picture(told: Mapping[str, object]) -> Path | None:
    """The file of a sample, or of a picture in one of ComfyUI's folders."""
    from ...engine.runs.following import of_name, sample_file

    if run := of_name(str(told.get("run", ""))):
        step, number = told.get("step"), told.get("number")
        if not (isinstance(step, int) and isinstance(number, int)):
            return None
        return sample_file(host().run_store(), *run, step, number) if 0 <= step < 10**9 and 0 < number < 10**4 else None
    kind, folder, file = (told.get(name, "") for name in ("type", "subfolder", "filename"))
    if not (isinstance(kind, str) and isinstance(folder, str) and isinstance(file, str) and file):
        return None
    return host().picture_path(kind, f"{folder}/{file}" if folder else file)


def _path(name: object) -> Path | None:
    """The file of an adapter that the host lists; no path is made of another name."""
    return host().library.path(name) if isinstance(name, str) else None


def _card(name: object) -> tuple[Card | None, Path | None]:
    return (host().library.card(name), _path(name)) if isinstance(name, str) else (None, None)


def _query(asked: Asked, without: str = "") -> Query:
    """What is asked for, without one of the filters.

    Raises:
        ConfigError: a filter of the search isn't known.
    """
    from ...engine.vault.searching import Query

    given = {name: "" if name == without else asked.query.get(name, "") for name in (*_COLUMNS, "fits", "here")}
    here = given.pop("here") in ("1", "true")
    return Query.of(asked.query.get("search", "")).narrowed(**given, here=here)


def _told(card: Card, library: Library, asked: Asked) -> dict[str, Any]:
    """A card as pages show it; with ``whole``, all that it holds is in ``whole``."""
    told = _in_short(card, library)
    return told | {"whole": json.loads(card.to_json())} if asked.query.get("whole") == "1" else told


def _in_short(card: Card, library: Library) -> dict[str, Any]:
    path = library.paths.get(card.name) if card.preview else None
    return {
        "name": card.name,
        "family": card.family,
        "kinds": card.kinds,
        "rank": card.rank,
        "triggers": card.triggers,
        "verdict": card.verdict,
        "note": card.notes,
        "pinned": card.pinned,
        "base": card.base,
        "preview": _stamp(path.with_name(card.preview)) if path else "",
        "problem": card.problem,
    }


ROUTES = [
    Route("GET", f"{PREFIX}vault", vault),
    Route("GET", f"{PREFIX}vault/values", values),
    Route("GET", f"{PREFIX}vault/card", card),
    Route("GET", f"{PREFIX}vault/preview", preview),
    Route("GET", f"{PREFIX}vault/workflow", workflow),
    Route("GET", f"{PREFIX}vault/pictures", pictures),
    Route("POST", f"{PREFIX}vault/note", note),
    Route("POST", f"{PREFIX}vault/pin", pin),
    Route("POST", f"{PREFIX}vault/preview", use_as_preview),
]
