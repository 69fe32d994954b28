"""Property: every file of any tree is used, or named with the reason."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import load_dataset

from .conftest import encode_picture

FOLDERS = st.sampled_from(
    ["", "sub/", "10_fox/", "masks/", "images/", "reg/", "samples/", "@eaDir/", ".git/", "img/", "100_PANA/", "0_off/"]
)
STEMS = st.sampled_from(
    ["a", "b", "A", "a_mask", "b-masklabel", "c-condlabel", "metadata", "captions", ".hidden", "a.png"]
)
ENDINGS = st.sampled_from(
    [".png", ".jpg", ".txt", ".caption", ".json", ".csv", ".jsonl", ".npz", "", ".md", ".PNG", ".mp4"]
)
CONTENTS = st.sampled_from([
    encode_picture("red"), encode_picture("blue", "JPEG"), encode_picture("red")[:60], b"", b"a fox, snow", b"  ",
    b'{"a.png": "fox"}', b'{"caption": "fox"}', b"file_name,text\na.png,fox\n", b"\0\1\2\3", b"[1]",
])  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=st.dictionaries(st.tuples(FOLDERS, STEMS, ENDINGS).map("".join), CONTENTS, min_size=1, max_size=9))
def test_every_file_of_any_tree_is_used_or_named(tree, tmp_path_factory):
    root: Path = tmp_path_factory.mktemp("tree")
    for name, content in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    dataset = loaded(root)
    if dataset is None:
        return
    used = {r.name for r in dataset} | {r.mask.source.name for r in dataset if r.mask}
    lost = [name for name in tree if not (name in used or is_named(name, dataset))]
    assert [name for name in lost if not says_nothing_new(name, tree[name], dataset)] == []


def loaded(root: Path) -> Dataset | None:
    """The data set, or ``None`` if it is refused."""
    try:
        return load_dataset(root)
    except DatasetError:
        return None


def is_named(name: str, dataset: Dataset) -> bool:
    """Whether a file is named itself, by a line or column of it, or by a folder that it is in."""
    starts = (f"{name},", f"{name}:")
    return any(
        name == s.name or s.name.startswith(starts) or (s.name.endswith("/") and name.startswith(s.name))
        for s in dataset.skipped
    )


def says_nothing_new(name: str, content: bytes, dataset: Dataset) -> bool:
    """Whether a caption file is blank or says what the caption of a picture is: nothing of it is lost."""
    captions = {"", *(record.caption for record in dataset)}
    text = content.decode(errors="replace").strip()
    if name.lower().endswith((".json", ".csv", ".jsonl")):
        return "fox" in text and "fox" in captions
    return name.endswith((".txt", ".caption")) and text in captions
