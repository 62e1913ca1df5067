"""From a finished run to the files that users need.

Which functions are alike, and how dear it is to make one larger, is learnt from the tuned corpus
(`passformer.train.retrieval`). That can be learnt anew for a model that was exported before, from another corpus.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from passformer.autotune.tunings import read_broadcasts, to_matrix
from passformer.corpus.files import make_folder
from passformer.corpus.store import Corpus
from passformer.dataset.tokenizer import load_tokenizer, save_tokenizer
from passformer.llvm.catalog import searched_passes
from passformer.llvm.errors import InputError
from passformer.llvm.progress import Report, silent
from passformer.model.exemplars import NEVER
from passformer.model.export import export_onnx
from passformer.model.hf import DamagedModel, load_hf
from passformer.model.package import FILES, DamagedPackage, Facts, open_model, read_facts, write_facts
from passformer.model.retrieval import write_retrieval
from passformer.train.checkpoint import checkpoints
from passformer.train.config import DataSection, TrainConfig, read_config
from passformer.train.retrieval import learn_retrieval


def export(source: Path, out: Path, corpus: Corpus, functions: int = 20_000, report: Report = silent) -> dict[str, Any]:
    """Write a runtime folder for a finished run's model, or for that of a runtime folder.

    Returns sizes, and what the model's lists do unverified. Raises InputError for a run that is not finished, or a
    corpus that is not tuned.
    """
    matrix = to_matrix(read_broadcasts(corpus.folder / "tunings" / "default"))
    facts = _copy(source, out) if (source / "model.json").is_file() else _convert(source, out)
    data = DataSection.model_validate(facts.recipe["config"]["data"])
    learnt = learn_retrieval(open_model(out, facts), corpus, matrix, data, functions, report)
    write_retrieval(out / "retrieval.npz", learnt.retrieval)
    recipe = {**facts.recipe, "retrieval": learnt.figures}
    write_facts(out, replace(facts, price=learnt.price, recipe=recipe))
    sizes = {name: (out / name).stat().st_size for name in (*FILES, "model.json")}
    return {
        "parameters": facts.recipe["parameters"],
        "bytes": sum(sizes.values()),
        "files": sizes,
        "unverified": learnt.figures,
        "folder": str(out),
    }


def _copy(source: Path, out: Path) -> Facts:
    """A model that was exported before."""
    try:
        facts = read_facts(source)
        make_folder(out)
        for name in ("model.onnx", "tokenizer.json"):
            if out.resolve() != source.resolve():
                shutil.copyfile(source / name, out / name)
    except (OSError, DamagedPackage) as error:
        raise InputError(f"{source} holds no whole model ({error})") from None
    return facts


def _convert(run: Path, out: Path) -> Facts:
    """The model of a training run."""
    try:
        config = read_config(run / "config.json", TrainConfig)
        source = json.loads((run / "source.json").read_text())
        checkpoint = json.loads((checkpoints(run)[-1] / "facts.json").read_text())
        model = load_hf(run / "model")
    except (OSError, ValueError, IndexError, DamagedModel, InputError) as error:
        raise InputError(f"{run} is no finished training run ({error})") from None
    make_folder(out)
    export_onnx(model.eval(), out / "model.onnx")
    save_tokenizer(load_tokenizer(run / "tokenizer.json"), out / "tokenizer.json")
    llvm = int(source["llvm"].split(".")[0])
    passes = searched_passes(llvm)
    return Facts(
        name=config.name,
        llvm=llvm,
        protocol=source["protocol"],
        forms=tuple(form for form, _ in config.data.forms),
        max_prompt=config.data.max_prompt,
        max_ir=config.data.max_ir,
        passes=tuple(p.name for p in passes),
        metas=tuple(p.name for p in passes if p.kind == "meta"),
        price=NEVER,
        digests={},
        recipe={
            "parameters": model.config.num_parameters,
            "config": config.model_dump(mode="json"),
            "step": checkpoint["step"],
            "tokens": checkpoint["tokens"],
            "data": source,
        },
    )
