"""Civitai: pictures one by one as blobs, a workflow with one training step, a checkpoint of its last epoch."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from ..core.errors import CaptionError, ConfigError, DatasetError, RemoteError
from ..core.events import Event, Message, Progress
from ..core.words import counted, first_of
from ..data.dataset import Dataset
from ..data.exporting import exports
from ..data.layouts import one_line
from .api import DoubtError, MissingError
from .contract import Order, Price, Provider, State, Status, Trainer
from .packing import left_out

_MOST_PICTURES = 1000
_MOST_CHARACTERS = 1024
"""Of a caption."""
_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
_STATES: Mapping[str, State] = {
    "unassigned": "waiting",
    "preparing": "waiting",
    "scheduled": "waiting",
    "pending": "waiting",
    "processing": "running",
    "succeeded": "done",
    "failed": "failed",
    "expired": "failed",
    "canceled": "canceled",
}
_OURS = "lora-workbench"
"""Tag of all our workflows."""


class Civitai(Provider):
    """Trainings on Civitai."""

    name = "civitai"
    title = "Civitai"
    hosts = {"jobs": "https://orchestration.civitai.com"}  # noqa: RUF012
    variables = ("CIVITAI_API_TOKEN", "CIVITAI_TOKEN")
    url_variable = "CIVITAI_BASE_URL"
    page = "https://civitai.com/user/training"
    trainers = {  # noqa: RUF012
        "sdxl": Trainer(trigger="triggerWord", family="sdxl", base="Stable Diffusion XL", rate=1e-4),
        "sd1": Trainer(trigger="triggerWord", family="sd1", base="Stable Diffusion 1.x", rate=1e-4),
        "flux1": Trainer(trigger="triggerWord", family="flux1", base="FLUX.1 dev", inputs={"modelVariant": "dev"}),
        "flux2klein": Trainer(
            trigger="triggerWord", family="flux2", base="FLUX.2 klein 4B", inputs={"modelVariant": "4b"}
        ),
        "qwen": Trainer(trigger="triggerWord", family="qwen-image", base="Qwen-Image"),
        "zimagebase": Trainer(trigger="triggerWord", family="z-image", base="Z-Image"),
        "zimageturbo": Trainer(trigger="triggerWord", family="z-image", base="Z-Image Turbo"),
    }
    other = Trainer(trigger="triggerWord")
    lists_all = True

    @classmethod
    def check(cls, order: Order, dataset: Dataset) -> None:
        if not order.trainer.isalnum():
            raise ConfigError(
                f"{order.trainer} isn't an ecosystem of Civitai.",
                expected=f"such as {', '.join(cls.trainers)}",
                hint="a checkpoint of it goes into settings, as model = urn:air:…",
            )
        if dataset.has_pairs or len(dataset) > _MOST_PICTURES:
            kind = "pairs" if dataset.has_pairs else counted(len(dataset), "picture")
            raise DatasetError(
                f"{dataset.name} holds {kind}.",
                expected=f"at most {_MOST_PICTURES} plain pictures, which is what Civitai takes",
                hint="train here, or leave some out.",
            )
        if long := [r.name for r in dataset if len(one_line(r.caption or "")) > _MOST_CHARACTERS]:
            raise CaptionError(
                f"Captions are too long for Civitai: {first_of(long)}",
                expected=f"at most {_MOST_CHARACTERS} characters",
                hint="shorten them.",
            )

    def price(self, order: Order, pictures: int) -> Generator[Event, None, Price]:
        """Of a workflow that isn't run; the pictures aren't sent for it."""
        data = {"type": "zip", "sourceUrl": "https://example.com/pictures.zip", "count": pictures}
        told = yield from self.api.asked(
            "POST",
            self.url("/v2/consumer/workflows"),
            json=self._workflow(order, data, "price"),
            params={"whatif": "true"},
        )
        cost = told.get("cost") or {}
        if not isinstance(total := cost.get("total"), (int, float)):
            return Price(amount=None, words="Civitai tells no price for this.")
        return Price(amount=float(total), currency="Buzz", words=f"{order.steps} steps, as Civitai tells now.")

    def upload(self, order: Order, dataset: Dataset, folder: Path) -> Generator[Event, None, Any]:
        del order, folder
        for note in left_out(dataset):
            yield Message(text=f"{dataset.name}: {note}")
        items: dict[str, str] = {}
        for number, item in enumerate(exports(dataset, "as shown"), 1):
            picture = item.picture()
            blob = yield from self.api.asked(
                "POST",
                self.url("/v2/consumer/blobs"),
                content=picture.data,
                headers={"Content-Type": _TYPES[picture.ending]},
            )
            if blob.get("blockedReason") or "id" not in blob:
                raise RemoteError(
                    f"Civitai doesn't take {item.record.name}: {blob.get('blockedReason') or 'no reason is given'}",
                    expected="pictures that its moderation accepts",
                    hint="leave the picture out.",
                )
            if str(blob["id"]) in items:
                yield Message(text=f"{item.record.name} equals an earlier picture, and Civitai takes each once.")
            items.setdefault(str(blob["id"]), one_line(item.record.caption or ""))
            yield Progress(done=number, total=len(dataset), label="sending pictures")
        return {"items": [{"air": blob, "caption": caption} for blob, caption in items.items()]}

    def start(self, order: Order, uploaded: Any, mark: str) -> Generator[Event, None, str]:
        order_sent = self._workflow(order, {"type": "blobs", "items": uploaded["items"]}, mark)
        answer = yield from self.api.started(self.url("/v2/consumer/workflows"), order_sent, wait="0")
        try:
            return str(answer["id"])
        except (KeyError, TypeError):
            raise DoubtError("the answer holds no number of a workflow") from None

    def find(self, order: Order, uploaded: Any, mark: str, since: float) -> Generator[Event, None, list[str]]:
        del order, uploaded, since
        page = yield from self.api.get(self.url("/v2/consumer/workflows"), tags=mark, take=20)
        return [str(job["id"]) for job in page.get("items", ()) if mark in (job.get("tags") or ())]

    def status(self, order: Order, job: str) -> Generator[Event, None, Status]:
        told = yield from self._told(job)
        state, step = _STATES.get(told.get("status", ""), "running"), _training(told)
        if str((step.get("output") or {}).get("moderationStatus", "")).lower() == "rejected":
            return Status(state="failed", words="its moderation rejected the pictures")
        words = _why(step) if state == "failed" else _place(step) if state == "waiting" else ""
        share = _share(step) if state == "running" else None
        done, total = (0, 0) if share is None else (int(share * order.steps), order.steps)
        return Status(state=state, words=self.api.shown(words), done=done, total=total)

    def cancel(self, order: Order, job: str) -> Generator[Event, None, None]:
        del order
        yield from self.api.asked("PUT", self.url(f"/v2/consumer/workflows/{job}"), json={"status": "canceled"})

    def result(self, order: Order, job: str) -> Generator[Event, None, str]:
        """Addresses are signed for minutes, so they are asked for when they are needed."""
        del order
        epochs = (_training((yield from self._told(job))).get("output") or {}).get("epochs") or []
        there = [epoch for epoch in epochs if _available(epoch)]
        if not there:
            raise MissingError(
                f"The workflow {job} at Civitai has no checkpoint.",
                expected="an epoch with a model",
                hint=f"look at {self.page}: workflows are kept for 30 days.",
            )
        return str(max(there, key=lambda epoch: epoch.get("epochNumber", 0))["model"]["url"])

    def _told(self, job: str) -> Generator[Event, None, Mapping[str, Any]]:
        return (yield from self.api.get(self.url(f"/v2/consumer/workflows/{job}")))

    def _workflow(self, order: Order, data: Mapping[str, Any], mark: str) -> dict[str, Any]:
        known = self.trainer(order.trainer)
        inputs = {"engine": "ai-toolkit", "ecosystem": order.trainer, "steps": order.steps, "epochs": 1, **known.inputs}
        inputs |= {known.trigger: order.trigger} if order.trigger else {}
        step = {"$type": "training", "input": {**inputs, **order.settings, "trainingData": data}}
        return {"tags": ["training", _OURS, mark], "steps": [step]}


def _training(workflow: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(iter(workflow.get("steps") or ()), {})


def _available(epoch: Mapping[str, Any]) -> bool:
    model = epoch.get("model") or {}
    return bool(model.get("available", True) and model.get("url"))


def _share(step: Mapping[str, Any]) -> float | None:
    """The share of a training that is done, as Civitai estimates it: of the epoch that is trained now, and those that
    are there. ``None`` if nothing is known."""
    epochs = (step.get("output") or {}).get("epochs") or []
    there, rate = sum(map(_available, epochs)), step.get("estimatedProgressRate")
    if not there and not isinstance(rate, (int, float)):
        return None
    within = min(max(float(rate or 0.0), 0.0), 1.0)
    return min((there + within) / max(len(epochs), 1), 1.0)


def _place(step: Mapping[str, Any]) -> str:
    """What a step waits for; empty if that isn't told."""
    rate, fetched = step.get("estimatedProgressRate"), step.get("status") == "preparing"
    if fetched and isinstance(rate, (int, float)):
        return f"its base model is being fetched, {rate:.0%}"
    places = [(job.get("queuePosition") or {}).get("precedingJobs") for job in step.get("jobs") or ()]
    return next((f"number {place} in the queue" for place in places if isinstance(place, int)), "")


def _why(step: Mapping[str, Any]) -> str:
    reasons = [job.get("blockedReason") or job.get("reason") for job in step.get("jobs") or ()]
    return "; ".join(dict.fromkeys(map(str, filter(None, reasons)))) or str(step.get("status") or "no reason is given")
