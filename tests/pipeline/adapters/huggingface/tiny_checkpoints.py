"""Tiny checkpoints of every supported family: random weights, large enough that beams branch, and a real tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from sentencepiece import SentencePieceTrainer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pipeline.adapters.huggingface.checkpoint import quiet_library

# Its classes have no types worth checking.
library: Any = transformers

TEXTS = (
    "the quick brown fox jumps over the lazy dog",
    "pack my box with five dozen liquor jugs",
    "how vexingly quick daft zebras jump",
    "sphinx of black quartz, judge my vow",
    "the five boxing wizards jump quickly",
)
VOCABULARY = 90
_LETTERS = {
    piece: index for index, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", *"\u2581abcdefghijklmnopqrstuvwxyz"])
}
"""A vocabulary of letters, with the ids of special tokens that fairseq gives them."""
_LIKE_BART: Mapping[str, Any] = {
    "vocab_size": VOCABULARY,
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 28,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": 2,
}
_LIKE_T5: Mapping[str, Any] = {
    "vocab_size": VOCABULARY,
    "d_model": 24,
    "d_kv": 5,
    "d_ff": 20,
    "num_layers": 3,  # the library's cache takes as many decoder layers
    "num_decoder_layers": 3,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 12,
    "pad_token_id": 0,
    "eos_token_id": 2,
    "decoder_start_token_id": 0,
}

_LIKE_BERT: Mapping[str, Any] = {
    "model_type": "bert",
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 20,
    "max_position_embeddings": 64,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}
_LIKE_ROBERTA = {**_LIKE_BERT, "model_type": "roberta", "pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5}


def _pair(encoder: Mapping[str, Any], **decoder: Any) -> Mapping[str, Any]:
    """The configuration of two models as one."""
    writes = {**encoder, **decoder, "is_decoder": True, "add_cross_attention": True}
    ends = {"pad_token_id": encoder["pad_token_id"], "eos_token_id": 2, "decoder_start_token_id": 1}
    return {"encoder": encoder, "decoder": writes, **ends}


_LIKE_GEMMA: Mapping[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "query_pre_attn_scalar": 12,
    "sliding_window": 2,
    "attn_logit_softcapping": 2.0,
    "final_logit_softcapping": 5.0,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_SCALED = {**_LIKE_BART, "scale_embedding": True}
_NEAR = {"encoder_attention_type": "local", "local_radius": 3}
_PADDED_BY_ONE = {"pad_token_id": 1, "bos_token_id": 0}
_GATED = {**_LIKE_T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}

FAMILIES: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "bart": ("BartConfig", "BartForConditionalGeneration", {**_LIKE_BART, "activation_function": "gelu"}),
    "bert2bert": (
        "EncoderDecoderConfig",
        "EncoderDecoderModel",
        _pair(_LIKE_BERT, num_hidden_layers=3, num_attention_heads=3, intermediate_size=28, max_position_embeddings=48),
    ),
    "blenderbot": (
        "BlenderbotConfig",
        "BlenderbotForConditionalGeneration",
        {**_SCALED, "activation_function": "gelu"},
    ),
    "blenderbot-small": (
        "BlenderbotSmallConfig",
        "BlenderbotSmallForConditionalGeneration",
        {**_LIKE_BART, "activation_function": "gelu"},
    ),
    "byt5": ("T5Config", "T5ForConditionalGeneration", {**_GATED, "vocab_size": 270, "eos_token_id": 1}),
    "flan-t5": ("T5Config", "T5ForConditionalGeneration", _GATED),
    "fsmt": (
        "FSMTConfig",
        "FSMTForConditionalGeneration",
        {**_SCALED, **_PADDED_BY_ONE, "src_vocab_size": 85, "tgt_vocab_size": VOCABULARY},
    ),
    "led": (
        "LEDConfig",
        "LEDForConditionalGeneration",
        {
            **_LIKE_BART,
            "attention_window": [8, 4],
            "max_encoder_position_embeddings": 5000,
            "max_decoder_position_embeddings": 64,
        },
    ),
    "longt5": ("LongT5Config", "LongT5ForConditionalGeneration", {**_GATED, **_NEAR}),
    "longt5-blocks": (
        "LongT5Config",
        "LongT5ForConditionalGeneration",
        {**_GATED, **_NEAR, "encoder_attention_type": "transient-global", "global_block_size": 4},
    ),
    "m2m100": ("M2M100Config", "M2M100ForConditionalGeneration", {**_SCALED, **_PADDED_BY_ONE}),
    "marian": ("MarianConfig", "MarianMTModel", {**_SCALED, "activation_function": "swish"}),
    "mbart": ("MBartConfig", "MBartForConditionalGeneration", _SCALED),
    "mt5": ("MT5Config", "MT5ForConditionalGeneration", _GATED),
    "mvp": ("MvpConfig", "MvpForConditionalGeneration", {**_LIKE_BART, "activation_function": "gelu"}),
    "pegasus": ("PegasusConfig", "PegasusForConditionalGeneration", {**_SCALED, "activation_function": "relu"}),
    "pegasus_x": (
        "PegasusXConfig",
        "PegasusXForConditionalGeneration",
        {
            **_SCALED,
            "encoder_layers": 3,
            "max_position_embeddings": 5000,
            "num_global_tokens": 3,
            "block_size": 6,
        },
    ),
    "plbart": ("PLBartConfig", "PLBartForConditionalGeneration", {**_SCALED, "activation_function": "gelu"}),
    "roberta2bert": (
        "EncoderDecoderConfig",
        "EncoderDecoderModel",
        _pair({**_LIKE_ROBERTA, "hidden_act": "relu"}, model_type="bert", pad_token_id=0),
    ),
    "roberta2roberta": (
        "EncoderDecoderConfig",
        "EncoderDecoderModel",
        {**_pair({**_LIKE_ROBERTA, "hidden_act": "relu"}, tie_word_embeddings=False), "decoder_start_token_id": 0},
    ),
    "t5": ("T5Config", "T5ForConditionalGeneration", {**_LIKE_T5, "d_kv": 8, "feed_forward_proj": "relu"}),
    "t5gemma": (
        "T5GemmaConfig",
        "T5GemmaForConditionalGeneration",
        {
            "encoder": {**_LIKE_GEMMA, "hidden_size": 32},
            "decoder": {**_LIKE_GEMMA, "num_hidden_layers": 3, "num_attention_heads": 6, "intermediate_size": 28},
            "vocab_size": VOCABULARY,
            "pad_token_id": 0,
        },
    ),
    "umt5": ("UMT5Config", "UMT5ForConditionalGeneration", {**_GATED, "d_kv": 8}),
}
"""Classes of the library for configuration and model, and the configuration."""


def save_tiny_checkpoint(
    family: str,
    folder: Path,
    *,
    texts: Sequence[str] = TEXTS,
    deviation: float = 0.35,
    changes: Mapping[str, Any] | None = None,
    **generation: Any,
) -> Path:
    """Write the checkpoint of a family.

    Args:
        texts: what its tokenizer is made from.
        deviation: of the random weights; with the default beams branch, smaller ones can be trained.
        changes: of its configuration.
        generation: settings of its generation_config.json.
    """
    config_class, model_class, settings = FAMILIES[family]
    settings = {**settings, **(changes or {})}
    _save_model(config_class, model_class, settings, folder, deviation, **generation)
    if family == "byt5":
        library.ByT5Tokenizer(extra_ids=0).save_pretrained(folder)
    elif family == "marian":
        _save_marian_tokenizer(folder, texts)
    elif family == "fsmt":
        _save_fsmt_tokenizer(folder, texts)
    elif family == "blenderbot-small":
        _save_blenderbot_small_tokenizer(folder, texts)
    elif family == "bert2bert":
        _save_word_pieces(folder, texts)
    else:
        save_json_tokenizer(folder, settings["pad_token_id"], texts)
    return folder


def _save_model(
    config_class: str,
    model_class: str,
    settings: Mapping[str, Any],
    folder: Path,
    deviation: float,
    **generation: Any,
) -> Path:
    """Write a model with random weights."""
    torch.manual_seed(11)
    model = getattr(library, model_class)(getattr(library, config_class)(**settings))
    if config_class.endswith("T5Config") and not settings.get("tie_word_embeddings", True):
        # The library ties these in every T5 that it makes anew; published ones of version 1.1 have both.
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "position" not in name:
                weight.normal_(std=deviation)
            elif name.endswith("bias") or not weight.any():  # Gemma's norms add 1 to weights that begin as 0
                weight.normal_(std=0.1)
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.normal_(std=0.2)
    model.generation_config.update(**{"num_beams": 4, "max_length": 14, **generation})
    with quiet_library():
        model.eval().save_pretrained(folder)
    return folder


def save_tagged_checkpoint(family: str, folder: Path) -> Path:
    """Write a model of several languages, with the family's own tokenizer: English to German, or to Romanian."""
    folder.mkdir(parents=True, exist_ok=True)
    if family == "nllb":
        codes = ["deu_Latn", "eng_Latn", "fra_Latn"]
        tokenizer = library.NllbTokenizer(
            vocab=_LETTERS, merges=[], src_lang="eng_Latn", tgt_lang="deu_Latn", extra_special_tokens=codes
        )
    elif family == "m2m100":
        (folder / "vocab.json").write_text(json.dumps(_LETTERS))
        _train_pieces(folder, "sentencepiece.bpe", TEXTS)
        tokenizer = library.M2M100Tokenizer(
            str(folder / "vocab.json"), str(folder / "sentencepiece.bpe.model"), src_lang="en", tgt_lang="de"
        )
    else:
        scores = [(piece, -float(index)) for index, piece in enumerate(_LETTERS)]
        tagged = library.MBart50Tokenizer if family == "mbart50" else library.MBartTokenizer
        tokenizer = tagged(vocab=scores, src_lang="en_XX", tgt_lang="de_DE" if family == "mbart50" else "ro_RO")
    with quiet_library():
        tokenizer.save_pretrained(folder)
    # M2M100's tokenizer leaves the tags out of its vocabulary.
    tags = getattr(tokenizer, "lang_code_to_id", {})
    size = 1 + max(*tokenizer.get_vocab().values(), *tags.values())
    start = tokenizer.convert_tokens_to_ids("ro_RO") if family == "mbart" else 2
    name = "MBart" if family.startswith("mbart") else "M2M100"
    return _save_model(
        f"{name}Config",
        f"{name}ForConditionalGeneration",
        {
            **_SCALED,
            **_PADDED_BY_ONE,
            "vocab_size": size,
            "encoder_layers": 1,
            "decoder_layers": 2,
            "decoder_start_token_id": start,
        },
        folder,
        0.35,
    )


