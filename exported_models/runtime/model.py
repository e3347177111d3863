"""An opened exported model: its manifest, tokenizers and sessions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from exported_models.contract.errors import ArtefactError
from exported_models.contract.graphs import Graph
from exported_models.contract.integrity import Build, find_damage, identify_build
from exported_models.contract.manifest import (
    ByteTokenizerSpec,
    CharacterTokenizerSpec,
    MergesSpec,
    ModelManifest,
    SentencePieceSpec,
    TokenizerJsonSpec,
    TokenizerSpec,
    WordTokenizerSpec,
    load_model_manifest,
)
from exported_models.contract.publishing import path_inside
from exported_models.contract.source import Source
from exported_models.runtime.beam_search_session import BeamSearchSession
from exported_models.runtime.graph_folder import GraphFolder
from exported_models.runtime.providers import may_run_on_gpu
from exported_models.runtime.sessions import (
    EmbeddingSession,
    EncoderSession,
    ForcedSession,
    SelfAttentionSession,
    StateOutputs,
)
from exported_models.runtime.sources import open_source_reader
from exported_models.runtime.step_session import StepSession
from exported_models.tokenizers.byte_level import make_byte_tokenizer
from exported_models.tokenizers.characters import load_character_tokenizer
from exported_models.tokenizers.merges import load_merges_tokenizer
from exported_models.tokenizers.sentencepiece import load_sentencepiece_tokenizer
from exported_models.tokenizers.tokenizer_json import load_json_tokenizer
from exported_models.tokenizers.vocabulary import Tokenizer
from exported_models.tokenizers.words import load_word_tokenizer


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """A model ready to run. Safe to share between threads: sessions hold no state between calls."""

    build: Build
    """The folder that the model was opened from, and its inode."""
    manifest: ModelManifest
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    encoder: EncoderSession
    decoder: StepSession
    beam_search: BeamSearchSession | None
    """Runs the steps of a search in one call; None where the model has no such graph or a GPU may be used."""
    forced: ForcedSession | None
    """Runs a whole target in one pass; None where the model has no such graph."""
    self_attention: SelfAttentionSession | None
    """Gives self-attention of encoder and decoder; None where the model has none."""
    embeddings: EmbeddingSession | None
    """Gives word embeddings; None where the model has no such spaces."""
    graphs: GraphFolder
    """The graphs, whose sessions share one mapping of the weights."""

    @classmethod
    def open(cls, folder: Path, *, threads: int | None = None) -> ExportedModel:
        """Open a published model.

        Args:
            threads: cores that one call may use; None leaves the number to ONNX Runtime.

        Raises:
            ArtefactError: the manifest, a vocabulary or a graph file is missing or damaged.
            ModelError: a graph does not load or lacks an input or output of the contract.
        """
        build, manifest = identify_build(folder), load_model_manifest(folder)
        _check_files(folder, manifest)
        graphs = GraphFolder.open(folder, threads)
        there = {graph for graph in Graph if graph.filename in manifest.files}
        attention_shape = (manifest.cross_attention_layers, manifest.cross_attention_heads)
        attention = manifest.has_attention
        states = StateOutputs.of(manifest, "target")
        decoder = StepSession(graphs, there, states, attention_shape if attention else None)
        searches = Graph.BEAM_SEARCH in there and not may_run_on_gpu()
        beam_search = BeamSearchSession(graphs, there, states) if searches else None
        (beam_search or decoder).open()
        source_tokenizer = load_tokenizer(folder, manifest.source_tokenizer, manifest)
        open_source_reader(manifest, source_tokenizer)  # refuses an unknown kind of source
        tables = {space.owner: space.output for space in manifest.spaces if space.kind == "table"}
        return cls(
            build=build,
            manifest=manifest,
            source_tokenizer=source_tokenizer,
            target_tokenizer=load_tokenizer(folder, manifest.target_tokenizer, manifest),
            encoder=EncoderSession(graphs, StateOutputs.of(manifest, "source"), manifest.source.input),
            decoder=decoder,
            beam_search=beam_search,
            forced=ForcedSession(graphs, states, attention=attention) if Graph.TEACHER_FORCED in there else None,
            self_attention=SelfAttentionSession(graphs, manifest.source.input)
            if Graph.SELF_ATTENTION in there
            else None,
            embeddings=EmbeddingSession(graphs, tables) if tables else None,
            graphs=graphs,
        )

    def read_source(self, payload: str, *, cut: bool = False) -> Source:
        """The source that a request names; see `exported_models.runtime.sources.SourceReader.read`."""
        return open_source_reader(self.manifest, self.source_tokenizer).read(payload, cut=cut)

    @property
    def folder(self) -> Path:
        return self.build[0]

    @property
    def content_hash(self) -> str:
        """Identity of the model, which stores and traces are bound to."""
        return self.manifest.content_hash


def load_tokenizer(folder: Path, spec: TokenizerSpec, manifest: ModelManifest) -> Tokenizer:
    """The tokenizer of one side, from its file in ``folder``.

    Raises:
        ArtefactError: a file is missing, damaged, or not inside ``folder``.
    """
    for name in _list_names(spec):
        path_inside(folder, name)
    if isinstance(spec, SentencePieceSpec):
        return load_sentencepiece_tokenizer(folder, spec, manifest.special_ids)
    if isinstance(spec, ByteTokenizerSpec):
        return make_byte_tokenizer(spec, manifest.special_ids)
    if isinstance(spec, TokenizerJsonSpec):
        return load_json_tokenizer(folder, spec, manifest.special_ids)
    if isinstance(spec, MergesSpec):
        return load_merges_tokenizer(folder, spec, manifest.special_ids)
    if isinstance(spec, WordTokenizerSpec):
        return load_word_tokenizer(folder, spec, manifest.special_ids)
    return load_character_tokenizer(folder / spec.file, manifest.end_id, manifest.special_ids)


def _list_names(spec: TokenizerSpec) -> tuple[str, ...]:
    if isinstance(spec, SentencePieceSpec | TokenizerJsonSpec | MergesSpec):
        return spec.file, spec.vocabulary
    return (spec.file,) if isinstance(spec, CharacterTokenizerSpec | WordTokenizerSpec) else ()


def _check_files(folder: Path, manifest: ModelManifest) -> None:
    """Refuse a model with a truncated file, or a small one with other bytes; `FileWatch` reads the large ones."""
    for name, problem in find_damage(folder, manifest.files).items():
        raise ArtefactError(f"{folder / name} {problem}; export the model again.")
