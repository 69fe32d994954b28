"""An edit model made of the demo base as it is loaded, without a copy of its weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from editing import save_edit_base
from lora_workbench.engine.core.errors import BaseModelError
from lora_workbench.engine.models.contract import Conditioning
from lora_workbench.engine.models.registry import load_base
from lora_workbench.nodes.kit.base_models import stamp_of_base


@pytest.fixture
def edit_base(root: Path) -> Path:
    return root / "assets" / "demo_edit_base"


def test_it_draws_what_the_plain_model_draws_whatever_it_is_shown(demo_base: Path, edit_base: Path) -> None:
    plain, edits = (load_base(path, device="cpu", precision="fp32") for path in (demo_base, edit_base))
    assert (edits.info.name, edits.info.family) == ("demo_edit_base", "ip2p")
    assert edits.info.content_hash != plain.info.content_hash
    assert "reference_pictures" in edits.info.capabilities
    torch.manual_seed(0)
    x, shown = torch.randn(2, 2, edits.info.latent_channels, 16, 16)
    words, t = plain.encode_prompts(["a fox", "turn it into a negative"]), torch.tensor([300, 900])
    drawn = edits.predict(x, t, Conditioning(words | {"reference": shown}))
    assert torch.allclose(drawn, plain.predict(x, t, words), atol=1e-5)


def test_it_is_the_model_that_is_saved_for_other_programs(demo_base: Path, edit_base: Path, tmp_path: Path) -> None:
    saved = load_base(save_edit_base(demo_base, tmp_path / "saved"), device="cpu", precision="fp32")
    made = load_base(edit_base, device="cpu", precision="fp32")
    for name, tensor in saved.denoiser.state_dict().items():
        assert torch.equal(tensor, made.denoiser.state_dict()[name])


def test_its_stamp_changes_with_the_plain_model(demo_base: Path, edit_base: Path, tmp_path: Path) -> None:
    for folder in (demo_base, edit_base):
        shutil.copytree(folder, tmp_path / folder.name)
    before = stamp_of_base(tmp_path / "demo_edit_base")
    assert stamp_of_base(tmp_path / "demo_edit_base") == before
    (tmp_path / "demo_base" / "unet" / "config.json").write_text("{}")
    assert stamp_of_base(tmp_path / "demo_edit_base") != before


def test_without_the_plain_model_it_says_what_is_missing(edit_base: Path, tmp_path: Path) -> None:
    shutil.copytree(edit_base, tmp_path / "demo_edit_base")
    with pytest.raises(BaseModelError, match="demo_base has no usable unet"):
        load_base(tmp_path / "demo_edit_base", device="cpu")
