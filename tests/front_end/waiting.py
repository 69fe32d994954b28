"""What tests look for at the server or on its disk, where a click takes effect later than on the page."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

SECONDS, PAUSE = 20, 20
"""How long is waited at most, and milliseconds between two looks."""


def until(page: Page, look: Callable[[], object], wanted: object) -> None:
    """Wait until a look shows what is wanted; a file that isn't there yet is waited for.

    Raises:
        AssertionError: it doesn't come; tells what is there instead.
    """
    end = time.monotonic() + SECONDS
    while (found := _seen(look)) != wanted and time.monotonic() < end:
        page.wait_for_timeout(PAUSE)
    assert found == wanted


def _seen(look: Callable[[], object]) -> object:
    try:
        return look()
    except FileNotFoundError as error:
        return str(error)
