"""Adapter files: writing, reading, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.binding import bind
from lora_workbench.engine.adapters.files import load_adapter, read_metadata, save_adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.core.errors import AdapterError, StorageError
from tiny import Parts

NAME = "lora_unet_mid_block_attentions_0_proj_in"


def tensors(**changes: Any) -> dict[str, Any]:
    """One whole LoRA of rank 4, with changes by part; ``None`` leaves the part out."""
    import torch

    parts = {"down": torch.ones(4, 8), "up": torch.ones(6, 4), "alpha": torch.tensor(2.0), **changes}
    suffixes = {"down": ".lora_down.weight", "up": ".lora_up.weight", "alpha": ".alpha"}
    return {NAME + suffixes[part]: value for part, value in parts.items() if value is not None}


def write(path: Path, content: dict[str, Any]) -> Path:
    from safetensors.torch import save_file

    save_file(content, path)
    return path


def assert_same_updates(found: Adapter, expected: Adapter, *, exact: bool = True) -> None:
    import torch

    assert found.modules.keys() == expected.modules.keys()
    for key, update in expected.modules.items():
        tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-5, "atol": 1e-6}
        torch.testing.assert_close(found.modules[key].delta(), update.delta(), **tolerance)


@pytest.mark.parametrize("key_style", ["kohya", "transformer"])
def test_what_is_saved_is_loaded(tmp_path: Path, make_adapter: Any, components: Parts, key_style: Any) -> None:
    adapter = make_adapter(**{"lw.seed": "7", "lw.family": "sd1", "ss_network_dim": "4"})
    path = tmp_path / "adapters" / "fox.safetensors"
    saved = save_adapter(adapter, path, key_style=key_style, dtype="float32")
    loaded = load_adapter(path)
    bound = bind(loaded, components.module_shapes())

    assert_same_updates(bound, adapter, exact=key_style == "kohya")
    assert_same_updates(bound, saved)
    assert (loaded.name, loaded.family, loaded.trigger, loaded.path) == ("fox", "sd1", "ohwx fox", path)
    assert loaded.metadata == saved.metadata == read_metadata(path)
    assert loaded.metadata.items() >= adapter.metadata.items()
    assert loaded.content_hash == bound.content_hash == saved.content_hash


def test_half_precision_rounds_the_factors_but_not_the_alpha(
    tmp_path: Path, make_adapter: Any, components: Parts
) -> None:
    import torch

    adapter = make_adapter(alpha=0.3)
    save_adapter(adapter, tmp_path / "fox.safetensors", key_style="kohya")
    bound = bind(load_adapter(tmp_path / "fox.safetensors"), components.module_shapes())
    for key, update in adapter.modules.items():
        assert torch.equal(bound.modules[key].down, update.down.half())
        assert bound.modules[key].alpha == pytest.approx(0.3, rel=1e-7)


def test_an_adapter_read_in_one_style_can_be_written_in_another(
    tmp_path: Path, make_adapter: Any, components: Parts
) -> None:
    adapter = make_adapter()
    save_adapter(adapter, tmp_path / "a.safetensors", key_style="transformer", dtype="float32")
    save_adapter(load_adapter(tmp_path / "a.safetensors"), tmp_path / "b.safetensors", key_style="kohya")
    kohya = load_adapter(tmp_path / "b.safetensors")
    assert bind(kohya, components.module_shapes()).modules.keys() == adapter.modules.keys()
    with pytest.raises(AdapterError, match="transformer names"):
        save_adapter(kohya, tmp_path / "c.safetensors", key_style="transformer")


def test_the_hash_in_the_header_is_that_of_the_tensors(tmp_path: Path, make_adapter: Any) -> None:
    import hashlib

    path = tmp_path / "fox.safetensors"
    save_adapter(make_adapter(), path, key_style="kohya")
    content = path.read_bytes()
    body = content[8 + int.from_bytes(content[:8], "little") :]
    assert read_metadata(path)["modelspec.hash_sha256"] == "0x" + hashlib.sha256(body).hexdigest()


def test_values_that_half_precision_cannot_hold_leave_the_old_file(tmp_path: Path, make_adapter: Any) -> None:
    path = tmp_path / "fox.safetensors"
    adapter = make_adapter()
    save_adapter(adapter, path, key_style="kohya")
    before = path.read_bytes()
    key, update = next(iter(adapter.modules.items()))
    huge = replace(adapter, modules={**adapter.modules, key: replace(update, up=update.up * 1e6)})
    with pytest.raises(AdapterError, match="float16"):
        save_adapter(huge, path, key_style="kohya")
    assert path.read_bytes() == before
    save_adapter(huge, path, key_style="kohya", dtype="float32")


def test_a_file_that_does_not_read_back_leaves_the_old_one(
    tmp_path: Path, make_adapter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch

    path = tmp_path / "fox.safetensors"
    save_adapter(make_adapter(), path, key_style="kohya")
    before = path.read_bytes()
    write_file = safetensors.torch.save_file

    def failing_disk(content: dict[str, Any], name: str, **rest: Any) -> None:
        write_file(content, name, **rest)
        written = bytearray(Path(name).read_bytes())
        written[-1] ^= 1
        Path(name).write_bytes(written)

    monkeypatch.setattr(safetensors.torch, "save_file", failing_disk)
    with pytest.raises(AdapterError, match="does not read back"):
        save_adapter(make_adapter(seed=2), path, key_style="kohya")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["fox.safetensors"]


FULL_DISK = """
import resource, sys, torch
from pathlib import Path
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.core.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
update = LowRank(down=torch.ones(64, 512), up=torch.ones(512, 64), alpha=64)
adapter = Adapter(name="fox", family="sd1", modules={"denoiser.mid_block.proj": update})
try:
    save_adapter(adapter, Path(sys.argv[1]), key_style="kohya")
