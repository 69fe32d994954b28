"""Cards of adapters: what headers and the files beside them tell, whoever wrote them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hostile.adapters import adapters
from lora_workbench.engine.adapters.metadata import RunFacts, training_metadata
from lora_workbench.engine.vault.card import Card
from vault_files import SDXL, card_of, file_bytes, lora_file, lora_shapes

KOHYA = {
    "ss_network_dim": "4",
    "ss_network_alpha": "2",
    "ss_base_model_version": "sdxl_base_v1-0",
    "ss_sd_model_name": "sd_xl_base_1.0.safetensors",
    "ss_num_train_images": "150",
    "ss_steps": "1500",
    "ss_unet_lr": "0.0001",
    "ss_learning_rate": "None",
    "sshs_model_hash": "ab" * 32,
}
CIVITAI = {
    "trainedWords": ["ohwx fox,", "OHWX fox", "zwx, snow "],
    "baseModel": "Illustrious",
    "images": [{"meta": {"prompt": "ohwx fox in snow"}}, {"meta": None}, 7],
    "files": [{"hashes": {"AutoV2": "ABCDEF1234", "SHA256": "FF" * 32}}],
}


def counted(**tags: int) -> str:
    return json.dumps({"10_ohwx fox": {name.replace("_", " "): count for name, count in tags.items()}})


def kohya(tmp_path: Path, **more: str) -> Card:
    path = tmp_path / "fox.safetensors"
    path.write_bytes(file_bytes(lora_shapes(SDXL), {**KOHYA, **more}))
    return card_of(path)


def beside(tmp_path: Path, end: str, content: Any) -> Card:
    path = lora_file(tmp_path / "fox.safetensors")
    (tmp_path / f"fox{end}").write_text(content if isinstance(content, str) else json.dumps(content))
    return card_of(path)


def test_our_own_metadata_are_all_read(tmp_path: Path) -> None:
    facts = RunFacts(
        name="fox", family="sd1", architecture="stable-diffusion-v1", prediction_type="epsilon", resolution=512,
        base_name="demo_base", base_hash="1", dataset_name="foxes", dataset_hash="2",
        dataset=[{"name": "a.png", "sha256": "", "caption": "a photo", "repeats": 1}],
        recipe={
            "rank": 4, "alpha": 4, "learning_rate": 1e-4, "steps": 9, "batch_size": 1, "sample_prompts": ["a fox"],
        },
        seed=7, losses=[1.0] * 9, trigger="ohwx fox", suggested_weight=0.8,
    )  # fmt: skip
    path = tmp_path / "fox.safetensors"
    path.write_bytes(file_bytes(lora_shapes(), training_metadata(facts) | {"lw.verdict": "Best: step 6."}))
    card = card_of(path)
    assert (card.family, card.base, card.triggers, card.weight) == ("sd1", "demo_base", ("ohwx fox",), 0.8)
    assert (card.verdict, card.writer, card.told_by) == ("Best: step 6.", "LoRA Workbench", "the header")
    assert {"steps": "9", "pictures": "1", "seed": "7"}.items() <= card.trained.items()


def test_kohyas_trainer(tmp_path: Path) -> None:
    card = kohya(tmp_path, ss_tag_frequency=counted(photo=15, fox=9, ohwx_fox=15, snow=3))
    assert (card.family, card.base, card.rank, card.alpha) == ("sdxl", "sd_xl_base_1.0", 4, 2.0)
    assert (card.triggers, card.told_by) == (("ohwx fox",), "nearly all captions of its training")
    assert card.trained == {"steps": "1500", "pictures": "150", "learning rate": "0.0001"}
    assert card.hashes == {"sshs_model_hash": "ab" * 32}
    assert card.targets == {"down.1": 1}


@pytest.mark.parametrize(
    ("told", "triggers"),
    [
        ({"ss_tag_frequency": counted(snow=15, zwx=14, red=15)}, ("snow",)),
        ({"ss_tag_frequency": counted(snow=15, my_ohwx=14)}, ("my ohwx",)),
        ({"ss_tag_frequency": counted(snow=3, red=2, solo=15)}, ()),
        ({"ss_tag_frequency": counted(zwx=3), "ss_dataset_dirs": '{"10_ohwx fox": {"img_count": 30}}'}, ()),
        ({"ss_tag_frequency": '{"10_ohwx fox": {}}'}, ("ohwx fox",)),
        ({"ss_dataset_dirs": '{"10_ohwx fox": {"img_count": 15}, "5_zwx_owl": {}}'}, ("ohwx fox", "zwx owl")),
        ({"ss_tag_frequency": '{"1": {"p3r5on": 1}}'}, ("p3r5on",)),
        ({"ss_tag_frequency": '{"10_img": {}}'}, ()),
        ({"ss_tag_frequency": counted(zwx=15), "modelspec.trigger_phrase": "tok fox"}, ("tok fox",)),
        ({"ss_tag_frequency": counted(zwx=15), "lw.slider": "{}"}, ()),
        ({"ss_tag_frequency": "[" * 100_000, "ss_dataset_dirs": "7"}, ()),
        ({"ss_tag_frequency": '{"a": {"b": {}}, "c": 7}'}, ()),
    ],
)  # fmt: skip
def test_captions_give_a_trigger_away(tmp_path: Path, told: Mapping[str, str], triggers: tuple[str, ...]) -> None:
    assert kohya(tmp_path, **told).triggers == triggers


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (
            {"software": '{"name": "ai-toolkit"}', "training_info": '{"step": 2000, "epoch": 19}',
             "ss_base_model_version": "flux1", "ss_tag_frequency": '{"1_zwx": {"zwx": 1}}'},
            ("flux1", ("zwx",), "", {"steps": "2000", "epochs": "19"}),
        ),
        (
            {"ot_config": '{"base_model_name": "org/base", "epochs": 9, "model_type": "STABLE_DIFFUSION_XL_10_BASE"}'},
            ("sdxl", (), "org/base", {"epochs": "9"}),
        ),
        ({"instance_prompt": "a photo of sks dog"}, ("sd1", ("a photo of sks dog",), "", {})),
        ({"modelspec.architecture": "Flux.2-dev/lora", "modelspec.trigger_phrase": "tok"}, ("flux2", ("tok",), "", {})),
        ({"ss_network_module": "networks.lora_wan"}, ("wan", (), "", {})),
    ],
    ids=["ai-toolkit", "OneTrainer", "an instance prompt", "modelspec", "musubi"],
)  # fmt: skip
def test_other_trainers(tmp_path: Path, metadata: dict[str, str], expected: tuple[Any, ...]) -> None:
    path = tmp_path / "fox.safetensors"
    path.write_bytes(file_bytes(lora_shapes(), metadata))
    card = card_of(path)
    assert (card.family, card.triggers, card.base, card.trained) == expected


def test_civitais_answer(tmp_path: Path) -> None:
    card = beside(tmp_path, ".civitai.info", CIVITAI)
    assert card.triggers == ("ohwx fox", "zwx, snow")
    assert (card.base, card.told_by) == ("Illustrious", "Civitai's file")
    assert card.hashes == {"AutoV2": "abcdef1234", "SHA256": "ff" * 32}


def test_lora_managers_file(tmp_path: Path) -> None:
    told = {"civitai": CIVITAI, "usage_tips": '{"strength": 0.75}', "notes": "at dusk", "base_model": "SDXL 1.0"}
    card = beside(tmp_path, ".metadata.json", told)
    assert (card.weight, card.notes, card.base) == (0.75, "at dusk", "SDXL 1.0")
    assert card.triggers == ("ohwx fox", "zwx, snow")


def test_a1111s_file(tmp_path: Path) -> None:
    told = {"activation text": "zwx", "preferred weight": 0.6, "notes": "no hats", "sd version": "SD1"}
    card = beside(tmp_path, ".json", told)
    assert (card.triggers, card.weight, card.notes) == (("zwx",), 0.6, "no hats")
    assert beside(tmp_path, ".json", {"preferred weight": 0}).weight is None, "its 0 says that nobody set it"


def test_several_sources_are_put_together_and_the_users_own_count_first(tmp_path: Path) -> None:
    path = lora_file(tmp_path / "fox.safetensors", modelspec__trigger_phrase="tok fox", lw__suggested_weight="1.0")
    (tmp_path / "fox.lw.json").write_text(json.dumps({"weight": 0.5, "notes": "mine", "triggers": ["mine fox"]}))
    (tmp_path / "fox.json").write_text(json.dumps({"preferred weight": 0.9, "notes": "theirs"}))
    (tmp_path / "fox.civitai.info").write_text(json.dumps(CIVITAI))
    (tmp_path / "fox.preview.png").touch()
    (tmp_path / "fox.jpg").touch()
    card = card_of(path)
    assert card.triggers == ("tok fox", "mine fox", "ohwx fox", "zwx, snow")
    assert (card.weight, card.notes, card.preview) == (0.5, "mine\ntheirs", "fox.preview.png")
    assert card.told_by == "the header and your notes and Civitai's file"


def test_a_folder_of_diffusers_with_its_model_card(tmp_path: Path) -> None:
    folder = tmp_path / "dog"
    lora_file(folder / "pytorch_lora_weights.safetensors")
    (folder / "README.md").write_text("---\nbase_model: org/base\ninstance_prompt: 'a photo of sks dog'\n---\n# SDXL\n")
    assert card_of(folder).triggers == ("a photo of sks dog",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "isn't a JSON object"),
        ("[]", "isn't a JSON object"),
        ("[" * 100_000, "isn't a JSON object"),
        ('{"trainedWords": {"a": 1}, "baseModel": [], "files": 7, "images": [[]]}', ""),
        ('{"trainedWords": ["\\ud800 fox", 7, null, ""]}', ""),
    ],
)
@pytest.mark.parametrize("end", [".civitai.info", ".metadata.json", ".json", ".lw.json"])
def test_damaged_files_beside_it_are_left_out_with_a_word(tmp_path: Path, end: str, content: str, told: str) -> None:
    card = beside(tmp_path, end, content)
    assert card.kinds == ("lora",)
    assert [told in remark for remark in card.remarks] == ([True] if told else [])
    json.dumps(card.to_json()).encode()


def test_a_file_of_100_mb_beside_it_is_not_read(tmp_path: Path) -> None:
    path = lora_file(tmp_path / "fox.safetensors")
    with (tmp_path / "fox.metadata.json").open("wb") as file:
        file.truncate(100_000_000)
    assert card_of(path).remarks == ("fox.metadata.json was left out: it has 100 MB, more than any such file.",)


@pytest.mark.parametrize("case", adapters())
def test_hostile_files_have_cards(tmp_path: Path, case: str) -> None:
    path = tmp_path / "fox.safetensors"
    path.write_bytes(adapters()[case])
    card = card_of(path)
    assert len(card.problem) < 3000
    assert Card.from_json(card.to_json()) == card


def test_a_file_that_is_cut_off_is_told(tmp_path: Path) -> None:
    path = lora_file(tmp_path / "fox.safetensors")
    whole = path.stat().st_size
    os.truncate(path, whole - 1)
    told = f"It is cut off: it should have {whole} bytes, but has {whole - 1}; download it again."
    assert card_of(path).problem == told


@pytest.mark.parametrize(("dtype", "values"), [("F32", b"\0\0\xc0\x7f"), ("BF16", b"\x80\x7f"), ("F16", b"\0\0")])
def test_alphas_that_are_zero_or_not_finite_are_told(tmp_path: Path, dtype: str, values: bytes) -> None:
    header = {"lora_unet_m.lora_down.weight": {"dtype": "F32", "shape": [1, 1], "data_offsets": [8, 12]}}
    header["lora_unet_m.lora_up.weight"] = {"dtype": "F32", "shape": [1, 1], "data_offsets": [12, 16]}
    header["lora_unet_m.alpha"] = {"dtype": dtype, "shape": [], "data_offsets": [0, len(values)]}
    text = json.dumps(header).encode()
    path = tmp_path / "fox.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + values.ljust(16, b"\0"))
    card = card_of(path)
    assert card.alpha == (0.0 if dtype == "F16" else None)
    assert "alpha is" in card.remarks[0]


MEMORY = """
import re, sys
from pathlib import Path
from lora_workbench.engine.vault.reading import read_card
from lora_workbench.engine.vault.sidecars import Folders
def peak():
    return int(re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0])
before, path = peak(), Path(sys.argv[1])
print(read_card("fox", path, Folders().beside(path)).problem)
print("grown by", (peak() - before) // 1024, "torch" in sys.modules)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak in this way")
@pytest.mark.parametrize("what", ["10 GB", "a header of 30 MB"])
def test_huge_files_take_no_memory(tmp_path: Path, what: str) -> None:
    """The one of 10 GB is sparse."""
    path = lora_file(tmp_path / "fox.safetensors")
    if what == "10 GB":
        os.truncate(path, 10 * 10**9)
    else:
        path.write_bytes(file_bytes({f"lora_unet_{n:0999}.lora_down.weight": (1,) for n in range(30_000)}))
    run = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True)
    assert "more than" in run.stdout
    grown, torch = re.search(r"grown by (\d+) (\w+)", run.stdout).groups()  # type: ignore[union-attr]
    assert int(grown) < 30
    assert torch == "False"
