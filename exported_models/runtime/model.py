"""An exported model, opened: its manifest, tokenizers and sessions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from exported_models.contract.errors import ArtefactError
from exported_models.contract.graphs import Graph
from exported_models.contract.manifest import (
    ByteTokenizerSpec,
    ModelManifest,
    SentencePieceSpec,
    TokenizerJsonSpec,
    TokenizerSpec,
    WordTokenizerSpec,
    load_model_manifest,
)
from exported_models.runtime.beam_search_session import BeamSearchSession
from exported_models.runtime.providers import may_run_on_gpu
from exported_models.runtime.sessions import EncoderSession, ForcedSession, SelfAttentionSession
from exported_models.runtime.step_session import StepSession
from exported_models.tokenizers.byte_level import make_byte_tokenizer
from exported_models.tokenizers.characters import load_character_tokenizer
from exported_models.tokenizers.sentencepiece import load_sentencepiece_tokenizer
from exported_models.tokenizers.tokenizer_json import load_json_tokenizer
from exported_models.tokenizers.vocabulary import Tokenizer
from exported_models.tokenizers.words import load_word_tokenizer


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """A model ready to run. Safe to share between threads: sessions hold no state between calls."""

    folder: Path
    manifest: ModelManifest
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    encoder: EncoderSession
    decoder: StepSession
    beam_search: BeamSearchSession | None
    """Steps of a search in one call, where the model can and no GPU may be used."""
    forced: ForcedSession | None
    """The whole target in one pass, where the model can."""
    self_attention: SelfAttentionSession | None
    """Self-attention of encoder and decoder, where there is any."""

    @classmethod
    def open(cls, folder: Path, *, threads: int | None = None) -> ExportedModel:
        """Open a published model.

        Args:
            threads: cores one call may use; None leaves it to ONNX Runtime.

        Raises:
            ArtefactError: the manifest, a vocabulary or a graph file is missing or damaged.
            ModelError: a graph does not load or lacks an input or output of the contract.
        """
        manifest = load_model_manifest(folder)
        _check_sizes(folder, manifest)
        graphs = {graph for graph in Graph if graph.filename in manifest.files}
        attention_shape = (manifest.cross_attention_layers, manifest.cross_attention_heads)
        attention, penalized = manifest.has_attention, manifest.generation.penalizes
        decoder = StepSession(folder, threads, graphs, attention_shape if attention else None, penalized=penalized)
        searches = Graph.BEAM_SEARCH in graphs and not may_run_on_gpu()
        beam_search = BeamSearchSession(folder, threads, graphs) if searches else None
        (beam_search or decoder).open()
        return cls(
            folder=folder,
            manifest=manifest,
            source_tokenizer=load_tokenizer(folder, manifest.source_tokenizer, manifest),
            target_tokenizer=load_tokenizer(folder, manifest.target_tokenizer, manifest),
            encoder=EncoderSession(folder, threads),
            decoder=decoder,
            beam_search=beam_search,
            forced=ForcedSession(folder, threads, attention=attention, penalized=penalized)
            if Graph.TEACHER_FORCED in graphs
            else None,
            self_attention=SelfAttentionSession(folder, threads) if Graph.SELF_ATTENTION in graphs else None,
        )

    @property
    def content_hash(self) -> str:
        """Identity of the model: what stores and traces are bound to."""
        return self.manifest.content_hash


def load_tokenizer(folder: Path, spec: TokenizerSpec, manifest: ModelManifest) -> Tokenizer:
    """The tokenizer of one side, from its file in ``folder``.

    Raises:
        ArtefactError: the file is missing or damaged.
    """
    if isinstance(spec, SentencePieceSpec):
        return load_sentencepiece_tokenizer(folder, spec, manifest.special_ids)
    if isinstance(spec, ByteTokenizerSpec):
        return make_byte_tokenizer(spec, manifest.special_ids)
    if isinstance(spec, TokenizerJsonSpec):
        return load_json_tokenizer(folder, spec, manifest.special_ids)
    if isinstance(spec, WordTokenizerSpec):
        return load_word_tokenizer(folder, spec, manifest.special_ids)
    return load_character_tokenizer(folder / spec.file, manifest.end_id, manifest.special_ids)


def _check_sizes(folder: Path, manifest: ModelManifest) -> None:
    """A truncated file is found here at once; `beamscope verify` compares every byte."""
    for name, entry in manifest.files.items():
        path = folder / name
        found = path.stat().st_size if path.is_file() else None
        if found != entry.bytes:
            state = "is missing" if found is None else f"has {found} bytes where {entry.bytes} were published"
            raise ArtefactError(f"{path} {state}; export the model again.")
