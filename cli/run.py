"""``lora-workbench run``: run a workflow."""

from __future__ import annotations

import argparse
import time
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
from .nodes import registry
from .printing import complain, complain_of_bug, say, say_json

INTERRUPTED = "Interrupted. Finished work is kept; run the same command again to continue."


def add_to(commands: Any) -> None:
    parser = commands.add_parser("run", help="run a workflow")
    parser.add_argument("workflow", type=Path, metavar="WORKFLOW.json", help="in ComfyUI's UI or API format")
    parser.add_argument(
        "--set", dest="assignments", action="append", default=[], metavar="NODE.INPUT=VALUE",
        help="set an input, any number of times; NODE is an id, or a title or class that only one node has",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, default=Path("output"), metavar="DIR", help="folder for all results, by default output"
    )
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    host = HeadlessHost(arguments.output, workflow_folder=arguments.workflow.absolute().parent)
    host.tidy_up()
    nodes = registry()
    executor = Executor(nodes, host)
    status, problem = _execute(executor, host, nodes, arguments)
    outcome, seconds = executor.outcome, time.monotonic() - started
    if problem:
        complain(problem)
    if arguments.json:
        state = {"status": "error", "error": problem} if problem else {"status": "ok"}
        say_json({**state, "seconds": round(seconds, 3), **asdict(outcome)})
    elif not problem:
        say(_summary(outcome, seconds))
    return status


def _execute(executor: Executor, host: HeadlessHost, nodes: Registry, arguments: argparse.Namespace) -> tuple[int, str]:
    """(exit status, what went wrong or nothing)."""
    try:
        with host.interruptible():
            workflow = read_workflow(arguments.workflow, nodes)
            executor.run(apply_overrides(workflow, arguments.assignments, nodes))
    except WorkflowError as error:
        return 2, str(error)
    except NodeError as error:
        if not isinstance(error.__cause__, WorkbenchError):
            complain_of_bug(error.__cause__)
        return 1, str(error)
    except WorkbenchError as error:
        return 1, str(error)
    except (Interrupted, KeyboardInterrupt):
        return 1, INTERRUPTED
    return 0, ""


def _summary(outcome: Outcome, seconds: float) -> str:
    lines = [f"Done in {duration(seconds)}; nodes that were up to date: {outcome.cached_nodes}."]
    lines += [f"adapter  {path}" for path in outcome.adapters]
    lines += [f"picture  {path}" for path in outcome.images]
    return "\n".join(lines)
