"""What the panel of a training costs the training: with a page that looks at it, and with nobody who is told anything.

    python benchmarks/training_panel.py [--steps 60] [--rounds 6]

The demo base is trained on the fox with class pictures, and a snapshot every twenty steps, by turns with a page
and without. With a page, steps are told as in ComfyUI, the front end in Chromium shows the panel, and it asks the
server in the same process whenever the run store has something new. Without, nothing is told, and no page is open.

Two figures are taken of each training. The seconds of a step (median) have everything in them, and on a machine of few
cores what Chromium draws too. The time of the CPU has what the panel costs the process that trains: telling steps in
the thread that trains, and all that other threads do, which send and answer. To it come looks at the memory and for
requests, which each training takes once a second.

On two cores of an AMD EPYC that other programs used too, three rounds of 60 steps: the panel takes 1.7 to 2.0 ms of the
CPU a step of 270 to 350 ms, 0.6 % (0.58 to 0.62). The seconds of a step told nothing there: from round to round they
differ by more than half. That a page draws 20,000 steps in 3 ms, at most four times a second, is measured by
`tests/front_end/test_training_panel.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "assets" / "make"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "front_end"))

import torch
from chromium import chromium
from front_end.conftest import NEWEST, READY, front_end_package
from lora_workbench.engine.core.events import Event, StepDone
from lora_workbench.engine.core.resources import ASSETS
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.memory.peak import TakenMemory
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.requests import Request
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.nodes.host.live import LiveReporter
from measuring import table
from standin import Standin, serve

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
BAR = 0.02
"""Share of a step that the panel may take."""
EVERY = 20
"""Steps between snapshots."""
WARM_UP = 5
"""Steps that prepare kernels."""
OPEN = """async () => {
    await app.loadApiJson({ 1: { class_type: "LW_TrainLoRA", inputs: { seed: 1, name: "fox" } } }, "panel")
}"""
SHOWN = "steps => document.querySelector('.lw-training canvas')?.getAttribute('aria-label')?.includes(` ${steps} `)"


@dataclass
class Measured:
    """One training."""

    steps: list[float] = field(default_factory=list)
    """Seconds of each."""
    telling: float = 0.0
    """Seconds of the CPU in which the thread that trains told its events."""
    others: float = 0.0
    """Seconds of the CPU of all other threads."""
    whole: float = 0.0
    """Seconds of the CPU in all."""

    @property
    def step(self) -> float:
        return statistics.median(self.steps[WARM_UP:])

    @property
    def cpu_of_step(self) -> float:
        """What a step takes beside the panel."""
        return (self.whole - self.telling - self.others) / len(self.steps)

    @property
    def panel(self) -> float:
        """Seconds of the CPU that the panel takes of each step."""
        return (self.telling + self.others) / len(self.steps)


@dataclass(frozen=True)
class Bench:
    """What is trained, time and again."""

    base: Backbone
    dataset: Dataset
    classes: Dataset
    recipe: Recipe
    store: RunStore

    @property
    def steps(self) -> int:
        return self.recipe.schedule.steps

    def train(self, tell: Callable[[Event], None]) -> Measured:
        """Train, and measure from the first step on."""
        shutil.rmtree(self.store.root / "runs", ignore_errors=True)
        found, began = Measured(), (0.0, 0.0)
        events = train_adapter(
            self.base, self.dataset, self.recipe, seed=1, store=self.store, name="fox", regularization=self.classes
        )
        for event in events:
            before = time.thread_time()
            tell(event)
            if isinstance(event, StepDone):
                found.steps.append(event.seconds)
            if not found.steps:
                continue
            if began == (0.0, 0.0):
                began = (time.process_time(), time.thread_time())
                continue
            found.telling += time.thread_time() - before
            found.whole = time.process_time() - began[0]
            found.others = found.whole - (time.thread_time() - began[1])
        return found


@contextlib.contextmanager
def watching(page: Page, server: Standin, steps: int) -> Iterator[Callable[[Event], None]]:
    """A page with the panel is open; gives what it is told by."""
    page.goto(server.url)
    page.wait_for_function(READY)
    page.evaluate(OPEN)
    page.wait_for_load_state("networkidle")
    report = LiveReporter(lambda part: server.post("lora_workbench.training", {"node": "1", "prompt_id": "-", **part}))
    yield report
    page.wait_for_function(SHOWN, arg=steps)
    page.goto("about:blank")


def seconds_of_looks(store: RunStore) -> float:
    """Seconds of the CPU that a look at the memory and for three requests takes."""
    taken, request = TakenMemory(torch.device("cpu")), Request(store.request("none", "stop"), lambda: float("inf"))
    times = []
    for _ in range(200):
        began = time.thread_time()
        taken.peak()
        for _ in range(3):
            request.is_made()
        times.append(time.thread_time() - began)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=6)
    args = parser.parse_args()
    torch.set_num_threads(1)  # so that no other thread computes
    found: dict[bool, list[Measured]] = {False: [], True: []}
    with (
        TemporaryDirectory() as folder,
        chromium() as browser,
        serve(front_end_package(NEWEST), ROOT, Path(folder)) as server,
    ):
        server.settings |= {"Comfy.TutorialCompleted": True, "Comfy.InstalledVersion": "99.0.0"}
        bench, page = bench_of(args.steps, RunStore(server.host.store_root())), browser.new_page()
        for number in range(args.rounds):
            for with_page in ((False, True), (True, False))[number % 2]:
                told = watching(page, server, args.steps) if with_page else contextlib.nullcontext(_told_nobody)
                with told as tell:
                    found[with_page].append(bench.train(tell))
        looks = seconds_of_looks(bench.store)
    _report(found, looks)


def bench_of(steps: int, store: RunStore) -> Bench:
    """The demo base, the fox, and other pictures as those of its class."""
    pictures = load_dataset(ASSETS / "datasets" / "negatives")
    return Bench(
        base=load_base(ASSETS / "demo_base", device="cpu", precision="fp32"),
        dataset=load_dataset(ASSETS / "datasets" / "fox").with_captions(["a photo of a fox"] * 16),
        classes=pictures.with_captions(["a photo of an animal"] * len(pictures)),
        recipe=Recipe.of(steps=steps, learning_rate=1e-3, batch_size=2, checkpointing="none", snapshot_every=EVERY),
        store=store,
    )


def _told_nobody(_: Event) -> None:
    pass


def _report(found: dict[bool, list[Measured]], looks: float) -> None:
    rows = []
    for number, (alone, shown) in enumerate(zip(found[False], found[True], strict=True), 1):
        share = shown.panel / shown.cpu_of_step
        rows.append([
            f"{number}", f"{alone.step:.4f}", f"{shown.step:.4f}", f"{shown.step / alone.step - 1:+.1%}",
            f"{1e3 * shown.cpu_of_step:.1f}", f"{1e3 * shown.panel:.2f}", f"{share:.2%}",
        ])  # fmt: skip
    print(table(["round", "s/step", "with page", "", "CPU ms/step", "panel's", "share"], rows))
    steps = {way: statistics.median(own.step for own in all_) for way, all_ in found.items()}
    share = statistics.median(own.panel / own.cpu_of_step for own in found[True]) + looks
    print(f"looks at memory and requests: {1e6 * looks:.0f} µs a second")
    print(f"a step with a page takes {steps[True] / steps[False] - 1:+.1%} (wall clock, medians)")
    print(f"the panel takes {share:.2%} of a step in the process that trains; the bar is {BAR:.0%}")


if __name__ == "__main__":
    main()
