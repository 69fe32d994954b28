"""``lora-workbench plan``: what the trainings of a workflow will take."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..engine.core.errors import WorkflowError
from ..headless.executor import Executor, NodeError
from ..headless.overrides import apply_overrides
from ..headless.preparing import prepare
from ..headless.reading import read_workflow
from ..headless.workflow import Workflow, WorkflowNode
from ..nodes.host.headless import HeadlessHost
from .nodes import registry
from .printing import complain, say, say_json

_TRAINING, _PLANNING = "LW_TrainLoRA", "LW_PlanTraining"


def add_to(commands: Any) -> None:
    parser = commands.add_parser("plan", help="say what the trainings of a workflow will take, without training")
    parser.add_argument("workflow", type=Path, metavar="WORKFLOW.json", help="as for run")
    parser.add_argument(
        "--set", dest="assignments", action="append", default=[], metavar="NODE.INPUT=VALUE", help="as for run"
    )
    parser.add_argument("--no-trial", action="store_true", help="make no trial step, so that no time is told")
    parser.add_argument("--output", type=Path, default=Path("output"), metavar="DIR", help="as for run")
    parser.add_argument("--json", action="store_true", help="print the plans as one line of JSON")
    parser.set_defaults(command=plan)


def plan(arguments: argparse.Namespace) -> int:
    host, nodes = HeadlessHost(arguments.output, workflow_folder=arguments.workflow.absolute().parent), registry()
    executor = Executor(nodes, host)
    workflow = apply_overrides(read_workflow(arguments.workflow, nodes), arguments.assignments, nodes)
    workflow = prepare(planning(workflow, trial=not arguments.no_trial), nodes)
    try:
        with host.interruptible():
            executor.run(workflow)
    except NodeError as error:
        complain(error)
        return 1
    plans = {name: executor.outcome.reports[name] for name in workflow.nodes if _plans(workflow, name)}
    if arguments.json:
        say_json({"status": "ok", "plans": plans})
    else:
        say("\n\n".join(report["text"] for report in plans.values()))
    return 0


def _plans(workflow: Workflow, name: str) -> bool:
    return workflow.nodes[name].class_type == _PLANNING


def planning(workflow: Workflow, *, trial: bool) -> Workflow:
    """The workflow with each training planned instead, and nothing that the plans don't need.

    Raises:
        WorkflowError: it trains nothing.
    """
    trainings = {name: node for name, node in workflow.nodes.items() if node.class_type == _TRAINING}
    if not trainings:
        raise WorkflowError(
            "This workflow has no Train LoRA, so there is nothing to plan.",
            expected=f"a workflow with {_TRAINING}",
            hint="sliders aren't planned yet; choose another workflow.",
        )
    needed = _with_sources(workflow, trainings)
    plans = {name: _planned(node, trial) for name, node in trainings.items()}
    return replace(workflow, nodes={name: plans.get(name) or workflow.nodes[name] for name in needed}, graph=None)


def _planned(node: WorkflowNode, trial: bool) -> WorkflowNode:
    kept = ("base", "dataset", "recipe", "regularization", "companions")
    inputs = {name: value for name, value in node.inputs.items() if name in kept}
    return replace(node, class_type=_PLANNING, inputs={**inputs, "trial": trial})


def _with_sources(workflow: Workflow, names: Iterable[str]) -> list[str]:
    """The nodes of these names and all that they need, in the order of the workflow."""
    needed, left = set[str](), list(names)
    while left:
        name = left.pop()
        if name in workflow.nodes and name not in needed:
            needed.add(name)
            left += [link.node for link in workflow.nodes[name].links.values()]
    return [name for name in workflow.nodes if name in needed]
