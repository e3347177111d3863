"""Loading a checkpoint of OpenNMT-py for export and verification."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from torch import Tensor

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import GenerationDefaults, SentencePieceSpec
from pipeline.adapters.opennmt.checkpoint import Checkpoint, read_checkpoint
from pipeline.adapters.opennmt.names import SOURCE_EMBEDDING
from pipeline.adapters.opennmt.options import RecurrentOptions, TransformerOptions
from pipeline.adapters.opennmt.recurrent import build_recurrent_model
from pipeline.adapters.opennmt.recurrent_reference import RecurrentParts, RecurrentRun
from pipeline.adapters.opennmt.transformer import MAX_POSITIONS, build_transformer
from pipeline.adapters.opennmt.transformer_reference import TransformerParts, TransformerRun
from pipeline.adapters.opennmt.vocabulary import Vocabularies, read_vocabularies
from pipeline.adapters.recurrent_graphs import MAX_SOURCE_TOKENS, describe_recurrent
from pipeline.adapters.transformer_graphs import describe_transformer, transformer_spaces
from pipeline.adapters.vocabularies import TextFields
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.models.recurrent import RecurrentConfig
from pipeline.models.transformer_config import TransformerConfig
from pipeline.reference.stepwise import SentenceRun, StepwiseReference

_PARITY_SENTENCES = 50
"""Fewer than usual: the reference of a Transformer computes every prefix anew."""
_TRANSLATING = {
    2: GenerationDefaults(beam_size=5, length_penalty=0.0, max_length=100),
    3: GenerationDefaults(beam_size=5, length_penalty=1.0, max_length=250),
}
"""Defaults of ``onmt_translate`` by version; a checkpoint has no generation settings."""
_SEARCH_NOTICES = {
    2: "OpenNMT-py's own search differs: hypotheses that ended keep their place in the beam, and the search ends when "
    "the best one has.",
    3: "OpenNMT-py's own search differs: hypotheses that ended keep their place in the beam, the search ends when the "
    "best one has, the length penalty counts one token more, and targets are cut at 1.25 times the source plus 5.",
}
_TEXT_TRANSFORMS = ("bpe", "docify", "normalize", "onmt_tokenize", "prefix", "sentencepiece", "suffix", "uppercase")
"""Transforms that texts must have gone through before they are translated."""


def load_checkpoint(path: Path) -> LoadedCheckpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: the file is damaged, would run code, or is of a model that cannot be exported.
    """
    checkpoint = read_checkpoint(path)
    vocabularies = read_vocabularies(checkpoint)
    embedding = vocabularies.arrangement.arrange(checkpoint.weights.take(SOURCE_EMBEDDING))
    if isinstance(checkpoint.options, TransformerOptions):
        return _load_transformer(checkpoint, checkpoint.options, vocabularies, embedding)
    return _load_recurrent(checkpoint, checkpoint.options, vocabularies, embedding)


def _share(checkpoint: Checkpoint, vocabularies: Vocabularies) -> TextFields:
    special = {vocabularies.pad_id, vocabularies.start_id, vocabularies.end_id}
    return {
        "source_tokenizer": vocabularies.source,
        "target_tokenizer": vocabularies.target,
        "tokenizer_files": vocabularies.files,
        "pad_id": vocabularies.pad_id,
        "start_id": vocabularies.start_id,
        "end_id": vocabularies.end_id,
        "special_ids": tuple(sorted(special)),
        "notices": tuple(_notices(checkpoint, vocabularies)),
    }


def _make_reference(
    run: Callable[[Sequence[int]], SentenceRun],
    parts: RecurrentParts | TransformerParts,
    vocabularies: Vocabularies,
) -> StepwiseReference:
    embeddings = (_floats(parts.source_embedding), _floats(parts.target_embedding))
    return StepwiseReference(run, embeddings, start_id=vocabularies.start_id, end_id=vocabularies.end_id)


def _load_recurrent(
    checkpoint: Checkpoint, options: RecurrentOptions, vocabularies: Vocabularies, embedding: Tensor
) -> LoadedCheckpoint:
    model = build_recurrent_model(checkpoint, options, embedding)
    parts = RecurrentParts(options, checkpoint.weights, embedding)
    return LoadedCheckpoint(
        architecture=_describe_recurrent(model.config, options),
        **describe_recurrent(model),
        max_source_tokens=MAX_SOURCE_TOKENS,
        generation=_TRANSLATING[checkpoint.version],
        reference=_make_reference(partial(RecurrentRun, parts), parts, vocabularies),
        **_share(checkpoint, vocabularies),
    )


def _load_transformer(
    checkpoint: Checkpoint, options: TransformerOptions, vocabularies: Vocabularies, embedding: Tensor
) -> LoadedCheckpoint:
    model = build_transformer(options, checkpoint.weights, embedding)
    parts = TransformerParts(options, checkpoint.weights, embedding)
    config, limit = model.config, model.config.positions or None
    generation = _TRANSLATING[checkpoint.version]

    def choose_context(layer: int) -> LoadedCheckpoint:
        model.context_layer = parts.context_layer = layer
        return replace(source, spaces=transformer_spaces(config, layer))

    source = LoadedCheckpoint(
        architecture=_describe_transformer(config),
        **describe_transformer(model),
        max_source_tokens=limit or MAX_SOURCE_TOKENS,
        max_target_tokens=limit,
        generation=generation.model_copy(update={"max_length": min(generation.max_length, limit or MAX_POSITIONS)}),
        reference=_make_reference(partial(TransformerRun, parts), parts, vocabularies),
        choose_context=choose_context,
        parity_sentences=_PARITY_SENTENCES,
        **_share(checkpoint, vocabularies),
    )
    return source


def _notices(checkpoint: Checkpoint, vocabularies: Vocabularies) -> Iterator[str]:
    yield _SEARCH_NOTICES[checkpoint.version]
    runs_pieces = isinstance(vocabularies.source, SentencePieceSpec)
    lost = [name for name in _TEXT_TRANSFORMS if name in checkpoint.options.transforms]
    lost = [name for name in lost if not (name == "sentencepiece" and runs_pieces)]
    if lost:
        yield (
            f"The model was trained on texts that went through {' and '.join(lost)}, which is not run here: write "
            "texts as they come out of it, tokens between spaces."
        )
    options = checkpoint.options
    if isinstance(options, RecurrentOptions) and options.bridge and checkpoint.version == 2 and options.enc_layers > 1:
        yield "In OpenNMT-py 2 the bridge of several layers mixed the sentences of a batch; here it reads each alone."


def _describe_recurrent(config: RecurrentConfig, options: RecurrentOptions) -> str:
    encoder = f"{'bidirectional ' if config.bidirectional else ''}{options.rnn_type} encoder"
    attention = f"{config.attention} attention" if config.attends else "no attention"
    fed = " with input feeding" if config.input_feeding else ""
    return f"OpenNMT-py {encoder}, {options.rnn_type} decoder, {config.decoder_layers} layers, {attention}{fed}"


def _describe_transformer(config: TransformerConfig) -> str:
    layers = f"{config.encoder.layers} encoder and {config.decoder.layers} decoder layers"
    return f"OpenNMT-py Transformer, {layers} of {config.size} units, {config.decoder.heads} heads"


def _floats(values: Tensor) -> Floats:
    return cast(Floats, values.detach().numpy())
