"""The main job: never larger than -Oz, reported as written, the same each time."""

import dataclasses
import subprocess
from itertools import islice
from pathlib import Path

import pytest

from passformer.autotune.sample import random_pass_lists
from passformer.llvm.catalog import searched_passes
from passformer.llvm.errors import CompilerError, InputError
from passformer.llvm.frontend import load
from passformer.llvm.locate import find_toolchain
from passformer.llvm.measure import Subject, measurer, read_module
from passformer.llvm.objective import Objective
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.protocol import Protocol
from passformer.llvm.sandbox import Pool
from passformer.methods.method import Proposal, Task
from passformer.methods.registry import METHODS, Options, make_method
from passformer.optimize import (
    Candidate,
    Optimized,
    Settings,
    apply_pass_list,
    optimize_file,
    optimize_files,
    output_files,
    output_kind,
    totals,
    write_output,
)
from passformer.user_check import keep_what_passes
from reference import ASSETS, PROGRAMS, count_instructions, parse_elf

FILES = [PROGRAMS / "json.c", PROGRAMS / "glob.c", ASSETS / "shapes.cpp", ASSETS / "unmarked.ll"]
BAD_ASSEMBLY = 'define void @f() {\n call void asm sideeffect "no such instruction", ""()\n ret void\n}\n'


@pytest.fixture
def proposing(monkeypatch):
    """Makes a method called `test` that proposes these pass lists."""

    def register(*texts: str) -> Settings:
        lists = tuple(map(PassList.parse, texts))

        class Fixed:
            def propose(self, tasks, budget, pool):
                return (Proposal(lists[: max(budget, 1)]) for _ in tasks)

        monkeypatch.setitem(METHODS, "test", lambda options: Fixed())
        return Settings("test")

    return register


@pytest.fixture
def options(package):
    return Options(seed=7, model=package)


def size(candidate: Candidate, objective: Objective) -> int:
    return candidate.text_bytes if objective is Objective.TEXT else candidate.instructions


