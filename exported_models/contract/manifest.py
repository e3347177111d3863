"""Manifests of published artefacts, validated where they are read: the common part, and the manifest of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exported_models.contract.errors import ArtefactError, ModelError
from exported_models.contract.graphs import TEXT_INPUT
from exported_models.contract.integrity import describe_manifest_damage
from exported_models.contract.publishing import read_manifest
from exported_models.contract.request import EarlyStopping
from exported_models.contract.twins import TwinKind

ENCODER_SPACE = "encoder"
DECODER_SPACE = "decoder"
CONTEXT_SPACE = "context"


class Frozen(BaseModel):
    """Base of manifests and documents: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


SpaceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Name of a space, and of its folder in a store."""


class FileEntry(Frozen):
    """One file of a published folder."""

    bytes: int = Field(ge=0)
    sha256: str


class ArtefactManifest(Frozen):
    """The common part of all manifests; publishing adds ``files`` and ``content_hash``."""

    remedy: ClassVar[str]
    """Advice for messages about a manifest that cannot be used."""

    format: int
    files: dict[str, FileEntry] = {}
    content_hash: str = ""

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(entry.bytes for entry in self.files.values())

    def for_publishing(self) -> dict[str, Any]:
        """The manifest without the keys that `exported_models.contract.publishing.publish` adds."""
        return self.model_dump(mode="json", exclude={"files", "content_hash"})


Manifest = TypeVar("Manifest", bound=ArtefactManifest)


def load_manifest(folder: Path, kind: type[Manifest]) -> Manifest:
    """Read and validate the manifest of a published folder.

    Raises:
        ArtefactError: the manifest is missing, damaged, not the published one, or of another format revision.
    """
    value = read_manifest(folder)
    known = kind.model_fields["format"].default
    if value.get("format") != known:
        raise ArtefactError(
            f"{folder} has format {value.get('format')!r}, this version of Beamscope reads {known}; {kind.remedy}."
        )
    if problem := describe_manifest_damage(folder, value):
        raise ArtefactError(problem)
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ArtefactError(
            f"The manifest in {folder} is not valid at {place}: {first['msg']}; {kind.remedy}."
        ) from error


SpaceKind = Literal["recorded", "on_demand", "table"]
"""The time at which states of a space are computed, and the graphs that compute them.

- ``recorded``: in every search, by ``encoder`` or by each decoder step. A trace holds the states, and a build indexes
  them where a project names no spaces.
- ``on_demand``: when they are asked for, by ``encoder_states``, ``step_states`` and ``forced_states``. A build indexes
  them where a project names them.
- ``table``: looked up in ``embeddings``. A row belongs to a token of the vocabulary, in whatever sentence, and there is
  nothing to index.
"""

Owner = Literal["source", "target"]
"""The side whose tokens the rows of a space belong to."""

Stage = Literal["encoder", "decoder", "attention", "prediction", "search"]
"""One of the five stages of a translation."""
STAGES: tuple[Stage, ...] = get_args(Stage)
"""In the order of a translation."""


class SpaceSpec(Frozen):
    """A space of states: the graph output that holds them and the tokens that its rows belong to."""

    name: SpaceName
    owner: Owner
    output: str = Field(description="Name of the output in every graph that computes the states.")
    size: int = Field(gt=0)
    meaning: str
    layer: int | None = Field(default=None, ge=0, description="Layer of the owner's stack, counted from 0.")
    kind: SpaceKind = "recorded"
    stage: Stage | None = Field(default=None, description="Stage that the states belong to; None for no stage.")


class CharacterTokenizerSpec(Frozen):
    """Every character is a token; ``file`` is a JSON list of tokens, the index being the id."""

    kind: Literal["characters"] = "characters"
    file: str


class SentencePieceSpec(Frozen):
    """A SentencePiece model in ``file``; ``vocabulary`` is a JSON list of tokens, the index being the id."""

    kind: Literal["sentencepiece"] = "sentencepiece"
    file: str
    vocabulary: str
    unknown_id: int = Field(description="Id of pieces that the vocabulary lacks.")
    before: tuple[int, ...] = Field(default=(), description="Ids put before every text.")
    after: tuple[int, ...] = Field(description="Ids put after a complete text, the end of sentence among them.")
    reads_language_code: bool = Field(default=False, description="Whether a leading >>code<< is a token of its own.")


class TokenizerJsonSpec(Frozen):
    """A ``tokenizer.json`` in ``file``; ``vocabulary`` is a JSON list of tokens, the index being the id."""

    kind: Literal["tokenizer_json"] = "tokenizer_json"
    file: str
    vocabulary: str
    unknown_id: int | None = Field(default=None, description="Id of what the vocabulary lacks; None where it has all.")
    before: tuple[int, ...] = Field(default=(), description="Ids put before every text.")
    after: tuple[int, ...] = Field(description="Ids put after a complete text, the end of sentence among them.")
    continuing: str = Field(
        default="",
        description="Prefix of tokens that continue a word; empty where tokens that begin a word are marked.",
    )


class ByteTokenizerSpec(Frozen):
    """Every byte of UTF-8 is a token, numbered after the special tokens; there is no file."""

    kind: Literal["bytes"] = "bytes"
    special_tokens: tuple[str, ...]
    vocabulary_size: int = Field(description="Number of ids with embeddings; ids past the last byte are unused.")
    end_id: int

    @property
    def first_byte_id(self) -> int:
        return len(self.special_tokens)


class WordTokenizerSpec(Frozen):
    """Every run of characters between spaces is a token; ``file`` is a JSON list of tokens, the index being the id."""

    kind: Literal["words"] = "words"
    file: str
    unknown_id: int | None = Field(description="Id of tokens that the vocabulary lacks; None to refuse them.")
    after: tuple[int, ...] = Field(description="Ids put after a complete text; may be empty for a source.")


class MergesSpec(Frozen):
    """Byte pair encoding of words; ``file`` is a JSON list of pairs to merge, in order; ``vocabulary``, of tokens."""

    kind: Literal["merges"] = "merges"
    file: str
    vocabulary: str
    words: Literal["moses", "punctuation"] = Field(description="How a text is cut into words.")
    language: str = Field(default="en", description="Language of the Moses tokenizer.")
    lowercase: bool = False
    unknown_id: int
    end_id: int


TokenizerSpec = Annotated[
    CharacterTokenizerSpec | SentencePieceSpec | TokenizerJsonSpec | ByteTokenizerSpec | WordTokenizerSpec | MergesSpec,
    Field(discriminator="kind"),
]
"""The tokenizer of one side; the files that it names lie in the model's folder."""


