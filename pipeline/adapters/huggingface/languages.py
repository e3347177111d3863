"""Languages of a checkpoint: the tags that its tokenizer knows, and where its family puts them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from transformers import MBartTokenizer, PLBartTokenizer

from exported_models.contract.manifest import Languages, SentencePieceSpec, TokenizerJsonSpec
from pipeline.adapters.huggingface.generation import Generation

TargetTag = Literal["first", "start", "source"]
_NLLB_CODE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")
_MARIAN_CODE = re.compile(r">>(.+)<<")


def find_tags(tokenizer: Any, tokens: Mapping[str, int]) -> dict[str, int]:
    """The id of every language's tag, by code: those that the tokenizer lists, or NLLB's or Marian's by their form.

    Args:
        tokens: the vocabulary, token -> id.
    """
    listed = getattr(tokenizer, "lang_code_to_id", None)
    if listed:
        known = set(tokens.values())
        return {code.strip("_"): token_id for code, token_id in listed.items() if token_id in known}
    if hasattr(tokenizer, "tgt_lang"):
        return {token: token_id for token, token_id in tokens.items() if _NLLB_CODE.fullmatch(token)}
    marked = ((_MARIAN_CODE.fullmatch(token), token_id) for token, token_id in tokens.items())
    return {match[1]: token_id for match, token_id in marked if match}


def place_target_tag(tokenizer: Any) -> TargetTag:
    """The place of the target language's tag: mBART and PLBART start with it, the others produce it first."""
    if not hasattr(tokenizer, "tgt_lang"):
        return "source"
    return "start" if isinstance(tokenizer, MBartTokenizer | PLBartTokenizer) else "first"


def describe_languages(
    tags: Mapping[str, int], target_tag: TargetTag, source: object, generation: Generation
) -> Languages | None:
    """The languages of a model; None without tags.

    Args:
        source: the tokenizer of sources, framed by the language that the checkpoint is set to.
    """
    if not tags or not isinstance(source, SentencePieceSpec | TokenizerJsonSpec):
        return None
    codes = {token_id: code for code, token_id in tags.items()}
    before, after = (next((codes[one] for one in ids if one in codes), None) for ids in (source.before, source.after))
    if target_tag == "source":
        return Languages(tags=dict(tags), source=None, target=before, source_tag=None, target_tag="source")
    first = generation.defaults.forced_first_id if target_tag == "first" else generation.start_id
    return Languages(
        tags=dict(tags),
        source=before or after,
        target=None if first is None else codes.get(first),
        source_tag="before" if before or (target_tag == "first" and not after) else "after",
        target_tag=target_tag,
    )
