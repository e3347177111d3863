"""``config.yaml`` of a JoeyNMT model: the settings that change what is exported."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from exported_models.contract.request import MAX_BEAM_SIZE

CellType = Literal["gru", "lstm"]


class _Part(BaseModel):
    """Base of the parts of ``config.yaml``; settings that are not named do not change the model."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Embeddings(_Part):
    """Embeddings of a side."""

    scale: bool = False


class StackSettings(_Part):
    """An encoder or a decoder; where ``layer_norm`` is left out, JoeyNMT has one for each."""

    type: Literal["transformer"]
    num_layers: Annotated[int, Field(ge=1, le=1000)]
    num_heads: Annotated[int, Field(ge=1)]
    embeddings: Embeddings
    alpha: Annotated[float, Field(ge=1, le=1)] = 1
    activation: Literal["relu", "gelu", "swish"] = "relu"
    layer_norm: Literal["pre", "post"] | None = None


class _Model(_Part):
    """Settings of all models."""

    tied_embeddings: bool = False
    tied_softmax: bool = False


class TransformerSettings(_Model):
    """A Transformer."""

    encoder: StackSettings
    decoder: StackSettings


class RecurrentEncoderSettings(_Part):
    """An encoder of LSTMs or GRUs; JoeyNMT itself runs none of one direction."""

    type: Literal["recurrent"] = "recurrent"
    rnn_type: CellType = "gru"
    num_layers: Annotated[int, Field(ge=1, le=1000)] = 1
    bidirectional: Literal[True] = True
    embeddings: Embeddings


class RecurrentDecoderSettings(_Part):
    """A decoder of LSTMs or GRUs."""

    type: Literal["recurrent"]
    rnn_type: CellType = "gru"
    num_layers: Annotated[int, Field(ge=1, le=1000)] = 1
    embeddings: Embeddings
    input_feeding: bool = True
    init_hidden: Literal["bridge", "last", "zero"] = "bridge"
    attention: Literal["bahdanau", "luong"] = "bahdanau"
    activation: Literal["tanh", "relu", "gelu", "swish"] = "tanh"


class RecurrentSettings(_Model):
    """A recurrent model."""

    encoder: RecurrentEncoderSettings
    decoder: RecurrentDecoderSettings


class TokenizerFiles(_Part):
    """Settings of a tokenizer."""

    model_file: str | None = None
    pretokenizer: str = "none"


class Side(_Part):
    """The texts of a side."""

    level: Literal["word", "char", "bpe"] = "word"
    lowercase: bool = False
    normalize: bool = False
    tokenizer_type: str = "sentencepiece"
    tokenizer_cfg: TokenizerFiles = TokenizerFiles()


class Symbols(_Part):
    """Special tokens and their ids, with JoeyNMT's own where they are left out."""

    unk_token: str = "<unk>"
    pad_token: str = "<pad>"
    bos_token: str = "<s>"
    eos_token: str = "</s>"
    sep_token: str | None = None
    lang_tags: tuple[str, ...] = ()

    @property
    def first(self) -> tuple[str, ...]:
        """The tokens that every vocabulary begins with."""
        named = (self.unk_token, self.pad_token, self.bos_token, self.eos_token, self.sep_token, *self.lang_tags)
        return tuple(token for token in named if token)


class Data(_Part):
    """The corpus."""

    src: Side = Side()
    trg: Side = Side()
    special_symbols: Symbols = Symbols()


class Testing(_Part):
    """Settings of searches."""

    beam_size: Annotated[int, Field(ge=1, le=MAX_BEAM_SIZE)] = 1
    beam_alpha: Annotated[float, Field(ge=-1, le=10)] = -1
    max_output_length: int = -1
    generate_unk: bool = True
    no_repeat_ngram_size: int = -1
    repetition_penalty: float = -1


class Config(_Part):
    """``config.yaml``."""

    model: TransformerSettings | RecurrentSettings
    data: Data = Data()
    testing: Testing = Testing()


class _OfTransformer(Config):
    model: TransformerSettings


class _OfRecurrent(Config):
    model: RecurrentSettings


def read_config(value: object) -> Config:
    """The settings of a parsed ``config.yaml``; where it names no kind of encoder, JoeyNMT makes a recurrent one.

    Raises:
        ValidationError: a setting is missing, or is of a model that cannot be exported.
    """
    model = value.get("model") if isinstance(value, dict) else None
    encoder = model.get("encoder") if isinstance(model, dict) else None
    recurrent = isinstance(encoder, dict) and encoder.get("type", "recurrent") == "recurrent"
    return (_OfRecurrent if recurrent else _OfTransformer).model_validate(value)
