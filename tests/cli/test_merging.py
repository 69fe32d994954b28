"""``lora-workbench adapters merge|resize|difference|convert|bake`` on the demo base."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli.main import main
from lora_workbench.cli.merging import weighted
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.adapters.keeping import keep
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from made_adapters import random_adapter


@pytest.fixture(scope="module")
def base(demo_base: Path) -> Backbone:
    return load_base(demo_base, device="cpu", precision="fp32")


@pytest.fixture
def place(base: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two adapters in its output."""
    for seed, (name, trigger) in enumerate((("fox", "ohwx fox"), ("riso", "zwx riso"))):
        keep(random_adapter(base, name, seed=seed, rank=2, trigger=trigger), tmp_path / "output" / "loras" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def adapters(place: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs an action, and returns its report."""

    def run(*arguments: str) -> dict[str, Any]:
        assert main(["adapters", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def test_merge_saves_one_file_that_says_what_it_is(adapters: Any) -> None:
    report = adapters(
        "merge", "fox.safetensors=0.8", "riso.safetensors=0.6,0", "--method", "svd", "--rank", "3", "--name", "both"
    )
    found = load_adapter(report["path"])
    assert report["rank"] == found.rank == 3 and 0 < report["error"] < 1
    assert found.triggers == ("ohwx fox, zwx riso", "ohwx fox", "zwx riso")
    assert [part["text_encoder_weight"] for part in json.loads(found.metadata["lw.merged"])["parts"]] == [0.8, 0.0]
    assert adapters("merge", "fox.safetensors", "riso.safetensors")["rank"] == 4


def test_resize_difference_and_convert_save_files(adapters: Any, place: Path) -> None:
    small = adapters("resize", "fox.safetensors", "--rank", "1")
    assert Path(small["path"]).name == "fox_rank1.safetensors" and load_adapter(small["path"]).rank == 1
    less = adapters("difference", "fox.safetensors", str(place / "output/loras/riso.safetensors=0.5"), "--name", "less")
    assert load_adapter(less["path"]).trigger == "ohwx fox"
    renamed = adapters("convert", "fox.safetensors", "--names", "ComfyUI", "--base", "demo_base", "--name", "native")
    assert renamed["dtype"] == "float16", "alpha / rank is a power of two"
    assert load_adapter(renamed["path"]).key_style == "native"


def test_bake_saves_a_base_model_that_loads(adapters: Any) -> None:
    report = adapters("bake", "demo_base", "fox.safetensors=0.8", "--format", "folder", "--name", "demo with fox")
    assert load_base(Path(report["path"]), device="cpu").info.name == "demo with fox"
    assert report["triggers"] == ["ohwx fox"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["merge", "fox.safetensors", "--rank", "8"], "--rank has no effect with the method exact"),
        (["merge", "fox.safetensors", "--method", "ties", "--drop", "0.3", "--seed", "1"], "--drop, --seed"),
        (["merge", "fox.safetensors", "--method", "ties", "--density", "7"], "Can't merge with density 7"),
        (["merge", "fxo.safetensors"], "fxo.safetensors"),
        (["convert", "fox.safetensors", "--rank", "8"], "--rank has no effect with the form as it is"),
        (["convert", "fox.safetensors", "--names", "ComfyUI"], "ComfyUI's names of the layers of fox aren't known"),
        (["resize", "fox.safetensors", "--energy", "0"], "The threshold 0 can't be one of energy"),
        (["bake", "demo_base", "fox.safetensors=0"], "nothing to bake"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
@pytest.mark.usefixtures("place")
def test_what_has_no_effect_or_cant_be_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["adapters", *arguments]) == 1
    assert complaint in capsys.readouterr().err


def test_weights_stand_after_the_last_equals_sign() -> None:
    assert weighted("fox.safetensors") == ("fox.safetensors", 1.0, 1.0)
    assert weighted("C:\\a=b\\fox.safetensors=0.8") == ("C:\\a=b\\fox.safetensors", 0.8, 0.8)
    assert weighted("a=b.safetensors") == ("a=b.safetensors", 1.0, 1.0)
    assert weighted("fox=-0.5,1") == ("fox", -0.5, 1.0)
    for text in ("fox=nan", "fox=1,2,3"):
        with pytest.raises(argparse.ArgumentTypeError):
            weighted(text)
