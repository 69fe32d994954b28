"""The device that `make gpu` tests: a GPU, or with LW_GPU_TESTS=cpu a CPU in its place, to test the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from tiny import TINY

DEVICE = os.environ.get("LW_GPU_TESTS", "cuda")
FAMILIES = ("sd1",) if DEVICE == "cpu" else ("sd1", "sdxl", "z-image", "flux2")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip these tests where there is no such device."""
    if DEVICE == "cuda" and not torch.cuda.is_available():
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="there is no CUDA device"))


@pytest.fixture(scope="session")
def device() -> str:
    return DEVICE


@pytest.fixture(scope="session", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base model of some families."""
    return TINY[request.param](tmp_path_factory.mktemp(request.param))
