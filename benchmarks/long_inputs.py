"""Functions whose prompts do not fit: cut, whole, and whole with the base of the rotary positions scaled to the length.

Usage: python benchmarks/long_inputs.py CORPUS RUN [--functions 300]
RUN is a finished `passformer train`; the functions are those of validation whose prompt is longer than the run's
`max_prompt` and at most twice as long. The base is scaled by 2^(E/(E-2)), E the width of a head, so that the slowest
rotation turns half as far. Writes docs/results/long-inputs.json.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from passformer.bench.provenance import provenance
from passformer.corpus.store import Corpus
from passformer.dataset.sequences import Layout, Writer
from passformer.dataset.tokenizer import load_tokenizer
from passformer.dataset.tokens import read_tokens
from passformer.llvm.sandbox import Pool
from passformer.model.hf import load_hf
from passformer.train.config import TrainConfig
from passformer.train.validate import Validator

RESULTS = Path(__file__).parent.parent / "docs" / "results"
TIMES = 2


def too_long(data: Path, config: TrainConfig, writers: tuple[Writer, Writer]) -> list[str]:
    """Ids of the functions that the first writer cuts and the second does not."""
    once, twice = writers
    form = config.data.form
    return [
        r.function_id for r in read_tokens(data, "validation") if once.is_cut(form, r) and not twice.is_cut(form, r)
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--functions", type=int, default=300)
    arguments = parser.parse_args()
    config = TrainConfig.model_validate_json((arguments.run / "config.json").read_text())
    short = config.data.max_prompt
    tokenizer = load_tokenizer(arguments.run / "tokenizer.json")
    data = arguments.corpus / "dataset"
    once, twice = (Writer(tokenizer, Layout(length, 0)) for length in (short, TIMES * short))
    ids = too_long(data, config, (once, twice))
    width = config.model.dim // config.model.num_heads
    scaled = config.model.rope_base * TIMES ** (width / (width - 2))
    variants = {
        "cut": (short, config.model.rope_base),
        "whole": (TIMES * short, config.model.rope_base),
        "whole, base scaled": (TIMES * short, scaled),
    }
    corpus = Corpus(arguments.corpus)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = []
    with Pool() as pool, tempfile.TemporaryDirectory() as name:
        table = pq.read_table(data / "tokens-validation.parquet")
        pq.write_table(
            table.filter(pc.field("function_id").isin(pa.array(ids))), Path(name) / "tokens-validation.parquet"
        )
        run = config.run.model_copy(
            update={"validate_functions": arguments.functions, "generate_functions": 0, "validate_lists": 5}
        )
        for variant, (length, base) in variants.items():
            changed = config.data.model_copy(update={"max_prompt": length, "unoptimised_share": 0.0})
            model = load_hf(arguments.run / "model").eval().to(device)
            model.config = replace(model.config, rope_base=base)
            validator = Validator(
                corpus, Path(name), tokenizer, config.model_copy(update={"data": changed, "run": run}), pool
            )
            rows.append({"variant": variant, "tokens": length, "rope_base": round(base), **validator(model, 0)})
    result = {"llvm": corpus.manifest["llvm"], **provenance(), "too_long": len(ids), "rows": rows}
    (RESULTS / "long-inputs.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
