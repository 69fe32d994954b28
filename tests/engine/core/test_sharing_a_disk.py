"""Several processes on one disk: locks where file systems have none or share none, and names that two want at once."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from filelock import SoftFileLock
from lora_workbench.engine.core.errors import StorageError
from lora_workbench.engine.core.events import Event, Message
from lora_workbench.engine.core.locks import Exclusive, alone, if_free
from lora_workbench.engine.core.storage import NameTakenError, adding, replacing, write_bytes, write_numbered

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other locks and no fork")

ADD = """
import sys
from pathlib import Path
from lora_workbench.engine.core.numbered_files import NumberedFiles
from lora_workbench.engine.core.storage import adding
folder, own = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for number in range(8):
    with adding(folder / "fox.txt") as draft:
        draft.temporary.write_text(f"{own} {number}")
    with adding(folder / "set") as draft:
        draft.temporary.mkdir()
        (draft.temporary / "0.txt").write_text(f"{own} {number}")
    NumberedFiles(folder / "grid.png").add(f"{own} {number}".encode())
"""


def test_of_processes_that_add_files_of_one_name_none_replaces_another_s(tmp_path: Path):
    start = [sys.executable, "-c", ADD, str(tmp_path)]
    processes = [
        subprocess.Popen([*start, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in "abcd"
    ]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in processes:
        process.communicate("go\n", timeout=60)
        assert process.returncode == 0
    wanted = {f"{name} {number}" for name in "abcd" for number in range(8)}
    assert {path.read_text() for path in tmp_path.glob("fox*.txt")} == wanted
    assert {path.read_text() for path in tmp_path.glob("set*/0.txt")} == wanted
    assert {path.read_text() for path in tmp_path.glob("grid*.png")} == wanted
    assert not list(tmp_path.glob("*.partial"))


def test_a_file_that_comes_while_another_of_its_name_is_written_stays(tmp_path: Path):
    path = tmp_path / "fox.txt"
    with pytest.raises(NameTakenError), replacing(path, new=True) as own:
        own.write_text("ours")
        path.write_text("theirs")
    assert path.read_text() == "theirs"
    assert write_numbered(path, b"one") == tmp_path / "fox_00001.txt"
    assert write_numbered(path, b"two") == tmp_path / "fox_00002.txt"
    with adding(path) as draft:
        draft.temporary.write_text("ours")
        (tmp_path / "fox_00003.txt").write_text("another's, just now")
    assert draft.path == tmp_path / "fox_00004.txt" and draft.path.read_text() == "ours"
    with adding(tmp_path / "set") as draft:
        draft.temporary.mkdir()
        (draft.temporary / "0.txt").write_text("ours")
        (tmp_path / "set").write_text("a file")
    assert draft.path == tmp_path / "set_00002" and (tmp_path / "set").read_text() == "a file"


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_file_systems_without_hard_links(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As FAT and some network file systems."""

    def link(source: object, target: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)
    write_bytes(tmp_path / "a", b"a", new=True)
    with pytest.raises(NameTakenError):
        write_bytes(tmp_path / "a", b"b", new=True)
    assert (tmp_path / "a").read_bytes() == b"a"


def test_a_repeated_request_that_was_done_counts_as_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """NFS: the answer to the first was lost, and the second is refused, since the name is taken: by this very file."""
    made = os.link

    def link(source: Path, target: Path) -> None:
        made(source, target)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", link)
    write_bytes(tmp_path / "a", b"a", new=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_bytes() == b"a"


def test_a_disk_that_is_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def link(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StorageError, match="No space left"):
        write_bytes(tmp_path / "a", b"a", new=True)
    assert not list(tmp_path.iterdir())


@pytest.fixture(params=[errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK], ids=errno.errorcode.__getitem__)
def without_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Lustre without its option ``flock``, file systems in user space, and NFS without a lock daemon say."""
    import fcntl

    def flock(file: int, operation: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.usefixtures("without_locks")
def test_a_file_system_without_locks_is_told_and_nothing_waits(tmp_path: Path):
    for _ in range(2):  # the second as after a kill: a file that nobody removed isn't taken for a lock
        events = list(Exclusive(tmp_path / "lock").acquire("fox"))
        assert [event.text for event in events if isinstance(event, Message)] == [
            "fox: this file system has no locks; don't start the same run twice at once"
        ]
        (tmp_path / "lock").touch()
        with if_free(tmp_path / "lock") as ours:
            assert ours


@pytest.mark.usefixtures("without_locks")
def test_the_lock_of_a_filelock_that_takes_existence_for_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Versions that turn into such a lock without asking: a killed holder's file would keep everybody waiting."""
    from lora_workbench.engine.core import file_locks

    monkeypatch.setattr(file_locks, "file_lock", lambda path: SoftFileLock(path, thread_local=False))
    monkeypatch.setattr("lora_workbench.engine.core.locks.file_lock", file_locks.file_lock)
    path = tmp_path / "lock"
    path.write_text("17\nanother-machine\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert any(
            "has no locks" in event.text for event in Exclusive(path).acquire("fox") if isinstance(event, Message)
        )


def test_a_killed_holder_of_another_machine_is_named(tmp_path: Path):
    """Its lock is gone with its machine, as NFS has it; its note is still there."""
    path = tmp_path / "lock"
    noted = {"pid": 17, "host": "node7", "since": "2026-11-28 09:00:00"}
    (tmp_path / "lock.holder.json").write_text(json.dumps(noted))
    lock = Exclusive(path)
    [told] = lock.acquire("fox")
    assert isinstance(told, Message)
    assert "process 17 on node7 began training the same run at 2026-11-28 09:00:00" in told.text
    assert "doesn't share locks between machines" in told.text
    lock.release()
    assert not list(lock.acquire("fox")), "after an orderly end there is nothing to say"
    lock.release()


def test_a_torn_note_of_a_holder_is_passed_over(tmp_path: Path):
    (tmp_path / "lock.holder.json").write_text('{"pid": 1')
    lock = Exclusive(tmp_path / "lock")
    assert not list(lock.acquire("fox"))
    lock.release()


def test_clocks_of_machines_may_differ(tmp_path: Path):
    """No lock depends on a time: neither a note from tomorrow nor one of long ago keeps anybody waiting."""
    for since, when in (("2031-01-01 00:00:00", time.time() + 10**8), ("1999-01-01 00:00:00", 0)):
        path = tmp_path / since[:4] / "lock"
        path.parent.mkdir()
        path.touch()
        path.with_suffix(".holder.json").write_text(json.dumps({"pid": 1, "host": "node7", "since": since}))
        for file in path.parent.iterdir():
            os.utime(file, (when, when))
        lock = Exclusive(path)
        list(lock.acquire("fox"))
        with if_free(path) as ours:
            assert not ours
        lock.release()


def test_work_that_one_process_does_at_a_time(tmp_path: Path):
    seen: list[str] = []

    def work(name: str):
        seen.append(name)
        yield Event()
        return name

    first, second = alone(tmp_path / "l", "encoding", work("a")), alone(tmp_path / "l", "encoding", work("b"))
    next(first)
    told = next(second)
    assert isinstance(told, Message) and told.text == "encoding: waiting for another process that is doing the same"
    assert seen == ["a"], "the second hasn't begun, so that it sees what the first has done"
    with contextlib.closing(second):
        assert list(first) == []
        assert next(event for event in second if seen == ["a", "b"])
    with if_free(tmp_path / "l") as ours:
        assert ours, "whoever is closed releases it"
