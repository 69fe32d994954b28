"""Inputs that several nodes have, and reading their values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ...engine.core.errors import ConfigError, WorkbenchError
from ..host import io

ADVANCED = {"advanced": True}
"""``extra_dict`` of an input that few users need."""
LARGEST_SEED = 2**64 - 1


def seed_input(*, tooltip: str) -> io.Input:
    """A seed that the front end leaves alone after a run, so that nothing is recomputed unasked."""
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=LARGEST_SEED,
        extra_dict={"control_after_generate": "fixed"},
        tooltip=tooltip,
    )


def device_input(**options: Any) -> io.Input:
    return io.Combo.Input(
        "device",
        options=["auto", "cpu", "cuda", "mps"],
        default="auto",
        tooltip="Where to run the model. auto prefers CUDA, then Apple's MPS, then the CPU.",
        **options,
    )


def precision_input(*, tooltip: str, formats: Iterable[str] = (), **options: Any) -> io.Input:
    """The dtype of weights, or one of some formats of quantized weights."""
    names = ["auto", "fp32", "bf16", "fp16", *formats]
    return io.Combo.Input("precision", options=names, default="auto", tooltip=tooltip, **options)


def problem(check: Callable[[str], object], value: str | None) -> bool | str:
    """The answer of ``validate_inputs``: ``True``, or why ``check`` rejects the value.

    A value that comes through a link isn't known yet, is ``None``, and passes.
    """
    try:
        if value is not None:
            check(value)
    except WorkbenchError as error:
        return str(error)
    return True


def lines(text: str) -> tuple[str, ...]:
    """The non-blank lines of a text, stripped."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def or_else(text: str, other: Any) -> str:
    """The text, stripped, or ``other`` if it is blank."""
    return text.strip() or str(other)


def whole_numbers(text: str) -> tuple[int, ...]:
    """The whole numbers of a text, separated by commas or blanks; none of a blank text.

    Raises:
        ConfigError: there is something else.
    """
    try:
        return tuple(int(part) for part in re.sub("[,，、]", " ", text).split())
    except ValueError:
        raise ConfigError(
            f"{text!r} isn't a list of whole numbers.",
            expected="such as 200, 400",
            hint="separate the numbers by commas.",
        ) from None


def numbers(text: str) -> tuple[float, ...]:
    """The finite numbers of a text, separated by commas or blanks.

    Raises:
        ConfigError: there is none, or something else.
    """
    try:
        found = tuple(float(part) for part in re.sub("[,，、]", " ", text).split())
    except ValueError:
        found = ()
    if not found or not all(map(math.isfinite, found)):
        raise ConfigError(
            f"{text!r} isn't a list of numbers.", expected="such as -1, 0, 1", hint="separate the numbers by commas."
        )
    return found


def unused_inputs(given: Mapping[str, Any], defaults: Mapping[str, Any], used: Collection[str], chosen: str) -> str:
    """Says which inputs were changed from their defaults and have no effect; empty if none.

    Args:
        given: name -> value of all inputs that some choice uses.
        defaults: name -> default.
        used: names of those that this choice uses.
        chosen: the choice, in words.
    """
    idle = [f"{name} {value}" for name, value in given.items() if name not in used and value != defaults[name]]
    return f"Not used, as {chosen}: {', '.join(idle)}." if idle else ""
