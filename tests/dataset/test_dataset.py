"""From labels to tokens: texts, the tokenizer, samples and packs."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passformer.corpus.normalize import normalize
from passformer.corpus.store import SPLITS, Corpus
from passformer.dataset.examples import read_labels, read_texts, write_texts
from passformer.dataset.prompt import AFTER_LIST, ANSWER, BEGIN, END, IR, OZ_IR, PARTS, Answer, Form, parse_answer
from passformer.dataset.sequences import Labelled, Layout, Sample, Writer, draw_answers, pack
from passformer.dataset.tokenizer import (
    SPECIAL,
    add_lists,
    encode_list,
    list_tokens,
    load_tokenizer,
    pass_id,
    pass_token,
)
from passformer.dataset.tokens import read_tokens
from passformer.dataset.vocabulary import make_tokenizer
from passformer.llvm.catalog import catalog
from passformer.llvm.errors import InputError
from passformer.llvm.measure import Subject, measurer, render
from passformer.llvm.passlist import OZ, PassList


@pytest.fixture(scope="module")
def tokenizer(dataset):
    return load_tokenizer(dataset / "tokenizer.json")


@pytest.fixture(scope="module")
def rows(dataset):
    return [row for split in SPLITS for row in read_tokens(dataset, split)]


def test_texts_are_those_of_the_labelled_functions(dataset, labelled, sandbox, major):
    texts = {t.function_id: t for t in read_texts(dataset, SPLITS)}
    labels = {row["function_id"]: row for row in read_labels(labelled / "labels.parquet")}
    assert texts.keys() == labels.keys() and len(texts) > 40
    assert any(t.pass_list != "-Oz" for t in texts.values())
    for function in list(Corpus(labelled).functions())[:15]:
        t, label = texts[function.id], labels[function.id]
        assert (t.split, t.source, t.before) == (function.split, function.source, function.instructions)
        assert (t.pass_list, t.oz_count, t.after) == (label["pass_list"], label["baseline"], label["count"])
        assert t.unoptimised == normalize(sandbox.call(render, (function.ir, "text")).decode())
        pipeline = PassList.parse(t.pass_list).pipeline(major)
        (result,) = sandbox.map(measurer, Subject(function.ir, bitcode=True), [pipeline])
        assert t.optimised == normalize(sandbox.call(render, (result.bitcode, "text")).decode())
        assert (t.after_oz == t.optimised) or t.pass_list != "-Oz"


def test_an_example_is_prompt_and_answer(dataset):
    for t in list(read_texts(dataset, ["train"]))[:5]:
        example = t.example(Form.BOTH)
        answer = parse_answer(example.answer)
        assert (answer.before, answer.after, str(answer.pass_list)) == (t.before, t.after, t.pass_list)
        assert t.unoptimised in example.prompt and t.after_oz in example.prompt and answer.ir == t.optimised
        assert t.after_oz == t.unoptimised or t.after_oz not in t.example(Form.PAPER).prompt


def test_finished_shards_are_not_written_again(dataset, labelled, pool):
    shards = sorted(dataset.glob("texts-*.parquet"))
    before = [shard.stat().st_mtime_ns for shard in shards]
    counts = write_texts(Corpus(labelled), labelled / "labels.parquet", dataset, pool)
    assert [shard.stat().st_mtime_ns for shard in shards] == before
    assert counts["functions"] == len(list(read_texts(dataset, SPLITS))) and counts["changed"] == 0


@given(st.text())
@settings(deadline=None)
def test_the_tokenizer_loses_nothing(tokenizer_of_tests, text):
    tokenizer = tokenizer_of_tests
    if not any(special in text for special in SPECIAL):
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


@pytest.fixture(scope="session")
def tokenizer_of_tests(dataset):
    return load_tokenizer(dataset / "tokenizer.json")


def test_unseen_ir_comes_back_and_is_short(dataset, tokenizer):
    texts = [t for split in ("validation", "test") for t in read_texts(dataset, [split])]
    whole = [t.unoptimised + t.after_oz for t in texts]
    encoded = tokenizer.encode_batch(whole)
    assert [tokenizer.decode(e.ids, skip_special_tokens=False) for e in encoded] == whole
    assert sum(map(len, whole)) / sum(len(e.ids) for e in encoded) > 2.5, "this one has seen a hundred functions only"


def test_each_pass_is_one_token_and_each_digit_too(tokenizer):
    names = list(catalog())
    text = "Run passes" + "".join(map(pass_token, names))
    tokens = tokenizer.encode(text).tokens
    assert tokens[-len(names) :] == [pass_token(name) for name in names]
    answer = Answer(PassList.parse("-gvn-hoist -gvn -Oz"), 1234, 56, "")
    tokens = tokenizer.encode(str(answer)).tokens
    assert [t for t in tokens if t.isdigit()] == list("123456")
    assert not any(any(c.isdigit() for c in t) and not t.isdigit() for t in tokens)


def test_a_whole_list_may_be_one_token(dataset, tokenizer, rows):
    lists = ["-sroa -early-cse", "-gvn -sroa -early-cse -Oz", "-Oz"]
    more = load_tokenizer(dataset / "tokenizer.json")
    add_lists(more, map(PassList.parse, lists))
    assert more.get_vocab_size() == tokenizer.get_vocab_size() + 2, "a list of one pass has a token already"
    for text, length in {
        **dict.fromkeys(lists, 1),
        "-sroa -early-cse-memssa": 2,  # begins like a list, but for its letters
        "-sroa -early-cse -Oz": 3,
        "": 0,
    }.items():
        pass_list = PassList.parse(text)
        ids = encode_list(more, pass_list)
        assert len(ids) == length and more.decode(ids).lstrip(" ") == text
        rest = Answer(pass_list, 12, 3, "").counts() + "ret"
        whole = [*more.encode(BEGIN).ids, *ids, *more.encode(rest).ids]
        if text:
            assert parse_answer(more.decode(whole, skip_special_tokens=False)).pass_list == pass_list
    assert list(list_tokens(more).values()) == [tuple(PassList.parse(text).names) for text in lists[:2]]
    assert list_tokens(tokenizer) == {}
    with pytest.raises(ValueError, match="no token for -unheard-of"):
        pass_id(more, "unheard-of")


def test_the_special_tokens_come_first(tokenizer):
    assert [tokenizer.token_to_id(text) for text in SPECIAL] == [0, 1, 2, 3, 4, 5]
    assert tokenizer.encode(f"{OZ_IR}x{IR}y{ANSWER}z{END}").tokens[0] == OZ_IR


def test_a_tokenizer_of_something_else_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(InputError, match="is no tokenizer"):
        load_tokenizer(tmp_path / "a.json")
    with pytest.raises(InputError, match="is no tokenizer"):
        load_tokenizer(tmp_path / "nothing.json")


def test_the_summary_counts(dataset, labelled):
    summary = json.loads((dataset / "tokens.json").read_text())
    assert sum(summary[split] for split in SPLITS) == len(list(read_texts(dataset, SPLITS)))
    assert all(summary[split] > 0 for split in SPLITS)
    with pytest.raises(InputError, match="holds no texts"):
        make_tokenizer(labelled, labelled / "labels.parquet", 1000, 10)


def test_a_sample_says_what_the_row_says(rows, tokenizer):
    writer = Writer(tokenizer, Layout(10_000, 10_000, count_weight=0.5, ir_weight=0.25))
    row = max(rows, key=lambda row: len(row.better))
    answers = [Labelled(PassList.parse(text), count, 0.75 - i / 2) for i, (text, count) in enumerate(row.better[:2])]
    sample = writer.sample(Form.BOTH, row, answers, with_ir=True)
    trunk, first, second = np.split(sample.ids, np.cumsum(sample.parts)[:-1])
    weights = np.split(sample.weights, np.cumsum(sample.parts)[:-1])
    prompt, _, begin = tokenizer.decode(trunk.tolist(), skip_special_tokens=False).partition(ANSWER)
    assert prompt.startswith(OZ_IR) and IR in prompt and begin == BEGIN
    num_begin = len(tokenizer.encode(BEGIN).ids)
    assert weights[0][:-num_begin].sum() == 0 and set(weights[0][-num_begin:]) == {1.0}
    text = begin + tokenizer.decode(first.tolist(), skip_special_tokens=False)
    parsed = parse_answer(text.removesuffix(END))
    assert (parsed.pass_list, parsed.before, parsed.after) == (answers[0].pass_list, row.before, answers[0].count)
    assert parsed.ir and text.endswith(END)
    num_list = len(answers[0].pass_list) + 1
    assert set(weights[1][:num_list]) == {answers[0].weight}
    num_head = num_list - 1 + len(tokenizer.encode(parsed.counts()).ids)
    assert set(weights[1][num_list:num_head]) == {answers[0].weight / 2} and set(weights[1][num_head:]) == {0.25}
    written = tokenizer.decode(second.tolist(), skip_special_tokens=False)
    assert written == f" {answers[1].pass_list}{AFTER_LIST}"
    assert set(weights[2]) == {answers[1].weight} and len(second) == len(answers[1].pass_list) + 1
    short = writer.sample(Form.BOTH, row, answers[:1], with_ir=False)
    assert short.parts[0] == sample.parts[0] and short.weights[-1] == answers[0].weight / 2
    assert list(short.ids) == list(sample.ids[: len(short.ids)]), "an answer is not over without its IR"
    alone = Writer(tokenizer, Layout(10_000, 10_000, ir_weight=0.0))
    for with_ir in (True, False):
        ids = alone.sample(Form.BOTH, row, answers[:1], with_ir).ids
        assert ids[-1] == tokenizer.token_to_id(END) and list(ids[:-1]) == list(short.ids), "where none belongs to it"


@pytest.mark.parametrize("form", list(Form))
def test_a_long_prompt_is_cut_at_its_end(form, rows, tokenizer):
    row = max(rows, key=lambda row: len(row.unoptimised))
    writer = Writer(tokenizer, Layout(40, 10))
    prompt = writer.prompt(form, row)
    assert len(prompt) == 40 and prompt[-1] == tokenizer.token_to_id(ANSWER)
    assert prompt[0] == tokenizer.token_to_id(PARTS[form][0].mark)
    assert writer.is_cut(form, row)
    assert writer.leaves_out(form, row) == (form in (Form.PAPER, Form.BOTH)), "counts are of all the code"
    roomy = Writer(tokenizer, Layout(10**6, 10))
    assert not roomy.is_cut(form, row) and not roomy.leaves_out(form, row)
    shown = roomy.prompt(form, row)
    assert list(shown[:39]) == list(prompt[:39])
    sample = writer.sample(form, row, [Labelled(OZ, row.oz_count, 1.0)], with_ir=True)
    assert (sample.ids[-1] == tokenizer.token_to_id(END)) == (len(row.optimised) <= 10)


def test_answers_are_drawn_by_their_gain(rows):
    row = max(rows, key=lambda row: len(row.better))
    rng = np.random.default_rng(0)
    label = Labelled(PassList.parse(row.better[0][0]), row.better[0][1], 1.0)
    assert draw_answers(row, rng, float("inf"), 3) == [label]
    gains = {text: row.oz_count - count for text, count in row.better}
    drawn = draw_answers(row, rng, 1.0, 4000)
    assert [str(answer.pass_list) for answer in drawn] == list(gains), "the label first"
    for answer in drawn:
        assert answer.weight == pytest.approx(gains[str(answer.pass_list)] / sum(gains.values()), abs=0.05)
    few = [draw_answers(row, rng, 1.0, 3) for _ in range(20)]
    assert all(len(answers) <= 3 and sum(a.weight for a in answers) == pytest.approx(1) for answers in few)
    none = next(row for row in rows if not row.better)
    assert draw_answers(none, rng, 1.0, 4) == [Labelled(OZ, none.oz_count, 1.0)]


@given(st.lists(st.lists(st.integers(1, 15), min_size=1, max_size=3), min_size=1, max_size=40))
@settings(deadline=None)
def test_packs_hold_every_sample_once_and_in_order(shapes):
    samples = []
    for i, parts in enumerate(shapes):
        ids = np.full(sum(parts), i + 1, np.uint16)
        samples.append(Sample(ids, np.ones(len(ids), np.float32), tuple(parts)))
    packs = list(pack(samples, 20))
    assert all(len(p.ids) == len(p.weights) == 20 == sum(map(sum, p.documents)) for p in packs)
    documents = [d for p in packs for d in np.split(p.ids, np.cumsum([sum(d) for d in p.documents])[:-1])]
    kept = [part for part in documents if part[0] != 0]
    assert [(int(part[0]), len(part)) for part in kept] == [(i + 1, min(sum(n), 20)) for i, n in enumerate(shapes)]
    for p in packs:
        start = 0
        for trunk, *branches in p.documents:
            assert p.weights[start] == 0, "no document predicts the first token of the next"
            expected = [*range(start, start + trunk - 1)]
            at = start + trunk
            for length in branches:
                expected += [start + trunk - 1, *range(at, at + length - 1)]
                at += length
            assert p.previous[start + 1 : at].tolist() == expected
            start = at
