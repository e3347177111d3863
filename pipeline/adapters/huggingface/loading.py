"""Loading a Hugging Face checkpoint for export and verification."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from exported_models.contract.manifest import Languages
from pipeline.adapters.huggingface.checkpoint import read_checkpoint
from pipeline.adapters.huggingface.generation import read_generation
from pipeline.adapters.huggingface.languages import describe_languages
from pipeline.adapters.huggingface.reference import HuggingFaceReference
from pipeline.adapters.huggingface.tokenizers import read_tokenizers
from pipeline.adapters.transformer_graphs import describe_transformer, transformer_spaces
from pipeline.models.checkpoint import NO_TARGET_LANGUAGE, LoadedCheckpoint
from pipeline.models.transformer import Transformer
from pipeline.models.transformer_config import TransformerConfig

MAX_SOURCE_TOKENS = 512
"""Longest source of a model without a table of positions, which has no limit of its own."""
_PARITY_SENTENCES = 50
"""Fewer than usual: the library needs up to a second to search one."""


def load_checkpoint(folder: Path) -> LoadedCheckpoint:
    """Read a checkpoint folder.

    Raises:
        CheckpointError: it is incomplete, damaged, or of no supported family.
    """
    checkpoint = read_checkpoint(folder)
    config = checkpoint.family.configure(checkpoint.model)
    model = Transformer.bare(config)
    model.adopt(checkpoint.family.convert(checkpoint.model))
    tokenizers = read_tokenizers(checkpoint, config.source_vocabulary, config.target_vocabulary)
    limit = config.positions or None
    generation = read_generation(checkpoint.model, config.target_vocabulary, limit, tokenizers.first_id)
    languages = describe_languages(tokenizers.tags, tokenizers.target_tag, tokenizers.source, generation)
    reference = HuggingFaceReference(checkpoint, generation, tokenizers.pad_id)

    def choose_context(layer: int) -> LoadedCheckpoint:
        model.context_layer = reference.context_layer = layer
        return replace(source, spaces=transformer_spaces(config, layer))

    source = LoadedCheckpoint(
        architecture=_describe(checkpoint.family.name, config),
        **describe_transformer(model),
        source_tokenizer=tokenizers.source,
        target_tokenizer=tokenizers.target,
        tokenizer_files=tokenizers.files,
        pad_id=tokenizers.pad_id,
        start_id=generation.start_id,
        end_id=generation.end_id,
        special_ids=tuple(sorted({*tokenizers.special_ids, generation.start_id, generation.end_id})),
        max_source_tokens=config.longest_source or MAX_SOURCE_TOKENS,
        max_target_tokens=limit,
        generation=generation.defaults,
        reference=reference,
        choose_context=choose_context,
        notices=(*generation.notices, *_language_notices(languages)),
        languages=languages,
        start_from=reference.start_from,
        parity_sentences=_PARITY_SENTENCES,
    )
    return source


def _language_notices(languages: Languages | None) -> tuple[str, ...]:
    if languages is None or languages.target is not None:
        return ()
    return (NO_TARGET_LANGUAGE,)


def _describe(family: str, config: TransformerConfig) -> str:
    layers = f"{config.encoder.layers} encoder and {config.decoder.layers} decoder layers"
    sizes = " and ".join(str(size) for size in dict.fromkeys((config.of_encoder.size, config.size)))
    return f"{family} Transformer, {layers} of {sizes} units, {config.decoder.heads} heads"
