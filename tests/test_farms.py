"""What docs/farms offers: scripts of schedulers, a Job of Kubernetes, and a script that sends prompts to servers."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from engine_graphs import KSAMPLER
from farm_servers import farm_server
from lora_workbench.cli.main import main
from safetensors.torch import load_file
from workspace import in_api_format, plain_pictures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")

SCRIPTS = ("job.sh", "slurm.sbatch")
STEPS = 150
"""Of a training that is stopped in its middle."""


@pytest.fixture(scope="session")
def farms(root: Path) -> Path:
    return root / "docs" / "farms"


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_sound(name: str, farms: Path):
    for command in (["bash", "-n"], [str(Path(sys.executable).with_name("shellcheck"))]):
        done = subprocess.run([*command, str(farms / name)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def commands(folder: Path, **scripts: str) -> dict[str, str]:
    """An environment in which these are commands."""
    (folder / "bin").mkdir()
    for name, script in scripts.items():
        file = folder / "bin" / name.replace("_", "-")
        file.write_text(f"#!/usr/bin/env bash\n{script}\n", encoding="utf-8")
        file.chmod(0o755)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


def test_words_of_a_job_reach_the_program_as_they_are(farms: Path, tmp_path: Path):
    """Quotes are taken as in a shell, and nothing is expanded or executed."""
    environment = commands(tmp_path, lora_workbench="printf '%s\\n' \"$@\"")
    (tmp_path / "jobs.txt").write_text(
        "train one.toml --set seed=1\n"
        "train \"two words.toml\" --set 'name=$(touch pwned) `touch pwned` *' --set name=\\;touch\\ pwned\n"
        "\n",
        encoding="utf-8",
    )
    words = []
    for number in (1, 2):
        call = ["bash", str(farms / "job.sh"), f"{number}"]
        subprocess.run(call, env=environment | {"FARM": str(tmp_path)}, check=True, cwd=tmp_path)
        words.append((tmp_path / "logs" / f"{number}.json").read_text("utf-8").splitlines())
    end = ["--output", str(tmp_path / "output"), "--json"]
    assert words == [
        ["train", "one.toml", "--set", "seed=1", *end],
        ["train", "two words.toml", "--set", "name=$(touch pwned) `touch pwned` *", "--set", "name=;touch pwned", *end],
    ]
    assert not (tmp_path / "pwned").exists()
    for number in (3, 4):
        call = ["bash", str(farms / "job.sh"), f"{number}"]
        done = subprocess.run(call, env=environment | {"FARM": str(tmp_path)}, stderr=subprocess.PIPE, text=True,
                              check=False)  # fmt: skip
        assert done.returncode == 2 and f"has no line {number}" in done.stderr


def test_every_job_of_the_example_is_one_that_the_program_takes(
    farms: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Each line as `job.sh` splits it, on the program's own parser and readers; nothing is computed."""
    from lora_workbench.cli import generate, run, train
    from lora_workbench.cli.nodes import registry
    from lora_workbench.engine.batches.batch_file import read_batch
    from lora_workbench.engine.runs.run_file import read_run
    from lora_workbench.headless.overrides import apply_overrides
    from lora_workbench.headless.reading import read_workflow

    read: list[Any] = []

    def reading(reader: Callable[[Any], Any]) -> Callable[[Any], int]:
        return lambda arguments: bool(read.append(reader(arguments)))

    monkeypatch.setattr(train, "train", reading(lambda given: read_run(given.run, given.assignments)))
    monkeypatch.setattr(generate, "generate", reading(lambda given: read_batch(given.batch, given.assignments)))
    monkeypatch.setattr(run, "run", reading(lambda given: apply_overrides(
        read_workflow(given.workflow, registry()), given.assignments, registry())))  # fmt: skip
    monkeypatch.chdir(root)
    for line in (farms / "jobs.txt").read_text("utf-8").splitlines():
        words = ["xargs", "-r", "-n", "1", "printf", "%s\\n"]
        split = subprocess.run(words, input=line, capture_output=True, text=True, check=True)
        assert main([*split.stdout.splitlines(), "--output", str(tmp_path), "--json"]) == 0, line
    assert [getattr(one, "run", getattr(one, "batch", None)) is not None for one in read] == [True] * 4 + [False]
    assert [one.run.name for one in read[:3]] == ["fox-1", "fox-2", "riso-1"] and read[3].batch.name == "foxes"


