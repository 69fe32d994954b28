"""What tools share: the catalog, the jobs, and waiting for them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.adapters.finding import find
from ..engine.core.errors import BaseModelError
from ..engine.core.resources import ASSETS
from ..engine.core.words import counted
from .backend import Picture, Request
from .jobs import ENDED, Job, Jobs, Phase, State
from .opening import catalog_of
from .worker import IDLE_SECONDS, Workers

if TYPE_CHECKING:
    from ..engine.vault.card import Card
    from .places import Place
    from .workflows import WorkflowTool

Tell = Callable[[float, str], Awaitable[None]]
"""Tells whoever called how far it is (a number that rises) and what goes on."""
POLL_SECONDS = 0.2
_ENSURE_SECONDS = 1.0
"""Between two looks whether somebody does the jobs."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a tool answers."""

    text: str
    facts: dict[str, Any] = field(default_factory=dict)
    """The same for programs, as JSON values."""
    pictures: Sequence[Picture] = ()
    is_error: bool = False


class Service:
    """An agent's workbench.

    Args:
        place: where jobs are done.
        workflows: that are tools.
        idle: seconds that a worker waits for another job.

    Raises:
        BaseModelError: a base model of the place is missing.
    """

    def __init__(self, place: Place, workflows: Sequence[WorkflowTool] = (), idle: float = IDLE_SECONDS) -> None:
        self.place, self.workflows = place, workflows
        self.roots = [*map(Path, place.roots), ASSETS / "datasets"]
        """Folders below which training pictures may be."""
        self.catalog = catalog_of(place)
        self.jobs = Jobs(place.jobs)
        self._workers = Workers(self.jobs, idle)
        self._waiting: Counter[str] = Counter()
        """Id of a job -> calls that wait for it."""

    def go_on(self) -> None:
        """See to it that jobs which are there are done, as after a restart.

        Raises:
            OSError: no process can be started.
        """
        self._workers.ensure()

    def adapter(self, name: str) -> Card:
        """The card of an adapter, by a name as people write it.

        Raises:
            AdapterError: there is none, or several are meant; near names are told.
        """
        found = find(name, [card.name for card in self.catalog.cards()])
        card = self.catalog.card(found)
        assert card is not None
        return card

    def base_for(self, cards: Sequence[Card]) -> str:
        """The base model that adapters are drawn with: the one that the first was trained on, or of its family.

        Raises:
            BaseModelError: there is none of its family.
        """
        bases = self.catalog.bases()
        card = next((card for card in cards if card.base or card.family), None)
        if card is None:
            return next(iter(bases))
        if card.base in bases and card.family in ("", bases[card.base]):
            return card.base
        fitting = [name for name, family in bases.items() if card.family in ("", family)]
        if not fitting:
            raise BaseModelError(
                f"{card.name} is for base models of the family {card.family}.",
                expected=f"one of {', '.join(f'{name} ({family})' for name, family in bases.items())}",
                hint="choose another adapter, or let the user start the server with --base and such a base model.",
            )
        return fitting[0]

    def ask(self, request: Request) -> Job:
        """Ask for a job.

        Raises:
            StorageError: the run store can't be written.
            OSError: no process can be started.
        """
        job = self.jobs.add(request, self.place)
        self._workers.ensure()
        return job

    async def wait(self, job: Job, seconds: float, tell: Tell, *, is_ended_with_call: bool) -> None:
        """Wait for a job, and tell what it does meanwhile.

        Args:
            job: to wait for.
            seconds: at most.
            tell: is told.
            is_ended_with_call: whether the job ends when the call is cancelled, and nobody else waits for it.
        """
        self._waiting[job.id] += 1
        try:
            await self._followed(job, time.monotonic() + seconds, tell)
        except asyncio.CancelledError:
            if is_ended_with_call and self._waiting[job.id] == 1:
                job.ask_to_stop()
            raise
        finally:
            self._waiting[job.id] -= 1

    async def _followed(self, job: Job, until: float, tell: Tell) -> None:
        course, told, ensured = _Course(), "", float("-inf")
        while (state := await asyncio.to_thread(job.state)).phase not in ENDED and time.monotonic() < until:
            if time.monotonic() - ensured > _ENSURE_SECONDS:
                await asyncio.to_thread(self._workers.ensure)
                ensured = time.monotonic()
            if (words := await asyncio.to_thread(self.goes_on, job, state)) != told:
                told = words
                await tell(course.at(state), words)
            await asyncio.sleep(POLL_SECONDS)

    def goes_on(self, job: Job, state: State) -> str:
        """What a job does now, in words."""
        phase = self.jobs.phase(job)
        if phase in ENDED:
            return phase
        if before := self.jobs.before(job):
            first = ", ".join(filter(None, [before[0].id, before[0].state().now]))
            return f"waiting for {counted(len(before), 'job')} first: {first}"
        last = state.said[-1:]
        return {"queued": "starting", "interrupted": "starting again"}.get(phase, state.now or "".join(last) or phase)

    def phase_in_words(self, job: Job) -> tuple[Phase, str]:
        """(the phase of a job, what goes on)."""
        state = job.state()
        return self.jobs.phase(job), self.goes_on(job, state)


class _Course:
    """Progress through several pieces of work as one number that rises: 2.4 is in the third."""

    def __init__(self) -> None:
        self._piece, self._share = 0, 0.0

    def at(self, state: State) -> float:
        share = min(0.99, state.done / state.total) if state.total else 0.0
        if share < self._share:
            self._piece += 1
        self._share = share
        return self._piece + share
