"""Files of an exported model, written from a loaded checkpoint: graphs, vocabularies and the manifest."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import torch
from torch import Tensor

from exported_models.contract.graphs import WEIGHTS_FILE, Graph, TensorSpec
from exported_models.contract.manifest import CheckpointOrigin, ModelManifest, ParityReport
from exported_models.contract.publishing import (
    MANIFEST_NAME,
    Digest,
    content_hash,
    digest_file,
    explain_disk_errors,
    list_files,
    write_bytes_atomically,
    write_json_atomically,
)
from pipeline.errors import ExportError
from pipeline.graphs.beam_search import derive_searches
from pipeline.graphs.folded_step import derive_folded_step
from pipeline.graphs.modules import (
    GROWING,
    EmbeddingGraph,
    EncoderGraph,
    ForcedGraph,
    SelfAttentionGraph,
    StepGraph,
)
from pipeline.graphs.plain_step import derive_plain_step
from pipeline.graphs.state_graphs import divide_states
from pipeline.graphs.weights_file import WeightsFile, write_weights
from pipeline.graphs.weights_first import LARGE_MODEL, put_weights_first
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.progress import Progress, SilentProgress

_GraphModule = EncoderGraph | StepGraph | ForcedGraph | SelfAttentionGraph | EmbeddingGraph

if TYPE_CHECKING:
    from torch.export.dynamic_shapes import _DimHint

OPSET = 20
"""Newest operator set that the exporter writes without converting."""

# Sizes that torch's exporter traces with. Equal sizes would become one dimension and a size of 1 a fixed one.
_EXAMPLE_SIZES = {"sentences": 2, "rows": 6, "incoming": 4, "source": 7, "target": 5, GROWING: 3}
_EXAMPLE_SIZES |= {"source_ids": 8, "target_ids": 9}
_NOISY_LOGGERS = ("torch.onnx", "torch.export", "torch._dynamo", "onnxscript", "onnx_ir")


def write_graphs(model: LoadedCheckpoint, folder: Path, progress: Progress = SilentProgress()) -> None:  # noqa: B008 (it has no state)
    """Export the graphs and write the tokenizers. Equal weights give equal bytes.

    Raises:
        ExportError: torch's exporter cannot express the model.
        PublishingError: the folder cannot be written.
    """
    with explain_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    modules, exported = dict(_graph_modules(model)), {}
    with write_weights(folder / WEIGHTS_FILE) as weights, progress.track("export", len(modules), "graphs") as advance:
        for graph, module in modules.items():
            exported[graph] = _export(graph, module.eval(), model, weights)
            advance(1)
    protos = divide_states(exported, model.spaces)
    plain = derive_plain_step(protos[Graph.DECODER_STEP], penalizes=model.generation.penalizes)
    if plain is not None:
        protos[Graph.PLAIN_STEP] = plain
        if model.generation.goes_by_probability:
            protos |= derive_searches(plain, folded=derive_folded_step(plain))
    if _is_large(folder / WEIGHTS_FILE):
        for proto in protos.values():
            put_weights_first(proto)
    for graph, proto in protos.items():
        write_bytes_atomically(folder / graph.filename, bytes(proto.SerializeToString(deterministic=True)))
    for graph in exported:
        _check(graph, folder / graph.filename)
    write_tokenizers(model, folder)


def _is_large(weights: Path) -> bool:
    return weights.is_file() and weights.stat().st_size >= LARGE_MODEL


def write_tokenizers(model: LoadedCheckpoint, folder: Path) -> None:
    """Write the tokenizer files alone."""
    with explain_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in model.tokenizer_files.items():
        write_bytes_atomically(folder / name, content)


def describe_model(model: LoadedCheckpoint, model_id: str, origin: CheckpointOrigin) -> ModelManifest:
    """The manifest of a model before it is verified."""
    return ModelManifest(
        model_id=model_id,
        architecture=model.architecture,
        cross_attention_layers=model.cross_attention_layers,
        cross_attention_heads=model.cross_attention_heads,
        encoder_self_attention=model.encoder_self_attention,
        decoder_self_attention=model.decoder_self_attention,
        spaces=model.spaces,
        source_tokenizer=model.source_tokenizer,
        target_tokenizer=model.target_tokenizer,
        pad_id=model.pad_id,
        start_id=model.start_id,
        end_id=model.end_id,
        special_ids=model.special_ids,
        max_source_tokens=model.max_source_tokens,
        max_target_tokens=model.max_target_tokens,
        generation=model.generation,
        languages=model.languages,
        parity=None,
        checkpoint=origin,
        notices=model.notices,
    )


def seal(
    folder: Path, manifest: ModelManifest, parity: ParityReport | None, digest: Digest = digest_file
) -> ModelManifest:
    """Write the manifest into a folder of graphs, so that the folder opens as an exported model before publishing."""
    files = list_files(folder, digest)
    measured = {"parity": parity, "files": files, "content_hash": content_hash(files)}
    sealed = ModelManifest.model_validate({**manifest.for_publishing(), **measured})
    write_json_atomically(folder / MANIFEST_NAME, sealed.model_dump(mode="json"))
    return sealed


def _graph_modules(model: LoadedCheckpoint) -> Iterator[tuple[Graph, _GraphModule]]:
    yield Graph.ENCODER, EncoderGraph(model)
    yield Graph.DECODER_STEP, StepGraph(model)
    if model.teacher_forced is not None:
        yield Graph.TEACHER_FORCED, ForcedGraph(model)
    if model.self_attention is not None:
        yield Graph.SELF_ATTENTION, SelfAttentionGraph(model)
    if model.embeddings is not None:
        yield Graph.EMBEDDINGS, EmbeddingGraph(model)


def _export(graph: Graph, module: _GraphModule, model: LoadedCheckpoint, weights: WeightsFile) -> onnx.ModelProto:
    examples = tuple(_example(spec, model) for spec in module.inputs)
    try:
        with _quiet_exporter(), torch.no_grad():
            program = torch.onnx.export(
                module,
                examples,
                dynamo=True,
                dynamic_shapes=(tuple(_dynamic_axes(spec) for spec in module.inputs),),
                input_names=[spec.name for spec in module.inputs],
                output_names=[spec.name for spec in module.outputs],
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter's errors have no public type and messages of a page
        raise ExportError(f"The {graph.value} graph could not be exported: {_reason(error)}.") from error
    assert program is not None
    weights.take_from_model(program.model)
    proto: onnx.ModelProto = program.model_proto
    _tidy(proto, module.inputs, module.outputs)
    return proto


def _check(graph: Graph, path: Path) -> None:
    """Check a graph by its path, as a graph in memory has no weights to check."""
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise ExportError(f"The {graph.value} graph that was exported is not valid: {_reason(error)}.") from error


def _example(spec: TensorSpec, model: LoadedCheckpoint) -> Tensor:
    shape = [_EXAMPLE_SIZES.get(size, 1) if isinstance(size, str) else size for size in spec.shape]
    if spec.dtype == "bool":
        return torch.ones(shape, dtype=torch.bool)
    if spec.dtype == "float32":
        return torch.full(shape, 0.1)
    if spec.name in ("beam_index", "position"):
        return torch.zeros(shape, dtype=torch.int64)
    return torch.full(shape, 1 if spec.name == "top_count" else model.end_id, dtype=torch.int64)


def _dynamic_axes(spec: TensorSpec) -> dict[int, _DimHint]:
    return {axis: torch.export.Dim.DYNAMIC for axis, size in enumerate(spec.shape) if isinstance(size, str)}


def _tidy(proto: onnx.ModelProto, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
    """Name the dimensions as the contract does, and drop metadata that depends on the run or the machine.

    The exporter attaches stack traces with local paths to every node and long formulas for shapes to every value.
    """
    graph = proto.graph
    for infos, specs in ((graph.input, inputs), (graph.output, outputs)):
        for info, spec in zip(infos, specs, strict=True):
            assert info.name == spec.name
            _name_dimensions(info, spec)
    del graph.value_info[:]
    for owner in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del owner.metadata_props[:]
        owner.doc_string = ""


def _name_dimensions(info: onnx.ValueInfoProto, spec: TensorSpec) -> None:
    dimensions = info.type.tensor_type.shape.dim
    for dimension, size in zip(dimensions, spec.shape, strict=True):
        if isinstance(size, str):
            dimension.dim_param = size
        else:
            dimension.dim_value = size


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence the exporter's log messages and warnings; its errors are still raised."""
    loggers = [logging.getLogger(name) for name in _NOISY_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _reason(error: Exception) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1].strip()[:300].rstrip(".") if lines else type(error).__name__
