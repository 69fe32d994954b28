"""One training, and what it taught."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import evaluate_adapters as evaluation
from evaluate_adapters import Artist, Drawn
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import file_tensors, load_adapter
from lora_workbench.engine.adapters.stack import Stack
from lora_workbench.engine.core.events import StepDone
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.memory.peak import peak_memory
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.suggestions import suggest
from PIL import Image

from . import reference
from .catalog import SCRIPT_RATE, SCRIPTS
from .sets import SETS, TRIGGER

ROOT = Path(__file__).parents[2]
GUIDANCE = 3.0


@dataclass(frozen=True)
class Job:
    """A training to measure."""

    method: str
    settings: Mapping[str, Any]
    rate: float
    """Factor of the recipe's learning rates."""
    dataset: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.method} | rate {self.rate:g} | {self.dataset} | seed {self.seed}"


@dataclass
class Bench:
    """The demo base, with everything that trainings are measured against."""

    packages: Path
    """The folder ``node_modules`` with the art."""
    folder: Path
    """For class pictures and the run store."""
    pictures: int
    """Drawn for each figure."""
    script: Path | None = None
    """diffusers' ``train_dreambooth_lora.py``, for the reference."""
    runs: Path | None = None
    """The run store, if it isn't in the folder."""

    @cached_property
    def base(self) -> Any:
        return load_base(ROOT / "assets" / "demo_base", device="cpu", precision="fp32")

    @cached_property
    def artist(self) -> Artist:
        return Artist(self.base, self.pictures, GUIDANCE)

    def measured(self, job: Job) -> dict[str, float]:
        """Train, and compare pictures by the adapter with pictures by the base of the same prompts and seeds.

        Returns:
            ``distance`` to what is held out and ``base``, the base's own; ``drift``, how far pictures of prompts
            without the trigger word move, over how far those with it do; ``seconds`` of a step, the median, and
            ``bytes`` of the adapter's tensors. Of our own runs also the ``memory`` that they added at their peak, in
            bytes.
        """
        adapter, training = self._trained_by_script(job) if job.method in SCRIPTS else self.trained(job)
        chosen, stack = SETS[job.dataset], evaluation.alone(adapter)
        before, plain = self._before(job.dataset), self._plain
        after = self.artist.draw(chosen.asked(self.artist.prompts), stack)
        beside = self.artist.draw(plain.asked[:: evaluation.SEEDS_A_PROMPT], stack)
        drift = evaluation.moved(plain, beside) / evaluation.moved(before, after)
        return {
            "distance": chosen.distance(after, self.packages),
            "base": chosen.distance(before, self.packages),
            "drift": drift,
            **training,
        }

    def trained(self, job: Job) -> tuple[Adapter, dict[str, float]]:
        """An adapter of ours, and what its training took, as in :meth:`measured`."""
        dataset = SETS[job.dataset].dataset(self.packages)
        recipe = suggest(SETS[job.dataset].goal, len(dataset), self.base.info)
        rates = {name: job.rate * recipe.flat()[name] for name in ("learning_rate", "text_encoder_learning_rate")}
        recipe = recipe.changed(**(rates | dict(job.settings)))
        prior = None if job.settings.get("prior_weight") == 0 else self.class_pictures
        run = train_adapter(
            self.base, dataset, recipe, seed=job.seed, store=RunStore(self.runs or self.folder / "runs"), name=TRIGGER,
            regularization=prior,
        )  # fmt: skip
        seconds: list[float] = []

        def see(event: Any) -> None:
            if isinstance(event, StepDone):
                seconds.append(event.seconds)

        with peak_memory(self.base.device) as peak:
            trained = result_of(run, see)
        measured = {"bytes": _bytes(trained.adapter)} | ({"seconds": median(seconds)} if seconds else {})
        return trained.adapter, measured | ({} if peak.size is None else {"memory": float(peak.size)})

    def _trained_by_script(self, job: Job) -> tuple[Adapter, dict[str, float]]:
        assert self.script is not None
        chosen = SETS[job.dataset]
        dataset = chosen.dataset(self.packages)
        steps = suggest(chosen.goal, len(dataset), self.base.info).schedule.steps
        rate = {"learning_rate": job.rate * SCRIPT_RATE, "max_train_steps": steps, "seed": job.seed}
        out = self.folder / "script" / job.name
        measured = reference.train(
            self.script, ROOT / "assets" / "demo_base", dataset, chosen.prompt, {**job.settings, **rate}, out
        )
        adapter = replace(load_adapter(out / reference.LORA), metadata={"modelspec.trigger_phrase": TRIGGER})
        return adapter, measured | {"bytes": _bytes(adapter)}

    def _before(self, name: str) -> Drawn:
        if name not in self._drawn:
            self._drawn[name] = self.artist.draw(SETS[name].asked(self.artist.prompts), Stack())
        return self._drawn[name]

    @cached_property
    def _drawn(self) -> dict[str, Drawn]:
        return {}

    @cached_property
    def _plain(self) -> Drawn:
        return self.artist.draw(evaluation.plain_prompts(self.packages, self.artist.prompts), Stack())

    @cached_property
    def class_pictures(self) -> Dataset:
        """Those of the quickstart, drawn once."""
        graph = json.loads((ROOT / "workflows/api/quickstart.json").read_text(encoding="utf-8"))
        inputs = next(node["inputs"] for node in graph.values() if node["class_type"] == "LW_Generate")
        prompts, seeds = inputs["prompts"].splitlines(), range(inputs["seed"], inputs["seed"] + 2)
        folder = self.folder / "class pictures"
        paths = [folder / f"{prompt}, {seed}.png" for prompt in prompts for seed in seeds]
        if not all(path.exists() for path in paths):
            request = GenerationRequest(
                prompts=tuple(prompts), seeds=tuple(seeds), steps=inputs["steps"], guidance=inputs["guidance"]
            )
            folder.mkdir(parents=True, exist_ok=True)
            for path, generated in zip(paths, result_of(generate(self.base, request)), strict=True):
                generated.image.save(path)
        captions = [prompt for prompt in prompts for _ in seeds]
        return dataset_from_images([Image.open(path).convert("RGB") for path in paths], captions, "class pictures")


def _bytes(adapter: Adapter) -> float:
    """Of what its file holds in float32."""
    return float(sum(tensor.nbytes for tensor in file_tensors(adapter, dtype="float32").values()))


def result_of(run: Generator[Any, None, Any], see: Callable[[Any], None] = lambda _: None) -> Any:
    """Drive a generator to its end; ``see`` gets its events."""
    while True:
        try:
            see(next(run))
        except StopIteration as end:
            return end.value
