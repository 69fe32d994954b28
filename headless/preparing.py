"""Makes what can run here of a workflow as it was read, and notes what can't."""

from __future__ import annotations

from .foreign_nodes import without_relays, without_unneeded
from .values import with_fitting_values
from .workflow import Registry, Workflow


def prepare(workflow: Workflow, registry: Registry) -> Workflow:
    """The workflow that is validated and run; ``notes`` says what isn't used.

    Args:
        workflow: as read, with what was set from outside.
        registry: the known nodes.
    """
    for change in (without_relays, without_unneeded, with_fitting_values):
        workflow = change(workflow, registry)
    return workflow
