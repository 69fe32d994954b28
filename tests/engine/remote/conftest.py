"""Stand-ins of providers, pictures for them, and a way to order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hosted_adapters import small_adapter
from hosted_orders import Ordering
from hosted_standins import ADDRESSES, STAND_INS, VARIABLES, StandIn
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.runs.store import RunStore
from PIL import Image


@pytest.fixture(scope="session")
def adapter_file() -> bytes:
    """A LoRA of two layers with diffusers' names of a transformer."""
    return small_adapter()


@pytest.fixture
def pictures(tmp_path: Path) -> Dataset:
    """Four pictures with captions and a trigger word."""
    folder = tmp_path / "fox"
    folder.mkdir()
    for number, color in enumerate(("red", "green", "blue", "white")):
        Image.new("RGB", (32, 24), color).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"a photo of zwx fox, {color}", encoding="utf-8")
    return replace(load_dataset(folder), trigger=TriggerWord(word="zwx", class_word="fox"))


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No token, address, proxy or keyring of the machine."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    for name in (*VARIABLES.values(), *ADDRESSES.values(), "CIVITAI_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(params=list(STAND_INS))
def provider(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def open_standin(adapter_file: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., StandIn]]:
    """Starts a stand-in of a provider, whose token is in the environment."""
    with ExitStack() as opened:

        def start(name: str, adapter: bytes = adapter_file, **options: Any) -> StandIn:
            standin = opened.enter_context(STAND_INS[name](adapter, **options).running())
            monkeypatch.setenv(VARIABLES[name], standin.token)
            monkeypatch.setenv(ADDRESSES[name], standin.url)
            return standin

        yield start


@pytest.fixture
def standin(provider: str, open_standin: Callable[..., StandIn]) -> StandIn:
    return open_standin(provider)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "store")


@pytest.fixture
def train(provider: str, pictures: Dataset, store: RunStore) -> Ordering:
    return Ordering(provider, pictures, store)
