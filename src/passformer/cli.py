"""The command line: one thin command a stage. It parses, calls and prints; a command imports what it needs itself."""

import json
import shlex
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from passformer import __version__
from passformer.llvm.errors import InputError, PassformerError


def _help_alone(context: typer.Context) -> None:
    """A group without a command prints its help."""
    if context.invoked_subcommand is None:
        print(context.get_help())


app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich for the help would double the time that it takes
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Make code smaller than clang -Oz with better-ordered LLVM passes.",
)
bench = typer.Typer(
    callback=_help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
    help="Measure this system on this machine.",
)
corpus = typer.Typer(
    callback=_help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
    help="Sets of functions: build them, look at them.",
)
tokenizer = typer.Typer(
    callback=_help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
    help="How IR becomes tokens.",
)
translate = typer.Typer(
    callback=_help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
    help="What single passes do, learnt as a translation task.",
)
autophase = typer.Typer(
    callback=_help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
    help="AutoPhase, the agent that orders passes one by one.",
)
coreset_nvp = typer.Typer(
    callback=_help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
    help="Coreset-NVP, the graph network that ranks pass lists.",
)
app.add_typer(corpus, name="corpus")
app.add_typer(tokenizer, name="tokenizer")
app.add_typer(translate, name="translate")
app.add_typer(autophase, name="autophase")
app.add_typer(coreset_nvp, name="coreset-nvp")
app.add_typer(bench, name="bench")

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What every mistake in the arguments is to typer: click's class, or that of the copy which newer versions carry."""


class ObjectiveChoice(StrEnum):
    """What is made small."""

    instructions = "instructions"
    text = "text"


class SplitChoice(StrEnum):
    """A part of a corpus."""

    train = "train"
    validation = "validation"
    test = "test"


class ProtocolChoice(StrEnum):
    """Which baseline."""

    clang = "clang"
    paper = "paper"


ObjectiveOption = Annotated[ObjectiveChoice, typer.Option("--objective", help="What to make small.")]
ProtocolOption = Annotated[ProtocolChoice, typer.Option("--protocol", help="Which -Oz IR files are meant for.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A corpus, as `corpus build` makes it.")]
Seed = Annotated[int, typer.Option("--seed", help="Where chance is involved, the same seed gives the same result.")]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes; default: one a core.")]
ClangFlags = Annotated[str, typer.Option("--cflags", help="Flags for clang, as in --cflags '-I include -DNDEBUG'.")]
ModelFolder = Annotated[
    Path | None, typer.Option("--model", help="A folder that `passformer export` wrote; default: the shipped model.")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write the result: .o, .s, .ll or .bc by suffix; a folder for many files."),
]


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"passformer {__version__}")
        raise typer.Exit
    _help_alone(context)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say which LLVM and clang are used, what is missing, and how to mend it."""
    from passformer.doctor import diagnose
    from passformer.tables import print_diagnosis

    diagnosis = diagnose()
    _emit(diagnosis, as_json, print_diagnosis)


@app.command()
def passes(as_json: Json = False) -> None:
    """List the pass catalog, as the loaded LLVM has it."""
    from passformer.llvm.probe import probed_catalog
    from passformer.tables import print_passes

    _emit({"passes": probed_catalog()}, as_json, print_passes)


@app.command()
def apply(
    file: Path,
    pass_list: Annotated[str, typer.Option("--passes", help="The pass list, as in --passes '-gvn-hoist -Oz'.")],
    output: Output = None,
    cflags: ClangFlags = "",
    as_json: Json = False,
) -> None:
    """Run one pass list on FILE (.c .cc .cpp .ll .bc) and compare it with -Oz."""
    from passformer.llvm.passlist import PassList
    from passformer.llvm.sandbox import Pool
    from passformer.optimize import Settings, apply_pass_list, output_kind, write_output
    from passformer.tables import print_outcomes

    parsed = PassList.parse(pass_list)
    if output:
        output_kind(output)
    with Pool(1) as pool:
        outcome = apply_pass_list(file, pool, parsed, Settings(clang_flags=_flags(cflags)))
        if output:
            write_output(outcome, output, pool)
    result = outcome.to_json()
    _emit({"pass_list": str(parsed), **result}, as_json, lambda _: print_outcomes([outcome]))


@app.command()
def optimize(
    files: Annotated[list[Path], typer.Argument(help="C, C++, .ll or .bc files.")],
    output: Output = None,
    budget: Annotated[int, typer.Option(min=0, help="Additional compilations allowed.")] = 8,
    objective: ObjectiveOption = ObjectiveChoice.instructions,
    method: Annotated[
        str | None, typer.Option(help="Who proposes: model, neighbours (the default for text), coreset, search or oz.")
    ] = None,
    model: ModelFolder = None,
    cflags: ClangFlags = "",
    check: Annotated[
        str, typer.Option(help="Your own test: a shell command; outputs with which it fails are those of -Oz.")
    ] = "",
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Make FILES smaller than clang -Oz does, never larger."""
    if check and output is None:
        raise InputError("--check needs -o: your command tests the files that are written there")
    from passformer.llvm.objective import Objective
    from passformer.llvm.sandbox import Pool
    from passformer.methods.registry import Options
    from passformer.optimize import Settings, optimize_files, output_files, totals
    from passformer.tables import print_outcomes, track
    from passformer.user_check import keep_what_passes

    settings = Settings(method, budget, Objective(objective.value), Options(seed, model), _flags(cflags))
    with Pool(jobs) as pool:
        outcomes = list(
            track(optimize_files(files, pool, settings, None if check else output), len(files), "optimising")
        )
        if check and output:
            outcomes = keep_what_passes(outcomes, output_files(files, output), check, pool)
    result = outcomes[0].to_json() if len(outcomes) == 1 else totals(outcomes)
    _emit(result, as_json, lambda _: print_outcomes(outcomes))


