"""What the front end asks of the server, below ``/lora_workbench/``; ``docs/routes.md`` is the contract."""

from __future__ import annotations

from . import datasets, runs, stacks, stopping, training
from .table import Route

ROUTES: list[Route] = [
    *stopping.ROUTES,
    *stacks.ROUTES,
    *training.ROUTES,
    *runs.ROUTES,
    *datasets.ROUTES,
]
