"""``lora-workbench plan``: what the trainings of a workflow will take."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from typing import Any

from ..engine.core.errors import WorkflowError
from ..headless.workflow import Workflow, WorkflowNode
from .printing import complain, say, say_json
from .run import add_workflow_to, execute

_TRAINING, _PLANNING = "LW_TrainLoRA", "LW_PlanTraining"


def add_to(commands: Any) -> None:
    parser = commands.add_parser("plan", help="say what the trainings of a workflow will take, without training")
    add_workflow_to(parser)
    parser.add_argument("--no-trial", action="store_true", help="make no trial step, so that no time is told")
    parser.add_argument("--json", action="store_true", help="print the plans as one line of JSON")
    parser.set_defaults(command=plan)


def plan(arguments: argparse.Namespace) -> int:
    status, problem, outcome = execute(arguments, partial(planning, trial=not arguments.no_trial))
    if problem:
        complain(problem)
    plans = {name: report for name, report in outcome.reports.items() if "step_memory" in report}
    if arguments.json:
        say_json({"status": "error", "error": problem} if problem else {"status": "ok", "plans": plans})
    elif not problem:
        say("\n\n".join(report["text"] for report in plans.values()))
    return status


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
    needed = workflow.needed_by(trainings)
    plans = {name: _planned(node, trial) for name, node in trainings.items()}
    nodes = {name: plans.get(name, node) for name, node in workflow.nodes.items() if name in needed}
    return replace(workflow, nodes=nodes, graph=None)


def _planned(node: WorkflowNode, trial: bool) -> WorkflowNode:
    kept = ("base", "dataset", "recipe", "regularization", "companions")
    inputs = {name: value for name, value in node.inputs.items() if name in kept}
    return replace(node, class_type=_PLANNING, inputs={**inputs, "trial": trial})
