"""``lora-workbench adapters``: list and inspect adapter files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..nodes.host.headless import HeadlessHost
from .printing import complain, say, say_json

_LONGEST = 200
"""Characters of a value that are printed without ``--json``."""


def add_to(commands: Any) -> None:
    actions = commands.add_parser("adapters", help="list and inspect adapter files").add_subparsers(
        required=True, metavar="ACTION"
    )
    listing = actions.add_parser("list", help="list the adapters in an output folder")
    listing.add_argument("--output", type=Path, default=Path("output"), metavar="DIR", help="output folder of the runs")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(command=list_)
    inspection = actions.add_parser("inspect", help="show what an adapter file holds")
    inspection.add_argument("file", type=Path, metavar="FILE")
    inspection.add_argument("--json", action="store_true", help="as JSON, with all metadata in full")
    inspection.set_defaults(command=inspect)


def list_(arguments: argparse.Namespace) -> int:
    from ..engine.adapters.listing import list_adapters

    host = HeadlessHost(arguments.output)
    entries = list_adapters((name, host.adapter_path(name)) for name in host.adapter_files())
    if arguments.json:
        say_json([entry._asdict() for entry in entries])
        return 0
    for entry in entries:
        say(f"{entry.bytes / 1e6:8.1f} MB  {entry.name}  {entry.trigger}")
    if not entries:
        complain(f"No adapters in {host.adapter_directory()}.")
    return 0


def inspect(arguments: argparse.Namespace) -> int:
    from ..engine.adapters.listing import inspect_adapter

    facts = inspect_adapter(arguments.file)
    if arguments.json:
        say_json(facts)
        return 0
    metadata = facts.pop("metadata")
    for name, value in (facts | metadata).items():
        text = str(value)
        say(f"{name}: {text[:_LONGEST]}{' …' if len(text) > _LONGEST else ''}")
    return 0
