"""A killed process leaves nothing behind after the next start, and two processes don't train the same run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lora_workbench.cli import main as cli
from lora_workbench.engine.core import ownership
from lora_workbench.engine.core.events import Message
from lora_workbench.engine.core.locks import Exclusive, if_free
from lora_workbench.engine.core.ownership import sweep
from lora_workbench.engine.core.storage import adding, free_name, replacing

WRITE = """
import sys, time
from pathlib import Path
from lora_workbench.engine.core.storage import adding, replacing
folder = Path(sys.argv[1])
with replacing(folder / "loras" / "fox.safetensors") as file, adding(folder / "sets" / "fox") as draft:
    file.write_bytes(b"half")
    draft.temporary.mkdir()
    (draft.temporary / "0.png").write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""
HOLD = """
import sys, time
from pathlib import Path
from lora_workbench.engine.core.locks import Exclusive
lock = Exclusive(Path(sys.argv[1]))
list(lock.acquire("fox"))
print("holding", flush=True)
time.sleep(60)
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator:
    started = []

    def start(code: str, argument: Path) -> subprocess.Popen[str]:
        child = subprocess.Popen([sys.executable, "-c", code, str(argument)], stdout=subprocess.PIPE, text=True)
        started.append(child)
        assert child.stdout is not None and child.stdout.readline()
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def partials(folder: Path) -> list[Path]:
    return list(folder.rglob("*.partial"))


def test_what_a_killed_process_was_writing_is_removed_and_what_a_live_one_writes_stays(process, tmp_path: Path):
    killed = process(WRITE, tmp_path / "a")
    live = process(WRITE, tmp_path / "b")
    kill(killed)
    assert len(partials(tmp_path / "a")) == len(partials(tmp_path / "b")) == 2
    assert len(sweep([tmp_path])) == 2
    assert not partials(tmp_path / "a")
    assert len(partials(tmp_path / "b")) == 2
    assert live.poll() is None


def test_it_is_still_known_after_a_sweep_of_other_folders(process, tmp_path: Path):
    kill(process(WRITE, tmp_path / "a"))
    assert sweep([tmp_path / "b"]) == []
    kill(process(WRITE, tmp_path / "b"))
    assert len(sweep([tmp_path / "b"])) == 2
    assert len(sweep([tmp_path / "a"])) == 2


def test_everything_is_searched_once_a_day_and_in_between_only_where_dead_processes_wrote(process, tmp_path: Path):
    output, stamp = tmp_path / "out", tmp_path / ".swept"
    stranger = output / "deep" / ".x.abcdefgh.0123456789ab.partial"
    stranger.parent.mkdir(parents=True)
    stamp.touch()
    for _ in range(2):
        kill(process(WRITE, output / "a"))
        live = process(WRITE, output / "b")
        stranger.touch()
        os.utime(stranger, (0, 0))
        assert {path.parents[1] for path in sweep([output], stamp)} == {output / "a"}, "nobody noted the stranger"
        assert not partials(output / "a") and len(partials(output / "b")) == 2
        kill(live)
        os.utime(stamp, (0, 0))
        assert len(sweep([output], stamp)) == 3 and not partials(output)
        assert time.time() - stamp.stat().st_mtime < 60


def test_the_dead_are_remembered_as_long_as_they_have_left_something(
    process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ownership, "_STARTING", -1)
    kill(process(WRITE, tmp_path / "a"))
    [token] = {path.name.split(".")[-2] for path in partials(tmp_path)}
    locks = Path(tempfile.gettempdir())
    sweep([tmp_path / "b"])
    assert {path.suffix for path in locks.glob(f"lora_workbench-*/{token}.*")} == {".lock", ".folders"}
    sweep([tmp_path / "a"])
    assert not [*locks.glob(f"lora_workbench-*/{token}.*")]


def test_a_killed_run_leaves_nothing_after_the_next_start(process, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Wherever below the output folder it was writing, and although the next run fails."""
    output = tmp_path / "out"
    for folder in (output, output / "run-store" / "encoded" / "ab", output / "grids" / "fox"):
        kill(process(WRITE, folder))
    assert len(partials(output)) == 6
    (tmp_path / "empty.json").touch()
    assert cli.main(["run", str(tmp_path / "empty.json"), "--output", str(output)]) == 2
    assert not partials(output)


def test_own_files_stay_and_those_of_unknown_owners_go_after_a_day(tmp_path: Path):
    stranger, old = tmp_path / ".x.abcdefgh.0123456789ab.partial", tmp_path / ".x.abcdefgh.partial"
    stranger.touch()
    old.touch()
    os.utime(old, (0, 0))
    with replacing(tmp_path / "x") as own, adding(tmp_path / "y") as draft:
        draft.temporary.write_text("y")
        own.write_text("x")
        assert sweep([tmp_path]) == [old]
        assert own.exists()
    assert stranger.exists()


def test_what_a_library_leaves_beside_the_file_that_it_writes_goes_with_it(tmp_path: Path):
    with replacing(tmp_path / "x") as own:
        own.write_text("x")
        (own.parent / ".tmp7kOqBe").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("name", ["model.safetensors.partial", ".fox.partial", ".partial", "notes.partial.txt"])
def test_files_of_other_programs_stay_however_old(name: str, tmp_path: Path):
    (tmp_path / name).touch()
    os.utime(tmp_path / name, (0, 0))
    assert sweep([tmp_path]) == []


def test_a_second_process_waits_and_is_told_who_holds_the_lock(process, tmp_path: Path):
    path = tmp_path / "run" / "lock"
    holder = process(HOLD, path)
    lock = Exclusive(path)
    events = lock.acquire("fox")
    told = next(events)
    assert isinstance(told, Message) and f"fox: waiting for process {holder.pid}, which has" in told.text
    next(events)
    with if_free(path) as ours:
        assert not ours
    kill(holder)
    began = time.monotonic()
    assert not [event for event in events if isinstance(event, Message)], "it is told once"
    assert time.monotonic() - began < 5
    lock.release()
    with if_free(path) as ours:
        assert ours


def test_whoever_waits_can_be_stopped(process, tmp_path: Path):
    holder = process(HOLD, tmp_path / "lock")
    events = Exclusive(tmp_path / "lock").acquire("fox")
    next(events)
    events.close()
    assert next(events, None) is None
    kill(holder)
    with if_free(tmp_path / "lock") as ours:
        assert ours, "who stopped waiting holds nothing"


def test_names_that_nothing_has(tmp_path: Path):
    (tmp_path / "a_00001.png").touch()
    assert free_name(tmp_path / "a.png").name == "a_00002.png"
    assert free_name(tmp_path / "new" / "b.png").name == "b_00001.png"
