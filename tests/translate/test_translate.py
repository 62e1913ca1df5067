"""Single passes as a translation task: the examples are what LLVM does, a model learns them and is judged."""

import json
from itertools import islice
from pathlib import Path

import pytest

from passformer.corpus.normalize import normal_forms
from passformer.corpus.store import Corpus
from passformer.dataset.tokenizer import load_tokenizer
from passformer.llvm.catalog import catalog
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import PassList
from passformer.train.config import TrainConfig, read_config
from passformer.translate import examples as module
from passformer.translate.examples import Settings, Translation, read_translations, write_translations
from passformer.translate.stream import TranslationConfig, TranslationSection, TranslationStream, prompt_of
from passformer.translate.translate import _judge, measures, read_translated, train_translation, translate

SETTINGS = Settings(train=6, test=3, functions=60)
TINY = TranslationConfig.model_validate(
    {
        "name": "tiny",
        "model": {"dim": 32, "num_layers": 2, "num_heads": 2, "num_kv_heads": 1, "hidden_dim": 64, "context": 512},
        "data": {"max_tokens": 500, "pack_tokens": 512},
        "optim": {"steps": 8, "packs_per_step": 2, "learning_rate": 5e-3, "warmup_steps": 2},
        "run": {"precision": "float32", "log_every": 1},
    }
)


@pytest.fixture(scope="module")
def examples(labelled, tmp_path_factory, pool):
    folder = tmp_path_factory.mktemp("translations")
    return folder, write_translations(Corpus(labelled), folder, pool, SETTINGS)


def test_an_example_is_what_llvm_does(examples, labelled, sandbox, major):
    folder, counts = examples
    functions = {f.id: f for f in Corpus(labelled).functions()}
    train = read_translations(folder, "train")
    assert len(train) == counts["train"] > 50 and counts["passes"] >= 20
    assert {bool(t.prefix) for t in train} == {True, False}
    # reg2mem works in the order of uses, which copying a module changes
    for t in [t for t in train if "reg2mem" not in f"{t.prefix} {t.pass_name}"][::7]:
        prefix, single = (PassList.parse(text) for text in (t.prefix, f"-{t.pass_name}"))
        first = prefix.pipeline(major) if t.prefix else ""
        both = ",".join(filter(None, [first, single.pipeline(major)]))
        (before, _), (after, _) = sandbox.map(normal_forms, functions[t.function_id].ir, [first, both])
        assert (t.before, t.after) == (before, after) and before != after
        assert functions[t.function_id].split == t.split == "train"


def test_no_pass_has_more_than_asked_for_and_no_code_is_too_long(examples):
    folder, counts = examples
    assert all(c["train"] <= SETTINGS.train and c["test"] <= SETTINGS.test for c in counts["by_pass"].values())
    found = [t for split in ("train", "test") for t in read_translations(folder, split)]
    assert all(catalog()[t.pass_name].searched and catalog()[t.pass_name].kind != "meta" for t in found)
    assert max(len(t.before) + len(t.after) for t in found) <= 3_000


def test_finished_shards_are_kept_and_other_settings_refused(examples, labelled, pool):
    folder, counts = examples
    before = {file.name: file.stat().st_mtime_ns for file in folder.glob("*.parquet")}
    assert write_translations(Corpus(labelled), folder, pool, SETTINGS) == counts
    assert {file.name: file.stat().st_mtime_ns for file in folder.glob("*.parquet")} == before
    with pytest.raises(InputError, match="holds other examples"):
        write_translations(Corpus(labelled), folder, pool, Settings(train=7))


def test_a_pass_that_has_enough_examples_is_not_run_again_which_changes_nothing(labelled, tmp_path, pool, monkeypatch):
    few, num_run = Settings(train=2, test=1), []
    write_translations(Corpus(labelled), tmp_path / "all run", pool, few)
    changes = module._changes
    monkeypatch.setattr(module, "_CHUNK", 5)
    monkeypatch.setattr(module, "_changes", lambda *a: num_run.append(len(a[3])) or changes(*a))
    write_translations(Corpus(labelled), tmp_path / "few run", pool, few)
    assert min(num_run) < max(num_run)
    for split in ("train", "test"):
        assert read_translations(tmp_path / "few run", split) == read_translations(tmp_path / "all run", split)


