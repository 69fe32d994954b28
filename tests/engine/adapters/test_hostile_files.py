"""Damaged and hostile adapter files: an error in words, and bounded memory."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lora_workbench.engine.adapters.files import load_adapter, read_metadata
from lora_workbench.engine.core.errors import WorkbenchError

NAME = "lora_unet_mid_block_attentions_0_proj_in"


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def lora(rank: int = 2) -> dict[str, Any]:
    """The header of a whole LoRA of 6 x 8."""
    down, up = 4 * rank * 8, 4 * rank * 6
    return {
        f"{NAME}.lora_down.weight": entry([rank, 8], 0, down),
        f"{NAME}.lora_up.weight": entry([6, rank], down, down + up),
    }


def written(folder: Path, data: bytes) -> Path:
    path = folder / "fox.safetensors"
    path.write_bytes(data)
    return path


def content(header: bytes | Mapping[str, Any], body: bytes = bytes(112), length: int | None = None) -> bytes:
    """A file with this header and body, that claims this length of the header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def with_alpha(shape: list[int], begin: int, end: int, dtype: str = "F32", values: bytes = bytes(4)) -> bytes:
    return content(lora() | {f"{NAME}.alpha": entry(shape, begin, end, dtype)}, bytes(112) + values)


def factors(dtype: str, bits: int) -> bytes:
    down, up = 16 * bits // 8, 12 * bits // 8
    header = {
        f"{NAME}.lora_down.weight": entry([2, 8], 0, down, dtype),
        f"{NAME}.lora_up.weight": entry([6, 2], down, down + up, dtype),
    }
    return content(header, bytes(down + up))


def with_metadata(value: Any) -> bytes:
    return content(lora() | {"__metadata__": value})


def scale(text: str = "", **declared: Any) -> bytes:
    """With diffusers' declaration of the scale."""
    fields = {f"unet.{name}": value for name, value in {"r": 2, "lora_alpha": 1, **declared}.items()}
    return with_metadata({"lora_adapter_metadata": text or json.dumps(fields)})


def hostile() -> dict[str, bytes]:
    down, up = f"{NAME}.lora_down.weight", f"{NAME}.lora_up.weight"
    again = f', "{up}": {json.dumps(entry([6, 2], 64, 112))}}}'.encode()
    return {
        "nothing": b"",
        "seven bytes": b"1234567",
        "no header": content(b"", b""),
        "a header of 2^63 bytes": content(b"{}", b"", 2**63),
        "a header longer than the file": content(b"{}", b"", 1000),
        "a header of 40 MB": content(b" " * 40_000_000, b""),
        "a header that isn't UTF-8": content(b'{"\xff\xfe": 1}'),
        "a header that isn't JSON": content(b"{]"),
        "a list": content(b"[]"),
        "a depth of 100,000": content(b"[" * 100_000),
        "a name twice": content(json.dumps(lora()).encode()[:-1] + again),
        "tensors that aren't described": content({up: 7}),
        "an unknown dtype": with_alpha([], 112, 116, "X9"),
        "offsets beyond the end": content(lora(), bytes(8)),
        "offsets below zero": with_alpha([], -4, 0),
        "offsets that overlap": with_alpha([], 0, 4),
        "a shape of 2^62": with_alpha([2**62, 4], 112, 116),
        "a size that isn't the shape's": with_alpha([3], 112, 116),
        "an infinite alpha": with_alpha([], 112, 116, values=b"\x00\x00\x80\x7f"),
        "metadata that are numbers": with_metadata({"ss_network_dim": 4}),
        "metadata that are a text": with_metadata("rank 4"),
        "rank 0": content(lora(0), b""),
        "other ranks": content({down: entry([2, 8], 0, 64), up: entry([6, 1], 64, 88)}, bytes(88)),
        "NaN": content(lora(), b"\xff" * 112),
        "factors of whole numbers": factors("I8", 8),
        "truth values": factors("BOOL", 8),
        "fp4": factors("F4", 4),
        "exponents alone": factors("F8_E8M0", 8),
        "a scale without an end": scale("{"),
        "a scale that is deep": scale("[" * 100_000),
        "a scale that is a list": scale("[1]"),
        "a scale without a number": scale(r="many"),
        "a scale over nothing": scale(r=0),
        "a scale without a rank": scale('{"unet.lora_alpha": 1}'),
        "a rank of another adapter": scale(r=8),
        "an infinite scale": scale('{"unet.r": 2, "unet.lora_alpha": 1e999}'),
        "a pattern without an end": scale(alpha_pattern={"(": 3}),
        "a pattern that explodes": scale(alpha_pattern={"(_*[a-z_0-9]*)*!": 3}),
        "patterns that are a list": scale(rank_pattern=[1]),
        "a base model": content({"model.diffusion_model.out.2.weight": entry([7, 4], 0, 112)}),
        "nothing but alphas": content({f"{NAME}.alpha": entry([28], 0, 112)}),
        "names of 60,000 characters": content({"a" * 60_000: entry([28], 0, 112)}),
        "a pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        "a zip": b"PK\x03\x04" + bytes(1000),
        "a web page": b"<!DOCTYPE html><html>log in</html>",
        "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n",
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(1000),
    }


HOSTILE = hostile()


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
import resource, sys
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.core.errors import WorkbenchError
import torch, safetensors
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    load_adapter(sys.argv[1])
except WorkbenchError as error:
    print(error)
print("grown by", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows doesn't tell the peak in this way")
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