def without_time(outcome: Optimized) -> dict[str, object]:
    return {key: value for key, value in outcome.to_json().items() if key != "seconds"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.parametrize("objective", Objective)
@pytest.mark.parametrize("method", METHODS)
def test_never_larger_than_oz_and_as_reported(pool, path, objective, method, major, options):
    outcome = optimize_file(path, pool, Settings(method, 8, objective, options))
    assert size(outcome.result, objective) <= size(outcome.baseline, objective)
    assert outcome.baseline.pass_list == OZ and outcome.result.pass_list.searched
    assert outcome.compilations <= 8 and (outcome.objective, outcome.method) == (objective, method)
    assert outcome.pipeline == outcome.result.pass_list.pipeline(major)
    ir = pool.call(lambda sandbox: load(path, sandbox)).bitcode
    for candidate in (outcome.baseline, outcome.result):
        subject = Subject(ir, text_bytes=True)
        pipeline = candidate.pass_list.pipeline(major)
        (again,) = pool.call(lambda sandbox, s=subject, p=pipeline: list(sandbox.map(measurer, s, [p])))
        assert (candidate.instructions, candidate.text_bytes) == (again.instructions, again.text_bytes)


def test_a_search_finds_something(pool):
    outcome = optimize_file(PROGRAMS / "json.c", pool, Settings("search", 60))
    assert outcome.compilations == 60
    assert outcome.result.instructions < outcome.baseline.instructions


@pytest.mark.parametrize("objective", Objective)
def test_the_smallest_of_all_that_were_tried_is_taken(pool, proposing, objective, major):
    lists = [str(p) for p in islice(random_pass_lists("smallest", searched_passes(major)), 8)]
    settings = proposing(*lists)
    applied = [apply_pass_list(FILES[0], pool, PassList.parse(text), Settings(objective=objective)) for text in lists]
    outcome = optimize_file(FILES[0], pool, dataclasses.replace(settings, objective=objective))
    candidates = [outcome.baseline, *(a.result for a in applied)]
    assert size(outcome.result, objective) == min(size(c, objective) for c in candidates)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_result_on_any_number_of_workers(pool, method, options):
    settings = Settings(method, 12, options=options)
    with Pool(1) as one:
        alone = optimize_file(FILES[1], one, settings)
    assert without_time(alone) == without_time(optimize_file(FILES[1], pool, settings))


@pytest.mark.parametrize("method", METHODS)
def test_without_budget_it_is_one_list_or_oz(pool, method, options):
    outcome = optimize_file(FILES[0], pool, Settings(method, 0, options=options))
    (task,) = tasks_of(FILES[0], pool)
    (proposal,) = make_method(method, options).propose([task], 0, pool)
    assert outcome.result.pass_list in (OZ, *proposal.pass_lists) and len(proposal.pass_lists) == 1
    assert outcome.result.instructions <= outcome.baseline.instructions and outcome.compilations == 0


def tasks_of(path, pool):
    """The file as methods see it."""
    return [Task(pool.call(lambda sandbox: load(path, sandbox)).bitcode, find_toolchain().major)]


def test_compilations_are_the_lists_that_were_tried(pool, proposing):
    settings = proposing("-sroa -Oz", "-Oz", "-gvn -Oz", "-Oz -sroa", "-dce")
    budgets = [dataclasses.replace(settings, budget=budget) for budget in (1, 3, 5, 99)]
    tried = {s.budget: optimize_file(FILES[3], pool, s).compilations for s in budgets}
    assert tried == {1: 1, 3: 2, 5: 4, 99: 4}, "-Oz is there anyway"


def test_a_tie_keeps_oz(pool, proposing):
    outcome = optimize_file(FILES[0], pool, proposing("-O2", "-Oz -strip-dead-prototypes"))
    assert outcome.compilations == 2 and not outcome.failures
    assert outcome.result == outcome.baseline and outcome.result.pass_list == OZ


def test_lists_that_crash_are_told_and_do_no_harm(pool, proposing):
    settings = proposing("-function-import", "-sample-profile", "-sroa -Oz", "-Oz -function-import")
    outcome = optimize_file(FILES[0], pool, settings)
    assert outcome.compilations == 4
    assert [(str(p), f.kind) for p, f in outcome.failures] == [
        ("-O0 -function-import", "crash"),
        ("-O0 -sample-profile", "crash"),
        ("-Oz -function-import", "crash"),
    ]
    assert [row["kind"] for row in outcome.to_json()["failures"]] == ["crash"] * 3
    assert outcome.result.instructions <= outcome.baseline.instructions


def test_apply_runs_exactly_this_list_even_to_loss(pool):
    nothing = apply_pass_list(FILES[0], pool, PassList(()), Settings())
    assert nothing.result.instructions > nothing.baseline.instructions and nothing.pipeline == ""
    assert apply_pass_list(FILES[0], pool, OZ, Settings()).compilations == 0
    with pytest.raises(CompilerError, match="LLVM failed on -Oz -function-import: crash: SIGABRT: LLVM ERROR"):
        apply_pass_list(FILES[0], pool, PassList.parse("-Oz -function-import"), Settings())


@pytest.mark.parametrize("objective", Objective)
@pytest.mark.parametrize("path", FILES[:3], ids=lambda path: path.name)
def test_what_is_written_is_what_was_reported(pool, sandbox, tmp_path, path, objective):
    outcome = optimize_file(path, pool, Settings("search", 12, objective))
    for suffix in (".ll", ".bc", ".s", ".o"):
        write_output(outcome, tmp_path / f"a{suffix}", pool)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bc", "a.ll", "a.o", "a.s"]
    expected = outcome.result
    assert sum(count_instructions((tmp_path / "a.ll").read_text()).values()) == expected.instructions
    facts = sandbox.call(read_module, ((tmp_path / "a.bc").read_bytes(), Protocol.CLANG))
    assert sum(f.num_instructions for f in facts.functions) == expected.instructions
    clang = str(find_toolchain().clang)
    subprocess.run([clang, "-c", tmp_path / "a.s", "-o", tmp_path / "assembled.o"], check=True)
    for name in ("a.o", "assembled.o"):
        elf = parse_elf((tmp_path / name).read_bytes())
        assert elf.code + elf.read_only == expected.text_bytes


def test_a_file_that_cannot_be_written_leaves_nothing_behind(pool, tmp_path):
    outcome = optimize_file(FILES[3], pool, Settings(budget=0))
    target = tmp_path / "a.o"
    target.mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write_output(outcome, target, pool)
    assert list(tmp_path.iterdir()) == [target]


def test_new_files_have_the_usual_permissions_and_old_ones_are_replaced(pool, tmp_path):
    outcome = optimize_file(FILES[3], pool, Settings(budget=0))
    (tmp_path / "usual").touch()
    (tmp_path / "a.ll").write_text("old")
    write_output(outcome, tmp_path / "a.ll", pool)
    assert (tmp_path / "a.ll").read_text() != "old"
    assert (tmp_path / "a.ll").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("a.exe", "the suffix tells what to write: one of .o .s .ll .bc"),
        ("a", "the suffix tells"),
        ("nowhere/a.o", "nowhere does not exist"),
        ("folder.o", "is a folder"),
    ],
)
def test_outputs_are_checked_before_any_work(pool, tmp_path, name, complaint):
    (tmp_path / "folder.o").mkdir()
    with pytest.raises(InputError, match=complaint):
        output_kind(tmp_path / name)
    if name != "folder.o":  # there, one file goes into the folder
        with pytest.raises(InputError, match=complaint):
            next(optimize_files([Path("/no/such/file.c")], pool, Settings(), tmp_path / name))


