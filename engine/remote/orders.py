"""Orders: their settings as text, and the key under which a result is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..core.errors import ConfigError
from ..core.fields import raise_all
from ..core.hashing import value_hash
from ..data.dataset import Dataset
from .contract import PROVIDERS, Order

_VERSION = 1
"""Of what is sent for the same order."""
_SECRET = re.compile(r"token|secret|passw|api_?key|_key\b|credential|authorization|webhook", re.IGNORECASE)
"""Names of settings that secrets stand in, or that send something elsewhere."""
_WORDS: Mapping[str, Any] = {"true": True, "false": False, "none": None}


def order_of(
    provider: str,
    dataset: Dataset,
    *,
    trainer: str = "",
    steps: int = 1000,
    settings: Mapping[str, Any] | None = None,
    destination: str = "",
) -> Order:
    """An order, checked as far as that goes without asking.

    Args:
        provider: name of it.
        dataset: the pictures.
        trainer: as the provider calls it; empty for its default.
        steps: of the training.
        settings: further inputs of the trainer, by its own names.
        destination: for providers that keep the result, too.

    Raises:
        ConfigError: the provider isn't known, or settings hold a secret, or what we set ourselves.
        DatasetError: the provider can't train on the data set.
    """
    kind = PROVIDERS.get(provider)
    order = Order(
        provider=provider,
        trainer=trainer.strip() or kind.default_trainer(),
        steps=steps,
        settings=dict(settings or {}),
        trigger=", ".join(trigger.word for trigger in dataset.triggers),
        destination=destination.strip(),
    )
    if not re.fullmatch(r"[\w./:@-]+", order.trainer):
        raise ConfigError(
            f"{order.trainer!r} can't be a trainer of {kind.title}.",
            expected=f"such as {', '.join(kind.trainers)}",
            hint="copy its name from the provider's site.",
        )
    raise_all([problem for name in order.settings if (problem := _problem(name))], "The order")
    kind.check(order, dataset)
    return order


def key_of(order: Order, dataset: Dataset) -> str:
    """Content hash of everything that the result depends on."""
    settings = {name: order.settings[name] for name in sorted(order.settings)}
    asked = (order.provider, order.trainer, order.steps, settings, order.trigger)
    return value_hash("hosted training", _VERSION, *asked, dataset.content_hash)


def parse_inputs(text: str) -> dict[str, Any]:
    """Inputs of a trainer from lines ``name = value``, also separated by semicolons; lines that start with # are
    skipped. Values are numbers, true, false or text.

    Raises:
        ConfigError: with one line for each entry that isn't of this form, comes twice, or may hold a secret.
    """
    values: dict[str, Any] = {}
    problems = []
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for entry in re.split(r"\n|;\s*(?=\w+\s*=)", "\n".join(lines)):
        name, equals, value = (part.strip(" \t;") for part in entry.partition("="))
        if not entry.strip():
            continue
        if not equals or not re.fullmatch(r"[A-Za-z]\w*", name):
            problems.append("an entry isn't of the form name = value")  # not repeated: it may be a pasted token
        elif name in values:
            problems.append(f"{name}: given twice")
        elif problem := _problem(name):
            problems.append(problem)
        else:
            values[name] = _value(value)
    raise_all(problems, "The order")
    return values


def _problem(name: str) -> str:
    """What is wrong with the name of a setting; empty if nothing is. Values aren't repeated."""
    if name == "steps":
        return "steps: has an input of its own"
    if _SECRET.search(name):
        return f"{name}: secrets and addresses for messages don't belong into a graph or a file"
    return ""


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return _WORDS.get(text.lower(), text)
