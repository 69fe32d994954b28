"""What every captioner promises in engine/captions/contract.py, on a tiny real model of each kind."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from lora_workbench.engine.captions.captioners import CAPTIONERS, open_captioner
from lora_workbench.engine.captions.contract import Captioner, CaptionOptions
from lora_workbench.engine.captions.florence2 import Florence2
from lora_workbench.engine.captions.tagger import read_tags, squared
from lora_workbench.engine.core.errors import CaptionerError, ConfigError
from PIL import Image
from tiny_captioners import TAGS, TINY, save_tiny_qwen_vl

OPTIONS = CaptionOptions(max_tokens=12)
PICTURES = [Image.new("RGB", (60, 40), color) for color in ("red", "blue", "white", "black")]


@pytest.fixture(scope="module", params=CAPTIONERS.names())
def kind(request: pytest.FixtureRequest) -> str:
    assert request.param in TINY, f"give {request.param} a tiny configuration in tests/tiny_captioners.py, in TINY"
    return request.param


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TINY[kind](tmp_path_factory.mktemp(kind) / "model")


@pytest.fixture(scope="module")
def captioner(folder: Path) -> Captioner:
    return open_captioner(folder, device="cpu")


def test_a_folder_is_recognized_by_its_files(captioner: Captioner, kind: str):
    assert captioner.kind == kind
    assert captioner.options <= set(CaptionOptions.__dataclass_fields__)


def test_pictures_are_described_in_one_line_and_reproducibly(captioner: Captioner):
    captions = [captioner.caption(picture, OPTIONS) for picture in PICTURES]
    assert all(caption == " ".join(caption.split()) for caption in captions)
    assert len(set(captions)) > 1, "it doesn't look at the picture"
    assert [captioner.caption(picture, OPTIONS) for picture in PICTURES[::-1]] == captions[::-1]


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (1500, 20), (400, 400)])
def test_pictures_of_any_size_are_described(captioner: Captioner, size: tuple[int, int]):
    picture = Image.linear_gradient("L").resize(size).convert("RGB")
    assert isinstance(captioner.caption(picture, OPTIONS), str)


def test_another_model_has_another_hash_and_a_copy_the_same(
    captioner: Captioner, kind: str, folder: Path, tmp_path: Path
):
    copied = open_captioner(shutil.copytree(folder, tmp_path / "copy"), device="cpu")
    assert copied.content_hash == captioner.content_hash
    other = open_captioner(TINY[kind](tmp_path / "other", seed=1), device="cpu")
    assert other.content_hash != captioner.content_hash
    assert other.key("a", OPTIONS) != captioner.key("a", OPTIONS)


def test_only_options_that_matter_are_in_the_key(captioner: Captioner):
    changes = {"prompt": "a", "max_tokens": 9, "threshold": 0.5, "character_threshold": 0.5}
    changed = {
        name
        for name, value in changes.items()
        if captioner.key("a", CaptionOptions(**{name: value})) != captioner.key("a", CaptionOptions())
    }
    assert changed == captioner.options
    assert captioner.key("a", OPTIONS) != captioner.key("b", OPTIONS)


def test_the_prompt_is_heard_where_it_is_an_option(captioner: Captioner):
    asked = CaptionOptions(prompt="a photo of the red fox", max_tokens=12)
    heard = any(captioner.caption(picture, asked) != captioner.caption(picture, OPTIONS) for picture in PICTURES)
    assert heard == ("prompt" in captioner.options)


def test_weights_of_another_shape_are_refused_and_not_made_up(kind: str, folder: Path, tmp_path: Path):
    broken = shutil.copytree(folder, tmp_path / "broken")
    weights = next(iter([*broken.glob("*.safetensors"), *broken.glob("*.onnx")]))
    if weights.suffix == ".safetensors":
        from safetensors.torch import load_file, save_file

        tensors = load_file(weights)
        dropped = next(name for name in tensors if name.endswith("weight") and tensors[name].ndim == 2)
        save_file({name: tensor for name, tensor in tensors.items() if name != dropped}, weights, {"format": "pt"})
    else:
        weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(CaptionerError, match="can't be") as told:
        open_captioner(broken, device="cpu").caption(PICTURES[0], OPTIONS)
    assert told.value.expected and told.value.hint


def test_a_cut_file_is_refused(folder: Path, tmp_path: Path):
    broken = shutil.copytree(folder, tmp_path / "broken")
    weights = next(iter([*broken.glob("*.safetensors"), *broken.glob("*.onnx")]))
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(CaptionerError, match="can't be"):
        open_captioner(broken, device="cpu").caption(PICTURES[0], OPTIONS)


@pytest.mark.parametrize("generation", ["qwen2_vl", "qwen3_vl"])
def test_the_other_generations_of_qwen_vl(generation: str, tmp_path: Path):
    captioner = open_captioner(save_tiny_qwen_vl(tmp_path / "model", kind=generation), device="cpu")
    captions = {captioner.caption(picture, OPTIONS) for picture in PICTURES}
    assert captioner.kind == "qwen_vl"
    assert len(captions) > 1


def test_qwen_vl_is_reported_where_the_picture_is(tmp_path: Path):
    """It counts positions within the picture only if it is told which tokens are the picture's."""
    captioner = open_captioner(save_tiny_qwen_vl(tmp_path / "model"), device="cpu")
    inputs = captioner._inputs(PICTURES[0], "what is it?")  # type: ignore[attr-defined]
    model = captioner._parts.model  # type: ignore[attr-defined]
    model.model.rope_deltas = None
    model(**inputs)
    assert model.model.rope_deltas is not None