class GenerationDefaults(Frozen):
    """Settings of a request that names none, and rules that the checkpoint sets for all requests."""

    beam_size: int = Field(default=5, ge=1)
    length_penalty: float = 1.0
    max_length: int = Field(ge=1, description="Maximum number of target tokens, end of sentence included.")
    early_stopping: EarlyStopping = "estimate"
    forced_first_id: int | None = Field(default=None, description="First token of every target; it scores 0.")
    forces_end: bool = Field(
        default=False, description="Whether the end of sentence is forced at the maximum length; it scores 0 there."
    )
    suppressed_ids: tuple[int, ...] = Field(default=(), description="Tokens that are never produced.")
    begin_suppressed_ids: tuple[int, ...] = Field(
        default=(), description="Tokens that are not produced as the first one that is chosen freely."
    )
    bad_sequences: tuple[tuple[int, ...], ...] = Field(
        default=(), description="Sequences of tokens that are not produced."
    )
    min_length: int = Field(default=0, ge=0, description="Minimum number of target tokens, end of sentence included.")
    ngram_size: int = Field(default=0, ge=0, description="Size of n-grams that a target may not repeat; 0 for none.")
    source_ngram_size: int = Field(
        default=0, ge=0, description="Size of n-grams of the source that a target may not contain; 0 for none."
    )
    repetition_penalty: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="Factor of the repetition penalty (`exported_models.search.repetition`); 1 for none.",
    )

    @property
    def has_rules(self) -> bool:
        """Whether any rule forbids tokens depending on the prefix."""
        wanted = self.begin_suppressed_ids or self.bad_sequences or self.min_length or self.ngram_size
        return bool(wanted or self.source_ngram_size)

    @property
    def penalizes(self) -> bool:
        """Whether a repetition penalty changes the scores of tokens of the prefix."""
        return self.repetition_penalty != 1

    @property
    def goes_by_probability(self) -> bool:
        """Whether probabilities alone decide a search."""
        return not (self.has_rules or self.penalizes)


class OutputParity(Frozen):
    """Differences between one output of the exported model and the checkpoint's, as largest absolute values."""

    rounding: float = Field(description="The checkpoint's rounding, float32 against float64, on a few sentences.")
    allowed: float = Field(description="Largest difference that counts as rounding.")
    difference: float = Field(description="Largest difference that was seen.")


class ParityReport(Frozen):
    """Largest differences between the exported model and the checkpoint, measured before publishing."""

    log_prob: float
    attention: float | None
    state: float = Field(description="Of the states of all spaces.")
    outputs: dict[str, OutputParity] = Field(default={}, description="By name, for people; none in older manifests.")
    sentences: int
    beam_sentences_equal: int
    beam_sentences: int


class TranslationScores(Frozen):
    """Scores of the best hypotheses against references by sacrebleu's defaults: (full model, twin)."""

    bleu: tuple[float, float]
    chrf: tuple[float, float]


