"""What the front end asks of the server, below ``/lora_workbench/``; ``docs/routes.md`` is the contract."""

from __future__ import annotations

from . import bases, captions, datasets, recipe, runs, stacks, stopping, training, vault
from .table import Route

ROUTES: list[Route] = [
    *stopping.ROUTES,
    *stacks.ROUTES,
    *training.ROUTES,
    *bases.ROUTES,
    *recipe.ROUTES,
    *runs.ROUTES,
    *datasets.ROUTES,
    *captions.ROUTES,
    *vault.ROUTES,
]
