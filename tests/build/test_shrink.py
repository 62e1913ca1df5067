"""A smaller object is clang's own work on what a pass list left, and never a larger one."""

import subprocess
from pathlib import Path

import pytest

from passformer.autotune.coreset import shipped_coreset
from passformer.build.arguments import compilation_of
from passformer.build.recipe import Recipe
from passformer.build.shrink import Choices, NotShrunk, dependencies_of, is_smaller, read_source, shrink
from passformer.llvm.locate import find_toolchain
from passformer.llvm.objects import ObjectSizes, object_sizes
from passformer.llvm.passlist import OZ, PassList
from reference import PROGRAMS, parse_elf

LISTS = shipped_coreset("text").pass_lists[:6]
FUNCTION_LISTS = shipped_coreset("functions").pass_lists[:4]


def compiled(folder: Path, source: Path, *flags: str):
    """The plain object, and the compilation."""
    arguments = ["-Oz", "-c", str(source), "-o", "out.o", *flags]
    clang = str(find_toolchain().clang)
    subprocess.run([clang, *arguments], cwd=folder, check=True)
    answer = subprocess.run([clang, "-###", *arguments], cwd=folder, capture_output=True, text=True).stderr
    return compilation_of(answer)


def shrunk(job, folder, choices, major, sandbox):
    return shrink(job, folder, read_source(job, folder), choices, major, sandbox)


@pytest.mark.parametrize("flags", [(), ("-g", "-ffunction-sections")])
def test_some_programs_get_smaller_and_none_larger(tmp_path, sandbox, major, flags):
    smaller = by_function = 0
    for source in sorted(PROGRAMS.glob("*.c"))[:6]:
        job = compiled(tmp_path, source, *flags)
        plain = parse_elf((tmp_path / "out.o").read_bytes())
        found = shrunk(job, tmp_path, Choices(LISTS, FUNCTION_LISTS), major, sandbox)
        assert (found.plain.code, found.plain.read_only) == (plain.code, plain.read_only)
        assert found.tried == len(LISTS) + len(FUNCTION_LISTS) and found.seconds > 0
        if found.object is None:
            assert found.result == found.plain and found.recipe.is_plain
            continue
        smaller += 1
        by_function += bool(found.recipe.functions)
        ours = parse_elf(found.object)
        assert ours.code + ours.read_only == found.result.text_bytes < found.plain.text_bytes
        assert found.recipe.module in (OZ, *LISTS) and set(found.recipe.functions.values()) <= set(FUNCTION_LISTS)
        assert set(found.recipe.functions) <= set(ours.functions) == set(found.result.functions)
        again = shrunk(job, tmp_path, Choices((), (), Recipe.from_json(found.recipe.to_json())), major, sandbox)
        assert again.object == found.object and again.tried == 0
    assert smaller >= 2 and by_function >= 2
    assert [p.name for p in tmp_path.iterdir()] == ["out.o"]


def test_single_functions_are_worth_it(tmp_path, sandbox, major):
    """With lists for functions, objects are no larger than without, and some are smaller."""
    sizes = []
    for source in sorted(PROGRAMS.glob("*.c"))[:6]:
        job = compiled(tmp_path, source)
        choices = (Choices(LISTS), Choices(LISTS, FUNCTION_LISTS))
        sizes.append([shrunk(job, tmp_path, c, major, sandbox).result.text_bytes for c in choices])
    assert all(with_functions <= without for without, with_functions in sizes)
    assert any(with_functions < without for without, with_functions in sizes)


def test_lists_that_kill_llvm_or_help_nothing_leave_clangs_object(tmp_path, sandbox, major):
    job = compiled(tmp_path, PROGRAMS / "glob.c")
    lists = [PassList.parse(text) for text in ("-Oz -function-import", "-O3", "-Oz")]
    found = shrunk(job, tmp_path, Choices(lists), major, sandbox)
    assert found.object is None or found.recipe == Recipe(lists[1])
    assert shrunk(job, tmp_path, Choices(()), major, sandbox).object is None


def test_trouble_has_a_reason(tmp_path, sandbox, major):
    (tmp_path / "a.c").write_text("int f(void) { return 1; }")
    job = compiled(tmp_path, tmp_path / "a.c")
    (tmp_path / "a.c").write_text("int f( {")
    with pytest.raises(NotShrunk, match="clang -cc1"):
        read_source(job, tmp_path)
    (tmp_path / "a.c").write_text("int f(void) { return 1; }")
    (tmp_path / "out.o").write_bytes(b"no object")
    with pytest.raises(NotShrunk, match="cannot be read"):
        shrunk(job, tmp_path, Choices(LISTS), major, sandbox)


def test_the_front_end_names_what_it_read_and_whether_it_spoke(tmp_path):
    (tmp_path / "a b.h").write_text("int g(void);\n")
    (tmp_path / "a.c").write_text('#include <stddef.h>\n#include "a b.h"\nint f(void) { return 1; }\n')
    read = read_source(compiled(tmp_path, tmp_path / "a.c", "-Wall"), tmp_path)
    assert {str(tmp_path / name) for name in ("a.c", "a b.h")} < set(read.files) and read.silent
    assert all(Path(file).is_file() for file in read.files) and len(read.files) > 2
    (tmp_path / "a.c").write_text("int f(void) { int unused; return 1; }\n")
    assert not read_source(compiled(tmp_path, tmp_path / "a.c", "-Wall"), tmp_path).silent


def test_depfiles():
    assert dependencies_of("x: a.c \\\n  b\\ c.h d$$e.h f\\#g.h\n") == ["a.c", "b c.h", "d$e.h", "f#g.h"]


def test_less_code_may_not_be_paid_with_more_of_something_else(sandbox):
    def sizes(code: int, others: int) -> ObjectSizes:
        return ObjectSizes(code, 10, others, {})

    assert is_smaller(sizes(90, 20), sizes(100, 20)) and is_smaller(sizes(90, 30), sizes(100, 20))
    assert not is_smaller(sizes(90, 31), sizes(100, 20)) and not is_smaller(sizes(100, 0), sizes(100, 20))


def test_unwind_tables_and_data_are_counted_apart(tmp_path, sandbox):
    (tmp_path / "a.c").write_text("int table[4] = {1, 2, 3, 4}; int f(int x) { return table[x]; }")
    compiled(tmp_path, tmp_path / "a.c")
    sizes = sandbox.call(object_sizes, (tmp_path / "out.o").read_bytes())
    assert sizes.others >= 16 and sizes.code > 0
