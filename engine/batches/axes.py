"""Axes of a batch: what of a job each changes, how its values are written, and how they are labeled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..adapters.stack import StackEntry
from ..core.errors import ConfigError
from ..core.words import between_commas
from .jobs import Job
from .texts import floats, integers, lines, sizes, within

NO_ADAPTER = "no adapter"
PROMPT, NEGATIVE, SEED = "prompt", "negative prompt", "seed"
ADAPTERS, STACK, SNAPSHOT, WEIGHT, REPLACE = "adapters", "stack", "snapshot", "weight", "replace in prompt"
LARGEST_SEED = 2**64 - 1
Change = Callable[[Job], Job]


@dataclass(frozen=True)
class Value:
    """One value of an axis."""

    label: str
    change: Change
    """Gives the job with this value."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What varies from picture to picture, and its values."""

    name: str
    values: tuple[Value, ...]
    late: bool = False
    """Whether it changes what other axes have given, so that it comes after them wherever it stands."""
    weighs: str | None = None
    """Name of the adapter whose weight it is, perhaps empty; ``None`` if it is no weight."""


@dataclass(frozen=True)
class _Plain:
    """An axis whose values are written as text and stand for themselves."""

    fields: tuple[str, ...]
    """Of a job; each value has one for each."""
    read: Callable[[str], Sequence[Any]]
    label: Callable[[Any], str] = str

    def change(self, job: Job, value: Any) -> Job:
        values = value if len(self.fields) > 1 else (value,)
        return replace(job, **dict(zip(self.fields, values, strict=True)))


def _number(value: float) -> str:
    return f"{value:g}"


def _size(value: tuple[int, int]) -> str:
    return f"{value[0]}x{value[1]}"


_PLAIN: dict[str, _Plain] = {
    PROMPT: _Plain(("prompt",), lines),
    NEGATIVE: _Plain(("negative_prompt",), lambda text: lines(text) or ("",)),
    SEED: _Plain(("seed",), lambda text: within(integers(text), "seed", 0, LARGEST_SEED)),
    "steps": _Plain(("steps",), lambda text: within(integers(text), "steps", 1, 1000)),
    "guidance": _Plain(("guidance",), lambda text: within(floats(text), "guidance", 0, 100), _number),
    "size": _Plain(("width", "height"), sizes, _size),
}
KINDS = (PROMPT, REPLACE, NEGATIVE, SEED, ADAPTERS, STACK, WEIGHT, SNAPSHOT, "steps", "guidance", "size")
"""What an axis can vary."""


def plain_axis(kind: str, values: Iterable[Any]) -> Axis:
    """An axis over values that stand for themselves: prompts, seeds, steps, guidance, pairs of width and height."""
    made, distinct = _PLAIN[kind], list(dict.fromkeys(values))
    return Axis(name=kind, values=tuple(Value(made.label(v), _changing(made.change, v)) for v in distinct))


def written_axis(kind: str, text: str) -> Axis:
    """The same, of values as people write them.

    Raises:
        ConfigError: there is none, or one that can't be read.
    """
    values = _PLAIN[kind].read(text)
    if not values:
        raise ConfigError(f"The axis {kind} has no values.", expected="at least one", hint="write one a line.")
    return plain_axis(kind, values)


def replacing_axis(text: str) -> Axis:
    """Words in place of others: the first is looked for in prompts, and stays in one of the pictures.

    Raises:
        ConfigError: there are fewer than two.
    """
    words = lines(text) if "\n" in text.strip() else tuple(between_commas(text))
    if len(words) < 2:
        raise ConfigError(
            f"The axis {REPLACE} got {text.strip()!r}.",
            expected="words that prompts contain, and what to put in their place, such as red, blue, green",
            hint="write the words of the prompt first, then one or more others, separated by commas or line ends.",
        )

    def change(job: Job, word: str) -> Job:
        if words[0] not in job.prompt:
            raise ConfigError(
                f"{words[0]!r} is to be replaced, and the prompt {job.prompt!r} doesn't contain it.",
                expected="words of every prompt",
                hint="the first value is what prompts contain.",
            )
        return replace(job, prompt=job.prompt.replace(words[0], word))

    return Axis(name=REPLACE, values=tuple(Value(word, _changing(change, word)) for word in words), late=True)


def adapters_axis(columns: Iterable[Sequence[StackEntry]], *, without: bool, name: str = ADAPTERS) -> Axis:
    """Adapters, alone or several at once, each beside those that all pictures have.

    Args:
        columns: the entries of each value.
        without: whether one value, the first, is no adapter.
        name: of the axis.
    """
    chosen = [(), *columns] if without else list(columns)
    values = {_column_label(entries): _changing(Job.adding, tuple(entries)) for entries in chosen}
    return Axis(name=name, values=tuple(Value(label, change) for label, change in values.items()))


def weights_axis(weights: Iterable[float], of: str = "", *, without: bool) -> Axis:
    """Weights of one adapter.

    Args:
        weights: of denoiser and text encoder.
        of: the adapter's name; empty for the one that an axis exchanges, or the only one.
        without: whether 0 is among them, first unless it is given.
    """
    chosen = list(dict.fromkeys(weights))
    chosen = [0.0, *chosen] if without and 0 not in chosen else chosen
    name = f"{WEIGHT} of {of}" if of else WEIGHT
    made = [Value(_number(weight), _changing(lambda job, w: job.weighing(of, w), weight)) for weight in chosen]
    return Axis(name=name, values=tuple(made), late=True, weighs=of)


def snapshots_axis(steps: Iterable[tuple[int, StackEntry]], *, without: bool) -> Axis:
    """The adapter of a run after some of its steps.

    Args:
        steps: each with the adapter.
        without: whether one value, the first, is no adapter.
    """
    made = [Value(f"step {step}", _changing(Job.adding, (entry,))) for step, entry in steps]
    first = [Value(NO_ADAPTER, _changing(Job.adding, ()))] if without else []
    return Axis(name=SNAPSHOT, values=(*first, *made))


def _column_label(entries: Sequence[StackEntry]) -> str:
    """``fox + riso 0.6``: weights of 1 go without saying, as another axis may sweep them."""
    parts = [f"{e.adapter.name} {e.weight:g}" if e.weight != 1 else e.adapter.name for e in entries if e.enabled]
    return " + ".join(parts) or NO_ADAPTER


def _changing(change: Callable[[Job, Any], Job], value: Any) -> Change:
    return lambda job: change(job, value)
