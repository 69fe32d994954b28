"""``lora-workbench train``: train as a file says, in one process or in several."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..engine.core.errors import ConfigError
from ..engine.core.events import Event, SamplesGenerated
from ..engine.core.joining import launched
from ..engine.core.ranks import Ranks
from ..engine.core.words import duration
from . import hosted
from .printing import say
from .together import REFUSED, Outcome, carried_out, leads, reported, shared

if TYPE_CHECKING:
    from ..engine.runs.run_file import RunFile
    from ..nodes.host.headless import HeadlessHost

T = TypeVar("T")


def add_to(commands: Any) -> None:
    parser = commands.add_parser("train", help="train as a file says; also under torchrun and accelerate launch")
    parser.add_argument("run", type=Path, nargs="?", metavar="RUN.toml", help="as in docs/run.example.toml")
    parser.add_argument(
        "--set", dest="assignments", action="append", default=[], metavar="SECTION.NAME=VALUE",
        help="set a value of the file, any number of times",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for all results, as in the file by default")
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
    hosted.add_to(parser)
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of the file, and train nothing")
    parser.set_defaults(command=train)


def train(arguments: argparse.Namespace) -> int:
    if arguments.schema:
        from ..engine.runs.run_schema import run_schema

        say(json.dumps(run_schema(), indent=1))
        return 0
    if arguments.on:
        return reported(arguments, hosted.execute, hosted.in_words)
    return reported(arguments, execute, _in_words)


def _in_words(outcome: Outcome, seconds: float) -> str:
    lines = [f"adapter  {path}" for path in outcome.adapters] + [f"picture  {path}" for path in outcome.images]
    return "\n".join([f"Done in {duration(seconds)}.", *lines])


def execute(arguments: argparse.Namespace, outcome: Outcome) -> tuple[int, str]:
    """Train, adding to the outcome: (exit status, what went wrong or nothing)."""
    from ..engine.runs.run_file import read_run
    from ..nodes.host.headless import HeadlessHost

    try:
        seat = launched()
        if arguments.run is None:
            raise ConfigError("No file is named.", expected="RUN.toml", hint="copy docs/run.example.toml.")
        run = read_run(arguments.run, arguments.assignments)
    except ConfigError as error:
        return REFUSED, str(error)
    output = arguments.output or Path(run.run.output)
    host = HeadlessHost(output, workflow_folder=arguments.run.absolute().parent, silent=not leads())
    work = shared(seat, run.base.device, lambda device, ranks: _train(run, host, device, ranks, outcome))
    return carried_out(host, work)


def _train(
    run: RunFile, host: HeadlessHost, device: str, ranks: Ranks, outcome: Outcome
) -> Generator[Event, None, None]:
    from ..engine.adapters.keeping import keep
    from ..engine.runs.from_file import Places, inputs_of
    from ..engine.runs.processes import train_on_devices
    from ..engine.runs.store import RunStore
    from ..engine.runs.train import follow_training, train_adapter
    from ..nodes.kit.files import new_file
    from ..nodes.training.train_lora import in_words, training_report

    store = RunStore(host.store_root())
    places = Places(base=host.base_path, dataset=host.dataset_path, store=store)
    made = yield from inputs_of(run, places, device, ranks)
    common: dict[str, Any] = {"seed": run.run.seed, "store": store, "regularization": made.regularization}
    if not ranks.leads:
        yield from follow_training(made.base, made.dataset, made.recipe, ranks=ranks, **common)
        return
    if ranks.count > 1:
        events = train_adapter(made.base, made.dataset, made.recipe, name=made.name, ranks=ranks, **common)
    else:
        events = train_on_devices(made.base, made.dataset, made.recipe, name=made.name, **common)
    folder = new_file(host.output_directory() / "samples", made.name)
    trained = yield from _keeping_samples(events, folder, outcome.images)
    report = training_report(trained)
    host.progress.line(in_words(report))
    outcome.reports["train"], outcome.cached_nodes = report, int(trained.cached)
    place = new_file(host.adapter_directory(), run.save.filename.strip() or made.name)
    dtype: Any = run.save.dtype
    kept = keep(trained.adapter, place, dtype=dtype, without_data=run.save.private)
    outcome.adapters.append(str(kept.path))


def _keeping_samples(events: Generator[Event, None, T], folder: Path, saved: list[str]) -> Generator[Event, None, T]:
    """The events, with sample pictures saved as they come."""
    from ..engine.core.storage import write_bytes
    from ..engine.generation.png import encode_png

    with contextlib.closing(events):
        while True:
            try:
                event = next(events)
            except StopIteration as finished:
                return finished.value
            if isinstance(event, SamplesGenerated):
                for number, (image, prompt) in enumerate(zip(event.images, event.prompts, strict=True), 1):
                    path = folder / f"{event.step:06d}_{number:02d}.png"
                    write_bytes(path, encode_png(image, parameters={"prompt": prompt, "step": event.step}))
                    saved.append(str(path))
            yield event