def test_florence_2_knows_its_tasks(tmp_path: Path):
    captioner = open_captioner(TINY["florence2"](tmp_path / "model"), device="cpu")
    assert isinstance(captioner, Florence2)
    named, spelt = (
        [captioner.caption(p, CaptionOptions(prompt=prompt, max_tokens=12)) for p in PICTURES]
        for prompt in ("<CAPTION>", "What does the image describe?")
    )
    assert named == spelt


def test_tags_come_in_the_order_of_their_certainty_with_names_first(tmp_path: Path):
    tagger = open_captioner(TINY["wd14"](tmp_path / "model"), device="cpu")
    everything = tagger.caption(PICTURES[0], CaptionOptions(threshold=0, character_threshold=0)).split(", ")
    assert everything[0] == "fox (series)"
    assert set(everything) == {"fox (series)", "snow", "red fur", "^_^", "blue sky"}
    certain = tagger.caption(PICTURES[0], CaptionOptions(threshold=0.5, character_threshold=1)).split(", ")
    assert 0 < len(certain) < 5
    assert certain == everything[1 : 1 + len(certain)]
    assert tagger.caption(PICTURES[0], CaptionOptions(threshold=1, character_threshold=1)) == ""


def test_taggers_get_blue_first_and_white_borders():
    pixels = squared(Image.new("RGB", (40, 20), (10, 20, 30)), 40)
    assert pixels.shape == (1, 40, 40, 3)
    assert pixels[0, 20, 20].tolist() == [30, 20, 10]
    assert pixels[0, 0, 20].tolist() == [255, 255, 255]


@pytest.mark.parametrize("table", ["", "a,b\n1,2\n", "tag_id,name,category\n1,snow,x\n", "\xff"])
def test_tables_of_tags_that_are_none_are_refused(table: str, tmp_path: Path):
    path = tmp_path / "selected_tags.csv"
    path.write_text(table, encoding="latin-1")
    if table:
        with pytest.raises(CaptionerError, match="selected_tags"):
            read_tags(path)
    else:
        assert read_tags(path) == []


def test_tags_that_fit_no_network_are_refused(tmp_path: Path):
    folder = TINY["wd14"](tmp_path / "model")
    (folder / "selected_tags.csv").write_text("tag_id,name,category,count\n1,snow,0,1\n")
    with pytest.raises(CaptionerError, match=f"{len(TAGS)} values for 1 tags"):
        open_captioner(folder, device="cpu").caption(PICTURES[0], OPTIONS)


def test_without_onnxruntime_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CaptionerError, match="pip install onnxruntime"):
        open_captioner(TINY["wd14"](tmp_path / "model"), device="cpu").caption(PICTURES[0], OPTIONS)


def test_folders_of_other_things_are_refused(tmp_path: Path):
    with pytest.raises(CaptionerError, match="No captioner at"):
        open_captioner(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(CaptionerError, match="known kind") as told:
        open_captioner(tmp_path)
    assert all(kind in told.value.expected for kind in CAPTIONERS.names())
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(CaptionerError, match="known kind"):
        open_captioner(tmp_path)


def test_code_that_comes_with_a_model_is_never_run(tmp_path: Path):
    folder = TINY["blip"](tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "evil.Model", "AutoConfig": "evil.Config"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: pass\nclass Config: pass\n")
    open_captioner(folder, device="cpu").caption(PICTURES[0], OPTIONS)
    assert not (tmp_path / "ran").exists()


def test_options_out_of_range_are_named():
    with pytest.raises(ConfigError) as told:
        CaptionOptions(max_tokens=0, threshold=2, character_threshold=-1)
    assert all(name in str(told.value) for name in ("max_tokens", "threshold", "character_threshold"))
