"""The parts by themselves: orders, notes of jobs, archives, logs, what servers say, tokens."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import httpx
import pytest
from hosted_orders import Ordering
from hosted_standins import FETCHING, tar
from lora_workbench.engine.core.errors import AdapterError, ConfigError, RemoteError
from lora_workbench.engine.remote.answers import words_of
from lora_workbench.engine.remote.api import Api
from lora_workbench.engine.remote.contract import PROVIDERS
from lora_workbench.engine.remote.fetching import unpacked
from lora_workbench.engine.remote.jobs import Job, read_job, write_job
from lora_workbench.engine.remote.orders import key_of, order_of, parse_inputs
from lora_workbench.engine.remote.progress import last_words, steps_in
from lora_workbench.engine.remote.tokens import Token, token_of
from lora_workbench.engine.remote.transport import certificates, library


def test_inputs_are_read_from_lines():
    text = "# of the trainer\nlearning_rate = 4e-4; lora_rank = 32\nautocaption = false\nresolution = 512,768,1024\n"
    assert parse_inputs(text) == {
        "learning_rate": 4e-4, "lora_rank": 32, "autocaption": False, "resolution": "512,768,1024",
    }  # fmt: skip
    assert parse_inputs("model = urn:air:sdxl:checkpoint:civitai:1@2") == {
        "model": "urn:air:sdxl:checkpoint:civitai:1@2"
    }


@pytest.mark.parametrize(
    "name", ["hf_token", "wandb_api_key", "HF_TOKEN", "secret", "webhook_url", "password", "my_key"]
)
def test_secrets_are_no_inputs(name: str):
    with pytest.raises(ConfigError) as told:
        parse_inputs(f"{name} = r8_abcdef")
    assert "secrets" in str(told.value) and "r8_abcdef" not in str(told.value)


def test_what_is_pasted_alone_is_not_repeated():
    with pytest.raises(ConfigError) as told:
        parse_inputs("r8_abcdef; steps = 3; lr = 1; lr = 2")
    assert "r8_abcdef" not in str(told.value)
    for line in ("isn't of the form name = value", "steps: has an input of its own", "lr: given twice"):
        assert line in str(told.value)


def test_the_key_follows_from_what_counts(pictures):
    def key(**changes) -> str:
        return key_of(order_of("fal", pictures, **{"steps": 1000, **changes}), pictures)

    assert key(settings={"a": 1, "b": 2}) == key(settings={"b": 2, "a": 1})
    assert len({key(), key(steps=999), key(settings={"a": 1}), key(trainer="fal-ai/flux-2-trainer")}) == 4
    replicate = [order_of("replicate", pictures, destination=place) for place in ("me/fox", "me/other")]
    assert len({key_of(order, pictures) for order in replicate}) == 1, "where it goes doesn't change it"


def test_jobs_are_read_as_they_were_written(tmp_path: Path):
    job = Job(provider="fal", trainer="x/y", steps=3, uploaded={"url": "u"}, mark="m", asked_at=1.5, earlier=("a", "b"))
    assert read_job(tmp_path) is None
    assert write_job(tmp_path, job) == job == read_job(tmp_path)
    assert job.in_doubt and not job.again().in_doubt
    again = Job(provider="fal", trainer="x/y", steps=3, uploaded=1, id="c", mark="m", earlier=("a",)).again()
    assert (again.uploaded, again.id, again.earlier) == (1, "", ("a", "c"))


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


MEMBERS = {
    "out/lora_000000500.safetensors": b"early",
    "out/lora.safetensors": b"last",
    "../../evil.safetensors.txt": b"no",
    "captions/0.txt": b"a fox",
}


def test_the_last_adapter_of_an_archive_is_taken(tmp_path: Path):
    in_zip = archive(tmp_path / "a", MEMBERS)
    in_tar = tmp_path / "b"
    in_tar.write_bytes(tar(MEMBERS))
    for path in (in_zip, in_tar):
        found = unpacked(path, tmp_path / "found")
        assert found == tmp_path / "found" and found.read_bytes() == b"last"
    numbered = archive(tmp_path / "c", {"lora_0500.safetensors": b"1", "lora_1000.safetensors": b"2"})
    assert unpacked(numbered, tmp_path / "found").read_bytes() == b"2"
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "c", "found"}, "nothing else is unpacked"


ARCHIVES = {
    "numbers, not letters": ({"lora_500.safetensors": b"1", "lora_1000.safetensors": b"2"}, b"2"),
    "checkpoints in folders": (
        {
            "out/checkpoint-900/pytorch_lora_weights.safetensors": b"1",
            "out/checkpoint-1000/pytorch_lora_weights.safetensors": b"2",
            "out/pytorch_lora_weights.safetensors": b"3",
        },
        b"3",
    ),
    "only in folders": ({"900/lora.safetensors": b"1", "1000/lora.safetensors": b"2", "1000/x.txt": b""}, b"2"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_the_last_of_several_adapters_is_the_result(tmp_path: Path, case: str):
    members, last = ARCHIVES[case]
    assert unpacked(archive(tmp_path / "a", members), tmp_path / "found").read_bytes() == last


def test_weights_that_end_like_a_zip_are_weights(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(b"\x08" + b"\0" * 40 + b"PK\x05\x06" + b"\0" * 18)
    assert zipfile.is_zipfile(path)
    assert unpacked(path, tmp_path / "found") == path


def test_links_in_archives_lead_nowhere(tmp_path: Path):
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        link = tarfile.TarInfo("lora.safetensors")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    (tmp_path / "a").write_bytes(buffer.getvalue())
    with pytest.raises(AdapterError, match="holds no adapter"):
        unpacked(tmp_path / "a", tmp_path / "found")


@pytest.mark.parametrize(
    ("log", "steps", "found"),
    [
        ("flux:  12%|#  | 120/1000 [01:00<07:20, 2.0it/s, loss: 0.4]", 1000, 120),
        ("1/4 pictures\n3/1000\r7/1000", 1000, 7),
        ("loading 3/7 shards", 1000, 0),
        ("2026/11/28 10/1000/2", 1000, 0),
        ("", 1000, 0),
    ],
)
def test_steps_are_found_in_logs(log: str, steps: int, found: int):
    assert steps_in(log, steps) == found
    assert last_words("a\r\n b \n\n") == "b"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"detail": "Invalid version"}', "Invalid version"),
        ('{"detail": [{"loc": ["body", "steps"], "msg": "too many", "type": "x"}]}', "body.steps: too many"),
        ('{"title": "One or more", "errors": {"steps[0].input.lr": ["not valid"]}}', "steps[0].input.lr: not valid"),
        ('{"error": {"message": "no credit"}}', "no credit"),
        ("<html>Bad Gateway</html>", "<html>Bad Gateway</html>"),
        ("[" * 100_000, "[" * 100_000),
    ],
    ids=["text", "pydantic", "problem details", "nested", "a page", "nested deeply"],
)
def test_errors_are_read_however_they_are_wrapped(body: str, words: str):
    assert words_of(body) == words


def use_keyring(
    monkeypatch: pytest.MonkeyPatch, kept: dict[tuple[str, str], str], fails: Exception | None = None
) -> None:
    """Give the real package a backend in memory, or one that fails."""
    keyring = pytest.importorskip("keyring")

    class Backend(keyring.backend.KeyringBackend):
        priority = 1  # type: ignore[assignment]

        def set_password(self, service: str, username: str, password: str) -> None:
            kept[service, username] = password

        def get_password(self, service: str, username: str) -> str | None:
            if fails:
                raise fails
            return kept.get((service, username))

    monkeypatch.setattr(keyring.core, "_keyring_backend", Backend())


def test_a_token_may_lie_in_the_keyring(monkeypatch: pytest.MonkeyPatch):
    use_keyring(monkeypatch, {("lora-workbench", "fal"): "from-the-ring"})
    token = token_of("fal", "fal", ["FAL_KEY"])
    assert (token.header("Key"), token.place) == ("Key from-the-ring", "the keyring's entry lora-workbench fal")
    monkeypatch.setenv("FAL_KEY", "from-the-environment")
    assert token_of("fal", "fal", ["FAL_KEY"]).place == "the environment variable FAL_KEY"
    with pytest.raises(ConfigError, match=r"There is no token for Replicate\."):
        token_of("replicate", "Replicate", ["REPLICATE_API_TOKEN"])


def test_a_keyring_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch):
    errors = pytest.importorskip("keyring.errors")
    for error in (errors.KeyringLocked("locked"), errors.NoKeyringError("none"), OSError("no D-Bus")):
        use_keyring(monkeypatch, {}, error)
        with pytest.raises(ConfigError, match=f"and the keyring can't be read: {type(error).__name__}"):
            token_of("fal", "fal", ["FAL_KEY"])
        monkeypatch.setenv("FAL_KEY", "from-the-environment")
        assert token_of("fal", "fal", ["FAL_KEY"]).header("Key") == "Key from-the-environment"
        monkeypatch.delenv("FAL_KEY")


def test_without_a_keyring_there_is_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"There is no token for fal\."):
        token_of("fal", "fal", ["FAL_KEY"])


def test_without_httpx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(
        ConfigError, match=r'httpx isn\'t installed \(pip install httpx, or "lora-workbench\[hosted\]"\)'
    ):
        Api("fal", Token("abcdef", "x"), "Key", ["https://queue.fal.run"])


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_httpx_is_taken_under_either_name(open_standin, pictures, store, name: str, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip(name)
    for other in {"httpx", "httpx2"} - {name}:
        monkeypatch.setitem(sys.modules, other, None)
    certificates.cache_clear()
    standin = open_standin("fal")
    standin.fail(FETCHING, cut=0.5)
    assert library().__name__ == name
    assert len(Ordering("fal", pictures, store)().adapter.modules) == 2
    certificates.cache_clear()


def test_the_usual_port_belongs_to_an_origin():
    api = Api("fal", Token("abcdef", "x"), "Key", ["https://queue.fal.run:443"])
    for address, signed in (("https://queue.fal.run/a", True), ("https://queue.fal.run:444/a", False)):
        assert ("Authorization" in api._signed(httpx.Request("GET", address)).headers) == signed
    api.close()


def test_results_come_from_safe_addresses_alone(tmp_path: Path):
    api = Api("fal", Token("abcdef", "x"), "Key", ["https://queue.fal.run"])
    for address in ("http://example.com/lora.safetensors", "file:///etc/passwd", "//example.com/x"):
        with pytest.raises(RemoteError, match="isn't safe to read"):
            next(api.downloaded(address, tmp_path / "a", "x"))
    api.close()


def test_signatures_of_addresses_are_not_shown():
    api = Api("fal", Token("abcdef", "x"), "Key", ["https://queue.fal.run"])
    assert api.shown("GET https://a.b/c.zip?sig=123&exp=4 failed abcdef") == "GET https://a.b/c.zip failed [token]"
    api.close()


def test_every_provider_says_all_there_is_to_say():
    assert PROVIDERS.names() == ["replicate", "fal", "civitai"]
    for kind in PROVIDERS:
        assert kind.page.startswith("https://") and kind.variables and kind.trainers
        assert all(address.startswith("https://") and not address.endswith("/") for address in kind.hosts.values())
        json.dumps({name: dict(trainer.inputs) for name, trainer in kind.trainers.items()})


def test_families_of_trainers_are_known():
    from lora_workbench.engine.models import FAMILIES

    families = {trainer.family for kind in PROVIDERS for trainer in kind.trainers.values()} - {""}
    assert families <= set(FAMILIES.names())
