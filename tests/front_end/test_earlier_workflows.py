"""Workflows saved with earlier versions of our nodes: the front end opens them and queues what it queued then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import Opened
from test_workflows import OPEN, named_adapters

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from standin import Standin

pytestmark = pytest.mark.pages

__all__ = ["named_adapters"]
EARLIER = Path(__file__).parents[1] / "earlier_workflows"


@pytest.fixture(scope="module")
def page(browser: Browser, standin: Standin) -> Iterator[Page]:
    """One for all, in one renderer: neither changes what is read."""
    standin.forget()
    pages = Opened(browser)
    yield pages.open(standin)
    pages.close()


@pytest.mark.parametrize("name", sorted(str(path.relative_to(EARLIER)) for path in EARLIER.rglob("*.json")))
def test_what_was_saved_means_what_it_meant(page: Page, name: str) -> None:
    """Inputs that came later are at their defaults, which change nothing."""
    earlier = json.loads((EARLIER / name).read_text(encoding="utf-8"))
    opened = page.evaluate(OPEN, earlier["workflow"])
    assert not opened["unknown"] and not opened["dialogs"]
    assert opened["inputs"].keys() == earlier["prompt"].keys()
    for node_id, node in earlier["prompt"].items():
        now = opened["inputs"][node_id]
        assert {key: now.get(key) for key in node["inputs"]} == node["inputs"], node["class_type"]
