"""How many clicks and keys six tasks take with our nodes and with ComfyUI's own, and, from their code, with others'.

    python benchmarks/clicks.py [--steps]

A hand does each on the real front end, in Chromium and with the stand-in for ComfyUI's server that the tests use.
docs/effort.md has the rules and the table that this prints; --steps tells each act too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import lora_workbench

ROOT = Path(lora_workbench.__file__).parent
sys.path[:0] = [str(ROOT / "tests" / "front_end"), str(ROOT / "tests")]

import pytest  # noqa: E402
from chromium import chromium  # noqa: E402
from conftest import PINNED, Opened, front_end_package  # noqa: E402  # pyright: ignore[reportAttributeAccessIssue]
from effort import WAYS  # noqa: E402
from effort_givens import prepare  # noqa: E402
from effort_table import table  # noqa: E402
from hand import Hand, cost  # noqa: E402
from standin import serve  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", action="store_true", help="tell each act")
    steps = parser.parse_args().steps
    package = front_end_package(PINNED)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, serve(package, ROOT, Path(folder)) as standin:
        prepare(standin)
        pages = Opened(browser)
        page = pages.open(standin, Comfy__Minimap__Visible=False)
        counts: dict[str, dict[str, int]] = {}
        for task, ways in WAYS.items():
            done = {who: way.do(page, standin) for who, way in ways.items()}
            counts[task] = {who: hand.count for who, hand in done.items()}
            for who, hand in done.items() if steps else ():
                tell(task, who, hand)
        pages.close()
    print(table(counts))


def tell(task: str, who: str, hand: Hand) -> None:
    print(f"{task}, {who}: {hand.count}")
    for act, given, where in hand.did:
        print(f"  {cost(act, given):>2}  {act} {given!r}: {where}" if given else f"  {cost(act):>2}  {act}: {where}")
    print()


if __name__ == "__main__":
    try:
        main()
    except pytest.skip.Exception as reason:  # no Chromium, or no front end from PyPI
        print(reason)