def test_several_files_go_to_a_folder(pool, tmp_path):
    outcomes = list(optimize_files(FILES[:2], pool, Settings(), tmp_path))
    for outcome in outcomes:
        elf = parse_elf((tmp_path / f"{outcome.input.stem}.o").read_bytes())
        assert elf.code + elf.read_only == outcome.result.text_bytes
    assert len(list(tmp_path.iterdir())) == 2
    summed = totals(outcomes)
    assert summed["result"]["instructions"] == sum(o.result.instructions for o in outcomes)
    assert summed["baseline"]["text_bytes"] == sum(o.baseline.text_bytes for o in outcomes)
    assert [f["input"] for f in summed["files"]] == summed["input"] == list(map(str, FILES[:2]))


@pytest.mark.parametrize(("output", "complaint"), [("", "more than one of the files"), ("a.o", "names a folder")])
def test_several_files_cannot_share_one_output(pool, tmp_path, output, complaint):
    with pytest.raises(InputError, match=complaint):
        next(optimize_files([FILES[0], FILES[0]], pool, Settings(), tmp_path / output))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (Settings("guessing"), "no method is called 'guessing': choose from model, "),
        (Settings(budget=-1), "negative"),
        (Settings(clang_flags=("-fsanitize=address",)), "instruments"),
    ],
)
def test_settings_that_mean_nothing(pool, settings, complaint):
    with pytest.raises(InputError, match=complaint):
        optimize_file(FILES[0], pool, settings)


def test_code_that_llvm_cannot_emit_is_the_compilers_failure(pool, tmp_path, capfd):
    (tmp_path / "a.ll").write_text(BAD_ASSEMBLY)
    for objective in Objective:
        with pytest.raises(CompilerError):
            optimize_file(tmp_path / "a.ll", pool, Settings(objective=objective))
    assert capfd.readouterr().err == ""


def test_on_every_version(any_llvm):
    with Pool(2) as pool:
        for method in {*METHODS, None} - {"model"}:
            outcome = optimize_file(PROGRAMS / "glob.c", pool, Settings(method))
            assert outcome.llvm.startswith(f"{any_llvm.major}.") and not outcome.failures
            assert outcome.result.instructions <= outcome.baseline.instructions


@pytest.mark.parametrize("objective", list(Objective))
def test_always_inline_is_kept_whatever_the_list(pool, tmp_path, proposing, objective):
    """A list of single passes would leave the callee alone and call that small."""
    source = tmp_path / "inline.c"
    source.write_text(
        "static inline __attribute__((always_inline)) int f(int x)"
        "{ for (int i = 0; i < 9; i++) x = x * x + i; return x; }"
        "int a(int x) { return f(x) + f(x + 1); } int b(int x) { return f(x) * f(x - 1); }"
    )
    settings = dataclasses.replace(proposing("-function-simplification-oz"), objective=objective)
    outcome = optimize_file(source, pool, settings)
    facts = pool.call(lambda sandbox: sandbox.call(read_module, (outcome.bitcode, Protocol.CLANG)))
    assert [function.name for function in facts.functions] == ["a", "b"]


def test_the_users_own_check_decides(tmp_path, pool):
    paths = [PROGRAMS / "json.c", PROGRAMS / "calendar.c"]
    settings = Settings("coreset", 8, Objective.TEXT)
    outcomes = list(optimize_files(paths, pool, settings))
    targets = output_files(paths, tmp_path)
    assert [o.result.pass_list for o in outcomes] != [OZ, OZ]
    assert keep_what_passes(outcomes, targets, "true", pool) == outcomes
    with pytest.raises(InputError, match="fails with the outputs of -Oz"):
        keep_what_passes(outcomes, targets, "false", pool)

    write_output(outcomes[0].fallen_back(), tmp_path / "plain.o", pool)
    only_plain_json = f"cmp -s {tmp_path}/json.o {tmp_path}/plain.o"
    kept = keep_what_passes(outcomes, targets, only_plain_json, pool)
    assert kept == [outcomes[0].fallen_back(), outcomes[1]]
    assert (tmp_path / "json.o").read_bytes() == (tmp_path / "plain.o").read_bytes()
    assert kept[0].result == kept[0].baseline and kept[0].pipeline == OZ.pipeline(int(kept[0].llvm.split(".")[0]))
