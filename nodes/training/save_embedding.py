"""The node *Save Embedding*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.files import new_file
from ..kit.inputs import or_else
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.models.word_embeddings import WordEmbedding


class SaveEmbedding(io.ComfyNode):
    """Save the vectors of a word as a file that other programs load."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_SaveEmbedding",
            display_name="Save Embedding",
            category=CATEGORY,
            description="Saves an embedding where ComfyUI's prompts find it: write embedding:name there. diffusers and "
            "other programs read the file too. Never overwrites another embedding.",
            inputs=[
                sockets.Embedding.Input("embedding", tooltip="Embedding from Train Embedding or Load Embedding."),
                io.String.Input(
                    "filename",
                    default="",
                    tooltip="File name without extension; may include sub-folders. Empty: the word. If another "
                    "embedding has it, a number is added.",
                ),
            ],
            outputs=[io.String.Output("path", tooltip="Full path of the saved file.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, embedding: WordEmbedding, filename: str) -> io.NodeOutput:
        from ...engine.embeddings.files import SUFFIX, keep_embedding

        folder = host().embedding_directory()
        name = or_else(filename.strip().removesuffix(SUFFIX), embedding.word)
        path, written = keep_embedding(embedding, new_file(folder, name))
        place = path.relative_to(folder).with_suffix("").as_posix()
        text = f"{'saved' if written else 'already saved'}: {path.name}; in ComfyUI's prompts: embedding:{place}"
        tell(text)
        report = {"word": embedding.word, "vectors": embedding.count, "file": path.name, "written": written}
        return io.NodeOutput(str(path), ui=shown(text=text, report=report))
