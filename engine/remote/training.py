"""A hosted training as a value: ordered once, waited for across restarts, fetched, and kept by content."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace

from ..adapters.adapter import Adapter
from ..adapters.files import load_adapter, save_adapter
from ..adapters.fused import bind_to
from ..adapters.keeping import exact_dtype
from ..core.errors import AdapterError, RemoteError
from ..core.events import Event, Message
from ..core.locks import Exclusive
from ..core.storage import write_json
from ..data.dataset import Dataset
from ..models.contract import Backbone
from ..runs.key import check_captions, check_trigger
from ..runs.record import read_record
from ..runs.requests import taking_requests
from ..runs.store import RunStore
from ..runs.train import Graph
from .api import MissingError
from .contract import PROVIDERS, Order, Price, Provider
from .errands import Errand
from .facts import described
from .fetching import unpacked
from .jobs import Job
from .patience import waited
from .starting import looked_up, underway
from .terms import Terms
from .waiting import followed, lost


@dataclass(frozen=True, kw_only=True)
class HostedAdapter:
    """The result of a hosted training."""

    adapter: Adapter
    """With our metadata. ``path`` is its file in the run store, unless a base model gave its layers other names."""
    job: Job
    cached: bool
    """Whether it was here already."""
    seconds: float
    """From the start of the job to the end."""


def train_hosted(
    order: Order,
    dataset: Dataset,
    *,
    store: RunStore,
    name: str,
    terms: Terms,
    base: Backbone | None = None,
    graph: Graph | None = None,
) -> Generator[Event, None, HostedAdapter]:
    """Have an adapter trained by a provider, or return the one that was trained before.

    Args:
        order: from :func:`~.orders.order_of`.
        dataset: every picture needs a caption.
        store: where the result is kept, and what is known of the job.
        name: of the adapter, for files and labels; not part of the key.
        terms: how it is ordered.
        base: the base model that the adapter is for, whose names its layers get.
        graph: for the file's metadata.

    Raises:
        ConfigError: there is no token, or httpx isn't installed.
        CaptionError: a caption is missing, or lacks the trigger word.
        NotStartedError: only the price was asked for.
        RemoteError: the provider refuses, fails, or isn't reached; what was started is waited for by the next call.
        AdapterError: what came back is no adapter, or doesn't fit the base model.
        StorageError: the store can't be written.
    """
    check_captions(dataset)
    check_trigger(dataset)
    _check_base(order, base)
    errand = Errand(order=order, dataset=dataset, store=store, name=name, terms=terms, graph=graph or Graph())
    if order.destination and not errand.kind.takes_destination:
        yield Message(text=f"{errand.title} keeps results by itself, so destination = {order.destination} isn't used.")
    if (found := _kept(errand)) is None:
        lock = Exclusive(store.lock(errand.lineage))
        yield from lock.acquire(name, "waiting for the same hosted training")
        try:
            found = _kept(errand) or (yield from _ordered(errand, base))
        finally:
            lock.release()
    adapter = replace(found.adapter, name=name)
    return replace(found, adapter=bind_to(base, _styled(adapter, base)) if base else adapter)


def price_of(order: Order, dataset: Dataset, *, store: RunStore, terms: Terms) -> Generator[Event, None, Price]:
    """What a training will cost, as far as the provider tells; nothing is sent or started.

    Raises:
        RemoteError: the provider refuses, or can't be reached.
    """
    errand = Errand(order=order, dataset=dataset, store=store, name=dataset.name, terms=terms)
    with errand.connected() as provider:
        return (yield from errand.understood(provider.price(order, len(dataset))))


def cancel_hosted(order: Order, dataset: Dataset, *, store: RunStore, terms: Terms) -> Generator[Event, None, Job]:
    """Ask for the end of the job of an order, also of one whose start had no answer.

    Raises:
        RemoteError: there is none, whether there is one isn't known, or the provider doesn't end it.
    """
    errand = Errand(order=order, dataset=dataset, store=store, name=dataset.name, terms=terms)
    job = errand.job()
    if not job.in_doubt:
        _refuse_ended(errand, job)
    with errand.connected() as provider:
        if job.in_doubt:
            job = yield from looked_up(errand, provider, job)
            _refuse_ended(errand, job)
        yield from provider.cancel(order, job.id)
    return errand.written(replace(job, canceling=True))


def _refuse_ended(errand: Errand, job: Job) -> None:
    if not job.id or job.ending:
        raise RemoteError(
            "No job of this order is running, as far as is known here.",
            expected="a job that was started from this run store and has no result yet",
            hint=f"look at {errand.kind.page}.",
        )


def _kept(errand: Errand) -> HostedAdapter | None:
    """The result that is here; ``None`` if there is none, or it is damaged: it is fetched again then."""
    if not errand.path.exists():
        return None
    try:
        adapter = load_adapter(errand.path)
    except AdapterError:
        return None
    record = read_record(errand.store.record(errand.lineage, errand.order.steps))
    return HostedAdapter(adapter=adapter, job=errand.job(), cached=True, seconds=record.get("seconds", 0.0))


def _ordered(errand: Errand, base: Backbone | None) -> Generator[Event, None, HostedAdapter]:
    """Start the job unless it was, wait for it, and fetch what it gives."""
    began = time.time()
    with errand.connected() as provider, taking_requests(errand.store, errand.lineage) as requests:
        job = yield from underway(errand, provider)
        job = yield from followed(errand, provider, job, requests.stop)
        adapter = yield from _fetched(errand, provider, job, base)
    seconds = round(time.time() - (job.asked_at or began), 1)
    record = {"losses": [], "notes": [], "seconds": seconds, "provider": errand.order.provider, "job": job.id}
    write_json(errand.store.record(errand.lineage, errand.order.steps), record)
    return HostedAdapter(adapter=adapter, job=job, cached=False, seconds=seconds)


def _fetched(errand: Errand, provider: Provider, job: Job, base: Backbone | None) -> Generator[Event, None, Adapter]:
    address = yield from _address(errand, provider, job)
    with errand.workplace() as folder:
        yield from provider.api.downloaded(address, folder / "fetched", label=f"fetching from {errand.title}, kB")
        came = load_adapter(unpacked(folder / "fetched", folder / "unpacked.safetensors"))
        _refuse_empty(came, job)
        adapter = described(came, errand, job, base.info if base else None)
        return save_adapter(adapter, errand.path, key_style=adapter.key_style, dtype=exact_dtype(adapter))


def _address(errand: Errand, provider: Provider, job: Job) -> Generator[Event, None, str]:
    """Where the result is. A provider may say that a job is done a little before it has what it made."""
    problem: MissingError | None = None
    for pause in errand.terms.patience.looks:
        yield from waited(pause)
        try:
            return (yield from errand.understood(provider.result(errand.order, job.id)))
        except MissingError as missing:
            problem = missing
    assert problem
    raise lost(job, errand, problem)


def _refuse_empty(adapter: Adapter, job: Job) -> None:
    """Refuse a file without updates of layers, such as a trained word alone."""
    if not adapter.modules:
        raise AdapterError(
            f"What job {job.id} gave changes no layer.",
            expected="an adapter, and not trained words alone",
            hint="choose a trainer of adapters; a trained word can be fetched by hand from the job's page.",
        )


def _check_base(order: Order, base: Backbone | None) -> None:
    """Refuse a base model that the result can't be for, before anything is paid."""
    known = PROVIDERS.get(order.provider).trainer(order.trainer)
    if base and known.family and base.info.family != known.family:
        name = base.info.name or "the base model"
        raise AdapterError(
            f"{order.trainer} trains on {known.base}, and {name} is {base.info.traits.title}.",
            expected=f"a base model of the family {known.family}",
            hint="connect such a base model, or none, or choose another trainer. Nothing was started.",
        )


def _styled(adapter: Adapter, base: Backbone) -> Adapter:
    """With the names that files of the base model's family have; its own file may have others."""
    if adapter.key_style == base.info.key_style:
        return adapter
    return replace(adapter, key_style=base.info.key_style, path=None)
