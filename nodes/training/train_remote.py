"""The node *Train Remotely*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.adapters import about
from ..kit.inputs import or_else, problem
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone
    from ...engine.remote.contract import Order
    from ...engine.remote.terms import Start
    from ...engine.remote.training import HostedAdapter

PROVIDERS = ("replicate", "fal", "civitai")
STARTS: tuple[Start, ...] = ("tell the price", "train", "train again")
"""As the engine has them, whose modules ComfyUI's start doesn't wait for."""
_CANCEL, _LEAVE = "cancel the job", "leave it running"


class TrainRemote(io.ComfyNode):
    """Have an adapter trained by a provider, or return it at once if it was trained before."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_TrainRemote",
            display_name="Train Remotely",
            category=CATEGORY,
            description="Sends the data set to a hosted trainer, waits for the adapter and fetches it. It costs money "
            "there: the price is told first, and an unchanged order is never paid twice.",
            inputs=_inputs(),
            outputs=[
                sockets.Adapter.Output("adapter", tooltip="The adapter that came back, with our metadata."),
                io.String.Output("report", tooltip="Who trained it, for how much, and what is known of its file."),
                io.LoraModel.Output("lora_model", tooltip="The adapter for ComfyUI's own LoRA nodes."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    def validate_inputs(cls, settings: str | None = None) -> bool | str:
        from ...engine.remote.orders import parse_inputs

        return problem(parse_inputs, settings)

    @classmethod
    def execute(
        cls,
        dataset: Dataset,
        provider: str,
        trainer: str,
        steps: int,
        name: str,
        start: Start,
        price_limit: float = 0.0,
        destination: str = "",
        settings: str = "",
        when_interrupted: str = _CANCEL,
        base: Backbone | None = None,
    ) -> io.NodeOutput:
        from ...engine.adapters.files import file_tensors
        from ...engine.remote.orders import order_of, parse_inputs
        from ...engine.remote.terms import Terms
        from ...engine.remote.training import train_hosted
        from ...engine.runs.train import Graph

        inputs = parse_inputs(settings)
        order = order_of(provider, dataset, trainer=trainer, steps=steps, settings=inputs, destination=destination)
        terms = Terms(start=start, price_limit=price_limit, cancel_when_closed=when_interrupted == _CANCEL)
        trained = host().drive(
            train_hosted(
                order, dataset, store=host().run_store(), name=or_else(name, dataset.name), terms=terms, base=base,
                graph=Graph(**host().workflow_metadata(cls)),
            )
        )  # fmt: skip
        report = hosted_report(trained, order)
        text = in_words(trained, order)
        tell(text)
        tensors = file_tensors(trained.adapter, dtype="float32")
        return io.NodeOutput(trained.adapter, text, tensors, ui=shown(text=text, report=report))


def _inputs() -> list[io.Input]:
    return [
        sockets.Dataset.Input("dataset", tooltip="Training pictures, sent to the provider; all need a caption."),
        io.Combo.Input(
            "provider",
            options=list(PROVIDERS),
            tooltip="Who trains. Its token comes from the environment or the system's keyring, never from the graph: "
            "REPLICATE_API_TOKEN, FAL_KEY or CIVITAI_API_TOKEN.",
        ),
        io.String.Input(
            "trainer",
            default="",
            tooltip="Its program, by the provider's name of it: owner/model at Replicate, an endpoint at fal, an "
            "ecosystem such as sdxl at Civitai. Empty: the usual one.",
        ),
        io.Int.Input("steps", default=1000, min=1, max=100_000, tooltip="Training steps. Most providers bill by them."),
        io.String.Input(
            "name",
            default="",
            tooltip="Name of the adapter in labels and files. Empty: the data set's name. Changing it doesn't train "
            "again.",
        ),
        io.Combo.Input(
            "start",
            options=list(STARTS),
            default=STARTS[0],
            tooltip="tell the price: send and start nothing. train: order it, or wait for what was ordered. train "
            "again: order another job although one failed, or may have been started without an answer.",
        ),
        io.Float.Input(
            "price_limit",
            default=0.0,
            min=0.0,
            max=1_000_000.0,
            optional=True,
            tooltip="The most that it may cost, in USD or Buzz; a price that is higher or isn't told is refused. 0 "
            "takes any price.",
        ),
        io.String.Input(
            "destination",
            default="",
            optional=True,
            tooltip="For Replicate: a model of yours, owner/model, which the training becomes a version of.",
        ),
        io.String.Input(
            "settings",
            default="",
            multiline=True,
            optional=True,
            placeholder="learning_rate = 0.0004",
            tooltip="Further inputs of the trainer, by its own names, as name = value, one per line or separated by "
            "semicolons: learning_rate = 0.0004; lora_rank = 32.",
        ),
        io.Combo.Input(
            "when_interrupted",
            options=[_CANCEL, _LEAVE],
            default=_CANCEL,
            optional=True,
            tooltip="What becomes of the job when you interrupt the run. After a crash, the next run waits for it "
            "again in any case.",
        ),
        sockets.Base.Input(
            "base",
            optional=True,
            tooltip="Base model that the adapter is for. It checks that the adapter fits and gives its layers the "
            "names of that family; nothing of it is sent.",
        ),
    ]


def hosted_report(trained: HostedAdapter, order: Order) -> dict[str, Any]:
    """A hosted training as plain values."""
    return {
        "name": trained.adapter.name,
        "provider": order.provider,
        "trainer": order.trainer,
        "job": trained.job.id,
        "price": trained.job.price,
        "steps": order.steps,
        "seconds": trained.seconds,
        "cached": trained.cached,
        "trigger": trained.adapter.trigger,
    }


def in_words(trained: HostedAdapter, order: Order) -> str:
    """The same as text, with what reading the file told."""
    from ...engine.core.words import duration
    from ...engine.remote import PROVIDERS as KNOWN

    adapter, title = trained.adapter, KNOWN.get(order.provider).title
    done = "already here" if trained.cached else f"in {duration(trained.seconds)}"
    trigger = f"; trigger phrase: {adapter.trigger}" if adapter.trigger else ""
    price = f"price, as told before: {trained.job.price}" if trained.job.price else ""
    first = f"{adapter.name}: {order.steps} steps at {title} ({order.trainer}, job {trained.job.id}), {done}{trigger}"
    return "\n".join(filter(None, [first, price, adapter.description, *about(adapter)]))
