"""Makes an axis of what a person gives: its kind, values as text, and stacks or snapshots where it is of adapters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..adapters.stack import Stack, StackEntry
from ..core.errors import ConfigError
from ..core.words import did_you_mean
from ..runs.snapshots import Snapshots
from .axes import (
    ADAPTERS,
    KINDS,
    REPLACE,
    SNAPSHOT,
    STACK,
    WEIGHT,
    Axis,
    adapters_axis,
    replacing_axis,
    snapshots_axis,
    weights_axis,
    written_axis,
)
from .texts import Find, floats, integers, stacks


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a person gives for an axis."""

    kind: str
    """One of ``KINDS``."""
    text: str = ""
    """Its values as written."""
    adapter: str = ""
    """Name of the adapter whose weights they are."""
    without: bool = True
    """Whether an axis of adapters, stacks, snapshots or weights has a value without adapter."""
    stacks: tuple[Stack, ...] = ()
    snapshots: Snapshots | None = None


def make_axis(given: Given, find: Find) -> Axis:
    """The axis.

    Args:
        given: by a person.
        find: reads an adapter by the name of its file.

    Raises:
        ConfigError: its values can't be read, are missing, or something is given that this kind of axis doesn't use.
        AdapterError: an adapter is missing or damaged.
    """
    if given.kind not in KINDS:
        raise ConfigError(
            f"There is no axis {given.kind!r}{did_you_mean(given.kind, KINDS) or '.'}",
            expected=f"one of {', '.join(KINDS)}",
            hint="choose one of them.",
        )
    _refuse_unused(given)
    make = _MAKERS.get(given.kind, lambda given, _: written_axis(given.kind, given.text))
    return make(given, find)


def _refuse_unused(given: Given) -> None:
    used = _USES.get(given.kind, ())
    for name, value in {"adapter": given.adapter, "stack": given.stacks, "snapshots": given.snapshots}.items():
        if value and name not in used:
            kinds = ", ".join(kind for kind, names in _USES.items() if name in names)
            raise ConfigError(
                f"The axis is {given.kind}, and {name} is given, which it doesn't use.",
                expected=f"{name} only for {kinds}",
                hint=f"leave {name} empty, or choose another axis.",
            )


def _adapters(given: Given, find: Find) -> Axis:
    """Each adapter of the stacks alone, then what is written."""
    alone: list[tuple[StackEntry, ...]] = [(entry,) for stack in given.stacks for entry in stack.active()]
    return adapters_axis(_some(given, [*alone, *stacks(given.text, find)]), without=given.without)


def _stacks(given: Given, find: Find) -> Axis:
    """Whole stacks, then what is written."""
    whole = [stack.active() for stack in given.stacks]
    columns = _some(given, [*whole, *stacks(given.text, find)])
    return adapters_axis(columns, without=given.without, name=STACK)


def _some(given: Given, columns: list[tuple[StackEntry, ...]]) -> list[tuple[StackEntry, ...]]:
    if not columns:
        raise ConfigError(
            f"The axis {given.kind} has no values.",
            expected="a stack, or names of adapter files",
            hint="connect stack, or write a line for each value, such as fox:0.8 + riso:0.6.",
        )
    return columns


def _snapshots(given: Given, _: Find) -> Axis:
    if given.snapshots is None:
        raise ConfigError(
            "The axis snapshot has no values.", expected="snapshots", hint="connect snapshots of LW_TrainLoRA."
        )
    chosen = given.snapshots.exactly(integers(given.text)) if given.text.strip() else given.snapshots.snapshots
    return snapshots_axis([(one.step, StackEntry(one.adapter())) for one in chosen], without=given.without)


def _weights(given: Given, _: Find) -> Axis:
    return weights_axis(floats(given.text), given.adapter.strip(), without=given.without)


_MAKERS: dict[str, Callable[[Given, Find], Axis]] = {
    REPLACE: lambda given, _: replacing_axis(given.text),
    ADAPTERS: _adapters,
    STACK: _stacks,
    SNAPSHOT: _snapshots,
    WEIGHT: _weights,
}
_USES = {ADAPTERS: ("stack",), STACK: ("stack",), SNAPSHOT: ("snapshots",), WEIGHT: ("adapter",)}
"""Kind of axis -> what else than text it takes."""
