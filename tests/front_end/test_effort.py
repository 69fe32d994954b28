"""Our nodes need no more clicks and keys than others for what people do most, or docs/effort.md says why not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from effort import WAYS
from effort_givens import prepare
from effort_table import OTHERS, REASONS, count_of_other, row

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from standin import Standin

pytestmark = pytest.mark.pages


@pytest.fixture(scope="module")
def library(standin: Standin) -> Iterator[None]:
    before = dict(standin.nodes)
    folder = standin.host.adapter_directory()
    away = folder.rename(folder.with_name("of other tests"))  # whose names a search would find as well
    folder.mkdir()
    made = prepare(standin)
    yield
    standin.nodes = before
    for file in made:
        file.unlink()
    shutil.rmtree(folder)
    away.rename(folder)


@pytest.fixture(scope="module")
def page(library: None, drawn: Page) -> Page:
    """A page that knows the library."""
    return drawn


@pytest.mark.parametrize("task", list(WAYS))
def test_ours_needs_the_fewest_clicks_and_keys(task: str, page: Page, standin: Standin, root: Path) -> None:
    counts = {who: way.do(page, standin).count for who, way in WAYS[task].items()}
    print(row(task, counts))
    others = [counts["stock"], *(count_of_other(task, other, counts) for other in OTHERS)]
    assert (counts["ours"] > min(others)) == (task in REASONS), (
        "a reason is given where ours needs more, and only there"
    )
    assert row(task, counts) in (root / "docs" / "effort.md").read_text(encoding="utf-8").splitlines()


def test_what_is_known_of_other_programs_names_its_source() -> None:
    for other, tasks in OTHERS.items():
        assert list(tasks) == list(WAYS), other
        for way in tasks.values():
            assert way["steps"] or way["not_offered"]
            assert all(step["from"] and step["what"] for step in way["steps"])
