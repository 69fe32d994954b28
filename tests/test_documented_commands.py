"""Every command in the documentation is one that the programs take."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from documented_commands import Command, commands, parsed
from lora_workbench.nodes.routes import ROUTES

PAGES = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "js/docs/*.md")
OURS = (("lora-workbench",), ("-m", "lora_workbench"))
URL = re.compile(r"http://[^\s/]+/lora_workbench/(\S+)")


@pytest.fixture(scope="module")
def found(root: Path) -> list[Command]:
    return [command for pattern in PAGES for page in sorted(root.glob(pattern)) for command in commands(page)]


def test_our_programs_take_them(found: list[Command]):
    ours = [(command, arguments) for command in found for p in OURS if (arguments := command.after(*p)) is not None]
    assert len({command.page for command, _ in ours}) > 3 and len(ours) > 30
    for command, arguments in ours:
        if command.words[0] in ("docker", "pip", "keyring"):
            continue
        try:
            parsed(arguments)
        except SystemExit:
            pytest.fail(f"{command.page}: {' '.join(command.words)}")


def test_a_command_that_is_wrong_is_found(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("```sh\nX=1 lora-workbench run a.json --speed 3   # no such option\n```\n", encoding="utf-8")
    (command,) = commands(page)
    with pytest.raises(SystemExit):
        parsed(command.after("lora-workbench") or ())


def test_routes_that_are_called_are_there(found: list[Command]):
    there = {route.path.removeprefix("/lora_workbench/"): route.method for route in ROUTES}
    called = [(command, path) for command in found for word in command.words for path in URL.findall(word)]
    assert called
    for command, path in called:
        assert there[path] == ("POST" if "--json" in command.words else "GET"), command


def test_bodies_that_are_posted_are_json(found: list[Command]):
    bodies = [body for command in found if (body := command.after("--json")) and command.words[0] == "curl"]
    given = [json.loads(body[0]) for body in bodies if body[0] != "@-"]
    assert {"run": "RUN"} in given


def test_comfy_cli_takes_them(found: list[Command]):
    import typer
    from comfy_cli.cmdline import app

    calls = [arguments for command in found if command.words[0] == "comfy" and (arguments := command.words[1:])]
    assert calls
    for arguments in calls:
        program, rest = typer.main.get_command(app), list(arguments)
        while hasattr(program, "commands") and rest and not rest[0].startswith("-"):
            name = rest.pop(0)
            program = program.commands[name]
        assert program.make_context("comfy", rest, resilient_parsing=False), arguments


@pytest.mark.comfyui
def test_comfyui_takes_them(found: list[Command]):
    calls = [arguments for command in found if (arguments := command.after("python", "main.py")) is not None]
    assert calls
    code = "import sys, json; from comfy.cli_args import parser; [parser.parse_args(a) for a in json.load(sys.stdin)]"
    python = os.environ["COMFYUI_PYTHON"]
    subprocess.run([python, "-c", code], input=json.dumps(calls), text=True, check=True, cwd=os.environ["COMFYUI_PATH"])
