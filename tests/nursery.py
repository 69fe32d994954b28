"""A process that has imported everything and forks a child for each run, which can be killed at a chosen moment.

A cold start takes seconds, a fork milliseconds. Requests and answers are lines of JSON on standard input and output.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

OPERATIONS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.utime", "os.chmod", "shutil.rmtree"}
"""What Python tells audit hooks of that may change files."""


class Moment(NamedTuple):
    """When a run is killed; by default never."""

    folder: str = ""
    operation: int = 0
    """Before its so-manieth operation on files in that folder of its output."""
    seconds: float | None = None
    """After this time."""


class Ended(NamedTuple):
    """How a run ended."""

    status: int
    """Exit status; negative for a signal."""
    operations: dict[str, int]
    """Folder -> number of operations on files in it; only known if the run wasn't killed."""
    seconds: float
    said: str


class Nursery:
    """The client's side.

    Args:
        folders: below the output folder; operations are counted in each.
    """

    def __init__(self, folders: Iterable[str]) -> None:
        self._folders = sorted(folders)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(self, workflow: Path, output: Path, kill: Moment | None = None) -> Ended:
        """Run a workflow by the command line in a forked process, which may be killed by SIGKILL."""
        assert self._process.stdin is not None and self._process.stdout is not None
        request = {
            "workflow": str(workflow), "output": str(output), "folders": self._folders, "kill": kill or Moment(),
        }  # fmt: skip
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return Ended(*json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


@contextmanager
def nursery(folders: Iterable[str]) -> Iterator[Nursery]:
    """A nursery for the block."""
    opened = Nursery(folders)
    try:
        yield opened
    finally:
        opened.close()


def kill_ten_times(workflow: Path, place: Path, folders: Sequence[str], saved: Callable[[Path], object]) -> None:
    """Run a workflow that is killed at ten random moments and queued again, until what it saved is that of a run which
    nothing disturbs.

    Args:
        workflow: its file.
        place: folder for outputs.
        folders: below an output, in which operations are counted.
        saved: what is compared of an output.
    """
    rng, killed, output = random.Random(5), 0, place / "killed"
    with nursery(folders) as runs:
        undisturbed = runs.run(workflow, place / "undisturbed")
        assert undisturbed.status == 0, undisturbed.said
        expected = saved(place / "undisturbed")
        while killed < 10:
            folder = rng.choice(["", *folders])
            operation = rng.randint(1, undisturbed.operations[folder]) if folder else 0
            moment = Moment(folder, operation) if folder else Moment(seconds=rng.uniform(0, undisturbed.seconds))
            ended = runs.run(workflow, output, moment)
            assert ended.status in (0, -9), ended.said
            killed += ended.status == -9
            if ended.status == 0:
                assert saved(output) == expected
                shutil.rmtree(output)
        assert runs.run(workflow, output).status == 0
    assert saved(output) == expected


def _serve() -> None:
    import_everything()
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_forked(request, Moment(*request["kill"]))), flush=True)


def import_everything() -> None:
    """What runs use, and what is known of our code, so that children needn't find it out.

    Nothing is computed, since threads don't survive a fork.
    """
    import diffusers
    import pillow_heif
    import torch
    import transformers
    from lora_workbench import engine
    from lora_workbench.cli import generate, nodes, train
    from lora_workbench.engine.core.resources import PROJECT_ROOT
    from lora_workbench.headless.code_identity import ProjectCode
    from PIL import Image
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    for name in ("StableDiffusionPipeline", "AutoencoderKL", "UNet2DConditionModel", "DDIMScheduler"):
        getattr(diffusers, name)
    for name in ("CLIPTextModel", "CLIPTokenizer"):
        getattr(transformers, name)
    for module in pkgutil.walk_packages(engine.__path__, f"{engine.__name__}."):
        importlib.import_module(module.name)
    Image.init()
    get_checkpoint_conversion_mapping("clip_text_model")
    package, code = engine.__name__.removesuffix("engine"), ProjectCode(PROJECT_ROOT)
    for node in nodes.registry().values():
        code.identity(node.__module__.removeprefix(package))
    del pillow_heif, generate, train
    torch.set_num_threads(1)
    gc.freeze()


def _forked(request: dict[str, Any], kill: Moment) -> Ended:
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _child(request, kill, said.fileno(), writer)
        os.close(writer)
        if kill.seconds is not None and not select.select([reader], [], [], kill.seconds)[0]:
            os.kill(child, signal.SIGKILL)
        counted = os.read(reader, 10_000)
        os.close(reader)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        return Ended(status, json.loads(counted or "{}"), time.monotonic() - started, said.read())


def _child(request: dict[str, Any], kill: Moment, said: int, writer: int) -> None:
    from lora_workbench.cli import main as cli

    for stream in (1, 2):
        os.dup2(said, stream)
    operations = _count_operations(Path(request["output"]), request["folders"], kill)
    status = 1
    try:
        status = cli.main(["run", request["workflow"], "--output", request["output"], "--json"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(writer, json.dumps(operations).encode())
        os._exit(status)


def _count_operations(output: Path, folders: Sequence[str], kill: Moment) -> dict[str, int]:
    """Count operations by folder, in a dict that grows; the process ends before the one that ``kill`` names."""
    counted = dict.fromkeys(folders, 0)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in OPERATIONS or not arguments:
            return
        for folder in folders:
            if str(arguments[0]).startswith(f"{output / folder}{os.sep}"):
                counted[folder] += 1
                if (folder, counted[folder]) == (kill.folder, kill.operation):
                    os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return counted


if __name__ == "__main__":
    _serve()
