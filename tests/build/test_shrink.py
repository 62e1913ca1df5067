"""A smaller object is clang's own work on what a pass list left, and never a larger one."""

import subprocess
from pathlib import Path

import pytest

from passformer.autotune.coreset import shipped_coreset
from passformer.build.arguments import compilation_of
from passformer.build.shrink import NotShrunk, is_smaller, shrink
from passformer.llvm.locate import find_toolchain
from passformer.llvm.objects import ObjectSizes, object_sizes
from passformer.llvm.passlist import OZ, PassList
from reference import PROGRAMS, parse_elf

LISTS = shipped_coreset("text").pass_lists[:6]


def compiled(folder: Path, source: Path, *flags: str):
    """The plain object, and the compilation."""
    arguments = ["-Oz", "-c", str(source), "-o", "out.o", *flags]
    clang = str(find_toolchain().clang)
    subprocess.run([clang, *arguments], cwd=folder, check=True)
    answer = subprocess.run([clang, "-###", *arguments], cwd=folder, capture_output=True, text=True).stderr
    return compilation_of(answer)


@pytest.mark.parametrize("flags", [(), ("-g", "-ffunction-sections")])
def test_some_programs_get_smaller_and_none_larger(tmp_path, sandbox, major, flags):
    smaller = 0
    for source in sorted(PROGRAMS.glob("*.c"))[:5]:
        job = compiled(tmp_path, source, *flags)
        plain = parse_elf((tmp_path / "out.o").read_bytes())
        found = shrink(job, tmp_path, LISTS, major, sandbox)
        assert (found.plain.code, found.plain.read_only) == (plain.code, plain.read_only)
        assert found.tried == len(LISTS) and found.seconds > 0
        if found.object is None:
            assert found.result == found.plain and found.pass_list == OZ
            continue
        smaller += 1
        ours = parse_elf(found.object)
        assert ours.code + ours.read_only == found.result.text_bytes < found.plain.text_bytes
        assert found.pass_list in LISTS
        assert set(ours.functions) >= {n for n in plain.functions if n in ours.functions} and ours.functions
    assert smaller >= 2
    assert [p.name for p in tmp_path.iterdir()] == ["out.o"]


def test_lists_that_kill_llvm_or_help_nothing_leave_clangs_object(tmp_path, sandbox, major):
    job = compiled(tmp_path, PROGRAMS / "glob.c")
    lists = [PassList.parse(text) for text in ("-Oz -function-import", "-O3", "-Oz")]
    found = shrink(job, tmp_path, lists, major, sandbox)
    assert found.object is None or found.pass_list == lists[1]
    assert shrink(job, tmp_path, [], major, sandbox).object is None


def test_trouble_has_a_reason(tmp_path, sandbox, major):
    (tmp_path / "a.c").write_text("int f(void) { return 1; }")
    job = compiled(tmp_path, tmp_path / "a.c")
    (tmp_path / "a.c").write_text("int f( {")
    with pytest.raises(NotShrunk, match="clang -cc1"):
        shrink(job, tmp_path, LISTS, major, sandbox)
    (tmp_path / "a.c").write_text("int f(void) { return 1; }")
    (tmp_path / "out.o").write_bytes(b"no object")
    with pytest.raises(NotShrunk, match="cannot be read"):
        shrink(job, tmp_path, LISTS, major, sandbox)


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
