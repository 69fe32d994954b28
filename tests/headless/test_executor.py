"""Only what outputs need runs, and of that only what has changed, also in a new process."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Barrier
from typing import Any

import pytest
from lora_workbench.headless import io
from lora_workbench.headless.executor import Executor, NodeError
from lora_workbench.headless.workflow import Link, Workflow, WorkflowNode
from lora_workbench.nodes.host.headless import HeadlessHost, Interrupted
from lora_workbench.nodes.host.progress import TerminalProgress


def flow(**nodes: tuple[str, dict[str, Any]]) -> Workflow:
    return Workflow(
        nodes={i: WorkflowNode(id=i, class_type=kind, inputs=inputs) for i, (kind, inputs) in nodes.items()}
    )


def sums(value: int = 2, name: str = "sum.txt") -> Workflow:
    return flow(
        n=("T_Number", {"value": value}),
        a=("T_Add", {"a": Link("n", 0), "b": 3}),
        s=("T_Save", {"name": name, "number": Link("a", 0)}),
        unused=("T_Number", {"value": 50}),
    )


def things(name: str = "thing.safetensors", seed: int = 0) -> Workflow:
    return flow(
        t=("T_MakeThing", {"seed": seed, "kind": "red", "name": "it"}),
        s=("T_Save", {"name": name, "thing": Link("t", 0)}),
    )


def test_runs_what_outputs_need_and_passes_values_on(registry, host, calls) -> None:
    outcome = Executor(registry, host).run(sums())
    assert calls == ["Number", "Add", "Save"]
    assert (host.output_directory() / "sum.txt").read_text().startswith("5 ")
    assert outcome.reports == {"s": {"number": 5}}
    assert outcome.cached_nodes == 0


def test_nothing_runs_again_in_a_new_process(registry, host, calls) -> None:
    Executor(registry, host).run(sums())
    calls.clear()
    outcome = Executor(registry, host).run(sums())
    assert calls == []
    assert outcome.cached_nodes == 3
    assert outcome.reports == {"s": {"number": 5, "cached": True}}


class Halfway(io.ComfyNode):
    """Gives a number that isn't final until it is called the third time."""

    called = 0

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema("T_Halfway", "Halfway", outputs=[io.Int.Output("number")])

    @classmethod
    def execute(cls) -> io.NodeOutput:
        Halfway.called += 1
        return io.NodeOutput(Halfway.called, ui={} if Halfway.called == 3 else {"lw_unfinished": [True]})


def test_what_a_stopped_training_gives_counts_for_one_run_alone(registry, host, calls) -> None:
    workflow = flow(
        h=("T_Halfway", {}),
        n=("T_Number", {"value": 2}),
        a=("T_Add", {"a": Link("h", 0), "b": Link("n", 0)}),
        s=("T_Save", {"name": "sum.txt", "number": Link("a", 0)}),
    )
    registry = {**registry, "T_Halfway": Halfway}
    executor = Executor(registry, host)
    assert executor.run(workflow).reports == {"s": {"number": 3}}
    again = executor.run(workflow)
    assert (again.reports, again.cached_nodes) == ({"s": {"number": 4}}, 1), "the plain number is kept"
    assert Executor(registry, host).run(workflow).reports == {"s": {"number": 5}}
    assert Executor(registry, host).run(workflow).reports == {"s": {"number": 5, "cached": True}}
    assert Halfway.called == 3


def test_stored_values_feed_a_changed_node(registry, host, calls) -> None:
    Executor(registry, host).run(sums())
    calls.clear()
    outcome = Executor(registry, host).run(sums(name="other.txt"))
    assert calls == ["Save"]
    assert outcome.cached_nodes == 2
    assert (host.output_directory() / "other.txt").read_text().startswith("5 ")


def test_changed_constant_runs_everything_below_it(registry, host, calls) -> None:
    Executor(registry, host).run(sums())
    calls.clear()
    Executor(registry, host).run(sums(value=3))
    assert calls == ["Number", "Add", "Save"]


def test_what_cannot_be_stored_is_made_again_only_when_needed(registry, host, calls) -> None:
    first = Executor(registry, host).run(things())
    assert first.adapters == [str(host.output_directory() / "thing.safetensors")]
    assert first.reports["t"] == {"made": "red it 0", "cached": False}
    calls.clear()
    again = Executor(registry, host).run(things())
    assert calls == []
    assert again.adapters == first.adapters
    assert again.reports["t"] == {"made": "red it 0", "cached": True}
    Executor(registry, host).run(things(name="b.safetensors"))
    assert calls == ["MakeThing", "Save"]


