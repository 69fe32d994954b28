"""Searches in the vault: words and filters, such as ``fox family:sdxl rank:8-32 trigger:"ohwx fox"``.

Each word may stand anywhere in an adapter's name, trigger phrases, base model, family or notes, as a part of a longer
word too. All words and filters have to fit. A scan of the words of 5,000 cards takes some milliseconds, so there is no
table of words beside them that would have to be kept in step.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..adapters.writers import OURS
from ..core.errors import ConfigError
from ..core.words import did_you_mean

_TERM = re.compile(r'(?:(?P<filter>[A-Za-z]+):)?(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+))')
_RANK = re.compile(r"(?P<sign>[<>]?=?)(?P<low>\d{1,9})(?:-(?P<high>\d{1,9}))?")

Condition = tuple[str, list[object]]
"""SQL, and the values of its question marks."""


@dataclass(frozen=True)
class Query:
    """A search, as conditions on the columns of the index."""

    words: tuple[str, ...] = ()
    """Casefolded."""
    filters: tuple[Condition, ...] = ()

    @staticmethod
    def of(text: str) -> Query:
        """The search that a text asks for; an empty one finds everything.

        Raises:
            ConfigError: a filter isn't known, or has no usable value.
        """
        words, filters = [], []
        for term in _TERM.finditer(text):
            name, value = term["filter"], term["quoted"] if term["plain"] is None else term["plain"]
            if name is None:
                words.append(value.casefold())
            else:
                filters.append(_filter(name.lower(), value))
        return Query(tuple(words), tuple(filters))

    def condition(self) -> Condition:
        """True for the cards that it finds."""
        told = [_contains("words")(word) for word in self.words] + [*self.filters]
        return _all(told)

    def narrowed(
        self, *, family: str = "", fits: str = "", kind: str = "", base: str = "", here: bool = False
    ) -> Query:
        """The search among fewer cards; empty texts leave all.

        Args:
            family: of the adapters.
            fits: a family whose base models they may fit: those of another family are left out.
            kind: of their updates.
            base: name of the base model that they were trained on.
            here: whether this program trained them.
        """
        conditions = {
            "family = ?": family.casefold(),
            "family in ('', ?)": fits.casefold(),
            "instr(kinds, ?) > 0": kind and f" {kind.casefold()} ",
            "base = ?": base.casefold(),
            "writer = ?": OURS.casefold() if here else "",
        }
        more: list[Condition] = [(sql, [value]) for sql, value in conditions.items() if value]
        return replace(self, filters=(*self.filters, *more))

    def standing(self, called: str) -> int:
        """How well a name fits the words, 0 for best.

        Args:
            called: the casefolded name, with folders.
        """
        if not self.words:
            return 0
        if not all(word in called for word in self.words):
            return 3  # they stand in trigger phrases, notes …
        if called.rpartition("/")[2].startswith(self.words[0]):
            return 0
        return 1 if all(re.search(rf"(?<![^\W_]){re.escape(word)}", called) for word in self.words) else 2


def _all(conditions: list[Condition]) -> Condition:
    return " and ".join(sql for sql, _ in conditions) or "1", [value for _, own in conditions for value in own]


def _contains(column: str) -> Callable[[str], Condition]:
    return lambda value: (f"instr({column}, ?) > 0", [value.casefold()])


def _begins(column: str) -> Callable[[str], Condition]:
    return lambda value: (f"instr({column}, ?) = 1", [value.casefold()])


def _kind(value: str) -> Condition:
    return "instr(kinds, ?) > 0", [f" {value.casefold()} "]


def _rank(value: str) -> Condition:
    found = _RANK.fullmatch(value)
    if not found or (found["sign"] and found["high"]):
        raise ConfigError(
            f"rank:{value} isn't a rank.",
            expected="a number such as rank:16, or several as rank:8-32, rank:>=16, rank:<64",
            hint="correct the filter.",
        )
    if found["high"]:
        return "rank between ? and ?", [int(found["low"]), int(found["high"])]
    return f"rank {found['sign'] or '='} ? and rank > 0", [int(found["low"])]


_FILTERS: dict[str, Callable[[str], Condition]] = {
    "family": _begins("family"),
    "kind": _kind,
    "rank": _rank,
    "trigger": _contains("triggers"),
    "base": _contains("base"),
    "writer": _contains("writer"),
    "name": _contains("called"),
    "note": _contains("notes"),
}
"""Filter -> the condition of its value."""
FILTERS = tuple(_FILTERS)


def _filter(name: str, value: str) -> Condition:
    if name not in _FILTERS:
        raise ConfigError(
            f"Unknown filter {name}:{did_you_mean(name, _FILTERS) or '.'}",
            expected=f"words, and filters among {', '.join(f'{known}:' for known in _FILTERS)}",
            hint='put words with a colon in quotation marks: "a:b".',
        )
    return _FILTERS[name](value)