except StorageError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "fox.safetensors"
    write(path, tensors())
    before = path.read_bytes()
    run = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=False)
    assert "could not be written" in run.stdout, run.stderr
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["fox.safetensors"]


def test_a_folder_that_cannot_be_written(tmp_path: Path, make_adapter: Any) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="could not be written"):
        save_adapter(make_adapter(), tmp_path / "taken" / "fox.safetensors", key_style="kohya")


def test_a_missing_alpha_means_a_scale_of_one(tmp_path: Path) -> None:
    adapter = load_adapter(write(tmp_path / "fox.safetensors", tensors(alpha=None)))
    assert [update.alpha for update in adapter.modules.values()] == [4.0]


def test_missing_file(tmp_path: Path) -> None:
    for read in (load_adapter, read_metadata):
        with pytest.raises(AdapterError, match="No adapter at"):
            read(tmp_path / "fox.safetensors")


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_truncated_file(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path / "fox.safetensors", tensors())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(AdapterError, match="can't be read"):
        load_adapter(path)


def test_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "fox.safetensors"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    for read in (load_adapter, read_metadata):
        with pytest.raises(AdapterError, match="can't be read"):
            read(path)


def broken_contents() -> dict[str, tuple[dict[str, Any], str]]:
    import torch

    nan = torch.full((6, 4), torch.nan)
    return {
        "a base model": ({"model.diffusion_model.out.2.weight": torch.ones(4, 4)}, "isn't a LoRA: it holds model.diff"),
        "nothing": ({}, "isn't a LoRA"),
        "alphas alone": (tensors(down=None, up=None), "isn't a LoRA"),
        "GLoRA": ({**tensors(), f"{NAME}.a1.weight": torch.ones(6, 1)}, r"a1.weight \(GLoRA\)"),
        "no up": (tensors(up=None), "has no up"),
        "no down": (tensors(down=None), "has no down"),
        "NaN": (tensors(up=nan), "NaN or infinite values"),
        "other ranks": (tensors(up=torch.ones(6, 5)), r"\(6, 5\).*ranks 4 and 5"),
        "a vector": (tensors(down=torch.ones(4)), r"\(4,\) \(down\)"),
        "a wide up": (tensors(up=torch.ones(6, 4, 3, 3)), r"\(6, 4, 3, 3\) \(up\)"),
        "rank zero": (tensors(down=torch.ones(0, 8), up=torch.ones(6, 0)), "ranks 0 and 0"),
        "many alphas": (tensors(alpha=torch.ones(2)), "alpha of shape"),
    }


@pytest.mark.parametrize(
    "case",
    [
        "a base model", "nothing", "alphas alone", "GLoRA", "no up", "no down", "NaN", "other ranks", "a vector",
        "a wide up", "rank zero", "many alphas",
    ],
)  # fmt: skip
def test_files_that_hold_no_whole_lora_are_refused(tmp_path: Path, case: str) -> None:
    content, message = broken_contents()[case]
    with pytest.raises(AdapterError, match=message):
        load_adapter(write(tmp_path / "fox.safetensors", content))


def test_the_hash_names_the_values(make_adapter: Any) -> None:
    adapter = make_adapter()
    assert make_adapter().content_hash == adapter.content_hash
    assert replace(adapter, metadata={}, name="owl").content_hash == adapter.content_hash
    assert make_adapter(seed=2).content_hash != adapter.content_hash
    assert make_adapter(alpha=3.0).content_hash != adapter.content_hash


def test_an_update_of_a_convolution_has_the_weights_shape() -> None:
    import torch

    update = LowRank(down=torch.ones(2, 3, 5, 5), up=torch.ones(7, 2, 1, 1), alpha=4.0)
    assert update.weight_shape == (7, 3, 5, 5)
    assert torch.equal(update.delta(), torch.full((7, 3, 5, 5), 4.0))
