"""The benchmark of evaluation in process against spawned opt: its books, not its timings."""

import pytest

from passformer.bench.compile import bench_compile
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from reference import ASSETS

needs_opt = pytest.mark.skipif(find_toolchain().tool("opt") is None, reason="no opt of the same LLVM version")


@needs_opt
@pytest.mark.parametrize("folder", [None, ASSETS], ids=["programs", "assets"])
def test_what_was_run_is_what_was_asked_for(folder, tmp_path):
    if folder:  # all but the assets of one kind
        for name in ("loops.c", "ring.cpp", "unmarked.ll"):
            (tmp_path / name).write_bytes((folder / name).read_bytes())
        folder = tmp_path
    done = []
    result = bench_compile(folder, 3, 4, 1, lambda *progress: done.append(progress))
    assert (result["functions"], result["lists"], result["evaluations"], result["seed"]) == (3, 4, 12, 1)
    assert done == [("spawning opt", 1, 3), ("spawning opt", 2, 3), ("spawning opt", 3, 3)]
    assert 0 <= result["failures"] <= 12
    assert result["ratio"] == pytest.approx(result["in_process_per_second"] / result["subprocess_per_second"])
    assert result["llvm"].startswith(f"{find_toolchain().major}.")


@needs_opt
@pytest.mark.parametrize(("made", "complaint"), [(False, "no such folder"), (True, "no function in any")])
def test_a_folder_without_programs_is_named(tmp_path, made, complaint):
    folder = tmp_path / "empty"
    if made:
        folder.mkdir()
    with pytest.raises(InputError, match=complaint) as caught:
        bench_compile(folder, 1, 1, 0)
    assert str(folder) in str(caught.value)


def test_without_opt_it_says_what_to_install(tmp_path, asked_for):
    (tmp_path / "libLLVM.so.21.1").touch()
    asked_for.setenv("PASSFORMER_LLVM", str(tmp_path))
    asked_for.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no opt 21 to compare with: apt-get install llvm-21"):
        bench_compile(None, 1, 1, 0)
