"""Loops are driven, shown and interrupted; paths stay where they may be."""

from __future__ import annotations

import io
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from lora_workbench.engine.core.errors import AdapterError, BaseModelError, DatasetError
from lora_workbench.engine.core.events import Event, Message, Progress, StepDone
from lora_workbench.engine.core.words import duration
from lora_workbench.nodes.host.headless import HeadlessHost, Interrupted
from lora_workbench.nodes.host.progress import Meter, TerminalProgress


class Loop:
    """Counts to ``total``; at ``interrupt_at`` a Ctrl-C comes. Keeps what it had when it is closed."""

    def __init__(self, total: int, interrupt_at: int = 0) -> None:
        self.total, self.interrupt_at, self.saved = total, interrupt_at, 0

    def run(self) -> Generator[Event, None, str]:
        done = 0
        try:
            while done < self.total:
                done += 1
                if done == self.interrupt_at:
                    signal.raise_signal(signal.SIGINT)
                yield Progress(done=done, total=self.total, label="counting")
        except GeneratorExit:
            self.saved = done
            raise
        return f"counted {done}"


def test_drive_gives_the_result(host: HeadlessHost) -> None:
    assert host.drive(Loop(3).run()) == "counted 3"


def test_interruption_closes_the_loop_after_the_running_event(host: HeadlessHost) -> None:
    loop = Loop(10, interrupt_at=4)
    with pytest.raises(Interrupted), host.interruptible():
        host.drive(loop.run())
    assert loop.saved == 4


def test_second_interruption_comes_through_at_once(host: HeadlessHost) -> None:
    with host.interruptible():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_handler_is_put_back(host: HeadlessHost) -> None:
    before = signal.getsignal(signal.SIGINT)
    with host.interruptible():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_error_in_the_loop_comes_through(host: HeadlessHost) -> None:
    def loop() -> Generator[Event, None, None]:
        yield Message(text="so far so good")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        host.drive(loop())


def test_paths_start_at_the_workflow_then_here_then_the_project(
    host: HeadlessHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    here = tmp_path / "here"
    (here / "pictures").mkdir(parents=True)
    monkeypatch.chdir(here)
    assert host.dataset_path("pictures") == here / "pictures"
    (tmp_path / "pictures").mkdir()
    assert host.dataset_path("pictures") == tmp_path / "pictures"
    assert host.dataset_path(str(here / "pictures")) == here / "pictures"
    monkeypatch.setenv("HOME", str(here))
    assert host.dataset_path("~/pictures") == here / "pictures"
    assert host.base_path("assets/make") == root.resolve() / "assets" / "make"
    assert host.base_path("make") == root.resolve() / "assets" / "make"
    assert host.base_path("assets\\make") == root.resolve() / "assets" / "make"


@pytest.mark.parametrize("text", ["../x", "a/../../x", "..", "a\\..\\x", "/etc/../etc"])
def test_paths_do_not_lead_out(host: HeadlessHost, text: str) -> None:
    for find, error in (
        (host.dataset_path, DatasetError),
        (host.base_path, BaseModelError),
        (host.adapter_path, AdapterError),
    ):
        with pytest.raises(error, match="leads out"):
            find(text)


@pytest.mark.parametrize("text", ["", "  ", "nowhere", "/nowhere/at/all", "~nobody-of-that-name/x"])
def test_what_is_not_there_is_said(host: HeadlessHost, text: str) -> None:
    with pytest.raises(DatasetError, match="No data set"):
        host.dataset_path(text)


def test_adapters_are_listed_with_forward_slashes(host: HeadlessHost) -> None:
    folder = host.adapter_directory()
    (folder / "styles").mkdir(parents=True)
    for name in ("b.safetensors", "styles/a.safetensors", "notes.txt"):
        (folder / name).touch()
    assert host.adapter_files() == ["b.safetensors", "styles/a.safetensors"]
    assert host.adapter_path("styles/a.safetensors") == folder / "styles" / "a.safetensors"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def steps(count: int) -> list[Event]:
    return [StepDone(step=n, steps=count, loss=0.5, learning_rate=1e-4, seconds=0.25) for n in range(1, count + 1)]


def test_reading_tells_rate_loss_and_time_left() -> None:
    meter = Meter()
    reading = [meter.read(event) for event in steps(40)[:20]][-1]
    assert reading is not None
    assert reading.text() == "training 20/40, 4.0 steps/s, loss 0.5000, 5 s left"


def test_slow_work_is_told_in_seconds_each() -> None:
    times = iter([0.0, 6.0])
    meter = Meter(lambda: next(times))
    meter.read(Progress(done=0, total=4, label="encoding"))
    reading = meter.read(Progress(done=2, total=4, label="encoding"))
    assert reading is not None
    assert reading.text() == "encoding 2/4, 3.0 s each, 6 s left"


def test_a_second_round_of_the_same_work_has_a_rate_of_its_own() -> None:
    times = iter([0.0, 1.0, 2.0, 3.0])
    meter = Meter(lambda: next(times))
    events = [Progress(done=done, total=total, label="encoding") for done, total in ((0, 16), (16, 16), (1, 3), (3, 3))]
    readings = [meter.read(event) for event in events]
    assert [reading.rate for reading in readings if reading] == [0.0, 16.0, 0.0, 2.0]


def test_terminal_gets_one_line_that_is_drawn_again() -> None:
    stream, now = Terminal(), iter(range(1000))
    progress = TerminalProgress(stream, clock=lambda: float(next(now)))
    for event in steps(4):
        progress.show(event)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.count("\r") == 4
    assert "[############............] training 2/4" in text
    assert text.endswith("training 4/4, 4.0 steps/s, loss 0.5000\n")


def test_log_gets_a_line_now_and_then() -> None:
    stream, seconds = io.StringIO(), iter(n / 10 for n in range(1000))
    progress = TerminalProgress(stream, clock=lambda: next(seconds), every=5.0)
    progress.begin("[1/1] Train")
    for event in steps(120):
        progress.show(event)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "[1/1] Train"
    assert [line.split(",")[0] for line in lines[1:]] == [f"  training {n}/120" for n in (1, 51, 101, 120)]
    assert "\r" not in stream.getvalue()


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
