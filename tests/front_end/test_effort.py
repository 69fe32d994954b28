"""Our nodes need no more clicks and keys than the others for what people do most, or docs/effort.md says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from effort import WAYS, prepare

if TYPE_CHECKING:
    from conftest import Opened
    from playwright.sync_api import Page
    from standin import Standin


@pytest.fixture(scope="module")
def desk(browser, standin, tmp_path_factory):
    from conftest import Opened
    prepare(standin)


@pytest.mark.parametrize("task", list(WAYS))
@pytest.mark.parametrize("who", ["ours", "stock"])
def test_x(task: str, who: str, opened: Opened, standin: Standin) -> None:
    prepare(standin)
    page = opened.open(standin, Comfy__Minimap__Visible=False)
    page.set_default_timeout(15000)
    try:
        n = WAYS[task][who].count(page, standin)
        print("COUNT", task, who, n)
    except BaseException:
        page.screenshot(path=f"/work/scratch/clicks/f_{task.split()[0]}_{who}.png")
        raise
