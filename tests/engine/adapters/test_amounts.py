"""What a stack amounts to, from inner products that are kept: the same as the report of the stack measures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lora_workbench.engine.adapters import amounts
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.amounts import Amount, Weighed, amount_of
from lora_workbench.engine.adapters.block_weights import block_weights
from lora_workbench.engine.adapters.files import load_adapter, save_adapter
from lora_workbench.engine.adapters.interference import interference
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.adapters.stack_report import StackReport

KEYS = (
    "denoiser.mid_block.attentions.0.proj_in",
    "denoiser.up_blocks.1.attentions.0.proj_in",
    "text_encoder.text_model.encoder.layers.0.self_attn.q_proj",
)


def save(
    folder: Path, name: str, seed: int, keys: tuple[str, ...] = KEYS, *, inner: int = 12, family: str = ""
) -> Path:
    made = torch.Generator().manual_seed(seed)
    modules = {
        key: LowRank(torch.randn(3, inner, generator=made), torch.randn(8, 3, generator=made), 1.0) for key in keys
    }
    path = folder / f"{name}.safetensors"
    metadata = {"lw.family": family} if family else {}
    save_adapter(Adapter(name=name, family=family, modules=modules, metadata=metadata), path, key_style="kohya")
    return path


def report(adapters: list[Weighed]) -> StackReport:
    entries = []
    for own in adapters:
        adapter = load_adapter(own.path)
        blocks = block_weights(own.blocks, adapter)
        entries.append(StackEntry(adapter, own.weight, own.text_encoder_weight, blocks=blocks))
    stack = Stack(tuple(entries))
    return StackReport(stack, interference(stack, overlaps=False))


WEIGHTS = [
    [(1.0, 1.0, "")],
    [(0.8, 0.6, ""), (0.5, 0.5, "")],
    [(1.5, 1.5, ""), (1.2, 0.0, "mid=0.5, up=0"), (-0.7, 1.0, "te=0.5")],
    [(2.0, 2.0, ""), (2.0, 2.0, ""), (2.0, 0.0, "")],
]


@pytest.mark.parametrize("weights", WEIGHTS, ids=lambda own: f"{len(own)} adapters")
def test_it_is_what_the_report_says(tmp_path: Path, weights: list[tuple[float, float, str]]) -> None:
    keys = (KEYS, KEYS[:2], KEYS)
    paths = [save(tmp_path, f"a{at}", at, keys[at]) for at in range(len(weights))]
    adapters = [Weighed(path, *own) for path, own in zip(paths, weights, strict=True)]
    found, told = amount_of(adapters), report(adapters)
    assert found.effective_total == pytest.approx(told.found.effective_total, rel=1e-5)
    assert found.total_weight == pytest.approx(told.stack.total_weight())
    assert (found.breaks, found.factor) == (told.breaks, pytest.approx(told.factor, rel=1e-5))


def test_the_same_adapter_twice_adds_up(tmp_path: Path) -> None:
    fox = save(tmp_path, "fox", 0)
    assert amount_of([Weighed(fox, 1.2, 1.2)] * 2).effective_total == pytest.approx(2.4)
    assert amount_of([Weighed(fox, 1.0, 1.0), Weighed(fox, -1.0, -1.0)]).effective_total == 0


def test_other_weights_read_no_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [save(tmp_path, "fox", 0), save(tmp_path, "owl", 1)]
    amount_of([Weighed(path, 1.0, 1.0) for path in paths])
    read: list[Path] = []
    original = amounts.FILES.read
    monkeypatch.setattr(amounts.FILES, "read", lambda path: read.append(path) or original(path))
    amount_of([Weighed(path, 0.4, 0.2, "mid=0.5") for path in paths])
    assert read == []
    save(tmp_path, "owl", 2)
    amount_of([Weighed(path, 1.0, 1.0) for path in paths])
    assert set(read) == set(paths)


def test_adapters_that_fit_no_base_model_together_arent_measured(tmp_path: Path) -> None:
    fox, wide = save(tmp_path, "fox", 0, family="sd1"), save(tmp_path, "wide", 1, inner=16)
    assert amount_of([Weighed(fox, 1.0, 1.0), Weighed(wide, 0.5, 0.5)]) == Amount(1.5, None, ())
    keys = ("denoiser.single_transformer_blocks.0.attn.to_q",)
    flux = save(tmp_path, "flux", 1, keys, family="flux1")
    assert amount_of([Weighed(fox, 1.0, 1.0), Weighed(flux, 0.5, 0.5)]).effective_total is None
    assert amount_of([Weighed(fox, 1.0, 1.0)]).effective_total == pytest.approx(1)
    assert amount_of([]) == Amount(0.0, None, ())
