"""Putting the trigger phrases of a stack into prompts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from ..core.errors import ConfigError
from ..data.scripts import composed, find_word

if TYPE_CHECKING:
    from ..adapters.stack import Stack

Placement = Literal["start", "end", "placeholders only"]
"""Where phrases go that a prompt has no placeholder for."""
PLACEMENTS: tuple[str, ...] = get_args(Placement)
_PLACEHOLDER = re.compile(r"\{\s*triggers?\s*(?::([^{}|]*))?\}", re.IGNORECASE)
"""``{triggers}``, or ``{trigger:fox}`` for those of one adapter."""


@dataclass(frozen=True)
class Placed:
    """Prompts with trigger phrases."""

    prompts: tuple[str, ...]
    left_out: tuple[str, ...]
    """Phrases that some prompt doesn't have, as there was no place for them."""


def place_triggers(prompts: Iterable[str], stack: Stack, placement: str = "start") -> Placed:
    """Put the phrases that are on into each prompt that doesn't have them yet.

    Args:
        prompts: with or without placeholders.
        stack: its entries say which phrases are on.
        placement: one of :data:`PLACEMENTS`.

    Raises:
        ConfigError: placeholders name adapters that aren't in the stack; all of them are told.
    """
    prompts = tuple(prompts)
    own = {entry.adapter.name.lower(): entry.phrases for entry in stack.active()}
    names = [name.strip() for prompt in prompts for name in _PLACEHOLDER.findall(prompt)]
    asked = {name.lower(): name for name in names if name}
    if unknown := [name for key, name in asked.items() if key not in own]:
        known = ", ".join(entry.adapter.name for entry in stack.active())
        raise ConfigError(
            f"Prompts ask for the triggers of {', '.join(unknown)}, which the stack doesn't have.",
            expected=f"{{trigger:NAME}} with one of: {known}" if known else "{trigger:NAME} with a stack connected",
            hint="correct the name, add the adapter to the stack, or turn it on.",
        )
    placed = [_placed(prompt, stack.triggers(), own, placement) for prompt in prompts]
    missing = [phrase for prompt in placed for phrase in stack.triggers() if not _has(prompt, phrase)]
    return Placed(tuple(placed), tuple(dict.fromkeys(missing)))


def _placed(prompt: str, phrases: tuple[str, ...], own: dict[str, tuple[str, ...]], placement: str) -> str:
    """One prompt: first the places of single adapters, then those of all, then the rest."""

    def one(found: re.Match[str]) -> str:
        name = (found[1] or "").strip().lower()
        return ", ".join(own[name]) if name else found[0]

    text = _PLACEHOLDER.sub(one, prompt)
    rest = _absent(_PLACEHOLDER.sub(" ", text), phrases)
    if _PLACEHOLDER.search(text):
        first = _PLACEHOLDER.sub(lambda _: "\0", text).replace("\0", ", ".join(rest), 1).replace("\0", "")
        return _tidy(first)
    text = _tidy(text) if text != prompt else text.strip()
    if placement == "placeholders only":
        return text
    return ", ".join(filter(None, [*rest, text] if placement == "start" else [text, *rest]))


def _absent(text: str, phrases: Iterable[str]) -> list[str]:
    """The phrases that neither the text has nor a phrase before them."""
    found: list[str] = []
    for phrase in phrases:
        if not _has(", ".join([text, *found]), phrase):
            found.append(phrase)
    return found


def _has(text: str, phrase: str) -> bool:
    """Whether a text has a phrase as whole words, whatever its case and blanks."""
    return find_word(composed(text), phrase) is not None


def _tidy(text: str) -> str:
    """Without what an empty placeholder leaves: two commas in a row, or blanks."""
    text = re.sub(r"[ \t]{2,}", " ", text)
    return re.sub(r"\s*,(?:\s*,)+", ",", text).strip(" \t,")
