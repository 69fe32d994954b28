"""Stopping the training in progress, with its adapter kept."""

from __future__ import annotations

from ..host import host
from .table import PREFIX, Answer, Asked, Route, json_answer


def stop(asked: Asked) -> Answer:
    """Stop the training in progress after its current step, as ``lora-workbench runs stop`` does.

    The request names the node that trains, so that none is stopped but the one that the user meant. The answer's
    ``stopping`` is how many trainings there are, 0 or 1; its status is 409 where another node runs.
    """
    from ...engine.runs.requests import stop_here

    node = asked.body.get("node")
    if node is None or str(node) != str(host().running_node()):
        return json_answer({"stopping": 0}, status=409)
    return json_answer({"stopping": stop_here()})


ROUTES = [Route("POST", f"{PREFIX}stop", stop)]
