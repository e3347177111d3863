"""The graphs of an exported model: names, dtypes and symbolic shapes, shared by exporter and runtime.

`encoder` runs once a sentence, `decoder_step` once a target step for all rows of all its sentences. A tensor the
encoder makes for every step to read is named ``source.<name>``; it exists once a *sentence*, the rows of a sentence
(its beams) being the queries of one attention. What a step hands to the next is named tensors too, one a layer and
kind: the encoder makes ``memory.<name>``, the step reads ``memory.<name>`` and makes ``next.<name>``. Rows of one
sentence are consecutive, and every sentence has the same number of rows.

Corpora are encoded by running ``decoder_step`` over a batch with the reference as ``previous_ids`` and ``forced_ids``
(one row a sentence). A model whose decoder is not recurrent in time brings a third graph, ``teacher_forced``, that does
the whole target in one pass, reads the same ``source.*`` tensors and has the step's outputs for every target token.

A runtime computes every output a graph has, asked for or not. What few requests want is therefore a graph of its own,
run once for a finished hypothesis: ``self_attention``, of encoder and decoder, every layer and head. A step of which no
intervention is asked is a graph of its own too, ``plain_step``: the inputs in `INTERVENTIONS` and the outputs in
`FORCED_ANSWERS` are left out of it, and its kernels are for CPUs. ``beam_search`` runs such steps for one sentence, one
after the other, and ``folded_beam_search`` does so with less work for a short one.

States are outputs that the manifest names (`exported_models.contract.manifest.SpaceSpec.output`). Recorded spaces
belong to ``encoder``, to every step and to ``teacher_forced``. Spaces on demand have graphs of their own, cut out of
these three: ``encoder_states`` reads what ``encoder`` reads; ``step_states`` reads memory and makes the next one, as a
step does; ``forced_states`` reads what ``teacher_forced`` reads. ``embeddings`` looks token ids up in the tables of
word embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Graph(StrEnum):
    """The graphs of a model; the file of each is ``<name>.onnx``."""

    ENCODER = "encoder"
    DECODER_STEP = "decoder_step"
    PLAIN_STEP = "plain_step"
    BEAM_SEARCH = "beam_search"
    FOLDED_BEAM_SEARCH = "folded_beam_search"
    TEACHER_FORCED = "teacher_forced"
    SELF_ATTENTION = "self_attention"
    ENCODER_STATES = "encoder_states"
    STEP_STATES = "step_states"
    FORCED_STATES = "forced_states"
    EMBEDDINGS = "embeddings"

    @property
    def filename(self) -> str:
        return f"{self.value}.onnx"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output: symbolic dimensions are names, fixed ones numbers. ``dtype`` is NumPy's name."""

    name: str
    dtype: str
    shape: tuple[str | int, ...]
    meaning: str


SOURCE_PREFIX = "source."
SOURCE_KEY_PREFIX, SOURCE_VALUE_PREFIX = "source.key.", "source.value."
"""Of a Transformer's layer: [sentences, heads, head size, source] and [sentences, heads, source, head size]."""
MEMORY_PREFIX = "memory."
NEXT_PREFIX = "next."
APPENDED_PREFIX = "appended."
"""What every step of a search appends to a tensor of memory: [steps, rows, heads, head size]."""

SOURCE_MASK = TensorSpec("source_mask", "bool", ("sentences", "source"), "true where there is a source position")
TEXT_INPUT = TensorSpec("source_ids", "int64", ("sentences", "source"), "source token ids, padded on the right")
ENCODER_INPUTS = (TEXT_INPUT, SOURCE_MASK)
"""Of a model that reads text. The manifest names the input that has a row for each position (`SourceSpec.input`); a
model that reads other sources has one of its own there, [sentences, source, size] float32."""
ENCODER_HEAD_MASK = TensorSpec(
    "head_mask",
    "float32",
    ("encoder_layers", "encoder_heads"),
    "0 for heads of the encoder's self-attention that are ablated, 1 for the others",
)
DECODER_HEAD_MASK = TensorSpec(
    "decoder_head_mask",
    "float32",
    ("decoder_layers", "decoder_heads"),
    "0 for heads of the decoder's self-attention that are ablated, 1 for the others",
)
"""Read by every graph that holds such self-attention; one mask for all sentences. A head of cross-attention is ablated
by an override of zeros."""

SOURCE_STATE_SHAPE = ("sentences", "source")
"""Of states of the source, before their size. The encoder's outputs are those, and any number of ``source.*`` and
``memory.*`` [sentences, ...] tensors."""

STEP_INPUTS = (
    TensorSpec("previous_ids", "int64", ("rows",), "the token before this step; the start token at step 0"),
    TensorSpec("beam_index", "int64", ("rows",), "row of the incoming memory that each row continues"),
    TensorSpec("position", "int64", (1,), "target step, 0 for the first token"),
    TensorSpec("forced_ids", "int64", ("rows",), "a token whose log-probability is wanted besides the top"),
    TensorSpec("top_count", "int64", (1,), "how many of the most probable tokens to return for each row"),
    SOURCE_MASK,
    TensorSpec(
        "attention_override",
        "float32",
        ("rows", "layers", "heads", "source"),
        "weights that replace attention",
    ),
    TensorSpec("override_on", "bool", ("rows", "layers", "heads"), "where they do"),
)
"""And every ``source.*`` and ``memory.*`` tensor of the encoder. A model without attention lacks the last three."""

