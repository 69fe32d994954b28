"""``lora-workbench store``: show what runs and caches take up, and prune them."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .printing import say, say_json

if TYPE_CHECKING:
    from ..engine.runs.inventory import Item
    from ..engine.runs.store import RunStore

PLACE: dict[str, Any] = {"output": Path("output"), "root": None, "json": False}
"""Defaults of a parser with :func:`add_place_to`, for itself and its actions."""
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def add_to(commands: Any) -> None:
    parser = commands.add_parser("store", help="show what runs and caches take up, and prune them")
    add_place_to(parser)
    parser.set_defaults(command=list_, **PLACE)
    pruning = parser.add_subparsers(metavar="ACTION").add_parser(
        "prune",
        help="remove caches, training states, snapshots, samples and events; finished adapters and models only with "
        "--adapters",
    )
    add_place_to(pruning)
    pruning.add_argument("--older-than", type=_days, metavar="AGE", help="what was unused for this long: 30d, 12h")
    pruning.add_argument(
        "--max-size", type=_bytes, metavar="SIZE",
        help="what was unused for longest, until the whole store is no larger than this: 500MB, 10GB",
    )  # fmt: skip
    pruning.add_argument("--lineage", default="", metavar="PREFIX", help="only runs whose lineage starts with this")
    pruning.add_argument("--caches", action="store_true", help="only caches")
    pruning.add_argument("--adapters", action="store_true", help="the store's finished adapters and base models too")
    pruning.add_argument("--dry-run", action="store_true", help="only show what would be removed")
    pruning.set_defaults(command=prune, refuse=pruning.error)


def add_place_to(parser: argparse.ArgumentParser) -> None:
    """Where the store is, and ``--json``: options that may stand before an action or after it, so that neither parser's
    defaults override the other's."""
    place = parser.add_mutually_exclusive_group()
    options = {"type": Path, "metavar": "DIR", "default": argparse.SUPPRESS}
    place.add_argument("--output", **options, help="output folder of the runs")
    place.add_argument("--root", **options, help="the store itself, for ComfyUI its user/lora_workbench")
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="as JSON")


def list_(arguments: argparse.Namespace) -> int:
    from ..engine.runs.inventory import inventory

    _print(inventory(store_of(arguments)), arguments.json)
    return 0


def prune(arguments: argparse.Namespace) -> int:
    from ..engine.runs import inventory

    if arguments.caches and (arguments.lineage or arguments.adapters):
        arguments.refuse("--caches can't be combined with --lineage or --adapters")
    if not (
        arguments.caches or arguments.lineage or arguments.older_than is not None or arguments.max_size is not None
    ):
        arguments.refuse(
            "say what to remove by --older-than, --max-size, --lineage or --caches; --older-than 0d takes all"
        )
    wish = inventory.Wish(
        older_than=arguments.older_than,
        larger_than=arguments.max_size,
        lineage=arguments.lineage,
        kinds=frozenset({"cache"}) if arguments.caches else inventory.REMAKABLE,
        adapters=arguments.adapters,
    )
    gone = inventory.prune(store_of(arguments), wish, dry_run=arguments.dry_run)
    if not arguments.json:
        say("Would remove:" if arguments.dry_run else "Removed:")
    _print(gone, arguments.json)
    return 0


def store_of(arguments: argparse.Namespace) -> RunStore:
    """The run store that the arguments name.

    Raises:
        StorageError: there is none.
    """
    from ..engine.runs.inventory import existing_store
    from ..nodes.host.headless import HeadlessHost

    return existing_store(arguments.root or HeadlessHost(arguments.output).store_root())


def _print(items: Iterable[Item], as_json: bool) -> None:
    from ..engine.runs.inventory import totals

    rows = totals(items)
    if as_json:
        say_json([row._asdict() | {"used": time_of(row.used)} for row in rows])
        return
    for row in rows:
        line = (
            f"{row.bytes / 1e6:10.1f} MB  {row.kind:<9} {row.name:<26} {row.count:>6}  {time_of(row.used)}  {row.title}"
        )
        say(line.rstrip())
    say(f"{sum(row.bytes for row in rows) / 1e6:10.1f} MB  total")


def time_of(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _days(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([dh]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"expected an age such as 30d or 12h, got {text!r}")
    return float(found[1]) / (24 if found[2] == "h" else 1)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.upper())
    if not found:
        raise argparse.ArgumentTypeError(f"expected a size such as 500MB or 10GB, got {text!r}")
    return round(float(found[1]) * _UNITS[found[2]])
