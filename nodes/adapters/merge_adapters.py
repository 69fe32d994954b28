"""The node *Merge Adapters*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit.inputs import or_else, seed_input, unused_inputs
from ..kit.merging import (
    base_input,
    energy_input,
    merged_output,
    merged_outputs,
    name_input,
    rank_input,
)
from ..kit.stacks import stack_inputs, whole_stack
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack
    from ...engine.models.contract import Backbone

METHODS = ("exact", "svd", "ties", "dare", "dare_ties", "magnitude")
DEFAULTS = {"rank": 32, "energy": 1.0, "density": 0.5, "drop": 0.5, "seed": 0}


class MergeAdapters(io.ComfyNode):
    """Make one adapter of a stack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_MergeAdapters",
            display_name="Merge Adapters",
            category=CATEGORY,
            description="Makes one adapter of a stack, with its weights: exactly, to a rank, or by TIES, DARE or the "
            "largest values. Tells the error, and keeps all trigger words.",
            inputs=[
                *stack_inputs(),
                io.Combo.Input(
                    "method",
                    options=list(METHODS),
                    default="exact",
                    tooltip="exact: what the stack does; ranks add up. svd: as near to it as the rank allows. ties: "
                    "without values that oppose the majority. dare: values dropped at random. magnitude: only the "
                    "largest values.",
                ),
                rank_input("Rank of each layer at most, for all methods but exact. Usually 16 to 128."),
                energy_input(),
                io.Float.Input(
                    "density",
                    default=0.5,
                    min=0.01,
                    max=1.0,
                    step=0.05,
                    tooltip="ties and magnitude: share of each adapter's values that stay, the largest. Usually 0.2 to "
                    "0.7.",
                ),
                io.Float.Input(
                    "drop",
                    default=0.5,
                    min=0.0,
                    max=0.99,
                    step=0.05,
                    tooltip="dare: probability that a value is dropped; the others are scaled up. Usually 0.3 to 0.9.",
                ),
                seed_input(tooltip="dare: seed of what is dropped."),
                name_input("the names of all adapters"),
                base_input(
                    "Base model of the adapters: needed for DoRA and OFT, whose changes depend on its weights, and "
                    "where files name layers differently."
                ),
            ],
            outputs=merged_outputs(),
        )

    @classmethod
    def execute(
        cls,
        method: Any,
        rank: int,
        energy: float,
        density: float,
        drop: float,
        seed: int,
        name: str,
        stack: Stack | None = None,
        lora_stack: Any = None,
        base: Backbone | None = None,
    ) -> io.NodeOutput:
        from ...engine.adapters.extraction import Wanted
        from ...engine.adapters.merges.merging import Merge, merged
        from ...engine.adapters.merges.methods import METHODS as KNOWN
        from ...engine.adapters.merges.methods import Thinning

        whole = whole_stack(stack, lora_stack)
        thinning = Thinning(density=density, drop=drop, seed=seed)
        how = Merge(method=method, wanted=Wanted(rank, energy), thinning=thinning)
        joined = " + ".join(entry.adapter.name for entry in whole.active())
        made = host().drive(merged(whole, how, name=or_else(name, joined), base=base))
        given = {"rank": rank, "energy": energy, "density": density, "drop": drop, "seed": seed}
        return merged_output(made, unused_inputs(given, DEFAULTS, KNOWN[how.method].uses, f"the method is {method}"))
