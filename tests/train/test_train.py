"""Training: what is read, what a step computes, that a run goes on to the bit, and that processes agree."""

import json
import math
import os
import signal
import subprocess
import sys
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from passformer.corpus.store import Corpus
from passformer.dataset.prompt import ANSWER, BEGIN, PARTS, Form
from passformer.dataset.tokenizer import PAD, add_lists, list_tokens, load_tokenizer
from passformer.dataset.tokens import read_tokens
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import PassList
from passformer.model.hf import load_hf
from passformer.model.llama import LlamaConfig
from passformer.train.config import DataSection, OptimSection, TrainConfig, read_config
from passformer.train.loop import build_model, learning_rate, packs_loss
from passformer.train.metrics import read_metrics
from passformer.train.stage import train_on_tokens as train
from passformer.train.stream import PackStream, feed
from passformer.train.validate import Validator

CONFIGS = [
    Path(__file__).parents[2] / "configs" / f"{name}.toml"
    for name in ("cpu", "cpu-long", "gpu", "ablation", "ablation-cpu", "small", "base", "paper-7b")
]
TINY = TrainConfig.model_validate(
    {
        "name": "tiny",
        "model": {"dim": 32, "num_layers": 2, "num_heads": 2, "num_kv_heads": 1, "hidden_dim": 64, "context": 256},
        "data": {
            "max_prompt": 96,
            "max_ir": 64,
            "pack_tokens": 256,
            "ir_share": 0.5,
            "sharpness": 2.0,
            "answers": 3,
        },
        "optim": {"steps": 6, "packs_per_step": 2, "learning_rate": 3e-3, "warmup_steps": 2},
        "run": {"precision": "float32", "checkpoint_every": 2, "log_every": 1, "validate_every": 100},
    }
)


def changed(config: TrainConfig, section: str, **values) -> TrainConfig:
    return config.model_copy(update={section: getattr(config, section).model_copy(update=values)})


def test_a_configuration_survives_its_json():
    for config in (TINY, TrainConfig(name="all defaults")):
        text = config.model_dump_json()
        assert TrainConfig.model_validate_json(text) == config
        assert TrainConfig.model_validate(json.loads(text, parse_constant=pytest.fail)) == config, "standard JSON"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_preset_is_valid(path):
    config = read_config(path, TrainConfig)
    assert config.name == path.stem
    shape = LlamaConfig(vocab_size=8192, **config.model.model_dump())
    low, high = {
        "cpu": (3e6, 10e6),
        "cpu-long": (3e6, 10e6),
        "gpu": (3e6, 10e6),
        "ablation": (3e6, 10e6),
        "ablation-cpu": (3e6, 10e6),
        "small": (25e6, 35e6),
        "base": (85e6, 115e6),
        "paper-7b": (6e9, 7.5e9),
    }[path.stem]
    assert low <= shape.num_parameters <= high
    assert config.data.max_prompt < config.model.context


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'x'\n[model]\nlayers = 3\n", "model.layers: Extra inputs"),
        ("[model]\n", "name: Field required"),
        ("name = 'x'\n[data]\nunoptimised_share = 1.5\n", "data.unoptimised_share"),
        ("name = 'x'\n[data]\nshare = 0.0\n", "data.share"),
        ("name = 'x'\n[data]\nmax_prompt = 2048\npack_tokens = 2048\n", "max_prompt leaves no room"),
        ("name = \n", "is no TOML file"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path, text, said):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_config(tmp_path / "c.toml", TrainConfig)
    with pytest.raises(InputError, match="No such file"):
        read_config(tmp_path / "nothing.toml", TrainConfig)


