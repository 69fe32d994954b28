"""The node *Load Embedding*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.files import stamp_of
from ..kit.inputs import problem
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.models.contract import Backbone


class LoadEmbedding(io.ComfyNode):
    """Load the vectors of a word from a file, for the prompts of a base model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_LoadEmbedding",
            display_name="Load Embedding",
            category=CATEGORY,
            description="Loads an embedding (textual inversion), trained here or elsewhere. Prompts of the base model "
            "that it gives out know the word.",
            inputs=[
                sockets.Base.Input("base", tooltip="Base model of Stable Diffusion 1.x or XL's kind."),
                io.Combo.Input(
                    "embedding",
                    options=host().embedding_files(),
                    tooltip="A .safetensors file in the folders for embeddings, including those of Save Embedding.",
                ),
                io.String.Input(
                    "word",
                    default="",
                    tooltip="The word for prompts. Empty: the one that it was trained as, or the file's name.",
                ),
            ],
            outputs=[
                sockets.Base.Output("base", tooltip="The base model with the word, for training and Generate."),
                sockets.Embedding.Output("embedding", tooltip="The word with its vectors."),
                io.String.Output("word", tooltip="The word, for prompts."),
            ],
        )

    @classmethod
    def validate_inputs(cls, embedding: str | None) -> bool | str:
        return problem(host().embedding_path, embedding)

    @classmethod
    def fingerprint_inputs(cls, embedding: str, **_: object) -> str:
        return stamp_of(host().embedding_path(embedding))

    @classmethod
    def execute(cls, base: Backbone, embedding: str, word: str) -> io.NodeOutput:
        from ...engine.embeddings.files import load_embedding

        with host().computing():
            loaded = load_embedding(host().embedding_path(embedding), base, word)
        text = f"{loaded.word}: {loaded.count} vectors for {', '.join(sorted(loaded.vectors))}"
        tell(text)
        return io.NodeOutput(base.with_words(loaded), loaded, loaded.word, ui=shown(text=text))
