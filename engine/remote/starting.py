"""Starting a job once: what is about to be asked is written down before, and looked for where no answer comes."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace
from typing import Any
from uuid import uuid4

from ..core.errors import RemoteError, WorkbenchError
from ..core.events import Event, Message
from ..core.words import duration
from ..runs.about import note
from .api import DoubtError, MissingError
from .contract import Price, Provider
from .errands import Errand
from .jobs import Job
from .patience import waited
from .terms import NotStartedError
from .waiting import asked, failed


def underway(errand: Errand, provider: Provider) -> Generator[Event, None, Job]:
    """The job of an order: the one that was started before, or else a new one.

    Raises:
        NotStartedError: only the price was asked for.
        RemoteError: an earlier job failed, it isn't known whether there is one, the price is too high, or the provider
            refuses.
    """
    job = errand.job()
    if job.in_doubt:
        job = yield from looked_up(errand, provider, job)
    if job.id and not (yield from _is_gone(errand, provider, job)):
        if job.canceling and not job.ending:
            job, _ = yield from asked(errand, provider, job)
        if job.ending in ("", "done"):
            yield Message(text=f"{errand.name}: waiting for job {job.id} at {errand.title}, which was started before")
            return job
        if job.ending == "failed" and errand.terms.start != "train again":
            raise failed(errand, job)
    return (yield from _started(errand, provider, job.again()))


def _is_gone(errand: Errand, provider: Provider, job: Job) -> Generator[Event, None, bool]:
    """Whether another job was asked for, and the provider has this one, or its result, no more."""
    if errand.terms.start != "train again" or job.ending in ("failed", "canceled") or not errand.settled(job):
        return False
    ask = provider.result if job.ending == "done" else provider.status
    try:
        yield from errand.understood(ask(errand.order, job.id))
    except MissingError:
        return True
    return False


def _started(errand: Errand, provider: Provider, job: Job) -> Generator[Event, None, Job]:
    price = yield from errand.understood(provider.price(errand.order, len(errand.dataset)))
    _check_price(errand, price)
    yield Message(text=f"{errand.name}: {errand.bill(price)}")
    if not job.uploaded or time.time() - job.uploaded_at > errand.terms.patience.upload_kept:
        uploaded = yield from _uploaded(errand, provider)
        job = errand.written(replace(job, uploaded=uploaded, uploaded_at=time.time()))
    mark = f"lw-{errand.lineage[:16]}-{uuid4().hex[:8]}"
    intent = errand.written(replace(job, mark=mark, asked_at=time.time(), price=str(price)))
    try:
        number = yield from provider.start(errand.order, intent.uploaded, mark)
    except DoubtError as problem:
        yield Message(text=f"{errand.name}: {errand.title} was asked to start, and {problem}")
        return (yield from looked_up(errand, provider, intent))
    except (WorkbenchError, GeneratorExit):  # whatever else happens leaves a doubt
        errand.written(job)  # refused, or interrupted between two tries that weren't served: nothing runs
        raise
    started = errand.written(replace(intent, id=number))
    note(errand.store, errand.lineage, errand.about())
    yield Message(text=f"{errand.name}: started as job {number} at {errand.title}")
    return started


def _uploaded(errand: Errand, provider: Provider) -> Generator[Event, None, Any]:
    with errand.workplace() as folder:
        return (yield from errand.understood(provider.upload(errand.order, errand.dataset, folder)))


def looked_up(errand: Errand, provider: Provider, job: Job) -> Generator[Event, None, Job]:
    """A job whose start has no answer, as it is in the provider's list, or as not started if that is sure.

    Raises:
        RemoteError: it isn't known whether it was started.
    """
    yield Message(text=f"{errand.name}: looking for a job at {errand.title} whose start had no answer")
    patience = errand.terms.patience
    for pause in patience.looks:
        yield from waited(pause)
        listed = yield from errand.understood(provider.find(errand.order, job.uploaded, job.mark, job.asked_at))
        if found := [number for number in listed if number not in job.earlier]:
            yield Message(text=f"{errand.name}: found it: job {found[0]}")
            note(errand.store, errand.lineage, errand.about())
            return errand.written(replace(job, id=found[0]))
    surely_not = provider.lists_all and errand.settled(job)
    if surely_not or errand.terms.start == "train again":
        return errand.written(job.again())
    raise _doubted(errand, job)


def _check_price(errand: Errand, price: Price) -> None:
    """Refuse a price that isn't agreed to.

    Raises:
        NotStartedError: only the price was asked for.
        RemoteError: it is too high, or unknown where there is a limit.
    """
    if errand.terms.start == "tell the price":
        raise NotStartedError(
            f"Nothing was sent or started. {errand.bill(price)}",
            expected="your consent to this price",
            hint="set start to train; price_limit refuses what is dearer.",
        )
    limit = errand.terms.price_limit
    if limit and (price.amount is None or price.amount > limit):
        raise RemoteError(
            f"Nothing was sent or started. {errand.bill(price)}",
            expected=f"a known price of at most {limit:g}, as price_limit says",
            hint="raise price_limit, or set it to 0 for any price, also an unknown one.",
        )


def _doubted(errand: Errand, job: Job) -> RemoteError:
    kind, when = errand.kind, time.strftime("%Y-%m-%d %H:%M", time.localtime(job.asked_at))
    listed = "isn't in its list" + ("" if kind.lists_all else ", which has only jobs that have ended")
    soon = f" {duration(errand.terms.patience.settled)} later its list counts as an answer." if kind.lists_all else ""
    return RemoteError(
        f"{errand.title} was asked on {when} to start this training and gave no answer; the job {listed}. It may run "
        "and cost, so it isn't started again.",
        expected="the job in the list, or your word that there is none",
        hint=f"look at {kind.page}. If it runs there, run this again when it has ended; if there is none, by start = "
        f"train again, or --again.{soon}",
    )
