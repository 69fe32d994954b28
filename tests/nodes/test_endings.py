"""What is told when work that takes long has ended: once, by its name, and not if there was nothing to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.nodes.host.headless import HeadlessHost, Interrupted
from lora_workbench.nodes.host.work import Ending, Work
from workspace import Workspace, changed, training


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Ending]:
    endings: list[Ending] = []
    monkeypatch.setattr(HeadlessHost, "tell_end", lambda _, ending: endings.append(ending))
    return endings


def test_a_training_is_told_once_by_its_name(tmp_path: Path, tiny_sd1: Path, told: list[Ending]) -> None:
    space = Workspace(tmp_path, tiny_sd1)
    graph = training(space.pictures, space.base)
    for _ in range(2):
        assert space.run(graph) == 0
    [ending] = told
    assert ending.facts() | {"told": ""} == {"kind": "training", "name": "zwx", "outcome": "finished", "told": ""}
    assert ending.told.startswith("2 steps in ")


def test_a_training_that_fails_says_why_in_one_line(tmp_path: Path, tiny_sd1: Path, told: list[Ending]) -> None:
    space = Workspace(tmp_path, tiny_sd1)
    (space.pictures / "b.txt").unlink()
    graph = changed(training(space.pictures, space.base), train__dataset=["data", 0])
    assert space.run(graph) == 1
    [ending] = told
    assert (ending.name, ending.outcome) == ("zwx", "failed")
    assert "b.png" in ending.told and "Expected: " in ending.told and "\n" not in ending.told


def drive(work: Work[str], *, fails: Exception | None = None, interrupted: bool = False) -> None:
    class Stopping(HeadlessHost):
        def check_interruption(self) -> None:
            if interrupted:
                raise Interrupted

    def loop() -> Any:
        from lora_workbench.engine.core.events import Event

        yield Event()
        if fails:
            raise fails
        return "two\nlines"

    Stopping(silent=True).drive(loop(), work)


def test_who_interrupts_knows_it(told: list[Ending]) -> None:
    with pytest.raises(Interrupted):
        drive(Work("batch", "foxes", lambda made: ("finished", made)), interrupted=True)
    assert told == []


def test_words_are_one_short_line_without_control_characters(told: list[Ending]) -> None:
    work = Work[str]("batch", "foxes", lambda made: ("finished", made))
    drive(work)
    for error in (ValueError("deep\n\x1b[2J " + "x" * 2000), ConfigError("rank is 0.", expected="1 or more")):
        with pytest.raises(type(error)):
            drive(work, fails=error)
    finished, failed, refused = (ending.told for ending in told)
    assert finished == "two lines"
    assert failed.startswith("ValueError: deep \\x1b[2J xxx") and len(failed) == 300
    assert refused == "rank is 0. Expected: 1 or more."