class TwinComparison(Frozen):
    """Differences between a quantized twin and the full model, measured before publishing."""

    sentences: int
    made_up: bool = Field(description="Whether they are random tokens: no sentences were given.")
    tokens: int = Field(description="Target tokens that were forced: references, else the full model's best output.")
    agreement: float = Field(description="Share of them before which both models find the same token most probable.")
    log_prob: float = Field(description="Mean difference of their log-probabilities.")
    largest_log_prob: float
    same_best: float = Field(description="Share of the sentences whose best hypothesis is the same.")
    scores: TranslationScores | None = Field(default=None, description="None without references.")


class QuantizationReport(Frozen):
    """Origin of a quantized twin, the method, and its comparison with the full model."""

    kind: TwinKind
    model_id: str = Field(description="The full model.")
    model_hash: str = Field(description="Its content hash.")
    method: str = Field(description="For people: which weights, and how.")
    products: int = Field(description="Products that are computed in numbers of this kind, in all graphs.")
    full_bytes: int = Field(description="Size of the full model's files.")
    least_agreement: float = Field(description="Below it, nothing is published.")
    comparison: TwinComparison


class CheckpointOrigin(Frozen):
    """The checkpoint of an exported model: the adapter that read it and the digest of its files."""

    adapter: str
    name: str
    digest: str
    revision: str | None = Field(default=None, description="The commit, where it came from the Hugging Face hub.")


class SourceSpec(Frozen):
    """The sources that a model reads; see `exported_models.contract.source`."""

    kind: str = Field(default="text", description="Which reader makes a source of a request's payload.")
    input: str = Field(default=TEXT_INPUT.name, description="The encoder's input that has a row for each position.")


class Languages(Frozen):
    """Languages of a model that reads or writes several, and where their tags stand."""

    tags: dict[str, int] = Field(description="Code of a language -> id of its tag.")
    source: str | None = Field(description="Language of sources whose request names none; None for no tag.")
    target: str | None = Field(description="Language of targets whose request names none; None for no tag.")
    source_tag: Literal["before", "after"] | None = Field(
        description="Place of the source language's tag: before or after the text; None for a model that has none."
    )
    target_tag: Literal["first", "start", "source"] = Field(
        description="Place of the target language's tag: the first token of a target, its start, or before the source."
    )


class HeadGrid(Frozen):
    """Layers and heads of one kind of attention."""

    layers: int = Field(gt=0)
    heads: int = Field(gt=0, description="Of each layer.")


class ModelManifest(ArtefactManifest):
    """The manifest of an exported model."""

    remedy = "export the model again"

    format: Literal[2] = 2
    model_id: str
    architecture: str = Field(description='For people, e.g. "BiLSTM encoder, LSTM decoder, Luong attention".')
    cross_attention_layers: int = Field(ge=0, description="Decoder layers whose cross-attention is recorded.")
    cross_attention_heads: int = Field(ge=0)
    encoder_self_attention: HeadGrid | None = None
    decoder_self_attention: HeadGrid | None = None
    spaces: tuple[SpaceSpec, ...]
    source: SourceSpec = SourceSpec()
    languages: Languages | None = Field(default=None, description="None for a model without tags of languages.")
    source_tokenizer: TokenizerSpec
    target_tokenizer: TokenizerSpec
    pad_id: int
    start_id: int
    end_id: int
    special_ids: tuple[int, ...]
    max_source_tokens: int = Field(gt=0)
    max_target_tokens: int | None = Field(
        default=None, description="Number of target positions of the model; None for no limit."
    )
    generation: GenerationDefaults
    parity: ParityReport | None = Field(description="None for a quantized twin, which `quantization` compares.")
    checkpoint: CheckpointOrigin
    notices: tuple[str, ...] = Field(
        default=(), description="Settings of the checkpoint that the export does not honor."
    )
    quantization: QuantizationReport | None = Field(default=None, description="For a quantized twin; else None.")

    @property
    def has_attention(self) -> bool:
        return self.cross_attention_layers > 0

    def space(self, name: str) -> SpaceSpec:
        """The space of that name.

        Raises:
            ModelError: the model has no such space; the message lists the known ones.
        """
        for space in self.spaces:
            if space.name == name:
                return space
        known = ", ".join(space.name for space in self.spaces)
        raise ModelError(f"The model {self.model_id!r} has no space {name!r} (known: {known}).")

    def spaces_of(self, owner: Owner, kind: SpaceKind) -> tuple[SpaceSpec, ...]:
        """The spaces of one side and one kind, in the manifest's order."""
        return tuple(space for space in self.spaces if space.owner == owner and space.kind == kind)


def load_model_manifest(folder: Path) -> ModelManifest:
    """The manifest of an exported model; see `load_manifest`."""
    return load_manifest(folder, ModelManifest)