def save_two_models(folder: Path, **decoder: Any) -> None:
    """Write a BERT and another decoder as one model, without a tokenizer."""
    config = library.EncoderDecoderConfig(**_pair(_LIKE_BERT, **decoder))
    with quiet_library():
        library.EncoderDecoderModel(config).save_pretrained(folder)


def save_json_tokenizer(folder: Path, pad_id: int, texts: Sequence[str]) -> None:
    """Byte pair encoding of characters, with the ids of the configurations above."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"] if pad_id else ["<pad>", "<s>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=80, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    library.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)


def _save_word_pieces(folder: Path, texts: Sequence[str]) -> None:
    """BERT's tokenizer in its oldest form, a list of word pieces."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=80, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    ids = tokenizer.get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(ids, key=ids.__getitem__)) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))


def _learn_merges(texts: Sequence[str], special: Sequence[str], size: int) -> tuple[list[str], list[str]]:
    """Pieces that end a word with ``</w>`` or go on, and the merges of them."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), show_progress=False, end_of_word_suffix="</w>"
    )
    tokenizer.train_from_iterator(texts, trainer)
    ids = tokenizer.get_vocab()
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return sorted(ids, key=ids.__getitem__), [" ".join(pair) for pair in merges]


def _save_fsmt_tokenizer(folder: Path, texts: Sequence[str]) -> None:
    """Two vocabularies with other ids for the same pieces."""
    pieces, merges = _learn_merges(texts, ("<s>", "<pad>", "</s>", "<unk>"), 85)
    for side, ordered in (("src", pieces), ("tgt", [*pieces[:4], *reversed(pieces[4:])])):
        known = {piece: index for index, piece in enumerate(ordered)}
        (folder / f"vocab-{side}.json").write_text(json.dumps(known))
    (folder / "merges.txt").write_text("".join(f"{merge} 1\n" for merge in merges))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "FSMTTokenizer", "langs": ["en", "de"], "do_lower_case": False})
    )


def _save_blenderbot_small_tokenizer(folder: Path, texts: Sequence[str]) -> None:
    pieces, merges = _learn_merges(texts, ("__null__", "__start__", "__end__", "__unk__"), VOCABULARY)
    names = [piece if piece.startswith("__") else _mark_as_blenderbot(piece) for piece in pieces]
    (folder / "vocab.json").write_text(json.dumps({name: index for index, name in enumerate(names)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BlenderbotSmallTokenizer"}))


def _mark_as_blenderbot(piece: str) -> str:
    return piece.removesuffix("</w>") if piece.endswith("</w>") else f"{piece}@@"


def _train_pieces(folder: Path, name: str, texts: Sequence[str]) -> None:
    """Train a SentencePiece model: ``<name>.model`` and ``<name>.vocab``."""
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(texts), encoding="utf-8")
    SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(folder / name), vocab_size=60, minloglevel=2, hard_vocab_limit=False
    )
    corpus.unlink()


def _save_marian_tokenizer(folder: Path, texts: Sequence[str]) -> None:
    _train_pieces(folder, "source", texts)
    (folder / "source.model").rename(folder / "source.spm")
    (folder / "target.spm").write_bytes((folder / "source.spm").read_bytes())
    pieces = [line.split("\t")[0] for line in (folder / "source.vocab").read_text(encoding="utf-8").splitlines()]
    tokens = ["<pad>", "<s>", "</s>", "<unk>", *(piece for piece in pieces if not piece.startswith("<"))]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "MarianTokenizer"}))
    (folder / "source.vocab").unlink()
