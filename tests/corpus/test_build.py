"""From sources to a corpus on disk, in every detail that others rely on."""

import os
import signal
import subprocess
import sys
import textwrap
from collections import defaultdict
from dataclasses import replace

import pytest

from passformer.corpus.build import Settings, build_corpus
from passformer.corpus.normalize import function_id, normalize
from passformer.corpus.store import SPLITS, Corpus, write_corpus
from passformer.llvm.errors import InputError
from passformer.llvm.measure import Subject, measurer, render
from passformer.llvm.passlist import OZ
from passformer.llvm.protocol import Protocol
from reference import count_instructions, living_in_session, wait_until

SQUARE = "int {name}(int x) {{ return x * x; }}\n"


def write_projects(root, count: int = 12) -> None:
    """A tree with a folder a project, each with functions of its own and one that all have under another name."""
    for number in range(count):
        project = root / f"project{number:02}"
        project.mkdir(parents=True)
        (project / "own.c").write_text(
            f"#include <assert.h>\nstatic const int table[] = {{1, {number}, 3}};\n"
            f"int look(int i) {{ assert(i < 3); return table[i]; }}\n"
            f"int twice(int x) {{ return look(x + {number}) * 2; }}\n"
        )
        (project / "shared.c").write_text(SQUARE.format(name=f"square{number}"))


def functions_of(folder) -> list[tuple]:
    return [(f.id, f.source, f.group, f.split, f.name, f.ir, f.instructions) for f in Corpus(folder).functions()]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    write_projects(root)
    broken = root / "project03"
    (broken / "syntax.c").write_text("int f(void) { return nothing; }\n")
    (broken / "syntax2.cpp").write_text('#include "not_there.h"\n')
    (broken / "empty.c").write_text("extern int x;\n")
    (broken / "module.ll").write_text("define i32 @broken() { ret i64 1 }\n")
    steps = "".join(f"  x = (x ^ {i}) * {i + 2};\n" for i in range(600))
    (broken / "large.c").write_text(f"int large(int x) {{\n{steps}  return x;\n}}\nint small(void) {{ return 5; }}\n")
    (root / "project04" / "old.c").write_text("old(x) { return undeclared(x); }\n")
    (root / "project05" / "good.ll").write_text("define i32 @from_ir(i32 %x) {\n  ret i32 %x\n}\n")
    return root


@pytest.fixture(scope="module")
def built(tree, tmp_path_factory, pool):
    """(manifest, folder) of the tree's corpus."""
    out = tmp_path_factory.mktemp("built") / "corpus"
    return build_corpus([f"dir:{tree}"], out, pool), out


def test_the_manifest_counts_everything(built, tree):
    manifest, out = built
    found = functions_of(out)
    assert manifest["functions"] == len(found) == 12 * 2 + 1 + 3  # look, twice; one square; small, old, from_ir
    assert manifest["instructions"] == sum(f[-1] for f in found)
    assert manifest["by_source"] == {"dir": len(found)}
    assert manifest["duplicates_removed"] == 11
    assert manifest["too_large"] == 1
    assert manifest["failed"] == 3 and manifest["failed_by_source"] == {"dir": 3}
    assert manifest["failures"] == {
        "dir: use of undeclared identifier 'nothing'": 1,
        "dir: 'not_there.h' file not found": 1,
        "dir: refused: module:1:28: error: value doesn't match function result type 'i32'": 1,
    }
    assert manifest["protocol"] == "clang" and manifest["specs"] == [f"dir:{tree}"]
    assert {p.name for p in out.iterdir()} == {"corpus.json", "functions-00000.parquet"}


def test_every_module_holds_its_function_and_gives_the_same_count_each_time(built, sandbox, major):
    for function in Corpus(built[1]).functions():
        text = sandbox.call(render, (function.ir, "text")).decode()
        assert count_instructions(text) == {function.name: function.instructions}
        assert function_id(normalize(text), function.name) == function.id
        assert "minsize" in text and "optnone" not in text
        first, again = sandbox.map(measurer, Subject(function.ir), [OZ.pipeline(major)] * 2)  # the measurer verifies
        assert first == again and first.instructions > 0


def test_no_text_of_validation_or_test_is_in_train_and_no_group_is_torn(built, sandbox):
    texts, splits = defaultdict(set), defaultdict(set)
    for function in Corpus(built[1]).functions():
        text = normalize(sandbox.call(render, (function.ir, "text")).decode())
        texts[text.replace(f"@{function.name}(", "@(")].add(function.split)
        splits[function.group].add(function.split)
    assert all(len(found) == 1 for found in [*texts.values(), *splits.values()])
    assert set.union(*splits.values()) == set(SPLITS)


