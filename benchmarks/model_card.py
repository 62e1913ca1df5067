"""Write the card of the shipped model, src/passformer/weights/README.md, from model.json and docs/results.

Usage: python benchmarks/model_card.py
"""

import json
from pathlib import Path
from typing import Any

from passformer.model.package import FILES, SHIPPED, read_facts

RESULTS = Path(__file__).parent.parent / "docs" / "results"
LICENCES = {
    "ai-soco": ("AI-SOCO 2020: C++ solutions from Codeforces", "MIT"),
    "csmith": ("random programs, made by csmith", "ours"),
    "debian": ("Debian source packages", "each package's own, all DFSG-free"),
    "jotai": ("Jotai: functions mined from open source", "GPL-3.0"),
    "poj-104": ("POJ-104: C and C++ solutions, as in CodeXGLUE", "C-UDA"),
    "transcoder": ("TransCoder's GeeksforGeeks programs", "MIT"),
}
LIMITS = """\
- It proposes orders for one LLVM version; with another one `passformer` uses the fixed order of its coreset.
- It knows single functions of C and C++, as clang writes them for x86-64. On other languages and targets its lists are
  as correct (LLVM's passes are the same), and may save less.
- It proposes; LLVM compiles. Named unverified (`--budget 0`), a list can make code larger. With a budget the smallest
  result is taken, `-Oz` among them.
- The code that it can write itself (the paper's auxiliary task) is for study: nothing that it writes is ever compiled
  into a user's program.
- Its lists were run on thousands of programs and compared (docs/verify.md). That is evidence, no proof: `--check` runs
  your own tests."""


def rows_of(data: dict[str, Any], method: str) -> dict[int, dict[str, Any]]:
    """By budget."""
    return {row["budget"]: row for row in data["rows"] if row["method"] == method}


def card() -> str:
    """Markdown."""
    facts = read_facts(SHIPPED)
    recipe, data, near = (facts.recipe[key] for key in ("config", "data", "retrieval"))
    evaluation = json.loads((RESULTS / "evaluation.json").read_text())
    size = sum((SHIPPED / name).stat().st_size for name in (*FILES, "model.json")) / 1e6
    model, optim = recipe["model"], recipe["optim"]
    shape = f"{model['num_layers']} layers, {model['num_heads']} heads, {model['dim']} wide"
    ours, trees, order = (rows_of(evaluation, method) for method in ("model", "trees", "coreset"))
    generated = evaluation["generation"]
    lines = [
        f"# The shipped model: `{facts.name}`",
        "",
        "Written by `python benchmarks/model_card.py` from `model.json` and docs/results.",
        "",
        f"A decoder of Llama 2's architecture ({shape}, {facts.recipe['parameters']:,} parameters), trained from",
        "scratch on LLVM IR to say which pass lists make a function smaller than `clang -Oz` does. ONNX with 8-bit",
        f"weights, {size:.1f} MB with all that lies here; LLVM {facts.llvm}; Apache-2.0, as all of passformer.",
        "",
        "## Data",
        "",
        f"A corpus of {data['functions']:,} functions (docs/corpus.md), labelled by the autotuner (docs/autotune.md),",
        f"protocol `{facts.protocol}`, LLVM {data['llvm']}; the model was trained on its split `train`. No text of",
        "validation or test is in train, and none of the sources is part of this repository.",
        "",
        "| source | what | licence | functions |",
        "|---|---|---|---:|",
        *(
            f"| {name} | {LICENCES[name][0]} | {LICENCES[name][1]} | {number:,} |"
            for name, number in sorted(data["by_source"].items())
        ),
        "",
        "## Recipe",
        "",
        f"`make model` on the labelled corpus: `configs/{facts.name}.toml` (docs/model.md).",
        "",
        f"Seed {recipe['run']['seed']}; {facts.recipe['step']:,} steps of {optim['packs_per_step']} packs, "
        f"{facts.recipe['tokens'] / 1e6:.1f} million tokens; AdamW,",
        f"learning rate {optim['learning_rate']:g}. All settings are in `model.json`.",
        "",
        f"`passformer export` learnt from {near['functions']:,} functions of train which of them are alike, and the",
        f"price of making one larger: {near['price']:.3g} instructions. What each list saves on them lies in",
        "`retrieval.npz`.",
        "",
        "## Results",
        "",
        f"On {evaluation['functions']:,} functions of test, against `clang -Oz`: share of the autotuner's gain "
        f"({evaluation['autotuner_improvement']:.2f} %) at so many additional compilations a function; `trees` are "
        f"gradient-boosted trees on opcode counts of {evaluation['training_functions']:,} functions, `coreset` is the "
        "fixed order.",
        "",
        "| additional compilations | model | trees | coreset |",
        "|---:|---:|---:|---:|",
        *(
            f"| {budget} | {ours[budget]['capture']:.1f} % | {trees[budget]['capture']:.1f} % | "
            f"{order[budget]['capture']:.1f} % |"
            for budget in sorted(ours)
        ),
        "",
        f"Unverified (0 additional compilations) {ours[0]['regressed']:,} of {evaluation['functions']:,} functions get",
        f"larger. Of the code that it writes, {generated['compiles']:.1f} % compiles and",
        f"{generated['exact_match']:.1f} % is what LLVM makes, to the letter. More: docs/results.",
        "",
        "## Limits",
        "",
        LIMITS,
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    (SHIPPED / "README.md").write_text(card())
