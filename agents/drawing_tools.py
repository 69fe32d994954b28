"""Tools that draw: with one pinned adapter, with a saved stack, or with any adapters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..engine.adapters.rows import Row
from ..engine.core.errors import ConfigError
from ..engine.core.words import counted, printable
from . import arguments
from .backend import DrawRequest
from .job_tools import answer_of
from .names import tool_names
from .tool import DRAWS, Tool

if TYPE_CHECKING:
    from ..engine.vault.card import Card
    from .service import Answer, Service, Tell

MOST_AT_ONCE = 16
"""Pictures of one call."""
HEAVIEST = 2.0
"""Absolute weight; beyond it pictures break."""
LARGEST_SEED = 2**53 - 1 - MOST_AT_ONCE
"""What every JSON parser keeps."""
LARGEST_SIDE = 4096
WAIT_SECONDS = 600
_SIZE = re.compile(r"(\d{2,4})x(\d{2,4})")
_PHRASES = 3
"""Trigger phrases that a description names; names and phrases come from files of others, so they are cut."""
_LONGEST = 80


def drawing_tools(service: Service) -> Iterator[Tool]:
    """The tools that draw, as adapters and stacks are now."""
    cards = {card.name: card for card in service.catalog.cards() if not card.problem}
    yield _any(service, [*cards.values()])
    for name, tool in tools_of_adapters([*cards.values()]).items():
        yield _with_adapter(service, tool, cards[name])
    presets = service.catalog.presets()
    for tool, name in tool_names("draw_stack", presets).items():
        yield _with_stack(service, tool, name, presets[name])


def tools_of_adapters(cards: Sequence[Card]) -> dict[str, str]:
    """Adapter -> the name of its own tool, of those that are pinned."""
    names = tool_names("draw", [card.name for card in cards if card.pinned and not card.problem])
    return {name: tool for tool, name in names.items()}


def _common() -> dict[str, Any]:
    """The arguments of all of them."""
    return {
        "count": arguments.whole("How many pictures, with consecutive seeds.", 1, MOST_AT_ONCE, default=1),
        "seed": arguments.whole(
            "Seed of the first. The same seed and scene give the same picture; another seed gives a variation.",
            0, LARGEST_SEED, default=0,
        ),
        "size": arguments.text(
            "Width x height in pixels, multiples of 8; empty: the base model's own.", most=9, default="",
            pattern=r"^(\d{2,4}x\d{2,4})?$", examples=["768x512"],
        ),
        "negative": arguments.text("What to avoid, for base models that are guided by it.", default=""),
        "wait_seconds": arguments.whole(
            "How long to wait for the pictures; after that, call status with the job.", 0, 3600, default=WAIT_SECONDS
        ),
    }  # fmt: skip


def _scene() -> dict[str, Any]:
    place = "is put in by itself: at the beginning, or where {triggers} stands."
    return arguments.text(f"What the picture shows, in plain words. The trigger phrase {place}", least=1)


def _weight(default: float) -> dict[str, Any]:
    about = "How strongly the adapter counts; 0 leaves it out."
    return arguments.number(about, -HEAVIEST, HEAVIEST, default=default)


def _with_adapter(service: Service, tool: str, card: Card) -> Tool:
    scene = _scene()
    schema = arguments.an_object({"scene": scene, "weight": _weight(_usual(card)), **_common()}, ["scene"])
    return Tool(
        name=tool, title=f"Draw with {_called(card)}", description=about(card), schema=schema, hints=DRAWS,
        act=partial(_draw_with_adapter, service, card.name),
    )  # fmt: skip


def about(card: Card) -> str:
    """What an adapter is, for agents to choose by."""
    phrases = ", ".join(repr(_short(phrase)) for phrase in card.triggers[:_PHRASES])
    parts = [
        f"Draws pictures with the adapter {_called(card)!r}",
        f"for {_short(card.base or card.family)}" if card.base or card.family else "",
    ]
    told = [
        " ".join(filter(None, parts)) + ".",
        f"Its trigger phrase {phrases} is put into the scene by itself." if phrases else "It has no trigger phrase.",
        f"Recommended weight: {card.weight:g}." if card.weight is not None else "",
        "Pictures come back small, and whole as files.",
    ]
    return " ".join(filter(None, told))


def _with_stack(service: Service, tool: str, name: str, rows: str) -> Tool:
    scene = _scene()
    adapters = printable(", ".join(row.adapter for row in _rows(rows)))[:400]
    return Tool(
        name=tool, title=f"Draw with the stack {_short(name)}", hints=DRAWS,
        description=f"Draws pictures with the saved stack {_short(name)!r}, which has the adapters {adapters}.",
        schema=arguments.an_object({"scene": scene, **_common()}, ["scene"]),
        act=partial(_draw_with_stack, service, name),
    )  # fmt: skip


def _any(service: Service, cards: Sequence[Card]) -> Tool:
    one = arguments.an_object(
        {
            "name": arguments.text("Of the adapter, as adapters lists it.", most=400, least=1),
            "weight": arguments.number("0 leaves it out; by default what its card says, or 1.", -HEAVIEST, HEAVIEST),
        },
        ["name"],
    )
    chosen = {
        "type": "array", "items": one, "maxItems": 16, "default": [],
        "description": "Adapters to combine; none for the base model alone.",
    }  # fmt: skip
    bases = service.catalog.bases()
    further = {
        "adapters": chosen,
        "scene": _scene(),
        **_common(),
        "steps": arguments.whole("Denoising steps; 0: what the base model draws well with.", 0, 200, default=0),
        "guidance": arguments.number("How closely to follow the scene; 0: as above.", 0, 30, default=0),
        "base": arguments.choice("Base model; empty: the one that the adapters are for.", ["", *bases], default=""),
    }
    return Tool(
        name="draw", title="Draw pictures", schema=arguments.an_object(further, ["scene"]), hints=DRAWS,
        description="Draws pictures with any adapters, alone or combined with weights, or with the base model alone. "
        f"It knows {counted(len(cards), 'adapter')}; the tool adapters lists them. Weights of several adapters "
        "usually add up to about 1.",
        act=partial(_draw_with_any, service),
    )  # fmt: skip


async def _draw_with_adapter(service: Service, name: str, given: Mapping[str, Any], tell: Tell) -> Answer:
    card = service.adapter(name)
    rows, base = _row(card.name, given["weight"]), service.base_for([card])
    return await _draw(service, card.name, rows, base, given, tell)


async def _draw_with_stack(service: Service, name: str, given: Mapping[str, Any], tell: Tell) -> Answer:
    rows = service.catalog.presets().get(name, "")
    cards = [service.adapter(row.adapter) for row in _rows(rows) if row.enabled]
    return await _draw(service, name, rows, service.base_for(cards), given, tell)


async def _draw_with_any(service: Service, given: Mapping[str, Any], tell: Tell) -> Answer:
    chosen = [(service.adapter(one["name"]), one.get("weight")) for one in given["adapters"]]
    rows = [_row(card.name, _usual(card) if weight is None else weight) for card, weight in chosen]
    cards = [card for card, _ in chosen]
    base = given["base"] or service.base_for(cards)
    name = "+".join(card.name.rpartition("/")[2].removesuffix(".safetensors") for card in cards) or base
    return await _draw(service, name, "\n".join(rows), base, given, tell)


async def _draw(service: Service, name: str, rows: str, base: str, given: Mapping[str, Any], tell: Tell) -> Answer:
    width, height = _sides(given["size"])
    request = DrawRequest(
        name=name, scene=given["scene"].strip(), rows=rows, base=base, negative=given["negative"].strip(),
        seed=given["seed"], count=given["count"], width=width, height=height, steps=given.get("steps", 0),
        guidance=float(given.get("guidance", 0)),
    )  # fmt: skip
    job = service.ask(request)
    await service.wait(job, given["wait_seconds"], tell, is_ended_with_call=True)
    return answer_of(service, job)


def _row(name: str, weight: float) -> str:
    """A row of a stack.

    Raises:
        ConfigError: the name can't stand in one.
    """
    if "|" in name or "\n" in name or "\r" in name:
        raise ConfigError(f"{name!r} has characters that rows of a stack can't hold.", hint="rename the file.")
    return str(Row(adapter=name, weight=weight, text_encoder_weight=weight))


def _rows(text: str) -> Sequence[Row]:
    from ..engine.adapters.pasted_rows import read_rows
    from ..engine.core.errors import WorkbenchError

    try:
        return read_rows(text)
    except WorkbenchError:
        return ()


def _sides(size: str) -> tuple[int, int]:
    """
    Raises:
        ConfigError: a side isn't a multiple of 8, or too long.
    """
    if not size:
        return 0, 0
    found = _SIZE.fullmatch(size)
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    if not found or any(side % 8 or not 16 <= side <= LARGEST_SIDE for side in sides):
        raise ConfigError(
            f"size got {size!r}.", expected=f"sides that are multiples of 8, from 16 to {LARGEST_SIDE}, such as 768x512"
        )
    return sides


def _usual(card: Card) -> float:
    """The weight that a card recommends, within what tools take."""
    return 1.0 if card.weight is None else max(-HEAVIEST, min(HEAVIEST, card.weight))


def _called(card: Card) -> str:
    return _short(card.name.removesuffix(".safetensors"))


def _short(text: str) -> str:
    line = " ".join(printable(text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
