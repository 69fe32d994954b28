"""What people's files are called can't steer the terminal, and JSON tells the names as they are."""

from __future__ import annotations

import ast
import json
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.cli import main as cli
from lora_workbench.cli.printing import complain_of_bug, say, say_json
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.core.events import Message, Progress
from lora_workbench.engine.core.words import printable
from lora_workbench.nodes.host.progress import TerminalProgress
from PIL import Image
from workspace import in_api_format

RED = "\x1b[31m"
HOSTILE = f"a{RED}\x07\x9b2J\u202egnp"


def is_harmless(text: str) -> bool:
    return all(
        character in "\n\t" or (unicodedata.category(character) != "Cc" and unicodedata.bidirectional(character)
                                not in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI"))
        for character in text
    )  # fmt: skip


@given(st.text())
def test_only_control_characters_are_escaped(text: str) -> None:
    shown = printable(text)
    assert is_harmless(shown)
    shown.encode()
    if is_harmless(text) and not {*"\u2028\u2029"} & {*text}:
        assert shown == text


def test_text_and_emoji_stay() -> None:
    for text in ("Füchse, 狐狸, ثعلب", "👩\u200d🚀 \N{VARIATION SELECTOR-16}", "a\tb\nc", "\N{BOM}x"):
        assert printable(text) == text


def test_errors_are_printable_in_every_host() -> None:
    error = DatasetError(f"{HOSTILE}: it isn't a picture", hint=HOSTILE)
    assert is_harmless(str(error))
    assert error.got.startswith(HOSTILE)


class Terminal:
    """A stream that says that it is a terminal."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("done", [1, 2])
def test_progress_keeps_only_its_own_sequences(done: int) -> None:
    terminal = Terminal()
    progress = TerminalProgress(terminal)  # type: ignore[arg-type]
    progress.begin(f"[1/1] {HOSTILE}")
    progress.show(Message(text=f"skipped {HOSTILE}"))
    progress.show(Progress(done=done, total=2, label=f"generating {HOSTILE}\r\n"))
    progress.clear()
    assert is_harmless(terminal.text.replace("\r\x1b[2K", ""))


@given(st.recursive(st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner, max_size=3)))
def test_json_is_one_printable_line_and_exact(value: object) -> None:
    said = Terminal()
    kept, sys.stdout = sys.stdout, said  # type: ignore[assignment]
    try:
        say_json(value)
    finally:
        sys.stdout = kept
    assert is_harmless(said.text) and said.text.isascii() and said.text.count("\n") == 1
    assert json.loads(said.text) == value


def test_say_and_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    complain_of_bug(ValueError(HOSTILE))
    told = capsys.readouterr()
    assert is_harmless(told.out + told.err)
    assert "ValueError: a\\x1b[31m" in told.err


def test_what_was_typed_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["run", "a.json", HOSTILE.replace("a", "--", 1)], [HOSTILE], ["store", "--json", HOSTILE]):
        with pytest.raises(SystemExit):
            cli.main(arguments)
        assert is_harmless(capsys.readouterr().err)


def test_the_programs_print_nowhere_else(root: Path) -> None:
    """Neither do the hosts, apart from the bar; a process that only the doctor reads is none of them."""
    allowed = {"cli/printing.py", "nodes/host/progress.py", "nodes/native/seam.py"}
    units = [root / unit for unit in ("agents", "cli", "engine", "headless", "nodes")]
    for file in [file for unit in units for file in unit.rglob("*.py")]:
        if file.relative_to(root).as_posix() not in allowed:
            calls = [node for node in ast.walk(ast.parse(file.read_bytes())) if isinstance(node, ast.Call)]
            assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"], file


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_a_run_over_hostile_names(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pictures = tmp_path / "set"
    pictures.mkdir()
    Image.new("RGB", (8, 8)).save(pictures / "b.png")
    (pictures / "b.txt").write_text(f"a fox {RED}")
    (pictures / f"{HOSTILE}.png").write_bytes(b"no picture")
    (pictures / f"c{HOSTILE}_mask.png").write_bytes(b"no picture")
    graph = in_api_format({
        "data": ("LW_LoadDataset", {"path": str(pictures), "on_unreadable": "skip"}),
        "look": ("LW_PreviewDataset", {"columns": 6, "dataset": ["data", 0]}),
        "edit": ("LW_SaveDataset", {"dataset": ["data", 0], "layout": "kohya", "name": HOSTILE}),
    })  # fmt: skip
    (tmp_path / "graph.json").write_text(json.dumps(graph))
    for on_unreadable in ("skip", "refuse"):
        cli.main(["run", str(tmp_path / "graph.json"), "--output", str(tmp_path / "out"), "--json", "--set",
                  f"data.on_unreadable={on_unreadable}"])  # fmt: skip
        told = capfd.readouterr()
        assert is_harmless(told.out) and is_harmless(told.err)
        assert "\\x1b[31m" in told.err
        result = json.loads(told.out.splitlines()[-1])
        if on_unreadable == "skip":
            assert f"{HOSTILE}.png" in [skipped["name"] for skipped in result["reports"]["data"]["skipped"]]
