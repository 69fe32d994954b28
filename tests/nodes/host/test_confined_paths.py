"""Where a server runs graphs, they name files below the known folders only."""

from __future__ import annotations

from pathlib import Path

import pytest
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.nodes.host.paths import locate


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("input/fox", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def find(text: str, folders: Path, *, confined: bool) -> Path:
    return locate(text, [folders / "input"], what="data set", error=DatasetError, confined=confined)


@pytest.mark.parametrize("confined", [False, True])
def test_paths_below_the_roots_are_found(folders: Path, confined: bool):
    assert find("fox", folders, confined=confined) == folders / "input/fox"
    assert find(str(folders / "input/fox"), folders, confined=confined) == folders / "input/fox"


@pytest.mark.parametrize("quoted", ['"{}"', ' "{}" ', "'{}'"])
def test_paths_that_were_copied_with_their_quotes_are_found(folders: Path, quoted: str):
    assert find(quoted.format(folders / "input/fox"), folders, confined=True) == folders / "input/fox"
    assert find(quoted.format("fox"), folders, confined=True) == folders / "input/fox"
    with pytest.raises(DatasetError, match="leads out of the folders"):
        find(quoted.format("../elsewhere"), folders, confined=True)


def test_absolute_paths_elsewhere_are_for_unconfined_hosts_only(folders: Path):
    assert find(str(folders / "elsewhere"), folders, confined=False) == folders / "elsewhere"
    with pytest.raises(DatasetError, match="leads out of the folders"):
        find(str(folders / "elsewhere"), folders, confined=True)


@pytest.mark.parametrize("confined", [False, True])
@pytest.mark.parametrize("text", ["../elsewhere", "fox/../../elsewhere"])
def test_dots_never_lead_out(folders: Path, text: str, confined: bool):
    with pytest.raises(DatasetError, match="leads out of the folders"):
        find(text, folders, confined=confined)
