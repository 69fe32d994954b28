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

_OF_ADAPTERS = ("base", "dataset", "recipe", "regularization", "companions")
_PLANS: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "LW_TrainLoRA": ("LW_PlanTraining", _OF_ADAPTERS, {"trains": "adapter"}),
    "LW_TrainDreamBooth": ("LW_PlanTraining", _OF_ADAPTERS, {"trains": "all weights"}),
    "LW_TrainSlider": (
        "LW_PlanSlider",
        ("base", "positive", "negative", "neutral", "preserve", "guidance", "pictures", "settings", "recipe",
         "positive_pictures", "negative_pictures", "companions"),
        {},
    ),
}  # fmt: skip
"""Node that trains -> the node that plans it, the inputs that both have, and further ones."""


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
    trainings = {name: node for name, node in workflow.nodes.items() if node.class_type in _PLANS}
    if not trainings:
        raise WorkflowError(
            "This workflow trains nothing, so there is nothing to plan.",
            expected=f"a workflow with {', '.join(_PLANS)}",
            hint="choose another workflow.",
        )
    needed = workflow.needed_by(trainings)
    plans = {name: _planned(node, trial) for name, node in trainings.items()}
    nodes = {name: plans.get(name, node) for name, node in workflow.nodes.items() if name in needed}
    return replace(workflow, nodes=nodes, graph=None)


def _planned(node: WorkflowNode, trial: bool) -> WorkflowNode:
    planning, kept, more = _PLANS[node.class_type]
    inputs = {name: value for name, value in node.inputs.items() if name in kept}
    return replace(node, class_type=planning, inputs={**inputs, **more, "trial": trial})
