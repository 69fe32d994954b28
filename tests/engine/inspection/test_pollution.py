"""The fox of the demo, polluted by ``benchmarks/curation.py``: the report names all of it, curation takes it out."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def curation(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("curation_benchmark", root / "benchmarks" / "curation.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_pollution_is_named_and_taken_out(curation: ModuleType) -> None:
    data, inspection, added = curation.sets()
    assert len(added) == 21
    assert set(added) <= curation.named(inspection)
    kept = [record.name for record in data["curated"]]
    assert len(kept) == len(data["clean"])
    assert not [name for name in kept if name.startswith(("blurred", "wrong"))]
    assert {finding.kind for finding in inspection.findings} >= {"blurred", "duplicate", "odd"}
