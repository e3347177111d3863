"""The graphs of a twin: those of an exported model with large matrix products in fewer bits.

Steps of short sources are not folded (`pipeline.graphs.folded_step`). Folded products would stay in float32, and a
what-if with an override, which runs on unfolded steps, would differ from the search it is compared with by more than
its own effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from exported_models.contract.graphs import Graph
from exported_models.contract.publishing import write_bytes_atomically
from exported_models.contract.twins import TwinKind
from pipeline.errors import ExportError
from pipeline.graphs import halves, integers
from pipeline.graphs.beam_search import derive_searches
from pipeline.graphs.fused_attention import fuse_self_attention
from pipeline.graphs.products import LARGE
from pipeline.graphs.weights_file import write_weights
from pipeline.graphs.weights_first import put_weights_last


@dataclass(frozen=True, slots=True)
class Rewriting:
    """One kind of twin.

    Attributes:
        method: for people, which weights and how.
        apply: rewrites a graph of a folder in place, and gives the number of products that it changed.
        for_cpus: whether its graphs run on CPUs alone, so that the self-attention of all steps can be fused.
    """

    method: str
    apply: Callable[[onnx.ModelProto, Path], int]
    for_cpus: bool


REWRITINGS: Mapping[TwinKind, Rewriting] = {
    "int8": Rewriting(integers.METHOD, integers.use_integers, for_cpus=True),
    "float16": Rewriting(halves.METHOD, halves.use_halves, for_cpus=False),
}


def quantize_graphs(source: Path, destination: Path, weights_file: str, kind: TwinKind) -> int:
    """Write the graphs of a twin of the exported model ``source`` into ``destination``.

    Their tensors are written to ``weights_file``, beside the graphs. Equal graphs give equal bytes.

    Returns:
        the number of products that are computed in fewer bits.

    Raises:
        ExportError: no product is large enough, or a weight is too large for the kind.
        PublishingError: the folder cannot be written.
    """
    searches = (source / Graph.BEAM_SEARCH.filename).is_file()
    graphs = [graph for graph in Graph if graph not in (Graph.BEAM_SEARCH, Graph.FOLDED_BEAM_SEARCH)]
    protos: dict[Graph, onnx.ModelProto] = {
        graph: onnx.load(source / graph.filename, load_external_data=False)
        for graph in graphs
        if (source / graph.filename).is_file()
    }
    rewriting, products = REWRITINGS[kind], 0
    with write_weights(destination / weights_file) as weights:
        for proto in protos.values():
            put_weights_last(proto)
            products += rewriting.apply(proto, source)
            weights.take(proto.graph, source)
        if not products:
            raise ExportError(f"No product has {LARGE:,} weights or more; nothing can be quantized.")
    if rewriting.for_cpus:
        fuse_self_attention(protos[Graph.DECODER_STEP])
    if searches:
        protos |= derive_searches(protos[Graph.PLAIN_STEP])
    for graph, proto in protos.items():
        write_bytes_atomically(destination / graph.filename, bytes(proto.SerializeToString(deterministic=True)))
    return products
