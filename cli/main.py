"""The command ``lora-workbench``: workflows, nodes and adapters without ComfyUI.

Results go to standard output, progress and errors to standard error. JSON is plain ASCII, so that no encoding of the
output can stand in its way. Exit status: 0, 1 (it failed) or 2 (bad usage, or a workflow that can't be run).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..engine.core.errors import WorkbenchError, WorkflowError
from ..headless.executor import Executor, NodeError, Outcome
from ..headless.overrides import apply_overrides
from ..headless.reading import read_workflow
from ..headless.workflow import Registry
from ..nodes.host.headless import HeadlessHost, Interrupted
from ..nodes.host.progress import duration

INTERRUPTED = "Interrupted. What was done is kept: run the same command again to continue from there."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments)
    except WorkflowError as error:
        print(error, file=sys.stderr)
        return 2
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lora-workbench", description=__doc__ and __doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="run a workflow"))

    nodes = commands.add_parser("nodes", help="list the nodes")
    nodes.add_argument("--json", action="store_true", help="as ComfyUI's object_info")
    nodes.set_defaults(command=_nodes)

    doctor = commands.add_parser("doctor", help="tell what is installed and what it can use")
    doctor.set_defaults(command=_doctor)

    adapters = commands.add_parser("adapters", help="look at adapter files").add_subparsers(
        required=True, metavar="ACTION"
    )
    listing = adapters.add_parser("list", help="the adapters in the output folder")
    listing.add_argument("--output", type=Path, default=Path("output"), metavar="DIR", help="output folder")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(command=_list_adapters)
    inspection = adapters.add_parser("inspect", help="what is in an adapter file")
    inspection.add_argument("file", type=Path, metavar="FILE")
    inspection.add_argument("--json", action="store_true", help="as JSON, with all of the metadata")
    inspection.set_defaults(command=_inspect_adapter)
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("workflow", type=Path, metavar="WORKFLOW.json", help="in ComfyUI's UI or API format")
    run.add_argument(
        "--set", dest="assignments", action="append", default=[], metavar="NODE.INPUT=VALUE",
        help="change an input; NODE is an id, a title or a class that only one node has; can be repeated",
    )  # fmt: skip
    run.add_argument("--output", type=Path, default=Path("output"), metavar="DIR", help="folder of all results")
    run.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    run.set_defaults(command=_run)


def registry() -> Registry:
    """The project's nodes by id."""
    from ..nodes import NODES

    return {node.GET_SCHEMA().node_id: node for node in NODES}


def _run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    host = HeadlessHost(arguments.output, workflow_folder=arguments.workflow.absolute().parent)
    nodes = registry()
    executor = Executor(nodes, host)
    status, problem = _execute(executor, host, nodes, arguments)
    outcome, seconds = executor.outcome, time.monotonic() - started
    if problem:
        print(problem, file=sys.stderr)
    if arguments.json:
        print(json.dumps(_as_json(outcome, seconds, problem)))
    elif not problem:
        print(_summary(outcome, seconds))
    return status


def _execute(executor: Executor, host: HeadlessHost, nodes: Registry, arguments: argparse.Namespace) -> tuple[int, str]:
    """Run; give the exit status and what went wrong, if anything."""
    try:
        with host.interruptible():
            workflow = read_workflow(arguments.workflow, nodes)
            executor.run(apply_overrides(workflow, arguments.assignments, nodes))
    except WorkflowError as error:
        return 2, str(error)
    except NodeError as error:
        if not isinstance(error.__cause__, WorkbenchError):
            traceback.print_exception(error.__cause__)
        return 1, str(error)
    except WorkbenchError as error:
        return 1, str(error)
    except (Interrupted, KeyboardInterrupt):
        return 1, INTERRUPTED
    return 0, ""


def _as_json(outcome: Outcome, seconds: float, problem: str) -> dict[str, Any]:
    status = {"status": "error", "error": problem} if problem else {"status": "ok"}
    return {**status, "seconds": round(seconds, 3), **asdict(outcome)}


def _summary(outcome: Outcome, seconds: float) -> str:
    lines = [f"Done in {duration(seconds)}; {outcome.cached_nodes} nodes had nothing new to do."]
    lines += [f"adapter  {path}" for path in outcome.adapters]
    lines += [f"picture  {path}" for path in outcome.images]
    return "\n".join(lines)


def _nodes(arguments: argparse.Namespace) -> int:
    nodes = registry()
    if arguments.json:
        print(json.dumps({name: node.GET_NODE_INFO_V1() for name, node in nodes.items()}))
        return 0
    for name, node in nodes.items():
        schema = node.GET_SCHEMA()
        print(f"{name:<24} {schema.category:<28} {schema.display_name}")
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    del arguments
    from ..nodes.host.doctor import findings

    for subject, finding in findings():
        print(f"{subject:<14} {finding}")
    return 0


def _list_adapters(arguments: argparse.Namespace) -> int:
    from ..engine.adapters.files import read_metadata

    host = HeadlessHost(arguments.output)
    entries = []
    for name in host.adapter_files():
        path = host.adapter_path(name)
        metadata: dict[str, str] = {}
        with suppress(WorkbenchError):  # a damaged file is listed too; inspect says what is wrong with it
            metadata = read_metadata(path)
        trigger = metadata.get("modelspec.trigger_phrase", "")
        entries.append({"name": name, "bytes": path.stat().st_size, "trigger": trigger})
    if arguments.json:
        print(json.dumps(entries))
        return 0
    for entry in entries:
        print(f"{entry['bytes'] / 1e6:8.1f} MB  {entry['name']}  {entry['trigger']}")
    if not entries:
        print(f"No adapters in {host.adapter_directory()}.", file=sys.stderr)
    return 0


def _inspect_adapter(arguments: argparse.Namespace) -> int:
    from ..engine.adapters.files import load_adapter

    adapter = load_adapter(arguments.file)
    facts = {
        "name": adapter.name,
        "family": adapter.family,
        "rank": adapter.rank,
        "modules": len(adapter.modules),
        "trigger": adapter.trigger,
        "content_hash": adapter.content_hash,
    }
    if arguments.json:
        print(json.dumps({**facts, "metadata": dict(adapter.metadata)}))
        return 0
    for name, value in (facts | dict(sorted(adapter.metadata.items()))).items():
        text = str(value)
        print(f"{name}: {text if len(text) <= 200 else text[:200] + ' …'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