def test_one_executor_keeps_values_in_memory(registry, host, calls) -> None:
    executor = Executor(registry, host)
    executor.run(things())
    calls.clear()
    executor.run(things(name="b.safetensors"))
    assert calls == ["Save"]


@pytest.mark.parametrize("harm", ["removed", "changed"])
def test_a_node_whose_file_is_gone_or_changed_runs_again(harm: str, registry, host, calls) -> None:
    Executor(registry, host).run(sums())
    calls.clear()
    file = host.output_directory() / "sum.txt"
    before = file.read_text()
    file.unlink() if harm == "removed" else file.write_text("something else")
    Executor(registry, host).run(sums())
    assert calls == ["Save"]
    assert file.read_text() == before


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"files": [], "tensors": [], "plain": {}}'])
def test_damaged_entry_counts_as_none(text: str, registry, host, calls) -> None:
    Executor(registry, host).run(sums())
    calls.clear()
    for entry in (host.store_root() / "nodes").glob("*.json"):
        entry.write_text(text)
    Executor(registry, host).run(sums())
    assert calls == ["Number", "Add", "Save"]


def test_fingerprint_decides_about_the_world_outside(registry, host, calls, tmp_path) -> None:
    file = tmp_path / "watched.txt"
    file.write_text("one")
    workflow = flow(w=("T_Watch", {"path": str(file)}), s=("T_Show", {"text": Link("w", 0)}))
    for expected in (["Watch", "Show"], []):
        calls.clear()
        Executor(registry, host).run(workflow)
        assert calls == expected
    file.write_text("two")
    Executor(registry, host).run(workflow)
    assert calls == ["Watch", "Show"]


def test_same_node_twice_runs_once(registry, host, calls) -> None:
    workflow = flow(
        n=("T_Number", {"value": 1}),
        m=("T_Number", {"value": 1}),
        a=("T_Add", {"a": Link("n", 0), "b": Link("m", 0)}),
        s=("T_Save", {"name": "x.txt", "number": Link("a", 0)}),
    )
    outcome = Executor(registry, host).run(workflow)
    assert calls == ["Number", "Add", "Save"]
    assert outcome.cached_nodes == 1


def test_failure_names_the_node_and_keeps_what_came_before(registry, host, calls) -> None:
    workflow = flow(
        n=("T_Number", {"value": 13}),
        s=("T_Save", {"name": "x.txt", "number": Link("n", 0)}),
        f=("T_Fail", {"number": Link("n", 0)}),
    )
    executor = Executor(registry, host)
    with pytest.raises(NodeError, match=r"node f \(T_Fail\): Thirteen\.\nWhat to do: take another number\."):
        executor.run(workflow)
    assert executor.outcome.reports == {"s": {"number": 13}}
    assert executor.outcome.cached_nodes == 0


def test_hidden_values_and_metadata(registry, host, calls, tmp_path) -> None:
    graph = {"nodes": [{"widgets_values": [str(tmp_path / "sub" / "a"), "/srv/secret/b", "C:\\Users\\me\\c", "a/b"]}]}
    workflow = Workflow(nodes=sums().nodes, graph=graph)
    Executor(registry, host).run(workflow)
    written = json.loads((host.output_directory() / "sum.txt").read_text().split(" ", 2)[2])
    assert json.loads(written["prompt"])["a"]["inputs"] == {"a": ["n", 0], "b": 3}
    assert json.loads(written["workflow"])["nodes"][0]["widgets_values"] == ["sub/a", "b", "c", "a/b"]


