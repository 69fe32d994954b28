"""Fixtures and rules for all tests."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import lora_workbench
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from lora_workbench.nodes.host.headless import HeadlessHost
    from nursery import Nursery
    from workspace import Workspace

ROOT = Path(lora_workbench.__file__).parent

settings.register_profile("unhurried", deadline=None)  # other processes may hold up any example
settings.load_profile("unhurried")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests that need a ComfyUI where there is none, and those that take minutes unless they are asked for."""
    for item in items:
        if "comfyui" in item.keywords and not os.environ.get("COMFYUI_PATH"):
            item.add_marker(pytest.mark.skip(reason="COMFYUI_PATH names no ComfyUI checkout"))
        for name in ("kills", "proofs", "pages", "releases"):
            if name in item.keywords and name not in config.getoption("-m"):
                item.add_marker(pytest.mark.skip(reason=f"it takes minutes; -m {name} runs it"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the project."""
    from built import build_wheel, copy_of

    return build_wheel(copy_of(root, tmp_path_factory.mktemp("tree")), tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def archive(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of the project for ComfyUI's registry."""
    from built import copy_of, pack_archive

    return pack_archive(copy_of(root, tmp_path_factory.mktemp("tree")))


@pytest.fixture(scope="session")
def demo_base() -> Path:
    """Folder of the demo base, in diffusers' layout."""
    folder = ROOT / "assets" / "demo_base"
    if not (folder / "model_index.json").is_file():
        pytest.fail("assets/demo_base is missing; assets/make/README.md tells how to build it")
    return folder


@pytest.fixture
def progress() -> StringIO:
    """What the host shows."""
    return StringIO()


@pytest.fixture
def host(tmp_path: Path, progress: StringIO) -> Iterator[HeadlessHost]:
    """A headless host that is running, with its output in a new folder and its progress kept from the terminal."""
    from lora_workbench.headless.running import running
    from lora_workbench.nodes.host.headless import HeadlessHost
    from lora_workbench.nodes.host.progress import TerminalProgress

    host = HeadlessHost(tmp_path / "out", workflow_folder=tmp_path, progress=TerminalProgress(progress))
    with running(host):
        yield host


@pytest.fixture
def warm_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that train together are forked from one that has imported everything, which spares them seconds."""
    warm = multiprocessing.get_context("forkserver")
    warm.set_forkserver_preload([
        "lora_workbench.engine.runs.train", "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
    ])  # fmt: skip
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: warm)


@pytest.fixture(scope="session")
def tiny_sd1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny random SD1.x pipeline, epsilon prediction."""
    from tiny import save_tiny_sd1

    return save_tiny_sd1(tmp_path_factory.mktemp("tiny_sd1"))


@pytest.fixture(scope="session")
def quick_sd1(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> Path:
    """The same pipeline, which declares that four steps are enough to draw: for tests of what else is in pictures."""
    folder = tmp_path_factory.mktemp("quick") / "sd1"
    shutil.copytree(tiny_sd1, folder)
    (folder / "lora_workbench.json").write_text('{"generation": {"steps": 4}}')
    return folder


@pytest.fixture(scope="session")
def runs() -> Iterator[Nursery]:
    """Runs workflows in processes that can be killed."""
    from nursery import nursery

    with nursery() as opened:
        yield opened


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> Workspace:
    """Where a training has given an adapter."""
    from workspace import Workspace, training

    workspace = Workspace(tmp_path_factory.mktemp("workspace"), tiny_sd1)
    assert workspace.run(training(workspace.pictures, tiny_sd1)) == 0
    return workspace
