"""Tools that run workflows which the user has chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from . import arguments
from .backend import WorkflowRequest
from .job_tools import answer_of
from .names import tool_names
from .opening import nodes_of
from .tool import DRAWS, Tool
from .workflows import values_of

if TYPE_CHECKING:
    from .service import Answer, Service, Tell
    from .workflows import WorkflowTool

_WAIT_SECONDS = 600


def workflow_tools(service: Service) -> Iterator[Tool]:
    by_name = {workflow.name: workflow for workflow in service.workflows}
    for tool, name in tool_names("run", by_name).items():
        yield _tool(service, tool, by_name[name])


def _tool(service: Service, name: str, workflow: WorkflowTool) -> Tool:
    schema = arguments.an_object({
        **{exposed.name: exposed.schema for exposed in workflow.inputs},
        "set": {
            "type": "object", "default": {}, "additionalProperties": {"type": ["string", "number", "boolean"]},
            "description": "Further inputs by NODE.INPUT, where NODE is an id, or a title or class that one node has.",
        },
        "wait_seconds": arguments.whole(
            "How long to wait for its end; after that, call status with the job.", 0, 3600, default=_WAIT_SECONDS
        ),
    })  # fmt: skip
    return Tool(
        name=name, title=f"Run {workflow.name}", description=workflow.description, schema=schema, hints=DRAWS,
        act=partial(_run, service, workflow),
    )  # fmt: skip


async def _run(service: Service, workflow: WorkflowTool, given: Mapping[str, Any], tell: Tell) -> Answer:
    values = values_of(workflow, given, nodes_of(service.place))
    job = service.ask(WorkflowRequest(name=workflow.name, path=str(workflow.path), values=values))
    await service.wait(job, given["wait_seconds"], tell, is_ended_with_call=True)
    return answer_of(service, job)