def test_the_job_of_kubernetes(farms: Path):
    """What an indexed Job needs; of fields and their types a JSON Schema, where there is one."""
    claim, job = yaml.safe_load_all((farms / "kubernetes.yaml").read_text("utf-8"))
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert (claim["kind"], job["apiVersion"], job["kind"]) == ("PersistentVolumeClaim", "batch/v1", "Job")
    assert spec["completionMode"] == "Indexed" and 0 < spec["parallelism"] <= spec["completions"]
    assert spec["completions"] == len((farms / "jobs.txt").read_text("utf-8").splitlines())
    assert pod["restartPolicy"] == "Never", "podFailurePolicy asks for it"
    assert {rule["action"] for rule in spec["podFailurePolicy"]["rules"]} == {"Ignore", "FailIndex"}
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    [volume] = pod["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    [mount] = container["volumeMounts"]
    assert mount["name"] == volume["name"]
    values = {entry["name"]: entry["value"] for entry in container["env"]}
    assert values["FARM"] == mount["mountPath"]


def test_a_pod_does_the_line_of_its_index(farms: Path, tmp_path: Path):
    _, job = yaml.safe_load_all((farms / "kubernetes.yaml").read_text("utf-8"))
    [container] = job["spec"]["template"]["spec"]["containers"]
    environment = commands(tmp_path, lora_workbench="printf '%s\\n' \"$@\"")
    for name in ("jobs.txt", "job.sh"):
        shutil.copy(farms / name, tmp_path / name)
    environment |= {"FARM": str(tmp_path), "JOB_COMPLETION_INDEX": "3"}
    subprocess.run([*container["command"], *container["args"]], env=environment, check=True, cwd=tmp_path)
    assert (tmp_path / "logs" / "4.json").read_text("utf-8").splitlines()[0] == "generate"


@pytest.fixture
def farm(farms: Path, tmp_path: Path, tiny_sd1: Path) -> Path:
    """A farm's folder with two jobs, and commands of SLURM that note how they are called."""
    for name in (*SCRIPTS,):
        shutil.copy(farms / name, tmp_path / name)
    plain_pictures(tmp_path / "pictures")
    base = f'[base]\npath = {json.dumps(str(tiny_sd1))}\ndevice = "cpu"\nprecision = "fp32"\n'
    (tmp_path / "run.toml").write_text(
        f'{base}[dataset]\npath = "pictures"\n[recipe]\nsteps = {STEPS}\nrank = 2\nsave_every = 1000\n',
        encoding="utf-8",
    )
    (tmp_path / "batch.toml").write_text(f'{base}[pictures]\nprompts = ["a fox"]\nsteps = 1\n', encoding="utf-8")
    (tmp_path / "jobs.txt").write_text(
        "train run.toml --set name=fox --set seed=3\ngenerate batch.toml --set 'name=two words'\n", encoding="utf-8"
    )
    return tmp_path


def array_job(farm: Path, number: int, environment: dict[str, str]) -> subprocess.Popen[str]:
    """What SLURM starts for one task of the array."""
    own = {"SLURM_SUBMIT_DIR": str(farm), "SLURM_ARRAY_JOB_ID": "77", "SLURM_ARRAY_TASK_ID": f"{number}"}
    return subprocess.Popen(["bash", str(farm / "slurm.sbatch")], env=environment | own, cwd=farm, text=True,
                            stderr=subprocess.PIPE)  # fmt: skip


def result(farm: Path, number: int) -> dict[str, Any]:
    return json.loads((farm / "logs" / f"{number}.json").read_text("utf-8").splitlines()[-1])


@pytest.mark.kills
def test_an_array_job_whose_time_is_up_goes_on_when_it_is_queued_again(farm: Path):
    program = f'exec {sys.executable} -m lora_workbench "$@"'
    environment = commands(farm, lora_workbench=program, scontrol=f'echo "$*" >>"{farm}/scontrol.log"')
    job = array_job(farm, 1, environment)
    assert job.stderr
    for line in job.stderr:
        if "training 1" in line:
            break
    job.send_signal(signal.SIGUSR1)  # as --signal=B:USR1 has it: to the batch script alone
    job.stderr.read()
    assert job.wait(timeout=60) == 0
    assert (farm / "scontrol.log").read_text("utf-8") == "requeue 77_1\n"
    assert "Interrupted" in result(farm, 1)["error"]
    for again in (False, True):
        job = array_job(farm, 1, environment)
        job.communicate(timeout=300)
        assert job.returncode == 0 and result(farm, 1)["cached_nodes"] == int(again)
        assert bool(result(farm, 1)["reports"]["train"]["resumed_at"]) == (not again)
    [adapter] = result(farm, 1)["adapters"]
    assert load_file(adapter) and Path(adapter) == farm / "output" / "loras" / "fox.safetensors"
    job = array_job(farm, 2, environment)
    job.communicate(timeout=300)
    assert job.returncode == 0 and len(result(farm, 2)["images"]) == 1
    (farm / "jobs.txt").write_text("train run.toml --set stepz=1\n", encoding="utf-8")
    job = array_job(farm, 1, environment)
    job.communicate(timeout=300)
    assert job.returncode == 2, "wrong input isn't tried again"


@pytest.mark.kills
def test_a_farm_with_everything_that_goes_wrong(root: Path, tmp_path: Path):
    """24 jobs over 4 workers, of which six or more are killed: nothing is lost, and nothing computed twice."""
    command = [sys.executable, str(root / "benchmarks" / "farm.py"), "--run", "--jobs", "24", "--workers", "4"]
    command += ["--seed", "2", "--killed", "0.5"]
    command += ["--folder", str(tmp_path / "farms"), "--results", str(tmp_path / "found.json")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    farm = found["disturbed"]
    assert farm["workers killed"] >= 6 and farm["outages"] == farm["full disks"] == 2
    assert not found["results that differ"] and not found["runs that differ"] and not found["partial files left"]
    assert found["results"] > 40
    for kind in ("training steps", "drawing steps"):
        assert farm[kind]["unexplained"] == 0 and farm[kind]["computed"] >= farm[kind]["needed"] > 0
        assert found["undisturbed"][kind]["computed"] == found["undisturbed"][kind]["needed"]
    assert found["undisturbed"]["encoded"] == 13, "6 pictures, their captions and the empty one: each by one worker"


def load_sender(farms: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("farm_send", farms / "send.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COLLECTED = copy.deepcopy(KSAMPLER) | in_api_format({
    "11": ("VAEDecode", {"samples": ["3", 0], "vae": ["4", 2]}),
    "12": ("DistributedCollector", {"images": ["11", 0], "load_balance": True}),
    "9": ("SaveImage", {"images": ["12", 0], "filename_prefix": "old"}),
})  # fmt: skip
"""With what ComfyUI-Distributed needs, so that one participant draws each prompt."""


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """Of four pictures, written by `generate --as-prompts`; two have what SwarmUI takes for a place to fill in."""
    (tmp_path / "graph.json").write_text(json.dumps(COLLECTED), encoding="utf-8")
    (tmp_path / "batch.toml").write_text(
        '[pictures]\nprompts = ["a fox", "a fox for ${prompt}"]\nseeds_per_prompt = 2\ntemplates = false\n',
        encoding="utf-8",
    )
    call = ["generate", str(tmp_path / "batch.toml"), "--output", str(tmp_path / "out"), "--as-prompts"]
    assert main([*call, str(tmp_path / "graph.json")]) == 0
    return tmp_path / "out" / "batches" / "batch" / "prompts"


@pytest.mark.parametrize(
    ("arguments", "who"),
    [
        ([], {"comfyui": 4}),
        (["--workers", "1", "2"], {"master": 2, "1": 1, "2": 1}),
        (["--swarm", "2"], {"comfyui": 4}),
    ],
    ids=["ComfyUI", "ComfyUI-Distributed", "SwarmUI"],
)
def test_prompts_are_drawn_once_each(arguments: list[str], who: dict[str, int], prompts: Path, farms: Path):
    with farm_server() as server:
        load_sender(farms).main([str(prompts), server.url, *arguments])
    drawn = [(prompt["6"]["inputs"]["text"], prompt["3"]["inputs"]["seed"]) for _, prompt in server.drawn]
    assert sorted(drawn) == [(text, seed) for text in ("a fox", "a fox for ${prompt}") for seed in (0, 1)]
    assert {name: sum(name == own for own, _ in server.drawn) for name in who} == who


def test_a_graph_without_load_balance_isnt_sent_to_workers(prompts: Path, farms: Path):
    """Every worker would draw every prompt; without a collector, the master all of them."""
    for file in prompts.glob("*.json"):
        prompt = json.loads(file.read_text("utf-8"))
        prompt["12"]["inputs"]["load_balance"] = False
        file.write_text(json.dumps(prompt), encoding="utf-8")
    with farm_server() as server, pytest.raises(SystemExit, match="load_balance"):
        load_sender(farms).main([str(prompts), server.url, "--workers", "1"])
    assert not server.drawn


def test_a_server_that_refuses_or_isnt_there_is_told(prompts: Path, farms: Path):
    for file in prompts.glob("*.json"):
        prompt = json.loads(file.read_text("utf-8"))
        prompt["5"]["class_type"] = "NotThere"
        file.write_text(json.dumps(prompt), encoding="utf-8")
    with farm_server() as server:
        with pytest.raises(SystemExit, match=r"refuses it \(400\).*NotThere does not exist"):
            load_sender(farms).main([str(prompts), server.url])
        url = server.url
    time.sleep(0.1)
    with pytest.raises(SystemExit, match="can't be reached"):
        load_sender(farms).main([str(prompts), url])
    with pytest.raises(SystemExit, match="No prompts"):
        load_sender(farms).main([str(prompts / "none"), url])