def test_loss_is_on_the_code_after_the_pass_alone(examples, dataset):
    tokenizer = load_tokenizer(dataset / "tokenizer.json")
    train = read_translations(examples[0], "train")
    stream = TranslationStream(train, tokenizer, TranslationSection(max_tokens=300, pack_tokens=512), 0)
    shown = set()
    for pack in islice(stream.packs(), 40):
        start = 0
        for (length,) in pack.documents:
            ids, weights = pack.ids[start : start + length], pack.weights[start : start + length]
            start += length
            if ids[0]:  # padding is 0
                assert length <= 300 and set(weights.tolist()) == {0, 1}
                prompt, answer = (tokenizer.decode(ids[weights == w], skip_special_tokens=False) for w in (0, 1))
                shown.add((prompt, answer))
    written = {(prompt_of(t), f"{t.after}<end>") for t in train}
    assert shown and shown <= written
    with pytest.raises(InputError, match="max_tokens: none of"):
        TranslationStream(train, tokenizer, TranslationSection(max_tokens=9), 0)
    assert all(f"Run passes -{t.pass_name}:" in prompt_of(t) and t.module in prompt_of(t) for t in train)


def test_a_model_is_trained_and_judged(examples, dataset, tmp_path, pool):
    folder, _ = examples
    result = train_translation(TINY, dataset / "tokenizer.json", folder, tmp_path)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert result["steps"] == 8 and losses[-1] < losses[0] - 0.5
    counts = json.loads((tmp_path / "source.json").read_text())
    for by in ("by_source", "by_pass"):
        assert counts["examples"] == sum(counts[by].values()) == len(read_translations(folder, "train"))
    figures = translate(tmp_path, folder, pool, 2)
    rows = read_translated(tmp_path)
    assert figures["examples"] == len(rows) == sum(m["examples"] for m in figures["by_pass"].values()) >= 4
    known = {(t.function_id, t.pass_name): t for t in read_translations(folder, "test")}
    assert all(row["after"] == known[row["function_id"], row["pass_name"]].after for row in rows)
    assert translate(tmp_path, folder, pool, 2) == figures
    with pytest.raises(InputError, match="no finished run"):
        translate(folder, folder, pool, 1)
    (tmp_path / "config.json").write_text(TrainConfig(name="x").model_dump_json())
    with pytest.raises(InputError, match=r"config\.json: data\.\w+: Extra inputs"):
        translate(tmp_path, folder, pool, 1)


def test_where_there_are_no_examples_is_said(dataset, tmp_path):
    with pytest.raises(InputError, match="holds no examples of train"):
        train_translation(TINY, dataset / "tokenizer.json", tmp_path, tmp_path / "run")


def test_only_code_with_a_function_counts_as_compiling(examples, sandbox):
    example = read_translations(examples[0], "test")[0]
    rows = [_judge(sandbox, (example, text)) for text in (example.after, example.before, "", "define")]
    assert [(bool(row["error"]), row["exact"]) for row in rows] == [
        (False, True),
        (False, False),
        (True, False),
        (True, False),
    ]


def test_measures_are_by_pass(examples):
    row = {"pass_name": "sroa", "written": "define void @f() {\nret void\n}\n", "error": "", "exact": True}
    row["before"] = row["after"] = row["written"]
    wrong = {**row, "pass_name": "licm", "written": "ret", "error": "expected top-level entity", "exact": False}
    figures = measures([row, wrong, {**wrong, "error": ""}])
    assert (figures["examples"], figures["compiles"], figures["exact_match"]) == (3, 66.67, 33.33)
    assert list(figures["by_pass"]) == ["sroa", "licm"]
    perfect = {"examples": 1, "bleu": 100, "unchanged_bleu": 100, "exact_match": 100, "compiles": 100}
    assert figures["by_pass"]["sroa"] == perfect
    assert figures["by_pass"]["licm"]["bleu"] < 1 and figures["by_pass"]["licm"]["unchanged_bleu"] == 100
    assert figures["by_pass"]["licm"]["compiles"] == 50


def test_a_prompt_shows_the_module():
    example = Translation("id", "train", "debian/zlib", "sroa", "", "a\n", "b\n")
    assert prompt_of(example) == "<ir>; debian/zlib\na\n<answer>Run passes -sroa:\n"


@pytest.mark.parametrize("name", ["translation", "translation-cpu"])
def test_presets_are_valid_and_a_misspelt_setting_is_named(tmp_path, name):
    preset = Path(__file__).parents[2] / "configs" / f"{name}.toml"
    assert read_config(preset, TranslationConfig).name == preset.stem
    (tmp_path / "c.toml").write_text('name = "x"\n[data]\nmax_token = 3\n')
    with pytest.raises(InputError, match="max_token"):
        read_config(tmp_path / "c.toml", TranslationConfig)
