"""``lora-workbench store``: what runs and caches weigh, and pruning them."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..nodes.host.headless import HeadlessHost

if TYPE_CHECKING:
    from ..engine.runs.inventory import Item
    from ..engine.runs.store import RunStore

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def add_to(commands: Any) -> None:
    parser = commands.add_parser("store", help="what runs and caches weigh, and pruning them")
    _add_place(parser)
    parser.set_defaults(output=Path("output"))
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(command=list_)
    pruning = parser.add_subparsers(metavar="ACTION").add_parser(
        "prune", help="remove caches, training states and snapshots; finished adapters only with --adapters"
    )
    _add_place(pruning, default=argparse.SUPPRESS)  # what stands before `prune` counts too
    pruning.add_argument("--older-than", type=_days, metavar="AGE", help="unused for so long, for example 30d or 12h")
    pruning.add_argument("--larger-than", type=_bytes, metavar="SIZE", help="until the store weighs this, say 10GB")
    pruning.add_argument("--lineage", default="", metavar="PREFIX", help="only runs whose lineage begins so")
    pruning.add_argument("--caches", action="store_true", help="caches only")
    pruning.add_argument("--adapters", action="store_true", help="finished adapters of the store too")
    pruning.add_argument("--dry-run", action="store_true", help="only say what would go")
    pruning.add_argument("--json", action="store_true", help="as JSON")
    pruning.set_defaults(command=prune)


def _add_place(parser: argparse.ArgumentParser, **defaults: Any) -> None:
    parser.add_argument("--output", type=Path, metavar="DIR", help="output folder of the runs", **defaults)
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="the store itself: ComfyUI's user/lora_workbench", **defaults
    )


def list_(arguments: argparse.Namespace) -> int:
    from ..engine.runs.inventory import inventory

    _print(inventory(_store(arguments)), arguments.json)
    return 0


def prune(arguments: argparse.Namespace) -> int:
    from ..engine.runs import inventory

    wish = inventory.Wish(
        older_than=arguments.older_than,
        larger_than=arguments.larger_than,
        lineage=arguments.lineage,
        kinds=frozenset({"cache"}) if arguments.caches else inventory.REMAKABLE,
        adapters=arguments.adapters,
    )
    gone = inventory.prune(_store(arguments), wish, dry_run=arguments.dry_run)
    if not arguments.json:
        print("Would remove:" if arguments.dry_run else "Removed:")
    _print(gone, arguments.json)
    return 0


def _store(arguments: argparse.Namespace) -> RunStore:
    from ..engine.runs.store import RunStore

    return RunStore(arguments.root or HeadlessHost(arguments.output).store_root())


def _print(items: Iterable[Item], as_json: bool) -> None:
    groups: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        groups[item.kind, item.name].append(item)
    rows = [
        {
            "kind": kind,
            "name": name,
            "count": len(own),
            "bytes": sum(item.bytes for item in own),
            "used": time.strftime("%Y-%m-%d %H:%M", time.localtime(max(item.used for item in own))),
        }
        for (kind, name), own in sorted(groups.items())
    ]
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(f"{row['bytes'] / 1e6:10.1f} MB  {row['kind']:<9} {row['name']:<26} {row['count']:>6}  {row['used']}")
    print(f"{sum(row['bytes'] for row in rows) / 1e6:10.1f} MB  in all")


def _days(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([dh]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} isn't an age such as 30d or 12h")
    return float(found[1]) / (24 if found[2] == "h" else 1)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B)?", text, re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a size such as 500MB or 10GB")
    unit = (found[2] or "").upper()
    return round(float(found[1]) * _UNITS["" if unit == "B" else unit])
