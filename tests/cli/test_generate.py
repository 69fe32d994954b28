"""``lora-workbench generate``: the documented example, what a file may say, and the same pictures by two processes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_graphs import KSAMPLER
from lora_workbench.cli.main import main
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.batches.batch_file import batch_of
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.models.registry import load_base
from random_adapters import random_adapter


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_example_draws_on_the_demo_base(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    call = ["generate", str(root / "docs" / "batch.example.toml"), "--output", str(tmp_path), "--json"]
    short = ["--set", "pictures.steps=1", "--set", "pictures.seeds_per_prompt=1"]
    assert main([*call, *short]) == 0
    result = told(capsys)
    assert result["reports"]["generate"]["pictures"] == len(result["images"]) == 2 * 2 * 2
    assert (tmp_path / "batches/campaign/index.html").is_file()
    assert main([*call, *short]) == 0
    assert (again := told(capsys))["cached_nodes"] == 1 and again["images"] == result["images"]


@pytest.fixture
def file(tmp_path: Path, tiny_sd1: Path) -> Path:
    base = load_base(tiny_sd1, device="cpu")
    for seed, name in enumerate(("fox", "riso")):
        save_adapter(random_adapter(base, name, seed, text=bool(seed)), tmp_path / f"{name}.safetensors",
                     key_style="kohya", dtype="float32")  # fmt: skip
    path = tmp_path / "batch.toml"
    path.write_text(
        f'name = "b"\n[base]\npath = {json.dumps(str(tiny_sd1))}\ndevice = "cpu"\nprecision = "fp32"\n'
        '[pictures]\nprompts = ["a fox", "a cow"]\nseeds_per_prompt = 3\nsteps = 2\nguidance = 2.0\nbatch_size = 4\n'
        '[[sweep]]\naxis = "adapters"\nvalues = ["fox:0.8", "fox:0.8 + riso:0.6"]\n',
        encoding="utf-8",
    )
    return path


def files(folder: Path) -> dict[str, bytes]:
    """Everything that a batch leaves, but what only one of its calls needs."""
    paths = [path for path in (folder / "batches/b").rglob("*") if path.is_file() and ".batch" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@contextlib.contextmanager
def another_process(call: list[str]) -> Iterator[None]:
    """Another process shares the work of this one, as if a launcher had started both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    other = subprocess.Popen(
        [sys.executable, "-m", "lora_workbench", *call], env=os.environ | both | {"RANK": "1", "LOCAL_RANK": "1"}
    )
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {**both, "RANK": "0", "LOCAL_RANK": "0"}.items():
            patched.setenv(name, value)
        yield
    assert other.wait(timeout=120) == 0


def test_two_processes_give_the_bits_of_one(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Also of what one has begun."""
    assert main(["generate", str(file), "--output", str(tmp_path / "alone"), "--json"]) == 0
    whole = files(tmp_path / "alone")
    pictures = [name for name in whole if name.endswith(".png")]
    assert len(pictures) == 3 * 2 * 3
    call = ["generate", str(file), "--output", str(tmp_path / "shared"), "--json"]
    with another_process(call):
        assert main(call) == 0
    assert told(capsys)["reports"]["generate"]["drawn"] == len(pictures)
    assert files(tmp_path / "shared") == whole
    for name in [name for name in pictures if name[-5] in "01234567"]:
        (tmp_path / "shared" / name).unlink()
    assert main(call) == 0
    assert files(tmp_path / "shared") == whole


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"pictures": {"promts": ["a"]}}, "did you mean prompts?"),
        ({"pictures": {"steps": 0}}, "[pictures] steps: got 0"),
        ({"sweep": [{"axis": "wieght"}]}, "did you mean weight?"),
        ({"sweep": [3]}, "expected a table"),
        ({"pictures": 3}, "expected a section"),
        ({"lists": {"color": "red"}}, "expected a list of texts"),
        ({"lists": {"color": ["red"]}}, "templates = true"),
        ({"nmae": "x"}, "did you mean name?"),
    ],
)
def test_what_a_file_may_not_say(values: dict[str, Any], expected: str):
    with pytest.raises(ConfigError) as refused:
        batch_of(values)
    assert expected in str(refused.value)


def test_bad_files_and_missing_adapters_have_their_status(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    call = ["generate", str(file), "--output", str(tmp_path / "out"), "--json"]
    assert main([*call, "--set", "pictures.stepz=1"]) == 2
    assert "stepz" in told(capsys)["error"]
    assert main([*call, "--set", "pictures.stack=wolf:0.5"]) == 1
    assert "wolf" in told(capsys)["error"]
    assert not (tmp_path / "out" / "batches").exists()


def test_a_workflow_is_written_once_for_each_picture(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Also in place of what a larger batch has written; what the file doesn't say stays as the workflow has it."""
    (tmp_path / "graph.json").write_text(json.dumps(KSAMPLER), encoding="utf-8")
    call = ["generate", str(file), "--output", str(tmp_path / "out"), "--json"]
    call += ["--as-prompts", str(tmp_path / "graph.json")]
    for seeds, count in ((3, 18), (1, 6)):
        assert main([*call, "--set", f"pictures.seeds_per_prompt={seeds}"]) == 0
        folder = Path(told(capsys)["reports"]["generate"]["folder"])
        assert len(list(folder.iterdir())) == count
    last = json.loads(sorted(folder.iterdir())[-1].read_text("utf-8"))
    assert last["6"]["inputs"]["text"] == "a cow" and last["7"]["inputs"]["text"] == "blurry"
    assert [last[node]["inputs"]["lora_name"] for node in ("10_1", "10")] == ["fox.safetensors", "riso.safetensors"]
    (tmp_path / "graph.json").write_text("[]", encoding="utf-8")
    assert main(call) == 2
    assert "API format" in told(capsys)["error"]
