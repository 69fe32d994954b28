"""What the report of a run shows, as plain values and pictures. What is empty or ``None`` is left out of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image

Curve = Sequence[tuple[float, float]]
"""Points of step (from 1) and value, in order of the steps. Values may be NaN, and are left out of the line."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the measures of a run's snapshots say, for people."""

    text: str
    """One sentence, such as ``Best: step 600.``"""
    reasons: Sequence[str] = ()
    """One sentence each."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What was measured of the snapshots of a run."""

    name: str
    """For people, such as ``held-out loss``."""
    points: Curve
    """At the steps of the snapshots."""
    better: Literal["", "lower", "higher"] = ""
    """Which values are better; empty if that isn't known."""
    about: str = ""
    """What it means and where it comes from, in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sample picture."""

    prompt: str
    image: Image


@dataclass(frozen=True, kw_only=True)
class SampleStep:
    """The sample pictures after a step."""

    step: int
    samples: Sequence[Sample]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The sample pictures over time."""

    steps: Sequence[SampleStep]
    """In order of the steps."""
    left_out: int = 0
    """Steps with pictures that aren't shown, so that the page stays small."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one prompt gave."""

    prompt: str
    note: str
    """What else is to know of the prompt."""
    images: Sequence[Image]
    """One a column."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Pictures of the same prompts by the base model and by snapshots."""

    about: str
    """How they were drawn, in a sentence."""
    columns: Sequence[str]
    rows: Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of the data set."""

    name: str
    caption: str = ""
    repeats: int = 1
    marks: Sequence[str] = ()
    """What else is special of it, such as ``mask``."""
    image: Image | None = None
    """A thumbnail."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The data set."""

    name: str
    shown: Sequence[Picture]
    count: int
    """Of all pictures, among them those that aren't shown."""
    note: str = ""
    """What a reader should know of it."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting of the recipe."""

    name: str
    value: str
    source: str = ""
    """Who suggests this value."""
    instead_of: str = ""
    """What was suggested, or is the default, if the value is another one."""

    @property
    def is_usual(self) -> bool:
        """Whether it is a default that nobody had to suggest."""
        return not self.source and not self.instead_of


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of settings."""

    title: str
    settings: Sequence[Setting]


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """Everything that the page shows, from top to bottom."""

    title: str
    subtitle: str = ""
    """What was trained, such as the adapter's kind and rank."""
    steps: int
    resumed_at: int = 0
    """Steps that were done before those that ``seconds`` are of."""
    seconds: float | None = None
    """How long the steps from ``resumed_at`` on took, with what came before the first one."""
    trigger: str = ""
    """The trigger phrase."""
    verdict: Verdict | None = None
    picked: int | None = None
    """The step whose snapshot was chosen; it is marked in curves and pictures."""
    losses: Curve = ()
    parts: Mapping[str, Curve] = field(default_factory=dict)
    """Name of a part of the loss -> its values, which add up to ``losses``."""
    learning_rates: Curve = ()
    measures: Sequence[Measure] = ()
    grid: Grid | None = None
    samples: Samples | None = None
    pictures: Pictures | None = None
    recipe: Sequence[Group] = ()
    reason: str = ""
    """Why these settings."""
    notes: Sequence[str] = ()
    """What a reader should know of the run, one sentence each."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Name -> what is known of the run: base model, device, memory, versions."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """What it is of -> content hash."""
    graph: str = ""
    """The workflow, JSON."""
