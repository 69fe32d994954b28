"""What the extension adds to the page: bytes of scripts, and time until the page is ready."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Opened
    from standin import Standin

LARGEST = 200_000
"""Bytes of all scripts together, without their comments."""
MOST_AT_START = 60_000
"""Bytes of the scripts that are read when the page starts; the others are read by nodes and tabs that need them."""
COMMENT = re.compile(r"/\*\*.*?\*/|^\s*//[^\n]*", re.DOTALL | re.MULTILINE)
MOST_MORE = 100
"""Milliseconds by which the page's start may get slower, on a computer that does nothing else."""
ROUNDS = 3
PLAIN = "window.app?.rootGraph && 'KSampler' in (window.LiteGraph?.registered_node_types ?? {})"
SCRIPTED = """() => {
    const ours = performance.getEntriesByType("resource").filter(one => one.name.includes("/lora-workbench/"))
    return ours.length && Math.max(...ours.map(one => one.responseEnd)) - Math.min(...ours.map(one => one.startTime))
}"""


def test_the_scripts_are_small(root: Path) -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in (root / "js").rglob("*.*js")}
    code = sum(len(COMMENT.sub("", text)) for text in texts.values())
    at_start = sum(len(text) for path, text in texts.items() if path.suffix == ".js")
    print(f"{sum(map(len, texts.values()))} bytes of scripts, {code} without comments, {at_start} when the page starts")
    assert code < LARGEST
    assert at_start < MOST_AT_START


@pytest.mark.proofs
def test_the_page_starts_as_fast(opened: Opened, standin: Standin, capsys: pytest.CaptureFixture[str]) -> None:
    """Time to ready with and without our scripts, in turns. Other programs on the computer make single starts vary by
    more than ours cost, so that only the least of each counts, and with room."""
    took: dict[bool, list[float]] = {True: [], False: []}
    loading = 0.0
    for on in [True, False] * ROUNDS:
        standin.extension_on = on
        page = opened.open(standin, ready=f"({PLAIN}) && (window.ready ??= performance.now())")
        took[on].append(page.evaluate("window.ready"))
        loading = page.evaluate(SCRIPTED) or loading
        page.close()
    least = {on: min(times) for on, times in took.items()}
    with capsys.disabled():
        told = ", ".join(f"{'with' if on else 'without'} {median(times):.0f} ms" for on, times in took.items())
        print(f"\nstart of the page: {told}; ours were read in {loading:.0f} ms")
    assert least[True] - least[False] < 3 * MOST_MORE