STEP_OUTPUTS = (
    TensorSpec("top_log_probs", "float32", ("rows", "top"), "natural-log probabilities, largest first"),
    TensorSpec("top_ids", "int64", ("rows", "top"), "their tokens"),
    TensorSpec("forced_log_probs", "float32", ("rows",), "log-probability of forced_ids"),
    TensorSpec("forced_ranks", "int64", ("rows",), "how many tokens are more probable than forced_ids"),
    TensorSpec("cross_attention", "float32", ("rows", "layers", "heads", "source"), "attention as used"),
)
"""And the states of recorded spaces, and a ``next.*`` for every ``memory.*``. A model without attention lacks the last
one."""
STEP_STATE_SHAPE = ("rows",)
"""Of states of the target in a step, before their size."""

SEARCH_INPUTS = (
    TensorSpec("steps", "int64", (), "how many at most"),
    TensorSpec("end_id", "int64", (), "the token that ends a sentence"),
    TensorSpec("scores", "float64", ("rows", 1), "summed log-probabilities; minus infinity for rows that are none"),
    TensorSpec("finished", "float64", ("rows",), "normalized scores, best first; minus infinity where there is none"),
    TensorSpec("divisors", "float64", ("horizon",), "what normalizes the score of a hypothesis that ends at each step"),
    TensorSpec("hope_divisors", "float64", ("horizon",), "and that of the best row, to be compared with such a one"),
)
"""And all inputs of a plain step: those of the first one."""

SEARCH_OUTPUTS = (
    TensorSpec("chosen", "int64", ("rows",), "where each row of the next step stands among the top tokens of all rows"),
)
"""And all outputs of a plain step, but an ``appended.<name>`` for a ``memory.<name>`` that grows; all of them for every
step, in a first dimension ``steps``."""

INTERVENTIONS = frozenset({"attention_override", "override_on", DECODER_HEAD_MASK.name, "forced_ids"})
"""Inputs of a step that most steps of a search need not have."""
FORCED_ANSWERS = frozenset({"forced_log_probs", "forced_ranks"})
"""Outputs of a step that answer ``forced_ids``."""

STEP_NORMALIZER = TensorSpec(
    "log_normalizers",
    "float32",
    ("rows",),
    "what the softmax subtracts from logits: the log of their exponentials' sum",
)
"""Of a model with a repetition penalty, which a greedy search applies to logits."""

FORCED_INPUTS = (
    TensorSpec("previous_ids", "int64", ("sentences", "target"), "the token before each target token, start first"),
    TensorSpec("forced_ids", "int64", ("sentences", "target"), "target token ids, padded on the right"),
    SOURCE_MASK,
)
"""And every ``source.*`` tensor of the encoder."""

FORCED_OUTPUTS = (
    TensorSpec("forced_log_probs", "float32", ("sentences", "target"), "log-probability of forced_ids"),
    TensorSpec("forced_ranks", "int64", ("sentences", "target"), "how many tokens are more probable"),
    TensorSpec("cross_attention", "float32", ("sentences", "target", "layers", "heads", "source"), "as a step's"),
)
"""And the states of recorded spaces. A model without attention lacks the last one."""
FORCED_STATE_SHAPE = ("sentences", "target")
"""Of states of the target in one pass, before their size."""

FORCED_NORMALIZER = TensorSpec(STEP_NORMALIZER.name, "float32", ("sentences", "target"), "as a step's")
"""Of a model with a repetition penalty."""

SELF_ATTENTION_INPUTS = (
    *ENCODER_INPUTS,
    TensorSpec("previous_ids", "int64", ("sentences", "target"), "the token before each target token, start first"),
    TensorSpec(
        "attention_override",
        "float32",
        ("sentences", "target", "layers", "heads", "source"),
        "weights that replace cross-attention",
    ),
    TensorSpec("override_on", "bool", ("sentences", "target", "layers", "heads"), "where they do"),
)

SELF_ATTENTION_OUTPUTS = (
    TensorSpec(
        "encoder_attention",
        "float32",
        ("sentences", "encoder_layers", "encoder_heads", "source", "source"),
        "of each source token (row) to the source",
    ),
    TensorSpec(
        "decoder_attention",
        "float32",
        ("sentences", "decoder_layers", "decoder_heads", "target", "target"),
        "of the state that predicts each target token (row) to the tokens read so far, start first",
    ),
)

EMBEDDING_INPUTS = (
    TensorSpec("source_ids", "int64", ("source_ids",), "any token ids of the source vocabulary"),
    TensorSpec("target_ids", "int64", ("target_ids",), "any token ids of the target vocabulary"),
)
"""``embeddings`` answers with a row for every id, in an output of every space that is a table."""


def memory_name(next_name: str) -> str:
    """``next.x`` -> ``memory.x``: under which name the following step reads what this one made."""
    return MEMORY_PREFIX + next_name.removeprefix(NEXT_PREFIX)