def test_a_tree_in_another_place_gives_the_same_functions(built, tmp_path, pool):
    write_projects(tmp_path / "elsewhere")
    build_corpus([f"dir:{tmp_path / 'elsewhere'}"], tmp_path / "out", pool)
    ids = {f.id for f in Corpus(built[1]).functions()}
    assert {f.id for f in Corpus(tmp_path / "out").functions()} < ids


def test_protocol_paper(tree, tmp_path, pool, sandbox):
    manifest = build_corpus([f"dir:{tree / 'project01'}"], tmp_path / "out", pool, Settings(Protocol.PAPER))
    assert manifest["protocol"] == "paper" and Corpus(tmp_path / "out").protocol is Protocol.PAPER
    for function in Corpus(tmp_path / "out").functions():
        text = sandbox.call(render, (function.ir, "text")).decode()
        assert "alloca" in text and "minsize" not in text and "optnone" not in text


def test_a_corpus_grows_by_an_earlier_one(built, tree, tmp_path, pool):
    manifest, first = built
    more = tmp_path / "more"
    (more / "added").mkdir(parents=True)
    (more / "added" / "a.c").write_text("int added(int x) { return x - 77; }\n" + SQUARE.format(name="again"))
    (more / "added" / "bad.c").write_text("int f(void) { return nothing; }\n")
    grown = build_corpus([f"corpus:{first}", f"dir:{more}"], tmp_path / "grown", pool)
    old = {f[0] for f in functions_of(first)}
    new = {f[0]: f for f in functions_of(tmp_path / "grown")}
    assert old < new.keys() and [f[4] for i, f in new.items() if i not in old] == ["added"]
    assert grown["functions"] == manifest["functions"] + 1
    assert grown["duplicates_removed"] == manifest["duplicates_removed"] + 1
    assert grown["failed"] == manifest["failed"] + 1
    assert grown["failures"]["dir: use of undeclared identifier 'nothing'"] == 2
    with pytest.raises(InputError, match="of protocol clang, and this build of paper"):
        build_corpus([f"corpus:{first}"], tmp_path / "paper", pool, Settings(Protocol.PAPER))


def test_a_corpus_held_out_from_another(built, tree, tmp_path, pool):
    _, first = built
    train = set(Corpus(first).ids(["train"]))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.c").write_text("int added(int x) { return x - 77; }\n")
    settings = Settings(split="test", without=Corpus(first))
    held_out = build_corpus([f"dir:{tree}", f"dir:{tmp_path / 'more'}"], tmp_path / "test", pool, settings)
    functions = list(Corpus(tmp_path / "test").functions())
    assert train and train.isdisjoint(f.id for f in functions)
    assert "added" in [f.name for f in functions] and {f.split for f in functions} == {"test"}
    assert held_out["known_removed"] == len(train)
    with pytest.raises(InputError, match="no function came out"):
        build_corpus(
            [f"corpus:{first}"], tmp_path / "none", pool, Settings(split="test", without=all_train(first, tmp_path))
        )


def all_train(folder, tmp_path) -> Corpus:
    corpus = Corpus(folder)
    copy = tmp_path / "all-train"
    copy.mkdir()
    write_corpus(copy, (replace(f, split="train") for f in corpus.functions()), corpus.manifest)
    return Corpus(copy)


def test_a_sample_is_drawn_by_the_seed(tree, tmp_path, pool):
    def names(folder: str, seed: int) -> list[str]:
        build_corpus([f"dir:{tree}"], tmp_path / folder, pool, Settings(sample={"dir": 6}, seed=seed))
        return [f.name + f.group for f in Corpus(tmp_path / folder).functions()]

    first, again, other = names("a", 1), names("b", 1), names("c", 2)
    assert first == again != other and 0 < len(first) <= 12


@pytest.mark.parametrize("sample", [{"poj-104": 5}, {"dir": 0}, {"dir": -1}])
def test_a_sample_that_would_be_ignored_is_refused(tree, tmp_path, pool, sample):
    with pytest.raises(InputError, match=f"--sample {next(iter(sample))}="):
        build_corpus([f"dir:{tree}"], tmp_path / "out", pool, Settings(sample=sample))


