"""BLEU and chrF of a checkpoint, translating with the library's beam search.

python -m examples.multi30k_de_en.evaluate CORPUS --checkpoint examples/multi30k_de_en/checkpoint
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sacrebleu
import torch
import transformers
from tqdm import tqdm

from examples.multi30k_de_en.train import read_texts
from exported_models.contract.errors import BeamscopeError
from pipeline.adapters.huggingface.checkpoint import quiet_library
from pipeline.errors import CheckpointError

BATCH = 20
SPLIT = "test_2016_flickr"


def translate(checkpoint: Path, texts: Sequence[str]) -> list[str]:
    """The best hypothesis of every text, at the checkpoint's own settings.

    Raises:
        CheckpointError: there is no checkpoint.
    """
    if not (checkpoint / "config.json").is_file():
        raise CheckpointError(f"There is no checkpoint in {checkpoint}; train one first.")
    library: Any = transformers
    with quiet_library():
        tokenizer = library.MarianTokenizer.from_pretrained(str(checkpoint))
        model = library.MarianMTModel.from_pretrained(str(checkpoint)).eval()
    found: list[str] = []
    for start in tqdm(range(0, len(texts), BATCH), unit="batch"):
        inputs = tokenizer(list(texts[start : start + BATCH]), return_tensors="pt", padding=True)
        with torch.inference_mode():
            answers = model.generate(**inputs)
        found += tokenizer.batch_decode(answers, skip_special_tokens=True)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Translate a split and print its scores."""
    parser = argparse.ArgumentParser(prog="python -m examples.multi30k_de_en.evaluate", description=__doc__)
    parser.add_argument("corpus", type=Path, help="folder with the split's .de and .en")
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--split", default=SPLIT)
    parser.add_argument("--limit", type=int, help="only so many sentences")
    options = parser.parse_args(arguments)
    try:
        pairs = read_texts(options.corpus, options.split)[: options.limit]
        found = translate(options.checkpoint, [source for source, _ in pairs])
    except BeamscopeError as error:
        print(error, file=sys.stderr)
        return 1
    references = [[target for _, target in pairs]]
    bleu, chrf = sacrebleu.corpus_bleu(found, references).score, sacrebleu.corpus_chrf(found, references).score
    print(f"{options.split}, {len(pairs):,} sentences: BLEU {bleu:.2f}, chrF {chrf:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
