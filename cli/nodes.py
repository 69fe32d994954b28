"""``lora-workbench nodes``: list the nodes."""

from __future__ import annotations

import argparse
from typing import Any

from ..headless.workflow import Registry
from .printing import say, say_json


def registry() -> Registry:
    """The project's nodes by id."""
    from .. import nodes

    return nodes.registry()


def add_to(commands: Any) -> None:
    parser = commands.add_parser("nodes", help="list the nodes")
    parser.add_argument("--json", action="store_true", help="as in ComfyUI's /object_info")
    parser.set_defaults(command=nodes)


def nodes(arguments: argparse.Namespace) -> int:
    known = registry()
    if arguments.json:
        say_json({name: node.GET_NODE_INFO_V1() for name, node in known.items()})
        return 0
    for name, node in known.items():
        schema = node.GET_SCHEMA()
        say(f"{name:<24} {schema.category:<28} {schema.display_name}")
    return 0
