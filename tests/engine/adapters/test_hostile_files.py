"""Damaged and hostile adapter files: an error in words, and bounded memory."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hostile.adapters import NAME, adapters, content, entry, lora, scale, with_metadata
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lora_workbench.engine.adapters.files import load_adapter, read_metadata
from lora_workbench.engine.core.errors import WorkbenchError

HOSTILE = adapters()


def written(folder: Path, data: bytes) -> Path:
    path = folder / "fox.safetensors"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_in_words(tmp_path: Path, case: str) -> None:
    with pytest.raises(WorkbenchError) as caught:
        load_adapter(written(tmp_path, HOSTILE[case]))
    assert len(str(caught.value)) < 3000
    assert caught.value.expected or caught.value.hint


@pytest.mark.parametrize(
    ("case", "told"), [("a pickle", "pickle"), ("a web page", "asks for a login"), ("a pointer", "Git LFS")]
)
def test_files_that_people_take_for_adapters_are_called_what_they_are(tmp_path: Path, case: str, told: str) -> None:
    with pytest.raises(WorkbenchError, match=told):
        load_adapter(written(tmp_path, HOSTILE[case]))


@pytest.mark.parametrize(
    "config", [b"", b"[]", b"{", b"[" * 100_000, b"\xff\xfe", b" " * 2_000_000, b'{"r": {}, "lora_alpha": []}']
)
def test_hostile_configurations_are_refused_in_words(tmp_path: Path, config: bytes) -> None:
    (tmp_path / "adapter_model.safetensors").write_bytes(content(lora()))
    (tmp_path / "adapter_config.json").write_bytes(config)
    for path in (tmp_path, tmp_path / "adapter_model.safetensors"):
        with pytest.raises(WorkbenchError, match=r"adapter_config\.json"):
            load_adapter(path)


def test_long_metadata_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, with_metadata({"workflow": "x" * 5_000_000, "ss_tag_frequency": "[" * 100_000}))
    assert len(load_adapter(path).metadata["workflow"]) == 5_000_000
    assert len(read_metadata(path)["workflow"]) == 5_000_000


MEMORY = """
import re, sys
from pathlib import Path
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.core.errors import WorkbenchError
import torch, safetensors
def peak():  # what getrusage says begins with the peak of the process that started this one
    return int(re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0])
before = peak()
try:
    load_adapter(sys.argv[1])
except WorkbenchError as error:
    print(error)
print("grown by", (peak() - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak in this way")
@pytest.mark.parametrize("what", ["a base model", "an adapter"])
def test_files_of_gigabytes_take_no_memory(tmp_path: Path, what: str) -> None:
    """Sparse files: they take no space on the disk either."""
    name = "model.diffusion_model.out.2.weight" if what == "a base model" else f"{NAME}.lora_up.weight"
    size = 6 * 2**30 if what == "a base model" else 20 * 2**30
    path = written(tmp_path, content({name: entry([size // 4], 0, size)}, b""))
    with path.open("r+b") as opened:
        opened.truncate(path.stat().st_size + size)
    run = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True)
    assert ("isn't a LoRA" if what == "a base model" else "more than any adapter") in run.stdout
    assert int(run.stdout.split("grown by ")[1]) < 200


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_change_of_a_file_gives_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    """Bytes changed, cut out or added anywhere: it loads, or says why not."""
    changed = bytearray(scale())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed)))
        changed[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    path = written(tmp_path, bytes(changed))
    with contextlib.suppress(WorkbenchError):
        load_adapter(path)
