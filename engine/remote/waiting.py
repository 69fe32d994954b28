"""Waiting for a job that was started, whatever happens meanwhile."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace

from ..core.errors import RemoteError
from ..core.events import Event, Message, Progress
from ..runs.requests import Request
from .api import MissingError, UnreachableError
from .contract import Provider, Status
from .errands import Errand
from .jobs import Job
from .patience import waited

_ENDS = ("done", "failed", "canceled")


def followed(errand: Errand, provider: Provider, job: Job, stop: Request) -> Generator[Event, None, Job]:
    """Wait until the job is done. When the generator is closed, the job is ended if the terms say so.

    Raises:
        RemoteError: it failed, was canceled, or the provider is out of reach for too long.
    """
    last = ""
    try:
        while not job.ending:
            if stop.is_made():
                stop.withdraw()
                job = errand.written(replace(job, canceling=True))
                yield from provider.cancel(errand.order, job.id)
            job, status = yield from asked(errand, provider, job)
            if not job.ending:
                yield from _shown(errand, status, last)
                last = _words(errand, status)
                yield from waited(errand.terms.patience.poll)
    except GeneratorExit:
        _leave(errand, provider, job)
        raise
    if job.ending == "failed":
        raise failed(errand, job)
    if job.ending == "canceled":
        raise RemoteError(
            f"Job {job.id} at {errand.title} was canceled, so there is no adapter.",
            expected="a training that ends",
            hint="run again to start another one.",
        )
    return job


def asked(errand: Errand, provider: Provider, job: Job) -> Generator[Event, None, tuple[Job, Status]]:
    """The job, with its ending if it has one, and what the provider says. Outages are waited out: the job goes on. So
    is the time in which a provider may not know a job yet that it has accepted.

    Raises:
        RemoteError: the provider is out of reach for too long, or knows the job no more.
    """
    begun = time.monotonic()
    while True:
        try:
            status = yield from errand.understood(provider.status(errand.order, job.id))
        except UnreachableError as problem:
            if time.monotonic() - begun > errand.terms.patience.outage:
                raise
            yield Message(text=f"{errand.name}: {problem.got} Still waiting.")
            yield from waited(errand.terms.patience.poll)
        except MissingError as problem:
            if errand.settled(job):
                raise lost(job, errand, problem) from problem
            yield from waited(errand.terms.patience.poll)
        else:
            return errand.written(_ended(job, status)) if status.state in _ENDS else job, status


def failed(errand: Errand, job: Job) -> RemoteError:
    return RemoteError(
        f"Job {job.id} at {errand.title} failed: {job.why or 'it gives no reason'}",
        expected="a training that ends",
        hint=f"see {errand.kind.page}, mend what is wrong, and train again by start = train again, or --again; each "
        "start may cost.",
    )


def lost(job: Job, errand: Errand, problem: MissingError) -> MissingError:
    """What to say where the provider has a job, or its result, no more."""
    return MissingError(
        f"Job {job.id}: {problem.got}",
        expected=problem.expected,
        hint=f"look at {errand.kind.page}: its adapter may be there. If it is gone, train again by start = train "
        "again, or --again; that costs again.",
    )


def _shown(errand: Errand, status: Status, last: str) -> Iterator[Event]:
    """How far a job is that goes on: its steps, and its state in words when they are others than the last ones."""
    words = _words(errand, status)
    if words != last:
        yield Message(text=f"{errand.name}: {words}")
    if status.state == "running" and status.total:
        yield Progress(done=status.done, total=status.total, label=f"training at {errand.title}")


def _words(errand: Errand, status: Status) -> str:
    more = f" ({status.words})" if status.words else ""
    return f"{status.state} at {errand.title}{more}"


def _ended(job: Job, status: Status) -> Job:
    """A job that was to be canceled and has no result was canceled, whatever the provider calls that."""
    ending = "canceled" if job.canceling and status.state == "failed" else status.state
    return replace(job, ending=ending, why=status.words if ending == "failed" else "")


def _leave(errand: Errand, provider: Provider, job: Job) -> None:
    """The user doesn't wait any longer. Nothing can be yielded here.

    Raises:
        RemoteError: the job couldn't be ended, so that it goes on and costs.
    """
    if not errand.terms.cancel_when_closed or job.ending:
        return
    errand.written(replace(job, canceling=True))
    try:
        for _ in provider.cancel(errand.order, job.id):
            pass
    except RemoteError as problem:
        raise RemoteError(
            f"Job {job.id} at {errand.title} couldn't be canceled, so it may go on and cost: {problem.got}",
            expected="an answer that it ends",
            hint=f"cancel it at {errand.kind.page}; or run again, to wait for its result.",
        ) from None