def test_a_finished_corpus_is_not_overwritten(built, tree, pool):
    with pytest.raises(InputError, match="holds a finished corpus"):
        build_corpus([f"dir:{tree}"], built[1], pool)


def test_sources_without_any_function_are_an_error_that_can_be_mended(tmp_path, pool):
    source = tmp_path / "source" / "a.c"
    source.parent.mkdir()
    source.write_text("syntax error\n")
    with pytest.raises(InputError, match=r"no function came out of dir:.*: dir: unknown type name 'syntax'"):
        build_corpus([f"dir:{source.parent}"], tmp_path / "out", pool)
    source.write_text(SQUARE.format(name="f"))
    assert build_corpus([f"dir:{source.parent}"], tmp_path / "out", pool)["functions"] == 1


def test_a_bad_source_does_not_block_the_place(tree, tmp_path, pool):
    with pytest.raises(InputError, match="expected a folder there"):
        build_corpus([f"dir:{tree}", "dir:/not/there"], tmp_path / "out", pool)
    assert build_corpus([f"dir:{tree / 'project01'}"], tmp_path / "out", pool)["functions"] == 3


def test_a_place_that_cannot_be_written_is_named(tree, tmp_path, pool):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=f"{out}: the folder cannot be made"):
            build_corpus([f"dir:{tree}"], out, pool)


SLOW_BUILD = """
import sys, time
from pathlib import Path
from passformer.corpus import build
from passformer.llvm.sandbox import Pool

build.UNITS_PER_PART = 3
with Pool(2) as pool:
    build.build_corpus([sys.argv[1]], Path(sys.argv[2]), pool, report=lambda *progress: time.sleep(1))
"""


def begin(spec: str, out) -> None:
    """Start a build and `kill -9` it, with all its children, after the first part or two."""
    command = [sys.executable, "-c", textwrap.dedent(SLOW_BUILD), spec, str(out)]
    # What `kill -9` leaves in the folder for temporary files goes away with the test's.
    process = subprocess.Popen(command, start_new_session=True, env={**os.environ, "TMPDIR": str(out.parent)})
    try:
        assert wait_until(lambda: (out / ".parts" / "00000.json").exists(), 60)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert wait_until(lambda: not living_in_session(process.pid))


@pytest.mark.usefixtures("small_parts")
def test_a_killed_build_goes_on_to_the_same_corpus(tmp_path, pool):
    # C++ programs that share templates of the standard library: which unit gives them must not depend on the kill.
    for number in range(8):
        folder = tmp_path / "programs" / str(number % 4)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_text(
            f"struct Node {{ int key[{1 + number % 2}]; }};\n"
            f"int main() {{ vector<Node> v({number}); return v.size() + abs({number}); }}\n"
        )
    spec = f"poj-104:{tmp_path / 'programs'}"
    whole = build_corpus([spec], tmp_path / "whole", pool)
    begin(spec, tmp_path / "killed")
    (tmp_path / "killed" / ".parts" / ".00001.parquet.half").write_bytes(b"PAR1")
    first = tmp_path / "killed" / ".parts" / "00000.parquet"
    before = first.stat().st_mtime_ns
    finished = []
    resumed = build_corpus(
        [spec], tmp_path / "killed", pool, report=lambda *_: finished.append(first.stat().st_mtime_ns)
    )
    assert set(finished) == {before} and len(finished) == 3  # the finished part was not built again
    assert resumed == whole and whole["functions"] > 20
    assert functions_of(tmp_path / "killed") == functions_of(tmp_path / "whole")
    assert {p.name for p in (tmp_path / "killed").iterdir()} == {"corpus.json", "functions-00000.parquet"}


@pytest.mark.usefixtures("small_parts")
def test_an_unfinished_build_of_other_settings_is_refused(tree, tmp_path, pool):
    out = tmp_path / "out"
    begin(f"dir:{tree}", out)
    for specs, settings in (
        ([f"dir:{tree / 'project01'}"], Settings()),
        ([f"dir:{tree}"], Settings(Protocol.PAPER)),
        ([f"dir:{tree}"], Settings(sample={"dir": 5})),
        ([f"dir:{tree}"], Settings(seed=1)),
    ):
        with pytest.raises(InputError, match="holds an unfinished build of other sources: finish that"):
            build_corpus(specs, out, pool, settings)
    assert build_corpus([f"dir:{tree}"], out, pool)["functions"] == 28


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr("passformer.corpus.build.UNITS_PER_PART", 3)