def test_the_learning_rate_warms_up_and_falls_to_a_tenth():
    optim = OptimSection(steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate(optim, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == pytest.approx(1) and max(rates) == pytest.approx(1)
    assert rates[-1] == pytest.approx(0.1) and all(a >= b for a, b in pairwise(rates[10:]))
    assert learning_rate(optim, 10 + 89 // 2) == pytest.approx(0.55, abs=0.02)


@pytest.fixture(scope="module")
def stream(dataset):
    rows = list(read_tokens(dataset, "train"))
    return PackStream(rows, load_tokenizer(dataset / "tokenizer.json"), TINY.data, seed=5)


def test_the_stream_goes_on_where_it_was(stream):
    packs = list(islice(stream.packs(), 60))
    for start in (1, 30, 47):
        again = next(stream.packs(start))
        assert (again.ids == packs[start].ids).all() and (again.weights == packs[start].weights).all()
    halves = [list(islice(feed(stream, 0, rank, 2, workers=0), 4)) for rank in (0, 1)]
    assert [p.ids.tolist() for pair in zip(*halves, strict=True) for p in pair] == [p.ids.tolist() for p in packs[:8]]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_make_packs_in_an_order_that_does_not_depend_on_where_it_begins(stream):
    def some(start, rank, world, number):
        return [p.ids.tolist() for p in islice(feed(stream, start, rank, world, workers=2), number)]

    packs = some(0, 0, 1, 9)
    assert some(3, 0, 1, 6) == packs[3:] and some(4, 0, 1, 5) == packs[4:]
    assert packs[0] == next(stream.packs(0, 0, 2)).ids.tolist() and packs[1] == next(stream.packs(1, 1, 2)).ids.tolist()
    ranks = [some(2, rank, 2, 4) for rank in (0, 1)]
    assert ranks[1][1] == next(stream.packs(5, 1, 4)).ids.tolist(), "pack 5 of the four parts that two processes have"


def test_parts_show_each_function_once_an_epoch(stream):
    whole = list(stream.samples(3))
    parts = [list(stream.samples(3, part, 3)) for part in range(3)]
    assert sum(map(len, parts)) == len(whole) and max(map(len, parts)) - min(map(len, parts)) <= 1
    assert sum((sample.weights > 0).any() for part in parts for sample in part) == len(whole)


def test_the_first_epochs_may_be_short(dataset):
    rows = list(read_tokens(dataset, "train"))
    update = {"curriculum": ((2, 40), (1, 80)), "max_prompt": 400, "unoptimised_share": 0.5, "ir_share": 1.0}
    tokenizer = load_tokenizer(dataset / "tokenizer.json")
    stream = PackStream(rows, tokenizer, TINY.data.model_copy(update=update), seed=1)
    epochs = [list(stream.samples(epoch)) for epoch in range(4)]
    begin = len(tokenizer.encode(BEGIN).ids)
    assert [max(sample.parts[0] for sample in epoch) - begin <= 80 for epoch in epochs] == [True] * 3 + [False]
    assert [max(sample.parts[0] for sample in epoch) - begin for epoch in epochs[:3]] == [40, 40, 80]
    kinds = [{int(sample.ids[0]) for sample in epoch} for epoch in epochs]
    assert kinds == [{tokenizer.token_to_id(PARTS[form][0].mark) for form in (Form.PAPER, TINY.data.form)}] * 4
    assert [max(sum(sample.parts[1:2]) for sample in epoch) > 40 for epoch in epochs] == [False] * 3 + [True]
    assert len({len(epoch) for epoch in epochs}) == 1


def test_an_epoch_holds_every_better_function_and_as_many_others(dataset):
    rows = list(read_tokens(dataset, "train"))
    tokenizer = load_tokenizer(dataset / "tokenizer.json")
    num_better = sum(bool(row.better) for row in rows)
    for negatives, expected in ((0.0, num_better), (0.5, num_better + round(num_better / 2)), (1e9, len(rows))):
        stream = PackStream(rows, tokenizer, TINY.data.model_copy(update={"negatives": negatives}), seed=1)
        assert len(list(stream.samples(0))) == expected
    half = PackStream(rows, tokenizer, DataSection(share=0.5, negatives=1e9), seed=1)
    assert len(list(half.samples(0))) == pytest.approx(len(rows) / 2, abs=1)


def test_the_loss_is_the_weighted_cross_entropy_of_the_targets(stream, dataset):
    model = build_model(TINY, load_tokenizer(dataset / "tokenizer.json"))
    pack = next(p for p in stream.packs() if any(len(parts) > 2 for parts in p.documents))
    total, start = 0.0, 0
    for trunk, *branches in pack.documents:
        ids, weights = (torch.from_numpy(a.astype(t)) for a, t in ((pack.ids, np.int64), (pack.weights, np.float32)))
        at = start + trunk
        for length in branches or [0]:  # each branch by itself, behind the trunk; the trunk's own targets once
            places = [*range(start, start + trunk), *range(at, at + length)]
            logits, _ = model(ids[places][None, :-1])
            each = F.cross_entropy(logits[0], ids[places][1:], reduction="none")
            counted = weights[places][1:].clone()
            if at > start + trunk:
                counted[: trunk - 1] = 0
            total += (each * counted).sum().item()
            at += length
        start = at
    loss = packs_loss(model, [pack], torch.device("cpu")).item()
    assert loss == pytest.approx(total, rel=1e-4)
    other = next(stream.packs(7))
    together = packs_loss(model, [pack, other], torch.device("cpu")).item()
    assert together == pytest.approx(loss + packs_loss(model, [other], torch.device("cpu")).item(), rel=1e-4)


def test_a_larger_gain_counts_more(dataset):
    rows = [row for row in read_tokens(dataset, "train") if row.better]
    tokenizer = load_tokenizer(dataset / "tokenizer.json")
    data = TINY.data.model_copy(update={"gain_power": 1.0, "sharpness": math.inf, "ir_share": 0.0})
    stream = PackStream(rows, tokenizer, data, seed=1)
    for row in rows[:5]:
        sample = stream.sample(row, np.random.default_rng(0), epoch=0)
        assert sample.weights.max() == 1 + row.oz_count - row.better[0][1]


def test_prompts_may_be_blotted(dataset):
    rows = [row for row in read_tokens(dataset, "train") if row.better]
    tokenizer = load_tokenizer(dataset / "tokenizer.json")
    plain, blotted = (
        PackStream(rows, tokenizer, TINY.data.model_copy(update={"blotted": share, "ir_share": 0.0}), seed=1)
        for share in (0.0, 0.3)
    )
    hidden = shown = 0
    for number, row in enumerate(rows):
        whole, sample = (s.sample(row, np.random.default_rng(number), epoch=0) for s in (plain, blotted))
        differs = np.flatnonzero(whole.ids != sample.ids)
        answer = np.flatnonzero(whole.ids == tokenizer.token_to_id(ANSWER))[0]
        assert len(differs) and differs.min() > 0 and differs.max() < answer
        assert (sample.ids[differs] == tokenizer.token_to_id(PAD)).all()
        assert (sample.weights == whole.weights).all()
        hidden, shown = hidden + len(differs), shown + answer - 1
    assert hidden / shown == pytest.approx(0.3, abs=0.05)


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return load_hf(run / "model").state_dict()


def test_a_run_that_was_stopped_goes_on_to_the_bit(dataset, tmp_path):
    straight = train(TINY, dataset, tmp_path / "straight")
    first = changed(TINY, "optim", steps=6)

    def stop(step: str, done: int, total: int) -> None:
        if done == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(first, dataset, tmp_path / "halves", report=stop)
    assert not (tmp_path / "halves" / "model").exists()
    assert [row["step"] for row in read_metrics(tmp_path / "halves")] == [1, 2, 3]
    resumed = train(first, dataset, tmp_path / "halves")
    ours, theirs = weights_of(tmp_path / "halves"), weights_of(tmp_path / "straight")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert resumed["loss"] == straight["loss"] and resumed["tokens"] == straight["tokens"] == 6 * 2 * 256
    steps = [row["step"] for row in read_metrics(tmp_path / "halves")]
    assert steps == [1, 2, 3, 4, 5, 6]
    again = train(first, dataset, tmp_path / "halves")
    assert again["steps"] == 6 and again["loss"] == straight["loss"]


def test_a_run_folder_is_not_mixed_up(dataset, tmp_path):
    train(changed(TINY, "optim", steps=1), dataset, tmp_path / "run")
    with pytest.raises(InputError, match=r"another config\.json"):
        train(changed(TINY, "optim", steps=2), dataset, tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text('{"name": "of another kind", "data": {"pack_tokens": 5}}')
    with pytest.raises(InputError, match=r"another config\.json"):
        train(TINY, dataset, tmp_path / "run")


def test_a_run_may_begin_with_the_weights_of_another(dataset, tmp_path):
    train(changed(TINY, "optim", steps=1), dataset, tmp_path / "first")
    going_on = changed(TINY, "run", init=str(tmp_path / "first"))
    tokenizer = load_tokenizer(tmp_path / "first" / "tokenizer.json")
    begun, trained = build_model(going_on, tokenizer).state_dict(), load_hf(tmp_path / "first" / "model").state_dict()
    assert all(torch.equal(begun[name], trained[name]) for name in trained)
    fresh = build_model(TINY, tokenizer).state_dict()
    assert not all(torch.equal(begun[name], fresh[name]) for name in trained)
    with pytest.raises(InputError, match="has another model"):
        build_model(changed(going_on, "model", dim=64), tokenizer)
    with pytest.raises(InputError, match=r"run\.init: .* is no finished training run"):
        build_model(changed(TINY, "run", init=str(tmp_path)), tokenizer)
    add_lists(tokenizer, [PassList.parse("-sroa -gvn -Oz")])
    with pytest.raises(InputError, match="has another tokenizer"):
        build_model(going_on, tokenizer)


def test_a_damaged_checkpoint_is_named(dataset, tmp_path):
    config = changed(TINY, "optim", steps=4)
    train(config, dataset, tmp_path)
    kept = sorted(tmp_path.glob("step-*"))
    assert [path.name for path in kept] == ["step-00000002", "step-00000004"]
    for file in kept[-1].glob("*.distcp"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="step-00000004 is damaged"):
        train(config, dataset, tmp_path)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import PassList
from passformer.train.config import TrainConfig
from passformer.train.stage import train_on_tokens as train
config = TrainConfig.model_validate_json(Path(sys.argv[1]).read_text())
def report(step, done, total):
    if done == 3:  # after the first checkpoint
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    train(config, Path(sys.argv[2]), Path(sys.argv[3]), report=report)
except InputError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_last_checkpoint_whole(dataset, tmp_path):
    (tmp_path / "config.json").write_text(TINY.model_dump_json())
    run = tmp_path / "run"
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "config.json"), str(dataset), str(run)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "cannot be written" in done.stdout and "step-00000002 is whole" in done.stdout, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert [path.name for path in run.glob("*step-*")] == ["step-00000002"]
    assert train(TINY, dataset, run)["steps"] == 6


TWO = """
import sys
from pathlib import Path
from passformer.train.config import TrainConfig
from passformer.train.stage import train_on_tokens as train
config = TrainConfig.model_validate_json(Path(sys.argv[1]).read_text())
train(config, Path(sys.argv[2]), Path(sys.argv[3]))
"""


def test_two_processes_learn_what_one_learns(dataset, tmp_path):
    train(TINY, dataset, tmp_path / "one")
    (tmp_path / "config.json").write_text(TINY.model_dump_json())
    (tmp_path / "two.py").write_text(TWO)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [str(tmp_path / name) for name in ("two.py", "config.json")]
    command += [str(dataset), str(tmp_path / "two")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = (list(read_metrics(tmp_path / name)) for name in ("one", "two"))
    assert [row["tokens"] for row in one] == [row["tokens"] for row in two]
    assert [row["loss"] for row in two] == pytest.approx([row["loss"] for row in one], rel=2e-3)
    assert [row["gradient_norm"] for row in two] == pytest.approx([row["gradient_norm"] for row in one], rel=2e-2)
    facts = json.loads((tmp_path / "two" / "step-00000006" / "facts.json").read_text())
    assert facts["step"] == 6


def test_training_learns_and_validation_measures(dataset, labelled, pool, tmp_path):
    config = changed(TINY, "optim", steps=12, learning_rate=1e-2)
    config = changed(config, "run", validate_every=6, validate_functions=6, validate_lists=3, generate_functions=2)
    config = changed(config, "data", list_tokens=3)
    result = train(
        config, dataset, tmp_path, lambda tokenizer: Validator(Corpus(labelled), dataset, tokenizer, config, pool)
    )
    assert list_tokens(load_tokenizer(tmp_path / "tokenizer.json"))
    rows = list(read_metrics(tmp_path))
    losses = [row["loss"] for row in rows if row["kind"] == "train"]
    assert losses[-1] < 0.9 * losses[0]
    validations = [row for row in rows if row["kind"] == "validation"]
    assert [row["step"] for row in validations] == [6, 12]
    last = validations[-1]
    assert last["functions"] == min(6, len(list(read_tokens(dataset, "validation"))))
    assert 0 <= last["improvement_1"] <= last["improvement_2"] <= last["improvement_3"] <= 100
    assert last["improvement"] <= 100 and last["unoptimised_improvement_1"] <= last["unoptimised_improvement_3"]
    assert last["regressed"] + last["improved"] <= last["functions"]
    assert 0 <= last["well_formed"] <= 100
    assert result["validation"] == {k: last[k] for k in result["validation"]}
    assert (tmp_path / "progress.png").stat().st_size > 5000
    assert any((tmp_path / "tensorboard").iterdir())