@corpus.command("build")
def corpus_build(
    specs: Annotated[list[str], typer.Argument(help="Sources, as KIND:VALUE; see docs/corpus.md.", metavar="SPEC...")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    sample: Annotated[list[str] | None, typer.Option(help="KIND=N: take N units of that kind at most.")] = None,
    modules: Annotated[bool, typer.Option("--modules", help="Keep the modules of files whole.")] = False,
    split: Annotated[SplitChoice | None, typer.Option(help="Put everything into one split; default: by group.")] = None,
    without: Annotated[Path | None, typer.Option(help="Leave out what this corpus has in its train split.")] = None,
    protocol: ProtocolOption = ProtocolChoice.clang,
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Turn source trees into deduplicated single-function modules; a killed build goes on when started again."""
    from passformer.corpus.build import Settings, build_corpus, build_limits
    from passformer.corpus.store import Corpus
    from passformer.llvm.protocol import Protocol
    from passformer.llvm.sandbox import Pool
    from passformer.tables import print_manifest, track_steps

    settings = Settings(
        Protocol(protocol.value),
        _counts(sample or []),
        seed,
        modules,
        split.value if split else None,
        Corpus(without) if without else None,
    )
    with Pool(jobs, build_limits()) as pool, track_steps() as report:
        manifest = build_corpus(specs, out, pool, settings, report)
    _emit(manifest, as_json, print_manifest)


@corpus.command("stats")
def stats_of_corpus(
    directory: Directory,
    markdown: Annotated[bool, typer.Option(help="Print Markdown tables.")] = False,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Print the paper's Tables I and II for a corpus."""
    from passformer.corpus.stats import corpus_stats, to_markdown
    from passformer.corpus.store import Corpus
    from passformer.llvm.sandbox import Pool
    from passformer.tables import print_stats

    with Pool(jobs) as pool:
        stats = corpus_stats(Corpus(directory), pool)
    _emit(stats, as_json, (lambda s: print(to_markdown(s))) if markdown else print_stats)


class EngineChoice(StrEnum):
    """Where work is done."""

    local = "local"
    dask = "dask"


Record = Annotated[
    Path | None, typer.Option(help="Take only pass lists that this record.json of `passformer verify` admits.")
]
RunName = Annotated[str, typer.Option("--name", help="Name of the tuning run; its files lie in DIR/tunings/NAME.")]


@app.command()
def autotune(
    directory: Directory,
    budget: Annotated[int, typer.Option(min=1, help="Pass lists to try on every function.")] = 80,
    sample: Annotated[int | None, typer.Option(min=0, help="Functions to search on; default: a twentieth.")] = None,
    search_budget: Annotated[
        int | None, typer.Option(min=1, help="Lists for each of these; default: 10 x budget.")
    ] = None,
    search: Annotated[str, typer.Option(help="How to search: random or mutation.")] = "mutation",
    split: Annotated[list[str] | None, typer.Option(help="Only these splits (train, validation, test).")] = None,
    lists: Annotated[Path | None, typer.Option(help="A coreset file whose lists to try, instead of selecting.")] = None,
    objective: ObjectiveOption = ObjectiveChoice.instructions,
    name: RunName = "default",
    engine: Annotated[EngineChoice, typer.Option(help="This machine, or a Dask cluster.")] = EngineChoice.local,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of the Dask scheduler; default: start one here.")
    ] = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Find, for every function of a corpus, the pass list that makes it smallest; a killed run goes on."""
    from passformer.autotune.engine import dask_engine, local_engine
    from passformer.autotune.tune import Settings, check_settings
    from passformer.autotune.tune import autotune as run
    from passformer.corpus.store import SPLITS, Corpus
    from passformer.llvm.objective import Objective
    from passformer.llvm.sandbox import Limits
    from passformer.tables import print_tuning, track_steps

    splits, made_small = tuple(split or SPLITS), Objective(objective.value)
    settings = Settings(budget, sample, search_budget, search, splits, str(lists or ""), seed, made_small)
    check_settings(settings)
    corpus = Corpus(directory)
    limits = Limits(cpu_seconds=5)
    chosen = local_engine(jobs, limits) if engine is EngineChoice.local else dask_engine(scheduler, limits)
    with chosen as workers, track_steps() as report:
        summary = run(corpus, directory / "tunings" / name, workers, settings, report)
    _emit(summary, as_json, print_tuning)


@app.command()
def coreset(
    directory: Directory,
    size: Annotated[int, typer.Option(min=1, help="How many lists.")] = 10,
    out: Annotated[Path | None, typer.Option(help="The coreset file; default: DIR/tunings/NAME/coreset.toml.")] = None,
    name: RunName = "default",
    verified: Annotated[
        list[Path] | None,
        typer.Option(help="Take only pass lists that this record.json of `verify` admits; may be given again."),
    ] = None,
    neighbours: Annotated[
        bool, typer.Option(help="Also write what each saves on each function, to order them for others.")
    ] = False,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Choose the few pass lists that together cover most of the gain of a tuning run.

    Without --verified, their results are not known to behave as the source says.
    """
    from passformer.autotune.select import make_coreset
    from passformer.corpus.store import Corpus
    from passformer.llvm.sandbox import Pool
    from passformer.tables import print_coreset, track_steps

    folder = directory / "tunings" / name
    with Pool(jobs) as pool, track_steps() as report:
        result = make_coreset(
            Corpus(directory),
            folder,
            size,
            out or folder / "coreset.toml",
            verified or (),
            pool if neighbours else None,
            report,
        )
    _emit(result, as_json, print_coreset)


@app.command()
def universal(
    directory: Directory,
    size: Annotated[int, typer.Option(min=1, help="How many lists.")] = 24,
    budget: Annotated[int, typer.Option(min=1, help="Pass lists to try.")] = 840,
    screening: Annotated[int, typer.Option(min=1, help="Functions that each is tried on.")] = 300,
    sample: Annotated[int, typer.Option(min=1, help="More functions, that promising ones are judged on.")] = 1000,
    price: Annotated[
        list[float] | None,
        typer.Option(
            min=0, help="Instructions to save elsewhere for each function made larger; 0: -Oz is run beside the list."
        ),
    ] = None,
    name: RunName = "default",
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Search for pass lists that are good on many functions, some of them safe enough to use without verification.

    Goes on from the lists of a tuning run; the lists chosen lie in DIR/universal/lists.toml. A killed search goes on.
    """
    from passformer.autotune.engine import local_engine
    from passformer.autotune.universal import PRICES, Settings, search_universal
    from passformer.corpus.store import Corpus
    from passformer.llvm.sandbox import Limits
    from passformer.tables import print_universal, track_steps

    prices = tuple(sorted(price)) if price else PRICES
    settings = Settings(size, budget, screening, sample, prices, seed)
    folder = directory / "universal"
    with local_engine(jobs, Limits(cpu_seconds=5)) as workers, track_steps() as report:
        result = search_universal(Corpus(directory), directory / "tunings" / name, folder, workers, settings, report)
    _emit(result, as_json, print_universal)


@app.command()
def labels(
    directory: Directory,
    name: Annotated[list[str] | None, typer.Option(help="Tuning runs to take into account; default: default.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write; default: DIR/labels.parquet.")] = None,
    verified: Record = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Give every tuned function the one pass list that a model is to learn for it."""
    from passformer.autotune.labels import write_labels
    from passformer.tables import print_labels

    folders = [directory / "tunings" / run for run in name or ["default"]]
    _emit(write_labels(folders, out or directory / "labels.parquet", verified, seed), as_json, print_labels)


@app.command()
def verify(
    passes: Annotated[list[str] | None, typer.Option("--passes", help="A pass list; may be given again.")] = None,
    coreset: Annotated[list[Path] | None, typer.Option(help="A coreset file; default: those that come along.")] = None,
    each_pass: Annotated[bool, typer.Option("--each-pass", help="Every searched pass, alone and before -Oz.")] = False,
    programs: Annotated[
        list[str] | None, typer.Option(help="Programs to run, as KIND:VALUE; see docs/verify.md.", metavar="SPEC")
    ] = None,
    sample: Annotated[list[str] | None, typer.Option(help="KIND=N: take N programs of that kind at most.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where programs, verdicts and reproducers are kept.")] = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Run programs compiled with pass lists and compare what they do with how they behave without."""
    from passformer.llvm.sandbox import Pool
    from passformer.tables import print_verification, track_steps
    from passformer.verify.sources import DEFAULT
    from passformer.verify.verify import Settings, chosen_lists, verify_lists, working_folder

    lists = chosen_lists(passes or [], coreset or [], each_pass)
    settings = Settings(tuple(programs or DEFAULT), _counts(sample or []), seed)
    with working_folder(out) as folder, Pool(jobs) as pool, track_steps() as report:
        result = verify_lists(lists, folder, pool, settings, report)
    _emit(result, as_json, print_verification)


@app.command()
def dataset(
    directory: Directory,
    labels: Annotated[Path | None, typer.Option(help="Of `passformer labels`; default: DIR/labels.parquet.")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write; default: DIR/dataset.")] = None,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Write labelled functions as text: their IR before and after optimisation."""
    from passformer.corpus.store import Corpus
    from passformer.dataset.examples import write_texts
    from passformer.llvm.sandbox import Pool
    from passformer.tables import print_figures, track_steps

    with Pool(jobs) as pool, track_steps() as report:
        corpus = Corpus(directory)
        counts = write_texts(corpus, labels or directory / "labels.parquet", out or directory / "dataset", pool, report)
    _emit(counts, as_json, print_figures)


@tokenizer.command("train")
def tokenizer_train(
    directory: Directory,
    vocab_size: Annotated[int, typer.Option(min=600, max=65_535, help="Entries, pass names among them.")] = 8192,
    sample: Annotated[int, typer.Option(min=1, help="Functions to train it on.")] = 20_000,
    labels: Annotated[Path | None, typer.Option(help="Of `passformer labels`; default: DIR/labels.parquet.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train a tokenizer on DIR/dataset, and write all of it as tokens."""
    from passformer.dataset.vocabulary import make_tokenizer
    from passformer.tables import print_figures

    result = make_tokenizer(directory / "dataset", labels or directory / "labels.parquet", vocab_size, sample, seed)
    _emit(result, as_json, print_figures)


@app.command()
def train(
    config: Annotated[Path, typer.Option(help="A TOML file, as in configs/.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="A corpus with dataset and tokenizer.")],
    out: Annotated[Path, typer.Option(help="The run's folder; a run that was stopped there goes on.")],
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Train a model; start it with torchrun to use several processes or GPUs."""
    from passformer.tables import print_figures, track_steps
    from passformer.train.config import TrainConfig, read_config
    from passformer.train.stage import train_on_corpus

    with track_steps() as report:
        result = train_on_corpus(read_config(config, TrainConfig), data, out, jobs, report)
    _emit(result, as_json, print_figures)


@translate.command("examples")
def translate_examples(
    directory: Directory,
    out: Annotated[Path | None, typer.Option(help="The folder to write; default: DIR/translations.")] = None,
    per_pass: Annotated[int, typer.Option(min=1, help="Examples of each pass for training, at most.")] = 1_000,
    test_per_pass: Annotated[int, typer.Option(min=1, help="And for testing.")] = 50,
    functions: Annotated[int, typer.Option(min=1, help="How many of each split are looked at, at most.")] = 40_000,
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Write what single passes make of functions, as text: only where a pass changes the code."""
    from passformer.corpus.store import Corpus
    from passformer.llvm.sandbox import Pool
    from passformer.tables import print_figures, track_steps
    from passformer.translate.examples import Settings, write_translations

    settings = Settings(per_pass, test_per_pass, functions, seed)
    with Pool(jobs) as pool, track_steps() as report:
        counts = write_translations(Corpus(directory), out or directory / "translations", pool, settings, report)
    _emit(counts, as_json, print_figures)


@translate.command("train")
def translate_train(
    config: Annotated[Path, typer.Option(help="A TOML file, as configs/translation.toml.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Of `translate examples`.")],
    tokenizer: Annotated[Path, typer.Option(metavar="FILE", help="A tokenizer.json of `tokenizer train`.")],
    out: Annotated[Path, typer.Option(help="The run's folder; a run that was stopped there goes on.")],
    as_json: Json = False,
) -> None:
    """Train a model to do what a pass does."""
    from passformer.tables import print_figures, track_steps
    from passformer.train.config import read_config
    from passformer.translate.stream import TranslationConfig
    from passformer.translate.translate import train_translation

    with track_steps() as report:
        result = train_translation(read_config(config, TranslationConfig), tokenizer, data, out, report)
    _emit(result, as_json, print_figures)


@translate.command("evaluate")
def translate_evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished `translate train`.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Of `translate examples`.")],
    per_pass: Annotated[int, typer.Option(min=1, help="Test examples of each pass.")] = 25,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Let it translate functions that it has not seen: BLEU, exact match, whether it compiles, by pass."""
    from passformer.llvm.sandbox import Pool
    from passformer.tables import print_figures, track_steps
    from passformer.translate.translate import translate as run_translation

    with Pool(jobs) as pool, track_steps() as report:
        figures = run_translation(run, data, pool, per_pass, report)
    _emit(figures, as_json, print_figures)


@app.command()
def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a finished `passformer train`, or an exported model's.")
    ],
    data: Annotated[Path, typer.Option(metavar="DIR", help="A tuned corpus; its functions of train are learnt from.")],
    out: Annotated[Path | None, typer.Option(help="The folder to write; default: RUN/runtime.")] = None,
    functions: Annotated[int, typer.Option(min=1, help="At most so many of them.")] = 20_000,
    as_json: Json = False,
) -> None:
    """Write the files that `optimize` runs a model from, without torch: ONNX with 8-bit weights."""
    from passformer.corpus.store import Corpus
    from passformer.tables import print_figures, track_steps
    from passformer.train.export import export as export_model

    with track_steps() as report:
        result = export_model(run, out or run / "runtime", Corpus(data), functions, report)
    _emit(result, as_json, print_figures)


@app.command("cc", context_settings={"help_option_names": [], "ignore_unknown_options": True})
def cc(arguments: Annotated[list[str] | None, typer.Argument(metavar="ARGS...")] = None) -> None:
    """Compile like clang, with smaller objects at -Oz and -Os: CC="passformer cc" make. Also: c++."""
    from passformer.build.wrapper import main as wrapper

    wrapper(arguments or [])  # for callers of this module; the program itself never comes here (see __main__)


@autophase.command("train")
def autophase_train(
    directory: Directory,
    out: Annotated[Path | None, typer.Option(help="The folder of the agent; default: DIR/autophase.")] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes of 45 passes.")] = 100_000,
    functions: Annotated[int, typer.Option(min=1, help="Training functions to draw them from, at most.")] = 8_000,
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Train an agent by PPO on a corpus's training functions; a killed training goes on."""
    from passformer.baselines.autophase.training import Settings, train
    from passformer.corpus.store import Corpus
    from passformer.tables import print_figures, track_steps

    settings = Settings(functions, seed=seed)
    with track_steps() as report:
        result = train(Corpus(directory), out or directory / "autophase", episodes, settings, jobs, report)
    _emit(result, as_json, print_figures)


@coreset_nvp.command("train")
def coreset_nvp_train(
    directory: Directory,
    coreset: Annotated[
        Path, typer.Option(metavar="FILE", help="The lists to rank, of `passformer coreset DIR --size 50`.")
    ],
    out: Annotated[Path | None, typer.Option(help="The folder of the network; default: DIR/coreset-nvp.")] = None,
    functions: Annotated[int, typer.Option(min=1, help="Tuned functions of train to learn from, at most.")] = 30_000,
    epochs: Annotated[int, typer.Option(min=1, help="How often each is seen.")] = 10,
    batch: Annotated[int, typer.Option(min=1, help="Functions a step.")] = 64,
    width: Annotated[int, typer.Option(min=4, help="Of the network; a multiple of 4.")] = 64,
    blocks: Annotated[int, typer.Option(min=1, help="Of the network.")] = 4,
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Train a graph network on a tuned corpus's training functions, on a GPU if any; a killed training goes on."""
    from passformer.baselines.coreset_nvp.training import Settings, train
    from passformer.corpus.store import Corpus
    from passformer.tables import print_figures, track_steps

    settings = Settings(functions, epochs=epochs, batch=batch, width=width, blocks=blocks, seed=seed)
    with track_steps() as report:
        result = train(Corpus(directory), out or directory / "coreset-nvp", coreset, settings, jobs, report)
    _emit(result, as_json, print_figures)


@app.command()
def evaluate(
    functions: Annotated[Path, typer.Option(metavar="PATH", help="A corpus (its test split) or a folder of .ll, .bc.")],
    method: Annotated[
        str,
        typer.Option(
            help="Who: model, coreset, neighbours, trees, nearest, autophase, coreset-nvp, autotuner, search, oz."
        ),
    ] = "model",
    budget: Annotated[int, typer.Option(min=0, help="Additional compilations allowed.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of results; default: PATH/evaluations/M-N.")] = None,
    model: ModelFolder = None,
    training: Annotated[
        Path | None, typer.Option(help="A tuned corpus that rivals learn or have learnt from; default: PATH.")
    ] = None,
    trained: Annotated[
        Path | None, typer.Option(help="What `passformer M train` wrote for method M; default: M below --training.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="So many of a corpus's functions, drawn as by autotune; default: all.")
    ] = None,
    generate: Annotated[
        int, typer.Option(min=0, help="Also let the model write the optimised code of so many functions.")
    ] = 0,
    drivers: Annotated[
        Path | None, typer.Option(help="Jotai's folder: its programs run the code that --generate writes.")
    ] = None,
    protocol: ProtocolOption = ProtocolChoice.clang,
    seed: Seed = 0,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Measure a method on functions against -Oz; a killed run goes on, a finished one is shown again."""
    from passformer.evaluate.evaluate import Settings
    from passformer.evaluate.evaluate import evaluate as run
    from passformer.evaluate.generation import generate as write_generated
    from passformer.evaluate.methods import METHODS, Options, identity
    from passformer.evaluate.subjects import read_subjects
    from passformer.llvm.protocol import Protocol
    from passformer.llvm.sandbox import Pool
    from passformer.methods.registry import make_method
    from passformer.tables import print_evaluation, track_steps

    with Pool(jobs) as pool, track_steps() as report:
        options = Options(seed, model, training or functions, report, trained)
        chosen = make_method(method, options, METHODS)
        settings = Settings(method, budget, seed, identity(method, options))
        subjects = read_subjects(functions, pool, Protocol(protocol.value), sample)
        folder = out or functions / "evaluations" / f"{method}-{budget}"
        summary = run(subjects, chosen, folder, pool, settings, report)
        if generate:
            summary["generation"] = write_generated(subjects, chosen, folder, pool, generate, budget, drivers, report)
    _emit(summary, as_json, print_evaluation)


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where evaluations lie: what --functions was.")],
    out: Annotated[Path | None, typer.Option(help="The folder to write; default: DIR/report.")] = None,
    as_json: Json = False,
) -> None:
    """Write the paper's tables and figures from evaluations, as Markdown and as one HTML page."""
    from passformer.evaluate.report import write_report
    from passformer.tables import print_figures

    _emit(write_report(directory, out or directory / "report"), as_json, print_figures)


@app.command("build")
def build_database(
    database: Annotated[
        Path, typer.Option("-p", metavar="DIR", help="Folder with a compile_commands.json, as CMake and Meson write.")
    ],
    force: Annotated[bool, typer.Option(help="Also what is not at -Oz or -Os, as if it were at -Oz.")] = False,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Build all objects of a compilation database again, in place and smaller."""
    from passformer.build.database import rebuild
    from passformer.tables import print_figures, track_steps

    with track_steps() as report:
        result = rebuild(database, jobs, force, report)
    _emit(result, as_json, print_figures)
    if result["failed"]:
        raise typer.Exit(1)


@app.command("size-report")
def size_report(
    below: Annotated[Path | None, typer.Argument(metavar="DIR", help="Only objects below this folder.")] = None,
    log: Annotated[Path | None, typer.Option(help="A log of builds; default: the user's, or PASSFORMER_LOG.")] = None,
    page: Annotated[Path | None, typer.Option("--html", help="Also write an HTML page.")] = None,
    lock: Annotated[Path | None, typer.Option(help="Also write a lock file, for PASSFORMER_LOCK.")] = None,
    as_json: Json = False,
) -> None:
    """Tell what builds under `passformer cc` gained, by directory, object and function."""
    from passformer.build.report import read_log, summarise, write_lock_of, write_page
    from passformer.llvm.locate import find_toolchain
    from passformer.tables import print_sizes

    entries = read_log(below.resolve() if below else None, log)
    summary = summarise(entries)
    if page:
        write_page(summary, page)
    if lock:
        write_lock_of(entries, find_toolchain().major, lock)
    _emit(summary, as_json, print_sizes)


@bench.command("compile")
def bench_compile(
    functions: Annotated[
        Path | None, typer.Option(help="A folder of C, C++ or IR files; default: the programs that come along.")
    ] = None,
    num_functions: Annotated[int, typer.Option(min=1, help="How many functions to use.")] = 60,
    num_lists: Annotated[int, typer.Option(min=1, help="How many random pass lists to run on each.")] = 40,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Compare evaluation in process with spawning opt: same functions, same lists, one run, one core each."""
    from passformer.bench.compile import bench_compile as run
    from passformer.tables import print_bench, track_steps

    with track_steps() as report:
        result = run(functions, num_functions, num_lists, seed, report)
    _emit(result, as_json, print_bench)


def main() -> NoReturn:
    """Entry point; turns every expected error into one line and an exit status."""
    try:
        status = app(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except PassformerError as error:
        _fail(str(error), error.exit_code)
    except UsageError as error:
        message = error.format_message()  # type: ignore[attr-defined]  # click's, whichever copy it is
        _fail(f"{message} (see passformer --help)", InputError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _fail(message: str, status: int) -> NoReturn:
    print(f"passformer: {message}", file=sys.stderr)
    sys.exit(status)


def _flags(text: str) -> tuple[str, ...]:
    """Of `--cflags`."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise InputError(f"--cflags {text!r}: {str(error).lower()}") from None


def _counts(pairs: list[str]) -> dict[str, int]:
    """Of `KIND=N` options."""
    try:
        return {kind: int(number) for kind, number in (pair.split("=") for pair in pairs)}
    except ValueError:
        raise InputError(f"{' '.join(pairs)}: write KIND=N, as in poj-104=2000") from None


def _emit(result: dict[str, Any], as_json: bool, render: Callable[[dict[str, Any]], None]) -> None:
    if as_json:
        print(json.dumps(result))
    else:
        render(result)
