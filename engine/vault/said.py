"""What one source says of an adapter, and several sources as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from .values import text


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a header or a file beside it says; empty where it says nothing."""

    source: str
    """Where it stands, in words."""
    triggers: tuple[str, ...] = ()
    """Trigger phrases that somebody wrote down."""
    likely: tuple[str, ...] = ()
    """Those that captions give away, in place of any that somebody wrote down."""
    family: str = ""
    base: str = ""
    trained: Mapping[str, str] = field(default_factory=dict)
    verdict: str = ""
    weight: float | None = None
    notes: str = ""
    pinned: bool = False
    """Whether the user has pinned it."""
    prompts: tuple[str, ...] = ()
    """Sample prompts."""
    hashes: Mapping[str, str] = field(default_factory=dict)


_MOST = 64
"""Trigger phrases."""


def phrases(texts: Iterable[object]) -> tuple[str, ...]:
    """Trigger phrases as people write them into fields: without blanks and commas around them, each once, however
    it is written in upper and lower case."""
    found: dict[str, str] = {}
    for written in texts:
        phrase = " ".join(text(written).split()).strip(" ,;")
        if phrase:
            found.setdefault(phrase.casefold(), phrase)
    return tuple(found.values())[:_MOST]


def first(values: Iterable[str]) -> str:
    """The first that isn't empty, or nothing."""
    return next(filter(None, values), "")


LIKELY = "nearly all captions of its training"


def merged(header: Said, beside: Sequence[Said]) -> Said:
    """Several sources as one: trigger phrases and notes of all of them, and of anything else what the first tells.

    The files beside an adapter come first, as people and sites say more of it than its trainer; of trigger phrases, the
    header's do.

    Args:
        header: of the adapter's file.
        beside: the files beside it, nearest to the user first.
    """
    told = [*beside, header]
    triggers = phrases(chain.from_iterable(one.triggers for one in (header, *beside)))
    return Said(
        source=" and ".join(one.source for one in (header, *beside) if one.triggers)
        or (LIKELY if header.likely else ""),
        triggers=triggers or header.likely,
        family=first(one.family for one in told),
        base=first(one.base for one in told),
        trained=_united(one.trained for one in told),
        verdict=first(one.verdict for one in told),
        weight=next((one.weight for one in told if one.weight is not None), None),
        pinned=any(one.pinned for one in told),
        notes="\n".join(dict.fromkeys(one.notes for one in told if one.notes)),
        prompts=tuple(dict.fromkeys(chain.from_iterable(one.prompts for one in told))),
        hashes=_united(one.hashes for one in told),
    )


def _united(told: Iterable[Mapping[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in told:
        found |= {name: value for name, value in one.items() if name not in found}
    return found
