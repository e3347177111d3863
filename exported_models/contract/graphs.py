"""The graphs of an exported model: names, dtypes and symbolic shapes, shared by exporter and runtime.

``encoder`` runs once per sentence, ``decoder_step`` once per target step for the rows of all sentences. Rows are the
prefixes that are alive; those of one sentence are consecutive, and every sentence has the same number of them.

- ``source.<name>``: made by the encoder and read by every step, once per *sentence*. The rows of a sentence (its beams)
  are the queries of one attention.
- ``memory.<name>``, ``next.<name>``: passed from step to step, one tensor per layer and kind. The encoder makes
  ``memory.<name>``; a step reads it and makes ``next.<name>``, which is ``memory.<name>`` of the step after.

Corpora are encoded by ``decoder_step`` over a batch with the reference as ``previous_ids`` and ``scored_ids``, one row
per sentence. A model whose decoder is not recurrent has ``teacher_forced`` besides, which reads the same ``source.*``
tensors and gives a step's outputs for a whole target in one pass.

A runtime computes every output that a graph has, asked for or not. Rarely wanted outputs are therefore graphs of their
own: ``self_attention`` runs once for a finished hypothesis. ``plain_step`` is a step without the inputs in
`INTERVENTIONS` and the outputs in `SCORES`, with kernels for CPUs. ``beam_search`` is a loop over plain steps
of one sentence, and ``folded_beam_search`` the same with less work for a short source.

States are outputs that the manifest names (`exported_models.contract.manifest.SpaceSpec.output`). Recorded spaces
belong to ``encoder``, to every step and to ``teacher_forced``. Spaces on demand have graphs of their own, cut out of
those three: ``encoder_states`` reads what ``encoder`` reads; ``step_states`` reads memory and makes the next one, as a
step does; ``forced_states`` reads what ``teacher_forced`` reads. ``embeddings`` looks token ids up in the tables of
word embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

WEIGHTS_FILE = "weights.bin"
"""The file beside the graphs that holds the tensors of all of them, each once; a small model may have none."""


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
    """One input or output. Symbolic dimensions are names, fixed ones numbers; ``dtype`` is NumPy's name of the type."""

    name: str
    dtype: str
    shape: tuple[str | int, ...]
    meaning: str


SOURCE_PREFIX = "source."
SOURCE_KEY_PREFIX, SOURCE_VALUE_PREFIX = "source.key.", "source.value."
"""Keys [sentences, heads, head size, source] and values [sentences, heads, source, head size] of one layer."""
MEMORY_PREFIX = "memory."
NEXT_PREFIX = "next."
APPENDED_PREFIX = "appended."
"""Rows that the steps of ``beam_search`` append to a tensor of memory: [steps, rows, heads, head size]."""

SOURCE_MASK = TensorSpec("source_mask", "bool", ("sentences", "source"), "true where there is a source position")
TEXT_INPUT = TensorSpec("source_ids", "int64", ("sentences", "source"), "source token ids, padded on the right")
ENCODER_INPUTS = (TEXT_INPUT, SOURCE_MASK)
"""Inputs of the encoder of a model that reads text.

The manifest names the input that has a row for each position (`SourceSpec.input`). For another kind of source it is
[sentences, source, size] float32 features.
"""
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
"""Both are inputs of every graph that holds such self-attention; one mask serves all sentences.

A step reads the decoder's mask by row instead, as `STEP_HEAD_MASK`. A head of cross-attention is ablated by an override
of zeros.
"""
STEP_HEAD_MASK = TensorSpec(
    DECODER_HEAD_MASK.name, "float32", ("rows", *DECODER_HEAD_MASK.shape), DECODER_HEAD_MASK.meaning
)
"""Steps of models that were exported before revision 11 read `DECODER_HEAD_MASK`."""

SOURCE_STATE_SHAPE = ("sentences", "source")
"""Leading dimensions of states of the source; the last one is their size.

The encoder's outputs are those states, and any number of ``source.*`` and ``memory.*`` [sentences, ...] tensors.
"""

