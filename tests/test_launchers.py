"""``torchrun -m lora_workbench train RUN.toml``: two processes, one result, and an end for both whatever happens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import psutil
import pytest
import torch
from lora_workbench.cli.main import main
from safetensors.torch import load_file
from workspace import plain_pictures

TOGETHER = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")
STEPS = 40


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As torchrun's processes have one each: sums of more threads have other bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> Path:
    folder = tmp_path_factory.mktemp("run")
    path, pictures = folder / "run.toml", plain_pictures(folder / "pictures")
    path.write_text(
        f'[base]\npath = {json.dumps(str(tiny_sd1))}\ndevice = "cpu"\nprecision = "fp32"\n'
        f"[dataset]\npath = {json.dumps(str(pictures))}\n[save]\ndtype = 'float32'\n"
        f"[recipe]\nsteps = {STEPS}\nrank = 2\ngradient_accumulation = 2\nsave_every = 1000\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def whole(file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The weights that one process gives which nothing disturbs."""
    return weights(alone(file, tmp_path_factory.mktemp("whole")))


def alone(file: Path, output: Path) -> dict:
    """What one process gives, which is this one."""
    with redirect_stdout(StringIO()) as told:
        assert main(["train", str(file), "--output", str(output), "--json"]) == 0
    return json.loads(told.getvalue().splitlines()[-1])


def start(file: Path, output: Path) -> subprocess.Popen[str]:
    command = [*TOGETHER, "lora_workbench", "train", str(file), "--output", str(output), "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finish(process: subprocess.Popen[str]) -> tuple[dict, str]:
    """(the last line of standard output, standard error)."""
    told, errors = process.communicate(timeout=120)
    assert told.count('"status"') == 1, f"rank 0 alone reports: {told}\n{errors}"
    return json.loads(told.splitlines()[-1]), errors


def wait_for_steps(process: subprocess.Popen[str]) -> None:
    """Until the first line about steps; the progress comes on standard error."""
    assert process.stderr
    for line in process.stderr:
        if re.search(r"training \d", line):
            return


def weights(result: dict) -> dict:
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(result["adapters"][0]).items()}


@pytest.mark.kills
def test_two_processes_give_what_one_gives(file: Path, whole: dict, tmp_path: Path):
    shared, errors = finish(start(file, tmp_path / "shared"))
    assert shared["status"] == "ok" and not shared["cached_nodes"]
    assert errors.count(f"training {STEPS}/{STEPS}") == 1
    assert weights(shared) == whole
    again, _ = finish(start(file, tmp_path / "shared"))
    assert again["cached_nodes"] == 1


@pytest.mark.kills
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_launcher_leaves_a_state_to_go_on_from(file: Path, whole: dict, tmp_path: Path, number: int):
    process = start(file, tmp_path / "shared")
    wait_for_steps(process)
    process.send_signal(number)
    process.communicate(timeout=60)
    rest = alone(file, tmp_path / "shared")
    assert rest["reports"]["train"]["resumed_at"] > 0
    assert weights(rest) == whole


@pytest.mark.kills
def test_a_killed_process_ends_the_others_which_keep_the_state(file: Path, whole: dict, tmp_path: Path):
    process = start(file, tmp_path / "shared")
    wait_for_steps(process)
    (follower,) = (p for p in psutil.Process(process.pid).children() if p.environ()["RANK"] == "1")
    follower.kill()
    began = time.monotonic()
    result, errors = finish(process)
    assert time.monotonic() - began < 30
    assert "has died, or can't be reached" in result["error"] or "Interrupted" in result["error"], errors
    rest = alone(file, tmp_path / "shared")
    assert rest["reports"]["train"]["resumed_at"] > 0
    assert weights(rest) == whole


def test_bad_input_is_told_once(file: Path, tmp_path: Path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(file.read_text(encoding="utf-8") + "rnak = 2\n", encoding="utf-8")
    result, errors = finish(start(wrong, tmp_path / "shared"))
    assert "did you mean rank?" in result["error"] and errors.count("did you mean rank?") == 1
