"""The trigger words that an adapter's metadata names."""

from __future__ import annotations

import json
from collections.abc import Mapping

OWN = "lw.triggers"
"""Metadata: a JSON list of trigger phrases, any one of which calls what the adapter was trained on."""


def trigger_sets(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Distinct trigger phrases, that of ``modelspec.trigger_phrase`` first; empty if the metadata names none."""
    found = [metadata.get("modelspec.trigger_phrase", ""), *_own(metadata.get(OWN, ""))]
    return tuple(dict.fromkeys(phrase.strip() for phrase in found if phrase.strip()))


def _own(text: str) -> list[str]:
    try:
        found = json.loads(text) if text else []
    except (ValueError, RecursionError):
        return []
    return [phrase for phrase in found if isinstance(phrase, str)] if isinstance(found, list) else []
