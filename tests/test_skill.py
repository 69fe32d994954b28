"""What ``SKILL.md`` tells agents is so: its commands are parsed by the real programs, and the cheap ones are run."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lora_workbench.agents.places import Place
from lora_workbench.agents.server import tools_of
from lora_workbench.agents.service import Service
from lora_workbench.cli.main import main, parser
from lora_workbench.engine.core.resources import DEMO_BASE
from lora_workbench.nodes import registry

BLOCK = re.compile(r"^(?:`(?P<file>[\w.]+)`:\n)?```(?P<kind>\w+)(?P<skip> skip)?\n(?P<text>.*?)^```$", re.M | re.S)
FRONT_MATTER = re.compile(r"---\n(.*?)\n---\n", re.S)
QUICK = {
    "train": (
        "--set",
        "recipe.steps=2",
        "--set",
        "recipe.batch_size=2",
        "--set",
        "recipe.snapshot_every=2",
        "--set",
        "recipe.resolution=32",
    ),
    "generate": ("--set", "pictures.steps=1"),
}
"""What makes a command take seconds."""


class Block(NamedTuple):
    """A block of code."""

    file: str
    kind: str
    skip: bool
    """Whether its commands are parsed only: they install, wait for ever, or need a ComfyUI."""
    text: str


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "SKILL.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def blocks(page: str) -> list[Block]:
    return [Block(f["file"] or "", f["kind"], bool(f["skip"]), f["text"]) for f in BLOCK.finditer(page)]


def commands(blocks: list[Block], *, skipped: bool) -> list[list[str]]:
    """The arguments of each ``lora-workbench`` in the blocks of a shell."""
    texts = [block.text for block in blocks if block.kind == "sh" and block.skip == skipped]
    split = [shlex.split(line, comments=True) for text in texts for line in text.splitlines()]
    return [words[1:] for words in split if words and words[0] == "lora-workbench"]


def test_its_front_matter_is_that_of_a_skill(page: str) -> None:
    found = FRONT_MATTER.match(page)
    assert found
    fields = dict(line.split(": ", 1) for line in found[1].splitlines())
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fields["name"])
    assert len(fields["name"]) <= 64
    assert 0 < len(fields["description"]) <= 1024
    assert len(fields["compatibility"]) <= 500
    assert set(fields) <= {"name", "description", "license", "compatibility", "metadata", "allowed-tools"}
    assert not [line for line in found[1].splitlines() if ": " in line.split(": ", 1)[1]], "YAML would read a mapping"
    assert len(page.splitlines()) < 500


def test_every_command_is_one_of_the_programs(blocks: list[Block]) -> None:
    found = [*commands(blocks, skipped=False), *commands(blocks, skipped=True)]
    assert len(found) > 15
    for arguments in found:
        assert callable(parser().parse_args(arguments).command), arguments


def test_every_node_file_and_tool_that_it_names_is_there(page: str, root: Path, tmp_path: Path) -> None:
    nodes = set(re.findall(r"LW_\w+", page))
    assert len(nodes) > 8
    assert nodes <= registry().keys()
    files = set(re.findall(r"\b(?:assets|docs|workflows)/[\w./-]*\w", page))
    assert len(files) > 4
    assert not [file for file in files if not (root / file).exists()]
    own = {tool.name for tool in tools_of(Service(Place(output=str(tmp_path), bases=(str(DEMO_BASE),))))[0].values()}
    told = re.search(r"^Tools: (.*?);", page, re.M | re.S)
    assert told
    assert set(re.findall(r"`(\w+)`", told[1])) == own


def test_cheap_commands_do_what_it_says(
    blocks: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
    told: dict[str, Any] = {}
    for arguments in commands(blocks, skipped=False):
        more = QUICK.get(arguments[0], ()) if ".toml" in " ".join(arguments) else ()
        capsys.readouterr()
        assert main([*arguments, *more]) == 0, (arguments, capsys.readouterr().err)
        told[" ".join(arguments[:2])] = capsys.readouterr().out
    reports = json.loads(told["run check.json"].splitlines()[-1])["reports"]
    assert {"data", "word", "check"} <= reports.keys()
    assert (tmp_path / "output" / "loras" / "fox.safetensors").is_file()
    assert json.loads(told["runs show"])[0]["verdict"]["best"] == 2
    assert "pinned" in told["adapters pin"]
    pictures = [*(tmp_path / "output" / "batches" / "campaign" / "pictures").glob("*.png")]
    assert len(pictures) == 12
