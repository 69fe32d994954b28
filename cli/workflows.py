"""``lora-workbench workflows``: the workflows that come with the project."""

from __future__ import annotations

import argparse
from typing import Any

from ..headless.packaged import packaged, title
from ..headless.reading import read_workflow
from .nodes import registry
from .printing import say, say_json


def add_to(commands: Any) -> None:
    parser = commands.add_parser("workflows", help="list the workflows that come with it, to run by name")
    parser.add_argument("--json", action="store_true", help="print names, titles and files as one line of JSON")
    parser.set_defaults(command=workflows)


def workflows(arguments: argparse.Namespace) -> int:
    nodes = registry()
    listed = []
    for name, path in packaged().items():
        foreign = {node.class_type for node in read_workflow(path, nodes).nodes.values()} - set(nodes)
        listed.append({"name": name, "title": title(path), "needs_comfyui": bool(foreign), "path": str(path)})
    if arguments.json:
        say_json(listed)
        return 0
    for each in sorted(listed, key=lambda each: each["needs_comfyui"]):
        place = "only in ComfyUI" if each["needs_comfyui"] else ""
        say(f"{each['name']:<24}{place:<17}{each['title']}".rstrip())
    return 0
