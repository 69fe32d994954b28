"""The vault as nodes use it: the cards of the host's adapters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..host import host

if TYPE_CHECKING:
    from pathlib import Path

    from ...engine.adapters.adapter import Adapter
    from ...engine.vault.card import Card

_LISTED = 8
"""Adapters that an error names."""


def load(name: str) -> tuple[Adapter, Card]:
    """An adapter with what stands beside its file, and its card.

    Args:
        name: below the folders of adapters, with forward or backward slashes.

    Raises:
        AdapterError: there is none of that name, or it is damaged.
    """
    path = host().adapter_path(name)
    return _read(name.strip().replace("\\", "/"), path)


def adapter_at(path: Path) -> Adapter:
    """An adapter with what stands beside its file.

    Raises:
        AdapterError: it is damaged, or of a kind that isn't read.
    """
    adapter, _ = _read(host().adapter_name(path) or path.name, path)
    return adapter


def _read(name: str, path: Path) -> tuple[Adapter, Card]:
    from ...engine.adapters.file_cache import FILES
    from ...engine.vault.index import opened

    with host().computing():
        adapter = FILES.read(path).adapter
    with opened(host().vault_file()) as index:
        card = index.card(name, path)
    return with_card(adapter, card), card


def state_of(path: Path) -> str:
    """Changes with the adapter's files, and with what stands beside them."""
    from ...engine.vault.reading import stamp_of
    from ...engine.vault.sidecars import Folders

    return stamp_of(path, Folders().beside(path))


def only_match(search: str) -> str:
    """The name of the one adapter that words and filters find.

    Raises:
        ConfigError: a filter isn't known.
        AdapterError: they find none, or several.
    """
    from ...engine.core.errors import AdapterError
    from ...engine.core.words import first_of
    from ...engine.vault.index import opened
    from ...engine.vault.searching import Query

    query = Query.of(search)
    files = host().adapters()
    with opened(host().vault_file()) as index:
        for _ in index.refresh(files):  # not driven, since ComfyUI has no node to show it on while it asks for changes
            host().check_interruption()
        found = index.search(query)
    if len(found) != 1:
        told = [f"{card.name} ({card.described()})" for card in found]
        raise AdapterError(
            f"{len(found) or 'No'} adapters fit the search {search!r}{': ' if told else '.'}"
            f"{first_of(told, _LISTED, '; ')}",
            expected="words and filters that one adapter fits, such as fox family:sdxl rank:16",
            hint="add a word or a filter." if found else "leave words out, or choose the adapter by its name.",
        )
    return found[0].name


def with_card(adapter: Adapter, card: Card) -> Adapter:
    """The adapter with the family that its card names, and with trigger phrases that its own header lacks, so that they
    are where it goes and in the files that it is saved to."""
    from ...engine.adapters.triggers import OWN

    known = {phrase.casefold() for phrase in adapter.triggers}
    more = [phrase for phrase in card.triggers if phrase.casefold() not in known]
    metadata = adapter.metadata
    if more:
        metadata = {**metadata, OWN: json.dumps([*adapter.triggers, *more], ensure_ascii=False)}
    return adapter.told(family=card.family or adapter.family, metadata=metadata)


def about_card(card: Card) -> list[str]:
    """What a person should know of an adapter before using it, one line each."""
    told = {
        "base model": card.base,
        "recommended weight": "" if card.weight is None else f"{card.weight:g}",
        "verdict": card.verdict,
        "notes": card.notes,
    }
    return [*(f"{name}: {text}" for name, text in told.items() if text), *card.remarks]
