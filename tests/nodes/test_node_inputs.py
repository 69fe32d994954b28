"""What nodes make of the texts and numbers on them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lora_workbench.engine.core.errors import AdapterError, StorageError
from lora_workbench.nodes.adapters.load_adapter import LoadAdapter
from lora_workbench.nodes.dataset.dataset_from_images import captions_for
from lora_workbench.nodes.dataset.load_dataset import LoadDataset
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.kit.files import new_file, stamp_of
from lora_workbench.nodes.kit.generation import seeds
from lora_workbench.nodes.kit.inputs import lines, problem
from lora_workbench.nodes.training.load_base import LoadBase


@pytest.fixture
def output(host: HeadlessHost) -> Path:
    """The host's output folder."""
    return host.output_directory()


def test_prompts_are_the_lines_with_something_on_them() -> None:
    assert lines(" a fox \n\n\t\na bell\r\n") == ("a fox", "a bell")
    assert lines("") == ()


def test_seeds_begin_again_after_the_largest() -> None:
    assert seeds(5, 3) == (5, 6, 7)
    assert seeds(2**64 - 1, 2) == (2**64 - 1, 0)


@pytest.mark.parametrize(
    ("text", "captions"),
    [
        ("", [None, None, None]),
        ("a fox", ["a fox"] * 3),
        ("one\ntwo\nthree\n", ["one", "two", "three"]),
        ("one\n\nthree", ["one", "", "three"]),
        ("one\ntwo", ["one", "two"]),
    ],
)
def test_captions_of_three_pictures(text: str, captions: list[str | None]) -> None:
    assert captions_for(text, 3) == captions


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("fox", "fox"),
        (" animals/fox ", "animals/fox"),
        ("animals\\fox", "animals/fox"),
        ("what? a:fox", "what_ a_fox"),
        ("nul/fox.", "_nul/fox"),
        ("fox. /CON.old", "fox/_CON.old"),
        ("fox v1.5", "fox v1.5"),
        ("a\x1b[31m\u202e", "a_[31m_"),
        ("x" * 300, "x" * 180),
        ("...", "_"),
    ],
)
def test_names_of_new_files(name: str, place: str) -> None:
    assert new_file(Path("/out"), name) == Path("/out") / place


@pytest.mark.parametrize("name", ["", "  ", "../fox", "a/../../fox", "/etc/fox", "C:\\fox", "c:fox", "\\\\host\\fox"])
def test_names_that_lead_out_of_the_folder_are_refused(name: str) -> None:
    with pytest.raises(StorageError, match="file name"):
        new_file(Path("/out"), name)


def test_a_linked_value_is_not_known_yet() -> None:
    def refuse(value: str) -> None:
        raise AdapterError(f"no {value}")

    assert problem(refuse, None) is True
    assert problem(refuse, "fox") == "no fox"


@pytest.mark.usefixtures("output")
def test_missing_files_are_told_before_anything_runs() -> None:
    assert "No data set at 'nowhere'" in str(LoadDataset.validate_inputs("nowhere"))
    assert "No base model at 'nowhere'" in str(LoadBase.validate_inputs("nowhere"))
    assert "No adapter at 'nowhere'" in str(LoadAdapter.validate_inputs("nowhere"))


@pytest.mark.usefixtures("output")
def test_a_data_set_is_read_again_when_its_folder_changes(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    before = LoadDataset.fingerprint_inputs(path="pictures", on_unreadable="skip")
    assert LoadDataset.fingerprint_inputs(path="pictures", on_unreadable="skip") == before
    (tmp_path / "pictures" / "fox.txt").write_text("a fox")
    assert LoadDataset.fingerprint_inputs(path="pictures", on_unreadable="skip") != before


def test_saved_adapters_can_be_chosen_and_are_read_again_when_they_change(output: Path) -> None:
    (output / "loras").mkdir(parents=True)
    file = output / "loras" / "fox.safetensors"
    file.write_bytes(b"1")
    assert LoadAdapter.GET_SCHEMA().inputs[0].options["options"] == ["fox.safetensors"]
    before = LoadAdapter.fingerprint_inputs(adapter="fox.safetensors")
    file.write_bytes(b"22")
    assert LoadAdapter.fingerprint_inputs(adapter="fox.safetensors") != before


def test_every_file_of_a_base_model_counts(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    old, new = tmp_path / "unet" / "old", tmp_path / "unet" / "new"
    for file in (old, new):
        file.write_text(file.name)
        os.utime(file, ns=(1, 1))
    seen = [stamp_of(tmp_path), stamp_of(new)]
    for source, target in ((old, "x"), (new, "old"), (tmp_path / "unet" / "x", "new")):
        source.rename(tmp_path / "unet" / target)
    seen += [stamp_of(tmp_path), stamp_of(new)]
    assert len(set(seen)) == 4, "two files of one size and time were swapped"
