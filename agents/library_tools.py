"""Tools for the library of adapters: what there is, and which ones are at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..engine.core.words import printable
from . import arguments
from .drawing_tools import tools_of_adapters
from .names import address_of
from .service import Answer
from .tool import READS, Hints, Tool

if TYPE_CHECKING:
    from ..engine.vault.card import Card
    from .service import Service, Tell

_LISTED = 50


def library_tools(service: Service) -> Iterator[Tool]:
    yield Tool(
        name="adapters", title="Adapters", hints=READS,
        description="Lists the adapters that there are, with family, trigger phrases, recommended weight and verdict; "
        "pinned ones first, as each of these has a tool of its own. Resources adapter://NAME have the whole cards.",
        schema=arguments.an_object({
            "search": arguments.text("Words that name, trigger phrases, base model or notes have.", default=""),
        }),
        act=lambda given, tell: _adapters(service, given, tell),
    )  # fmt: skip
    yield Tool(
        name="pin", title="Pin an adapter", hints=Hints(read_only=False),
        description="Pins an adapter, so that it has a drawing tool of its own, or takes the pin off.",
        schema=arguments.an_object({
            "adapter": arguments.text("As adapters lists it.", most=400, least=1),
            "pinned": arguments.switch("False takes the pin off.", default=True),
        }, ["adapter"]),
        act=lambda given, tell: _pin(service, given, tell),
    )  # fmt: skip


def facts_of(card: Card, tool: str) -> dict[str, Any]:
    """A card for programs."""
    told = {name: value for name, value in card.facts().items() if name not in ("targets", "hashes")}
    return {**told, "address": address_of(card.name), "tool": tool}


async def _adapters(service: Service, given: Mapping[str, Any], tell: Tell) -> Answer:
    del tell
    cards = service.catalog.cards()
    words = given["search"].casefold().split()
    fitting = [card for card in cards if all(word in _searched(card) for word in words)]
    fitting.sort(key=lambda card: not card.pinned)
    tools = tools_of_adapters(cards)
    shown = [(card, tools.get(card.name, "")) for card in fitting[:_LISTED]]
    lines = [_line(card, tool) for card, tool in shown]
    if len(fitting) > _LISTED:
        lines.append(f"{len(fitting) - _LISTED} more: search by words.")
    nothing = f"No adapter fits {given['search']!r}." if words else "There are no adapters yet: train one."
    facts = {"total": len(fitting), "adapters": [_in_short(card, tool) for card, tool in shown]}
    return Answer(text="\n".join(lines) or nothing, facts=facts)


async def _pin(service: Service, given: Mapping[str, Any], tell: Tell) -> Answer:
    del tell
    card, pinned = service.adapter(given["adapter"]), given["pinned"]
    service.catalog.pin(card.name, pinned)
    tool = tools_of_adapters(service.catalog.cards()).get(card.name, "")
    told = f"{card.name} is {'pinned; its tool is ' + tool if pinned else 'not pinned any more'}."
    return Answer(text=told, facts={"adapter": card.name, "pinned": pinned, "tool": tool})


def _searched(card: Card) -> str:
    return "\n".join([card.name, *card.triggers, card.base, card.family, card.notes]).casefold()


def _in_short(card: Card, tool: str) -> dict[str, Any]:
    wanted = ("name", "family", "base", "triggers", "weight", "verdict", "pinned", "problem", "address", "tool")
    facts = facts_of(card, tool)
    return {name: facts[name] for name in wanted}


def _line(card: Card, tool: str) -> str:
    parts = [
        card.family, f"for {card.base}" if card.base else "", ", ".join(map(repr, card.triggers[:3])),
        f"weight {card.weight:g}" if card.weight is not None else "", f"tool {tool}" if tool else "", card.problem,
    ]  # fmt: skip
    return printable(f"{card.name}: {'; '.join(filter(None, parts))}".replace("\n", " "))
