"""From a finished run to the files that users need.

What lists save, and how cautious to be with one that nothing verifies, is learnt from the tuned corpus: the first from
its functions of train, the second from those of validation.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from passformer.autotune.tunings import read_tunings, to_matrix
from passformer.corpus.files import make_folder
from passformer.corpus.store import Corpus
from passformer.dataset.tokenizer import load_tokenizer, save_tokenizer
from passformer.llvm.catalog import searched_passes
from passformer.llvm.errors import InputError
from passformer.llvm.progress import Report, silent
from passformer.model.exemplars import write_exemplars
from passformer.model.export import export_onnx
from passformer.model.hf import DamagedModel, load_hf
from passformer.model.package import FILES, Facts, open_package, write_facts
from passformer.train.caution import find_caution, train_exemplars, validation_rows
from passformer.train.checkpoint import checkpoints
from passformer.train.config import TrainConfig


def export_run(run: Path, out: Path, corpus: Corpus, functions: int = 5000, report: Report = silent) -> dict[str, Any]:
    """Write a runtime folder for a run's model; returns sizes, and how it does unverified on validation.

    Raises InputError for a run that is not finished, or a corpus that is not tuned.
    """
    try:
        config = TrainConfig.model_validate_json((run / "config.json").read_text())
        source = json.loads((run / "source.json").read_text())
        facts = json.loads((checkpoints(run)[-1] / "facts.json").read_text())
        model = load_hf(run / "model")
    except (OSError, ValueError, IndexError, DamagedModel) as error:
        raise InputError(f"{run} is no finished training run ({error})") from None
    matrix = to_matrix(read_tunings([corpus.folder / "tunings" / "default"]))
    make_folder(out)
    export_onnx(model.eval(), out / "model.onnx")
    save_tokenizer(load_tokenizer(run / "tokenizer.json"), out / "tokenizer.json")
    write_exemplars(out / "exemplars.npz", train_exemplars(corpus, matrix, config.data))
    llvm = int(source["llvm"].split(".")[0])
    passes = searched_passes(llvm)
    written = Facts(
        name=config.name,
        llvm=llvm,
        protocol=source["protocol"],
        forms=tuple(form for form, _ in config.data.forms),
        max_prompt=config.data.max_prompt,
        max_ir=config.data.max_ir,
        passes=tuple(p.name for p in passes),
        metas=tuple(p.name for p in passes if p.kind == "meta"),
        caution=0.0,
        digests={},
        recipe={
            "parameters": model.config.num_parameters,
            "config": config.model_dump(mode="json"),
            "step": facts["step"],
            "tokens": facts["tokens"],
            "data": source,
        },
    )
    write_facts(out, written)
    rows = validation_rows(corpus, functions)
    caution, figures = find_caution(open_package(out), rows, matrix, report)
    write_facts(out, replace(written, caution=caution))
    sizes = {name: (out / name).stat().st_size for name in (*FILES, "model.json")}
    return {
        "parameters": model.config.num_parameters,
        "bytes": sum(sizes.values()),
        "files": sizes,
        "unverified": figures,
        "folder": str(out),
    }
