"""Tools that train, and tell of trainings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..engine.core.errors import ConfigError
from ..engine.data.goals import USUAL
from ..engine.training.quality import QUALITIES
from . import arguments
from .backend import TrainRequest
from .drawing_tools import LARGEST_SEED
from .folders import training_folder
from .job_tools import answer_of
from .service import Answer
from .tool import READS, Hints, Tool

if TYPE_CHECKING:
    from .service import Service, Tell

MOST_STEPS = 1_000_000
_LISTED = 20
_ABOUT = (
    "Trains an adapter on a folder of pictures, as a job that goes on when the connection ends. Pictures are checked, "
    "some are held out to measure on, and the snapshot that the verdict picks is saved, pinned (it gets a tool of its "
    "own) and given a preview. Cancelling this call ends waiting, not the job: stop ends it. The same request again "
    "resumes what was stopped, or gives what was trained. A draft shows early what is wrong with pictures."
)


def training_tools(service: Service) -> Iterator[Tool]:
    yield _train(service)
    yield Tool(
        name="runs", title="Trainings", hints=READS,
        description="Lists the trainings, those used last first: how far each is, and its verdict in short.",
        schema=arguments.an_object({}),
        act=lambda given, tell: _runs(service, given, tell),
    )  # fmt: skip
    run = arguments.text("Name of the run, or the begin of its number, as runs lists them.", most=200, least=1)
    yield Tool(
        name="verdict", title="Verdict on a training", hints=READS,
        description="Tells of a training which snapshot to use and why, and since when it only repeats its pictures.",
        schema=arguments.an_object({"run": run}, ["run"]),
        act=lambda given, tell: _verdict(service, given, tell),
    )  # fmt: skip


def _train(service: Service) -> Tool:
    bases = service.catalog.bases()
    folders = " or ".join(map(str, service.roots))
    schema = arguments.an_object(
        {
            "folder": arguments.text(f"Folder or .zip with the pictures, below {folders}.", most=1000, least=1),
            "name": arguments.text(
                "What to call the adapter.", most=80, least=1, pattern=r"^[^/\\\x00-\x1f]+$", examples=["fox"]
            ),
            "goal": arguments.choice("What to teach.", [*USUAL], default="subject"),
            "trigger": arguments.text(
                "Rare word that stands for what is learned, put into all captions. Empty: captions stay as they are.",
                most=80, default="",
            ),
            "class_word": arguments.text("What it is in plain words, such as fox.", most=80, default=""),
            "template": arguments.text(
                "What captions begin with that lack the trigger, with {trigger} and {class}.", most=200,
                default="a photo of {trigger} {class}",
            ),
            "quality": arguments.choice("How long to train.", QUALITIES, default="standard"),
            "steps": arguments.whole("Steps; 0: what goal, quality and pictures suggest.", 0, MOST_STEPS, default=0),
            "base": arguments.choice("Base model; empty: the first.", ["", *bases], default=""),
            "seed": arguments.whole("Of initial weights, order and noise.", 0, LARGEST_SEED, default=0),
            "keep": arguments.choice(
                "Which snapshot becomes the adapter: the one of the verdict, or the last.", ["verdict", "last"],
                default="verdict",
            ),
            "settings": {
                "type": "object", "default": {},
                "description": 'Further settings of the recipe by name, such as {"rank": 8, "learning_rate": 0.0002}; '
                "all others are suggested.",
            },
            "wait_seconds": arguments.whole("How long to wait for its end; status waits too.", 0, 3600, default=0),
        },
        ["folder", "name"],
    )  # fmt: skip
    return Tool(
        name="train", title="Train an adapter", hints=Hints(read_only=False), schema=schema,
        description=_ABOUT,
        act=lambda given, tell: _trained(service, given, tell),
    )  # fmt: skip


async def _trained(service: Service, given: Mapping[str, Any], tell: Tell) -> Answer:
    from ..engine.training.recipe import problems_with

    folder = training_folder(given["folder"], service.roots)
    settings = {**given["settings"], **({"steps": given["steps"]} if given["steps"] else {})}
    if problems := problems_with(settings):
        raise ConfigError(
            "\n  ".join(["settings can't be used:", *problems]), hint="correct these, or leave them to the suggestion."
        )
    if given["class_word"] and not given["trigger"]:
        raise ConfigError(
            f"class_word got {given['class_word']!r} without a trigger.", expected="a trigger too, such as ohwx",
            hint="add one, or leave class_word out: it only stands beside the trigger in captions.",
        )  # fmt: skip
    request = TrainRequest(
        folder=str(folder), name=given["name"].strip(), goal=given["goal"], quality=given["quality"],
        base=given["base"] or next(iter(service.catalog.bases())), trigger=given["trigger"].strip(),
        class_word=given["class_word"].strip(),
        template=given["template"].strip(), seed=given["seed"], keep=given["keep"], settings=settings,
    )  # fmt: skip
    job = service.ask(request)
    await service.wait(job, given["wait_seconds"], tell, is_ended_with_call=False)
    return answer_of(service, job)


async def _runs(service: Service, given: Mapping[str, Any], tell: Tell) -> Answer:
    del given, tell
    runs = service.catalog.runs()
    lines = [
        f"{run['name'] or '?'} ({run['number']}): {run['done']}/{run['steps']} steps, {run['progress']}"
        + (f", verdict: {run['verdict']}" if run["verdict"] else "")
        for run in runs[:_LISTED]
    ]
    more = f"{len(runs) - _LISTED} older ones aren't listed." if len(runs) > _LISTED else ""
    text = "\n".join(filter(None, [*lines, more])) or "Nothing was trained yet."
    return Answer(text=text, facts={"runs": runs[:_LISTED]})


async def _verdict(service: Service, given: Mapping[str, Any], tell: Tell) -> Answer:
    del tell
    found = service.catalog.verdict(given["run"].strip())
    if found is None:
        raise ConfigError(
            f"Nothing of {given['run']!r} was measured.", expected="a training with measures",
            hint="train with this server, which measures, or set measures = true in the recipe.",
        )  # fmt: skip
    return Answer(text=f"{found['name']}: {found['words']}", facts=dict(found))
