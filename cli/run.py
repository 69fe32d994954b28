"""``lora-workbench run``: run a workflow."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..engine.core.errors import WorkbenchError, WorkflowError
from ..engine.core.words import duration
from ..headless import packaged
from ..headless.executor import Executor, NodeError, Outcome
from ..headless.overrides import apply_overrides
from ..headless.preparing import prepare
from ..headless.reading import read_workflow
from ..headless.workflow import Workflow
from .nodes import registry
from .printing import complain, complain_of_bug, say, say_json

INTERRUPTED = "Interrupted. Finished work is kept; run the same command again to continue."


def add_to(commands: Any) -> None:
    parser = commands.add_parser("run", help="run a workflow")
    add_workflow_to(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
    parser.set_defaults(command=run)


def add_workflow_to(parser: argparse.ArgumentParser) -> None:
    """The arguments of programs that run a workflow: the file, what is set in it, and the folder for results."""
    parser.add_argument(
        "workflow", type=Path, metavar="WORKFLOW",
        help="a file in ComfyUI's UI or API format, a picture or adapter file that carries one, or a name that "
        "`lora-workbench workflows` lists, such as quickstart",
    )  # fmt: skip
    parser.add_argument(
        "--set", dest="assignments", action="append", default=[], metavar="NODE.INPUT=VALUE",
        help="set an input, any number of times; NODE is an id, or a title or class that only one node has",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, default=Path("output"), metavar="DIR", help="folder for all results, by default output"
    )


def run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    status, problem, outcome = execute(arguments)
    seconds = time.monotonic() - started
    if problem:
        complain(problem)
    if arguments.json:
        state = {"status": "error", "error": problem} if problem else {"status": "ok"}
        say_json({**state, "seconds": round(seconds, 3), **asdict(outcome)})
    elif not problem:
        say(_summary(outcome, seconds))
    return status


def execute(
    arguments: argparse.Namespace, change: Callable[[Workflow], Workflow] = lambda workflow: workflow
) -> tuple[int, str, Outcome]:
    """Run a workflow, perhaps a changed one: (exit status, what went wrong or nothing, what was produced)."""
    from ..nodes.host.headless import HeadlessHost, Interrupted

    try:
        file = packaged.find(arguments.workflow)
    except WorkflowError as error:
        return 2, str(error), Outcome()
    host = HeadlessHost(arguments.output, workflow_folder=file.absolute().parent)
    nodes = registry()
    executor = Executor(nodes, host)
    try:
        host.tidy_up()
        with host.interruptible():
            workflow = apply_overrides(read_workflow(file, nodes), arguments.assignments, nodes)
            workflow = prepare(change(workflow), nodes)
            for note in workflow.notes:
                complain(f"Note: {note}.")
            executor.run(workflow)
    except WorkflowError as error:
        return 2, str(error), executor.outcome
    except WorkbenchError as error:
        return 1, str(error), executor.outcome
    except (Interrupted, KeyboardInterrupt):
        return 1, INTERRUPTED, executor.outcome
    except Exception as error:
        cause = error.__cause__ if isinstance(error, NodeError) else error
        if not isinstance(cause, (WorkbenchError, OSError)):
            complain_of_bug(cause)
        return 1, str(error), executor.outcome
    return 0, "", executor.outcome


def _summary(outcome: Outcome, seconds: float) -> str:
    lines = [f"Done in {duration(seconds)}; nodes that were up to date: {outcome.cached_nodes}."]
    lines += [f"adapter  {path}" for path in outcome.adapters]
    lines += [f"picture  {path}" for path in outcome.images]
    return "\n".join(lines)
