"""Replicate: a zip through its files, a training of a model's version, a tar with the adapter."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError, DatasetError, RemoteError
from ..core.events import Event, Message
from ..data.dataset import Dataset
from .api import DoubtError, MissingError
from .contract import Order, Price, Provider, State, Status, Trainer
from .packing import packed
from .progress import last_words, steps_in

_MOST_BYTES = 100 << 20
"""Of a file that it takes."""
_PAGES = 5
"""Of its list, with 100 jobs each."""
_STATES: Mapping[str, State] = {
    "starting": "waiting",
    "processing": "running",
    "succeeded": "done",
    "failed": "failed",
    "canceled": "canceled",
    "aborted": "canceled",
}


class Replicate(Provider):
    """Trainings on Replicate."""

    name = "replicate"
    title = "Replicate"
    hosts = {"jobs": "https://api.replicate.com"}  # noqa: RUF012
    variables = ("REPLICATE_API_TOKEN",)
    url_variable = "REPLICATE_BASE_URL"
    page = "https://replicate.com/trainings"
    trainers = {  # noqa: RUF012
        "ostris/flux-dev-lora-trainer": Trainer(
            data="input_images", trigger="trigger_word", inputs={"autocaption": False}, family="flux1",
            base="FLUX.1 dev", rate=4e-4,
        ),
    }  # fmt: skip
    other = Trainer(data="input_images", trigger="trigger_word")
    lists_all = True
    takes_destination = True

    @classmethod
    def check(cls, order: Order, dataset: Dataset) -> None:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+(:\w+)?", order.trainer):
            raise ConfigError(
                f"{order.trainer} isn't a trainer of Replicate.",
                expected=f"owner/model or owner/model:version, such as {cls.default_trainer()}",
                hint="copy its name from replicate.com.",
            )
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", order.destination):
            raise ConfigError(
                "Replicate wants a model of yours, which the training becomes a version of.",
                expected=f"destination = owner/model, not {order.destination!r}",
                hint="create an empty, private model at replicate.com/create, and name it.",
            )
        if dataset.has_pairs:
            raise DatasetError(
                f"{dataset.name} holds pairs, which no trainer of Replicate known here takes.",
                expected="plain pictures",
                hint="use fal, which has trainers of edit models, or train here.",
            )

    def price(self, order: Order, pictures: int) -> Generator[Event, None, Price]:
        del order, pictures
        yield Event()
        return Price(
            amount=None,
            words="Replicate tells no price before: it bills the seconds on its GPUs. The trainer's page shows what "
            "runs usually cost.",
        )

    def upload(self, order: Order, dataset: Dataset, folder: Path) -> Generator[Event, None, Any]:
        del order
        archive = yield from packed(dataset, folder, "replicate", _MOST_BYTES)
        yield Message(text=f"sending {archive.stat().st_size / 1e6:.1f} MB to {self.title}")
        response = yield from self.api.uploaded(
            "POST",
            self.url("/v1/files"),
            archive,
            lambda file: {"files": {"content": ("pictures.zip", file, "application/zip")}},
        )
        answer = response.json()
        try:
            return {"url": str(answer["urls"]["get"]), "id": str(answer["id"])}
        except (KeyError, TypeError):
            raise _unknown_answer("its files") from None

    def start(self, order: Order, uploaded: Any, mark: str) -> Generator[Event, None, str]:
        del mark  # the address of the pictures is unique
        yield from self._has_destination(order)
        model, version = yield from self._version(order)
        known = self.trainer(order.trainer)
        inputs = {known.data: uploaded["url"], "steps": order.steps, **known.inputs}
        inputs |= {known.trigger: order.trigger} if order.trigger else {}
        answer = yield from self.api.started(
            self.url(f"/v1/models/{model}/versions/{version}/trainings"),
            {"destination": order.destination, "input": {**inputs, **order.settings}},
        )
        try:
            return str(answer["id"])
        except (KeyError, TypeError):
            raise DoubtError("the answer holds no number of a job") from None

    def find(self, order: Order, uploaded: Any, mark: str, since: float) -> Generator[Event, None, list[str]]:
        del mark, since
        url, found = self.url("/v1/trainings"), []
        for _ in range(_PAGES):
            page = yield from self.api.get(url)
            for job in page.get("results", ()):
                inputs = job.get("input") or {}
                if inputs.get(self.trainer(order.trainer).data) == uploaded["url"]:
                    found.append(str(job["id"]))
            url = page.get("next")
            if not url:
                break
        return found

    def status(self, order: Order, job: str) -> Generator[Event, None, Status]:
        told = yield from self.api.get(self.url(f"/v1/trainings/{job}"))
        state, log = _STATES.get(told.get("status", ""), "running"), str(told.get("logs") or "")
        words = str(told.get("error") or last_words(log)) if state == "failed" else ""
        return Status(
            state=state, words=self.api.shown(words), done=steps_in(log, order.steps), total=order.steps if log else 0
        )

    def cancel(self, order: Order, job: str) -> Generator[Event, None, None]:
        del order
        yield from self.api.asked("POST", self.url(f"/v1/trainings/{job}/cancel"))

    def result(self, order: Order, job: str) -> Generator[Event, None, str]:
        told = yield from self.api.get(self.url(f"/v1/trainings/{job}"))
        output = told.get("output")
        weights = output.get("weights") if isinstance(output, dict) else output
        if not isinstance(weights, str):
            raise MissingError(
                f"The training {job} at Replicate has no weights.",
                expected="an address under output.weights",
                hint=f"look at {self.page}; the version in {order.destination} may have them.",
            )
        return weights

    def _has_destination(self, order: Order) -> Generator[Event, None, None]:
        try:
            yield from self.api.get(self.url(f"/v1/models/{order.destination}"))
        except MissingError:
            raise ConfigError(
                f"Replicate has no model {order.destination} that this token may see.",
                expected="a model that exists: trainings become versions of it",
                hint="create it, private, at replicate.com/create.",
            ) from None

    def _version(self, order: Order) -> Generator[Event, None, tuple[str, str]]:
        model, _, version = order.trainer.partition(":")
        if version:
            return model, version
        told = yield from self.api.get(self.url(f"/v1/models/{model}"))
        try:
            return model, str(told["latest_version"]["id"])
        except (KeyError, TypeError):
            raise _unknown_answer(f"versions of {model}") from None


def _unknown_answer(about: str) -> RemoteError:
    return RemoteError(
        f"Replicate says nothing useful of {about}.",
        expected="an answer as its interface had it",
        hint="nothing was started; try again later.",
    )
