"""The seam between what an agent asks for and the place where it is done: this program, or a running ComfyUI.

A backend lives in the worker (``worker.py``), which does one job at a time in a process of its own. Its methods block
until they are done. They tell of their progress to a :class:`Watch`, which raises :class:`Ended` where the job is to
end at once. Whoever serves agents asks a :class:`Catalog` what there is; it never computes.

Errors that an agent can act on are ``WorkbenchError``. The same request gives the same result, so a job that was cut
off is simply done again: what is there already is neither drawn nor trained a second time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ..engine.core.errors import WorkbenchError

if TYPE_CHECKING:
    from ..engine.core.events import Event
    from ..engine.vault.card import Card


@dataclass(frozen=True, kw_only=True)
class DrawRequest:
    """Some pictures of one scene, with consecutive seeds."""

    kind: ClassVar[str] = "draw"

    name: str
    """What draws, for labels and folders: an adapter, or a saved stack."""
    scene: str
    """The prompt, without trigger phrases: those of the rows are put into it."""
    rows: str = ""
    """Adapters with weights, as the text of *Stack* (``engine/adapters/rows.py``); empty: the base model alone."""
    base: str = ""
    """Name of a base model of :meth:`Catalog.bases`; empty: the first."""
    negative: str = ""
    """What to avoid."""
    seed: int = 0
    count: int = 1
    width: int = 0
    """Pixels; 0 for the base model's own, as is height."""
    height: int = 0
    steps: int = 0
    """0: what the base model generates well with, as is guidance."""
    guidance: float = 0.0


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """A training of an adapter."""

    kind: ClassVar[str] = "train"

    folder: str
    """Full path of the training pictures, already known to be below an allowed folder."""
    name: str
    """Of the adapter and its file."""
    goal: str = "subject"
    quality: str = "standard"
    base: str = ""
    """Name of a base model of :meth:`Catalog.bases`; empty: the first."""
    trigger: str = ""
    """Trigger word, put into captions; empty: captions stay as they are."""
    class_word: str = ""
    template: str = ""
    """What captions begin with that lack the trigger word, such as ``a photo of {trigger} {class}``; empty: that."""
    seed: int = 0
    keep: str = "verdict"
    """Which snapshot becomes the adapter: ``verdict``, the one that the measures tell to use, or ``last``."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the recipe that replace suggested ones."""


@dataclass(frozen=True, kw_only=True)
class WorkflowRequest:
    """A workflow with some inputs set."""

    kind: ClassVar[str] = "workflow"

    name: str
    path: str
    """Full path of the workflow's file."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """``NODE.INPUT`` -> value."""


Request = DrawRequest | TrainRequest | WorkflowRequest
_KINDS: Mapping[str, type[Request]] = {kind.kind: kind for kind in (DrawRequest, TrainRequest, WorkflowRequest)}


def as_json(request: Request) -> dict[str, Any]:
    """A request as plain values."""
    return {"kind": request.kind, **asdict(request)}


def from_json(values: Mapping[str, Any]) -> Request:
    """The request of :func:`as_json`.

    Raises:
        ValueError: it is none.
    """
    try:
        given = dict(values)
        return _KINDS[given.pop("kind")](**given)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no request: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture that was drawn."""

    path: str
    """Full path on this machine."""
    prompt: str = ""
    """As it was drawn, with trigger phrases."""
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a job has made, as plain values."""

    pictures: Sequence[Picture] = ()
    adapters: Sequence[str] = ()
    """Names by which :meth:`Catalog.card` knows them."""
    report: Mapping[str, Any] = field(default_factory=dict)
    """Facts as JSON values."""
    notes: Sequence[str] = ()
    """What the agent should know: what wasn't used, or looks like a mistake. A sentence each."""
    stopped: bool = False
    """Whether it ended on request with what it had."""


class PlaceError(WorkbenchError):
    """Where jobs are done can't be asked now, such as a server that is down."""


class Ended(BaseException):
    """The job is to end at once. Not an ``Exception``, so that no loop mistakes it for a failure."""

    goes_on: ClassVar[bool] = False
    """Whether another process goes on with it, so that what it has begun elsewhere may run on."""


class Watch(Protocol):
    """Who watches a job, as its backend sees it."""

    @property
    def folder(self) -> Path:
        """The job's own folder, which outlives the process: for what only this job needs, such as downloads."""
        ...

    def show(self, event: Event) -> None:
        """Tell of progress, as often as there is any.

        Raises:
            Ended: the job is to end at once.
        """
        ...

    def stop_wanted(self) -> bool:
        """Whether somebody asked for the job to stop with what it has. A training keeps its adapter; everything else
        ends at once, by :class:`Ended`, which :meth:`show` raises then."""
        ...

    def remember(self, **facts: Any) -> None:
        """Keep JSON values with the job, such as the id of a prompt elsewhere, for whoever goes on with it."""
        ...

    @property
    def remembered(self) -> Mapping[str, Any]:
        """What was kept, also by an earlier process that did this job."""
        ...


class Backend(Protocol):
    """Where jobs are done."""

    def draw(self, request: DrawRequest, watch: Watch) -> Result:
        """Draw pictures; ``Result.pictures`` has one for each seed, in order."""
        ...

    def train(self, request: TrainRequest, watch: Watch) -> Result:
        """Train an adapter and save it where drawing finds it; ``Result.adapters`` has its name."""
        ...

    def run(self, request: WorkflowRequest, watch: Watch) -> Result:
        """Run a workflow."""
        ...


class Catalog(Protocol):
    """What there is, as agents see it. Thread-safe; answers within seconds."""

    def cards(self) -> list[Card]:
        """Of all adapters, by name."""
        ...

    def card(self, name: str) -> Card | None:
        """Of one; ``None`` for a name that isn't listed."""
        ...

    def preview(self, name: str) -> bytes | None:
        """The preview of an adapter as PNG, JPEG or WebP, bounded in size; ``None`` if it has none."""
        ...

    def pin(self, name: str, pinned: bool) -> None:
        """Pin an adapter that is listed, or take its pin off; cards say so from then on.

        Raises:
            StorageError: it can't be kept.
        """
        ...

    def bases(self) -> Mapping[str, str]:
        """Name of each base model -> its family; the first is the usual one."""
        ...

    def presets(self) -> Mapping[str, str]:
        """Saved stacks: name -> rows, as the editor of *Stack* saves them."""
        ...

    def runs(self) -> list[dict[str, Any]]:
        """The trainings, those used last first: ``name``, ``number``, ``base``, ``dataset``, ``done``, ``steps``,
        ``progress``, ``verdict`` (in short), ``snapshots``."""
        ...

    def verdict(self, name: str) -> Mapping[str, Any] | None:
        """The verdict on a training, by its name or the begin of its number: ``name``, ``words``, ``best`` (step) and
        what else is known; ``None`` if nothing of it was measured.

        Raises:
            ConfigError: there is no such training, or several.
        """
        ...
