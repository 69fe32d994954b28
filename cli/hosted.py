"""``lora-workbench train --on PROVIDER``: have a hosted trainer train as a file says."""

from __future__ import annotations

import argparse
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.core.errors import ConfigError
from ..engine.core.events import Event, Message
from ..engine.core.words import duration
from .run import INTERRUPTED
from .together import REFUSED, Outcome, carried_out

if TYPE_CHECKING:
    from ..engine.data.dataset import Dataset
    from ..engine.remote.contract import Order
    from ..engine.remote.terms import Start, Terms
    from ..engine.runs.run_file import RunFile
    from ..nodes.host.headless import HeadlessHost

_STEPS = 1000
_GOES_ON = (
    "\nA job that was started goes on there, and costs. The same command waits for it again; with --cancel it ends."
)


def add_to(parser: argparse.ArgumentParser) -> None:
    """The options of ``train`` that belong to hosted trainers."""
    group = parser.add_argument_group(
        "hosted trainers", "Their tokens come from the environment or the keyring: see docs/hosted.md."
    )
    group.add_argument(
        "--on", choices=("replicate", "fal", "civitai"), metavar="PROVIDER",
        help="have it trained by replicate, fal or civitai; tells the price, unless --yes starts it",
    )  # fmt: skip
    group.add_argument("--yes", action="store_true", help="start it, or wait for what was started")
    group.add_argument("--again", action="store_true", help="start it although a job failed, or may have been started")
    group.add_argument("--cancel", action="store_true", help="end the job that was started")
    group.add_argument("--url", default="", metavar="URL", help="address in place of the provider's own, for a proxy")


def execute(arguments: argparse.Namespace, outcome: Outcome) -> tuple[int, str]:
    """Order a training, adding to the outcome: (exit status, what went wrong or nothing)."""
    from ..engine.runs.run_file import read_run
    from ..nodes.host.headless import HeadlessHost

    try:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise ConfigError(
                "Several processes were started.", expected="one, for a hosted trainer", hint="start one."
            )
        if arguments.run is None:
            raise ConfigError("No file is named.", expected="RUN.toml", hint="copy docs/run.example.toml.")
        run = read_run(arguments.run, arguments.assignments)
    except ConfigError as error:
        return REFUSED, str(error)
    host = HeadlessHost(
        arguments.output or Path(run.run.output), workflow_folder=arguments.run.absolute().parent
    )  # fmt: skip
    status, problem = carried_out(host, _carried(run, arguments, host, outcome))
    return status, problem + _GOES_ON if problem == INTERRUPTED else problem


def in_words(outcome: Outcome, seconds: float) -> str:
    if canceled := outcome.reports.get("canceled"):
        return f"Job {canceled['job']} was asked to end."
    if price := outcome.reports.get("price"):
        return f"{price}\nAdd --yes to have it trained."
    return "\n".join([f"Done in {duration(seconds)}.", *(f"adapter  {path}" for path in outcome.adapters)])


def _carried(
    run: RunFile, arguments: argparse.Namespace, host: HeadlessHost, outcome: Outcome
) -> Generator[Event, None, None]:
    from ..engine.remote.training import cancel_hosted
    from ..engine.runs.from_file import pictures_of

    if unused := _unused(run):
        yield Message(
            text=f"A hosted trainer doesn't use {', '.join(unused)}. Its own inputs stand in [hosted], under inputs."
        )
    dataset = yield from pictures_of(run, host.dataset_path)
    order, terms = _order(run, arguments, dataset), _terms(run, arguments)
    if arguments.cancel:
        job = yield from cancel_hosted(order, dataset, store=host.run_store(), terms=terms)
        outcome.reports["canceled"] = {"job": job.id}
    else:
        yield from _trained(run, order, dataset, terms, host, outcome)


def _unused(run: RunFile) -> list[str]:
    """What the file says beside what a hosted trainer gets."""
    from ..engine.runs.run_file import BaseSection, SuggestionSection

    found = ["seed"] if run.run.seed else []
    given = {"base": run.base != BaseSection(), "buckets": run.buckets, "regularization": run.regularization}
    found += [f"[{name}]" for name, there in given.items() if there]
    if run.recipe != SuggestionSection():
        found.append("goal and quality")
    settings = [name for name in run.settings if name != "steps"]
    return [*found, *([f"[recipe] {', '.join(settings)}"] if settings else [])]


def _order(run: RunFile, arguments: argparse.Namespace, dataset: Dataset) -> Order:
    from ..engine.remote.orders import order_of, parse_inputs

    return order_of(
        arguments.on,
        dataset,
        trainer=run.hosted.trainer,
        steps=run.settings.get("steps", _STEPS),
        settings=parse_inputs("\n".join(run.hosted.inputs)),
        destination=run.hosted.destination,
    )


def _terms(run: RunFile, arguments: argparse.Namespace) -> Terms:
    from ..engine.remote.terms import Terms

    start: Start = "train again" if arguments.again else "train" if arguments.yes else "tell the price"
    return Terms(
        start=start, price_limit=run.hosted.price_limit, cancel_when_closed=False, base_url=arguments.url
    )  # fmt: skip


def _trained(
    run: RunFile, order: Order, dataset: Dataset, terms: Terms, host: HeadlessHost, outcome: Outcome
) -> Generator[Event, None, None]:
    from ..engine.adapters.keeping import keep
    from ..engine.remote.terms import NotStartedError
    from ..engine.remote.training import train_hosted
    from ..nodes.kit.files import new_file
    from ..nodes.training.train_remote import hosted_report, in_words

    name = run.run.name.strip() or dataset.name
    try:
        trained = yield from train_hosted(order, dataset, store=host.run_store(), name=name, terms=terms)
    except NotStartedError as told:
        outcome.reports["price"] = told.got
        return
    yield Message(text=in_words(trained, order))
    outcome.reports["train"], outcome.cached_nodes = hosted_report(trained, order), int(trained.cached)
    place = new_file(host.adapter_directory(), run.save.filename.strip() or name)
    dtype: Any = run.save.dtype
    outcome.adapters.append(str(keep(trained.adapter, place, dtype=dtype, without_data=run.save.private).path))
