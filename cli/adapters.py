"""``lora-workbench adapters``: what there is of adapter files, and what can be made of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from . import merging, vault
from .printing import say, say_json

_HIGHEST = 1024
"""Rank of an extracted adapter."""


def add_to(commands: Any) -> None:
    actions = commands.add_parser(
        "adapters", help="list, search, inspect, note, pin, export, extract, merge, resize and convert adapter files"
    ).add_subparsers(required=True, metavar="ACTION")
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
    vault.add_to(actions)
    merging.add_to(actions)


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
