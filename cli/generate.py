"""``lora-workbench generate``: draw a batch as a file says, in one process or in several."""

from __future__ import annotations

import argparse
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.core.errors import ConfigError, WorkflowError
from ..engine.core.events import Event, Message
from ..engine.core.joining import launched
from ..engine.core.ranks import Ranks
from ..engine.core.words import counted, duration
from .together import REFUSED, Outcome, carried_out, leads, reported, shared

if TYPE_CHECKING:
    from ..engine.adapters.adapter import Adapter
    from ..engine.batches.batch_file import BatchFile
    from ..engine.batches.jobs import Job
    from ..nodes.host.headless import HeadlessHost


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "generate", help="draw a batch as a file says; also under torchrun and accelerate launch"
    )
    parser.add_argument("batch", type=Path, metavar="BATCH.toml", help="as in docs/batch.example.toml")
    parser.add_argument(
        "--set", dest="assignments", action="append", default=[], metavar="SECTION.NAME=VALUE",
        help="set a value of the file, any number of times",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for all results, as in the file by default")
    parser.add_argument(
        "--as-prompts", type=Path, metavar="WORKFLOW.json", dest="workflow",
        help="draw nothing, but write this API-format workflow once for each picture, for ComfyUI and what runs it",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
    parser.set_defaults(command=generate)


def generate(arguments: argparse.Namespace) -> int:
    return reported(arguments, execute, _in_words)


def _in_words(outcome: Outcome, seconds: float) -> str:
    report = outcome.reports["generate"]
    if "prompts" in report:
        params = f"\nparams   {report['params']}" if report["params"] else ""
        return f"{counted(report['prompts'], 'prompt')}\nfolder   {report['folder']}{params}"
    done = f"Done in {duration(seconds)}: {counted(report['pictures'], 'picture')}, {report['drawn']} drawn now."
    return f"{done}\npage  {report['page']}"


def execute(arguments: argparse.Namespace, outcome: Outcome) -> tuple[int, str]:
    """Draw, adding to the outcome: (exit status, what went wrong or nothing)."""
    from ..engine.batches.batch_file import read_batch
    from ..nodes.host.headless import HeadlessHost

    try:
        seat = launched()
        batch = read_batch(arguments.batch, arguments.assignments)
    except ConfigError as error:
        return REFUSED, str(error)
    output = arguments.output or Path(batch.batch.output)
    host = HeadlessHost(output, workflow_folder=arguments.batch.absolute().parent, silent=not leads())
    if arguments.workflow is not None:
        return carried_out(host, _written(batch, arguments.workflow, host, outcome))
    work = shared(seat, batch.base.device, lambda device, ranks: _draw(batch, host, device, ranks, outcome))
    return carried_out(host, work)


def _draw(
    batch: BatchFile, host: HeadlessHost, device: str, ranks: Ranks, outcome: Outcome
) -> Generator[Event, None, None]:
    from ..engine.batches.running import Batch, draw_batch
    from ..engine.models.registry import load_base

    folder, jobs = _wanted(batch, host)
    yield Message(text=f"{folder.name}: {counted(len(jobs), 'picture')}")
    base = load_base(host.base_path(batch.base.path), device=device, precision=batch.base.precision)
    wanted = Batch(name=folder.name, jobs=jobs, folder=folder, batch_size=batch.pictures.batch_size)
    drawn = yield from draw_batch(base, wanted, ranks)
    outcome.images += map(str, drawn.paths)
    outcome.cached_nodes = int(not drawn.drawn)
    outcome.reports["generate"] = {
        "pictures": len(drawn.paths), "drawn": drawn.drawn, "folder": str(drawn.folder),
        "manifest": str(drawn.manifest), "page": str(drawn.page),
    }  # fmt: skip


def _wanted(batch: BatchFile, host: HeadlessHost) -> tuple[Path, list[Job]]:
    """(folder of the batch, its pictures)."""
    from ..headless.running import running
    from ..nodes.kit.batches import adapter_named
    from ..nodes.kit.files import new_file

    with running(host):
        jobs = batch.jobs(adapter_named, host.wildcard_roots())
    return new_file(host.output_directory() / "batches", batch.batch.name), jobs


def _graph(path: Path) -> Any:
    """A workflow as it is in its file.

    Raises:
        WorkflowError: the file can't be read.
    """
    from ..headless.json_text import parse

    try:
        return parse(path.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise WorkflowError(
            f"{path} can't be read: {getattr(error, 'strerror', None) or error}",
            expected="a workflow in API format",
            hint="save it in ComfyUI by File, Export (API).",
        ) from error


def _written(batch: BatchFile, workflow: Path, host: HeadlessHost, outcome: Outcome) -> Generator[Event, None, None]:
    """Write the workflow once for each picture, in place of what an earlier call has written there."""
    from ..engine.batches.api_prompts import foreach_params, items
    from ..engine.core.storage import write_json

    folder, jobs = _wanted(batch, host)

    def file_of(adapter: Adapter) -> str:
        path = adapter.path
        return (host.adapter_name(path) or path.name) if path else f"{adapter.name}.safetensors"

    made = items(_graph(workflow), jobs, batch.given, file_of)
    for path in [*(folder / "prompts").glob("[0-9][0-9][0-9][0-9][0-9]_*.json"), folder / "params.json"]:
        path.unlink(missing_ok=True)
    for number, item in enumerate(made, 1):
        write_json(folder / "prompts" / f"{number:05d}_{item.name}.json", item.graph)
        yield Event()
    report = {"prompts": len(made), "folder": str(folder / "prompts"), "params": ""}
    if params := foreach_params(made):
        report["params"] = str(folder / "params.json")
        write_json(folder / "params.json", params)
    outcome.reports["generate"] = report