def test_two_graphs_run_at_once_with_two_outputs(registry, tmp_path) -> None:
    meeting = Barrier(2, timeout=10)

    class Meet(io.ComfyNode):
        """Both runs are here at the same time."""

        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema("T_Meet", "Meet", inputs=[io.Int.Input("number")], outputs=[io.Int.Output("number")])

        @classmethod
        def execute(cls, number: int) -> io.NodeOutput:
            meeting.wait()
            return io.NodeOutput(number)

    def run(number: int) -> str:
        host = HeadlessHost(tmp_path / str(number), progress=TerminalProgress(StringIO()))
        nodes = {
            "1": WorkflowNode(id="1", class_type="T_Meet", inputs={"number": number}),
            "2": WorkflowNode(id="2", class_type="T_Save", inputs={"number": Link("1", 0), "name": "sum.txt"}),
        }
        Executor({**registry, "T_Meet": Meet}, host).run(Workflow(nodes=nodes))
        return (tmp_path / str(number) / "sum.txt").read_text().split()[0]

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(run, (1, 2))) == ["1", "2"]


def test_interruption_between_nodes(registry, host, calls) -> None:
    class Stop(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema("T_Stop", inputs=[io.Int.Input("number")], outputs=[io.Int.Output("number")])

        @classmethod
        def execute(cls, number: int) -> io.NodeOutput:
            host._interrupted = True
            return io.NodeOutput(number)

    workflow = flow(
        a=("T_Stop", {"number": 1}),
        s=("T_Save", {"name": "x.txt", "number": Link("a", 0)}),
    )
    with pytest.raises(Interrupted):
        Executor({**registry, "T_Stop": Stop}, host).run(workflow)
    assert calls == []


def test_pictures_survive_the_process(registry, host, calls) -> None:
    torch = pytest.importorskip("torch")

    class Draw(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema("T_Draw", outputs=[io.Image.Output("image")])

        @classmethod
        def execute(cls) -> io.NodeOutput:
            calls.append("Draw")
            return io.NodeOutput(torch.linspace(0, 1, 2 * 4 * 4 * 3).reshape(2, 4, 4, 3))

    class Mean(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            inputs = [io.Image.Input("image"), io.String.Input("label")]
            return io.Schema("T_Mean", inputs=inputs, is_output_node=True)

        @classmethod
        def execute(cls, image: Any, label: str) -> io.NodeOutput:
            calls.append("Mean")
            return io.NodeOutput(ui={"lw_report": [{"mean": round(float(image.mean()), 4)}]})

    known = {**registry, "T_Draw": Draw, "T_Mean": Mean}
    for label in ("one", "two"):
        outcome = Executor(known, host).run(
            flow(d=("T_Draw", {}), m=("T_Mean", {"image": Link("d", 0), "label": label}))
        )
        assert outcome.reports["m"] == {"mean": 0.5}
    assert calls == ["Draw", "Mean", "Mean"]


class Numbers(io.ComfyNode):
    """Gives several numbers."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        outputs = [io.Int.Output("numbers", is_output_list=True), io.Int.Output("count")]
        return io.Schema("T_Numbers", "Numbers", inputs=[io.Int.Input("count", default=2)], outputs=outputs)

    @classmethod
    def execute(cls, count: int) -> io.NodeOutput:
        return io.NodeOutput(list(range(count)), count)


class Collect(io.ComfyNode):
    """Takes all of them at once."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.Int.Input("numbers", force_input=True), io.Int.Input("more", default=7)]
        return io.Schema("T_Collect", "Collect", inputs=inputs, outputs=[], is_input_list=True, is_output_node=True)

    @classmethod
    def execute(cls, numbers: list[int], more: list[int]) -> io.NodeOutput:
        return io.NodeOutput(ui={"lw_report": [{"numbers": numbers, "more": more}]})


def test_nodes_after_a_list_run_once_for_each_of_its_values(registry, host) -> None:
    """Shorter lists repeat their last value, as in ComfyUI."""
    known = {**registry, "T_Numbers": Numbers, "T_Collect": Collect}
    graph = flow(
        n=("T_Numbers", {"count": 3}),
        two=("T_Numbers", {"count": 2}),
        a=("T_Add", {"a": Link("n", 0), "b": Link("two", 0), "c": 10.0}),
        all=("T_Collect", {"numbers": Link("a", 0), "more": Link("two", 1)}),
        s=("T_Save", {"name": "sum.txt", "number": Link("n", 0)}),
    )
    outcome = Executor(known, host).run(graph)
    assert outcome.reports["all"] == {"numbers": [10, 12, 13], "more": [2]}
    assert (host.output_directory() / "sum.txt").read_text().startswith("2 ")
    again = Executor(known, host).run(graph)
    assert again.reports["all"] == {"numbers": [10, 12, 13], "more": [2], "cached": True}