STEP_INPUTS = (
    TensorSpec("previous_ids", "int64", ("rows",), "the token before this step; the start token at step 0"),
    TensorSpec("beam_index", "int64", ("rows",), "row of the incoming memory that each row continues"),
    TensorSpec("position", "int64", (1,), "target step, 0 for the first token"),
    TensorSpec("scored_ids", "int64", ("rows",), "a token to score besides the top"),
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
"""Inputs of a step, besides every ``source.*`` and ``memory.*`` tensor.

A model without attention lacks the last three.
"""

STEP_OUTPUTS = (
    TensorSpec("top_log_probs", "float32", ("rows", "top"), "natural-log probabilities, largest first"),
    TensorSpec("top_ids", "int64", ("rows", "top"), "their tokens"),
    TensorSpec("scored_log_probs", "float32", ("rows",), "log-probability of scored_ids"),
    TensorSpec("scored_ranks", "int64", ("rows",), "number of tokens that are more probable than scored_ids"),
    TensorSpec("cross_attention", "float32", ("rows", "layers", "heads", "source"), "attention as used"),
)
"""Outputs of a step, besides the states of recorded spaces and a ``next.*`` for every ``memory.*``.

A model without attention lacks the last one.
"""
STEP_STATE_SHAPE = ("rows",)
"""Leading dimensions of states of the target in a step; the last one is their size."""

SEARCH_INPUTS = (
    TensorSpec("steps", "int64", (), "maximum number of steps"),
    TensorSpec("end_id", "int64", (), "the token that ends a sentence"),
    TensorSpec("scores", "float64", ("rows", 1), "summed log-probabilities; minus infinity for missing rows"),
    TensorSpec("finished", "float64", ("rows",), "normalized scores, best first; minus infinity for missing ones"),
    TensorSpec("divisors", "float64", ("horizon",), "divisor of the score of a hypothesis that ends at each step"),
    TensorSpec("hope_divisors", "float64", ("horizon",), "divisor of the score of the best live row at each step"),
)
"""Inputs of a search, besides all inputs of its first plain step."""

SEARCH_OUTPUTS = (
    TensorSpec("chosen", "int64", ("rows",), "place of each row of the next step among the top tokens of all rows"),
)
"""Outputs of a search, besides all outputs of its plain steps, with a first dimension ``steps``.

Where a ``memory.<name>`` grows from step to step, ``appended.<name>`` stands for its ``next.<name>``.
"""

INTERVENTIONS = frozenset({"attention_override", "override_on", DECODER_HEAD_MASK.name, "scored_ids"})
"""Inputs of a step that a plain step lacks."""
SCORES = frozenset({"scored_log_probs", "scored_ranks"})
"""Outputs of a step for ``scored_ids``."""

STEP_NORMALIZER = TensorSpec(
    "log_normalizers",
    "float32",
    ("rows",),
    "logarithm of the sum of the exponentials of all logits",
)
"""Output of ``decoder_step``, for a greedy search under a repetition penalty, which applies to logits.

``plain_step`` has it where the model itself has a penalty. So had ``decoder_step`` and ``teacher_forced`` before export
revision 12.
"""

FORCED_INPUTS = (
    TensorSpec("previous_ids", "int64", ("sentences", "target"), "the token before each target token, start first"),
    TensorSpec("scored_ids", "int64", ("sentences", "target"), "target token ids, padded on the right"),
    SOURCE_MASK,
)
"""Inputs of ``teacher_forced``, besides every ``source.*`` tensor of the encoder."""

FORCED_OUTPUTS = (
    TensorSpec("scored_log_probs", "float32", ("sentences", "target"), "log-probability of scored_ids"),
    TensorSpec("scored_ranks", "int64", ("sentences", "target"), "number of tokens that are more probable"),
    TensorSpec("cross_attention", "float32", ("sentences", "target", "layers", "heads", "source"), "as a step's"),
)
"""Outputs of ``teacher_forced``, besides the states of recorded spaces.

A model without attention lacks the last one.
"""
FORCED_STATE_SHAPE = ("sentences", "target")
"""Leading dimensions of states of a whole target; the last one is their size."""

FORCED_NORMALIZER = TensorSpec(STEP_NORMALIZER.name, "float32", ("sentences", "target"), "as a step's")
"""Output of ``teacher_forced``; see `STEP_NORMALIZER`."""

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
"""Inputs of ``embeddings``, which has a row for every id in an output for every space that is a table."""


def memory_name(next_name: str) -> str:
    """``next.x`` -> ``memory.x``: the name under which the step after reads it."""
    return MEMORY_PREFIX + next_name.removeprefix(NEXT_PREFIX)
