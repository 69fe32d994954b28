"""``lora-workbench adapters``: list, inspect, extract, merge, resize and convert adapter files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from . import merging
from .printing import complain, say, say_json

_HIGHEST = 1024
"""Rank of an extracted adapter."""
_LONGEST = 200
"""Characters of a value that are printed without ``--json``."""


def add_to(commands: Any) -> None:
    actions = commands.add_parser(
        "adapters", help="list, inspect, extract, merge, resize and convert adapter files"
    ).add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the adapters in an output folder")
    listing.add_argument("--output", type=Path, default=Path("output"), metavar="DIR", help="output folder of the runs")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(command=list_)
    inspection = actions.add_parser("inspect", help="show what an adapter file holds")
    inspection.add_argument("file", type=Path, metavar="FILE")
    inspection.add_argument("--json", action="store_true", help="as JSON, with all metadata in full")
    inspection.set_defaults(command=inspect)
    extraction = actions.add_parser("extract", help="make an adapter of the difference of two base models")
    extraction.add_argument(
        "before", metavar="BEFORE", help="base model that the adapter is for: a folder or checkpoint"
    )
    extraction.add_argument("after", metavar="AFTER", help="the same after training")
    extraction.add_argument("--rank", type=_rank, default=32, help="rank of each layer at most (32)")
    extraction.add_argument(
        "--energy", type=_share, default=1.0, help="share of each layer's difference that is enough"
    )
    extraction.add_argument("--no-text-encoders", action="store_true", help="leave the text encoders out")
    extraction.add_argument("--name", default="", help="name of the adapter; by default that of AFTER")
    extraction.add_argument("--dtype", choices=("float16", "float32"), default="float16", help="of the saved weights")
    extraction.add_argument("--output", type=Path, default=Path("output"), metavar="DIR", help="output folder")
    extraction.add_argument("--json", action="store_true", help="the report as JSON")
    extraction.set_defaults(command=extract)
    merging.add_to(actions)


def list_(arguments: argparse.Namespace) -> int:
    from ..engine.adapters.listing import list_adapters
    from ..nodes.host.headless import HeadlessHost

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


def extract(arguments: argparse.Namespace) -> int:
    from ..engine.adapters.extraction import Wanted
    from ..engine.adapters.keeping import keep
    from ..engine.models.registry import load_base
    from ..engine.runs.extracting import extract_adapter
    from ..nodes.host.headless import HeadlessHost
    from ..nodes.kit.files import new_file

    host = HeadlessHost(arguments.output)
    before, after = (load_base(host.base_path(name), device="cpu") for name in (arguments.before, arguments.after))
    name, wanted = arguments.name or after.info.name, Wanted(arguments.rank, arguments.energy)
    extracted = host.drive(
        extract_adapter(before, after, wanted, name=name, text_encoders=not arguments.no_text_encoders)
    )
    kept = keep(extracted.adapter, new_file(host.adapter_directory(), name), dtype=arguments.dtype)
    if arguments.json:
        say_json(extracted.report() | {"path": str(kept.path)})
        return 0
    say(str(extracted))
    say(f"{'saved' if kept.written else 'already saved'}: {kept.path}")
    return 0


def _rank(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _HIGHEST:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {_HIGHEST}, got {text!r}")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and at most 1, got {text!r}")
    return share
