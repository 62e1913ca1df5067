"""Train a model on single passes, let it translate functions that it has not seen, and judge what it writes."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from tokenizers import Tokenizer

from passformer.autotune.journal import Journal
from passformer.corpus.files import alone, atomic
from passformer.corpus.store import draw_order, read_table, write_table
from passformer.dataset.prompt import END
from passformer.dataset.tokenizer import load_tokenizer
from passformer.llvm.errors import InputError
from passformer.llvm.measure import read_module
from passformer.llvm.progress import Report, silent
from passformer.llvm.protocol import Protocol
from passformer.llvm.sandbox import Failure, Pool, Sandbox
from passformer.methods.generation import bleu
from passformer.model.hf import load_hf
from passformer.model.llama import Llama
from passformer.model.torch_model import greedy_together
from passformer.train.config import read_config
from passformer.train.loop import train
from passformer.translate.examples import Translation, read_translations
from passformer.translate.stream import TranslationConfig, TranslationStream, prompt_of

TOGETHER = 128
"""Examples that are translated at once."""
SCHEMA = pa.schema(
    [
        ("function_id", pa.string()),
        ("pass_name", pa.string()),
        ("prefix", pa.string()),
        ("before", pa.string()),
        ("after", pa.string()),
        ("written", pa.string()),
        ("error", pa.string()),
        ("exact", pa.bool_()),
    ]
)
"""translated.parquet; `error` is LLVM's first complaint, empty where the code compiles."""


def train_translation(
    config: TranslationConfig, tokenizer_file: Path, data: Path, run: Path, report: Report = silent
) -> dict[str, Any]:
    """Train in `run` on the examples in `data`; validated afterwards, by `translate`. `run/source.json` counts them."""
    tokenizer = load_tokenizer(tokenizer_file)
    examples = read_translations(data, "train")
    stream = TranslationStream(examples, tokenizer, config.data, config.run.seed)
    result = train(config, tokenizer, stream, run, None, report)
    counts = {
        "examples": len(examples),
        "by_pass": Counter(example.pass_name for example in examples),
        "by_source": Counter(example.module.partition("/")[0] for example in examples),
    }
    with atomic(run / "source.json") as temporary:
        temporary.write_text(json.dumps(counts) + "\n")
    return result


def translate(run: Path, data: Path, pool: Pool, per_pass: int, report: Report = silent) -> dict[str, Any]:
    """Let the model of `run` translate `per_pass` test examples of each pass; resumable. Returns the measures.

    `run/translated.parquet` keeps what it wrote, `run/translation.json` the measures by pass.
    """
    if not (run / "model").exists():
        raise InputError(f"{run} holds no finished run: `passformer translate train` makes one")
    config = read_config(run / "config.json", TranslationConfig)
    tokenizer = load_tokenizer(run / "tokenizer.json")
    model = load_hf(run / "model").eval().to("cuda" if torch.cuda.is_available() else "cpu")
    with alone(run):
        chosen = _chosen(read_translations(data, "test"), tokenizer, config.data.max_tokens, per_pass)
        journal = Journal(run / "translated.jsonl")
        _write(model, tokenizer, chosen, config.data.max_tokens, journal, report)
        written = {record["id"]: record["written"] for record in journal.records()}
        rows = list(pool.map(_judge, [(example, written[id_]) for id_, example in chosen.items()]))
        write_table(run / "translated.parquet", pa.Table.from_pylist(rows, schema=SCHEMA))
        figures = measures(rows)
        with atomic(run / "translation.json") as temporary:
            temporary.write_text(json.dumps(figures, indent=1) + "\n")
    return figures


def measures(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Examples, and percentages of them (BLEU: 0 to 100), over all and by pass, the best first.

    `unchanged_bleu` is what the code before the pass would reach, copied.
    """
    names = sorted({row["pass_name"] for row in rows})
    by_pass = {name: _measured([row for row in rows if row["pass_name"] == name]) for name in names}
    ordered = sorted(by_pass.items(), key=lambda item: (-item[1]["bleu"], item[0]))
    return {**_measured(rows), "by_pass": dict(ordered)}


def read_translated(run: Path) -> list[dict[str, Any]]:
    """The rows of `translated.parquet`."""
    rows: list[dict[str, Any]] = read_table(run / "translated.parquet", SCHEMA.names).to_pylist()
    return rows


def _measured(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {
        "examples": len(rows),
        "bleu": round(bleu([row["written"] for row in rows], [row["after"] for row in rows]), 2),
        "unchanged_bleu": round(bleu([row["before"] for row in rows], [row["after"] for row in rows]), 2),
        "exact_match": round(100 * sum(row["exact"] for row in rows) / len(rows), 2),
        "compiles": round(100 * sum(not row["error"] for row in rows) / len(rows), 2),
    }


def _chosen(
    examples: Sequence[Translation], tokenizer: Tokenizer, max_tokens: int, per_pass: int
) -> dict[str, Translation]:
    """Those that fit, as in training, so many a pass: id -> example."""
    chosen: dict[str, Translation] = {}
    taken: dict[str, int] = {}
    for example in sorted(examples, key=lambda t: draw_order(t.function_id)):
        size = len(tokenizer.encode(prompt_of(example) + example.after + END).ids)
        if size <= max_tokens and taken.get(example.pass_name, 0) < per_pass:
            taken[example.pass_name] = taken.get(example.pass_name, 0) + 1
            chosen[f"{example.function_id} {example.pass_name}"] = example
    return chosen


def _write(
    model: Llama,
    tokenizer: Tokenizer,
    chosen: Mapping[str, Translation],
    max_tokens: int,
    journal: Journal,
    report: Report,
) -> None:
    """What the model writes, greedily, up to the end of its context, of all that the journal lacks."""
    end = tokenizer.token_to_id(END)
    assert end is not None, "load_tokenizer has looked"
    prompts = {id_: tokenizer.encode(prompt_of(example)).ids for id_, example in chosen.items()}
    left = sorted(chosen.keys() - journal.done, key=lambda id_: (len(prompts[id_]), id_))
    for start in range(0, len(left), TOGETHER):
        ids = left[start : start + TOGETHER]
        for id_, text in zip(ids, greedy_together(model, [prompts[id_] for id_ in ids], end, max_tokens), strict=True):
            journal.append({"id": id_, "written": tokenizer.decode(text, skip_special_tokens=True)})
        report("translating", len(chosen) - len(left) + start + len(ids), len(chosen))


def _judge(sandbox: Sandbox, item: tuple[Translation, str]) -> dict[str, Any]:
    example, written = item
    outcome = sandbox.call(read_module, (written.encode(), Protocol.PAPER))
    if isinstance(outcome, Failure):
        error = outcome.message
    else:
        error = "" if outcome.functions else "error: no function is defined"
    return {
        **{name: getattr(example, name) for name in ("function_id", "pass_name", "prefix", "before", "after")},
        "written": written,
        "error": error,
        "exact": written == example.after,
    }
