"""A killed process leaves nothing behind after the next start, and two processes don't train the same run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lora_workbench.engine.core.events import Message
from lora_workbench.engine.core.locks import Exclusive, is_held
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


def partials(folder: Path) -> list[Path]:
    return list(folder.rglob("*.partial"))


def test_what_a_killed_process_was_writing_is_removed_and_what_a_live_one_writes_stays(process, tmp_path: Path):
    killed = process(WRITE, tmp_path / "a")
    live = process(WRITE, tmp_path / "b")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(partials(tmp_path / "a")) == len(partials(tmp_path / "b")) == 2
    assert len(sweep([tmp_path])) == 2
    assert not partials(tmp_path / "a")
    assert len(partials(tmp_path / "b")) == 2
    assert live.poll() is None


def test_own_files_stay_and_those_of_unknown_owners_go_after_a_day(tmp_path: Path):
    stranger = tmp_path / ".x.0123456789ab.partial"
    old = tmp_path / ".x.partial"
    stranger.touch()
    old.touch()
    os.utime(old, (0, 0))
    with replacing(tmp_path / "x") as own, adding(tmp_path / "y") as draft:
        draft.temporary.write_text("y")
        assert sweep([tmp_path]) == [old]
        assert own.exists()
    assert stranger.exists()


def test_a_process_that_is_just_starting_waits_until_the_sweep_has_ended(tmp_path: Path, monkeypatch):
    """It has created the file of its lock and is about to lock it: until then it looks dead."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sweep([])
    [folder] = tmp_path.glob("lora_workbench-*")
    lock = folder / "0123456789ab.lock"
    lock.touch()

    def folders() -> Iterator[Path]:
        assert is_held(lock), "otherwise it could lock it now, and write what the sweep then removes"
        yield tmp_path

    sweep(folders())
    assert not lock.exists()


def test_another_thread_can_release_a_lock(tmp_path: Path):
    """As when a generator that trains is closed by another thread than the one that began it."""
    lock = Exclusive(tmp_path / "lock")
    thread = threading.Thread(target=lambda: list(lock.acquire("fox")))
    thread.start()
    thread.join()
    assert is_held(tmp_path / "lock")
    lock.release()
    assert not is_held(tmp_path / "lock")


def test_a_second_process_waits_and_is_told_who_holds_the_lock(process, tmp_path: Path):
    path = tmp_path / "run" / "lock"
    holder = process(HOLD, path)
    lock = Exclusive(path)
    events = lock.acquire("fox")
    told = next(events)
    assert isinstance(told, Message) and f"trained by process {holder.pid} on " in told.text
    next(events)
    assert is_held(path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    began = time.monotonic()
    assert not [event for event in events if isinstance(event, Message)], "it is told once"
    assert time.monotonic() - began < 5
    lock.release()
    assert not is_held(path)


def test_whoever_waits_can_be_stopped(process, tmp_path: Path):
    process(HOLD, tmp_path / "lock")
    events = Exclusive(tmp_path / "lock").acquire("fox")
    next(events)
    events.close()


def test_names_that_nothing_has(tmp_path: Path):
    (tmp_path / "a_00001.png").touch()
    assert free_name(tmp_path / "a.png").name == "a_00002.png"
    assert free_name(tmp_path / "new" / "b.png").name == "b_00001.png"
