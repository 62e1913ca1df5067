"""Verification on real programs: what is convicted, what is acquitted, what is no evidence, what is written down."""

import json
import os
import subprocess
import sys
import textwrap
import time

import pytest

from passformer.autotune.verified import read_record
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.sandbox import Pool
from passformer.verify.differential import run_differential
from passformer.verify.execute import RunLimits, link, link_command, run_program
from passformer.verify.prepare import prepare, prepare_one
from passformer.verify.program import TIMEOUT, Candidate, Outcome, Program
from passformer.verify.reproduce import reproduce
from passformer.verify.verify import Settings, chosen_lists, verify_lists, working_folder

LOOP = """
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    unsigned n = argc > 1 ? atoi(argv[1]) : 3, kept = 0;
    for (unsigned i = 0; i < 40; i++) {
        if (i % 3 == n % 3) continue;
        for (unsigned j = i; j < 60; j++) {
            if ((j ^ n) % 7 == 2) break;
            kept = kept * 5 + (j > n ? i : j);
        }
        if (kept > 4000000000u) break;
    }
    switch (n) {
    case 1: kept += 11; break;
    case 8: kept *= 3; /* fall through */
    case 9: kept ^= 1; break;
    default: kept = 0;
    }
    printf("%u\\n", kept);
    return (int)(n + 2);
}
"""
WORDS = '#include <iostream>\nint main() { std::cout << "words " << 3 << std::endl; return 0; }\n'
POINTERS = """
#include <stdio.h>
int *a = 0;
long apart(long x) { return (int *)x - a; }
int main(int argc, char **argv) { printf("%ld\\n", apart(-103 * argc)); return 0; }
"""
HEADERS = "#include <stdio.h>\n#include <stdlib.h>\n"
LISTS = [OZ, PassList.parse("-sroa -instcombine -simplifycfg"), PassList.parse("-structurizecfg -Oz")]


def candidate(code: str, name: str = "c", **more) -> Candidate:
    return Candidate("test", name, code.encode, **{"inputs": (("1",), ("8",)), **more})


@pytest.fixture(scope="module")
def programs(tmp_path_factory, pool) -> list[Program]:
    candidates = [candidate(LOOP, "loop"), candidate(WORDS, "words", language="c++", inputs=((),))]
    found, left_out = prepare(candidates, tmp_path_factory.mktemp("prepared"), pool)
    assert left_out == {}
    return found


def test_a_program_is_what_its_source_says(programs):
    loop, words = programs
    assert [o.status for o in loop.expected] == [3, 10] and words.expected == (Outcome(0, b"words 3\n"),)
    assert len(loop.expected[0].stdout) > 1 and loop.expected[0] != loop.expected[1]
    assert loop.instructions > 30 and loop.inputs == (("1",), ("8",))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("int main(void) { return nothing; }", "does not compile: use of undeclared identifier 'nothing'"),
        ('#include <stdio.h>\nint main(void) { int x; printf("%d\\n", x & 7); return 0; }', "-O0 with a pattern"),
        ('#include <stdio.h>\nint main(void) { int x[3] = {0}; printf("%d\\n", x[getchar() + 9]); }', "sanitizers"),
        ('#include <stdio.h>\nint main(void) { int x; printf("%p\\n", (void *)&x); return 0; }', "differ"),
        (f'{HEADERS}int main(void) {{ int *p = malloc(400); printf("%d\\n", p[90]); }}', "differ"),
        (POINTERS, "no whole elements apart"),
        ("volatile int x = 1;\nint main(void) { while (x) {} return 0; }", "takes too long"),
        ('#include <stdio.h>\nint main(void) { for (;;) puts("more"); }', "takes too long or writes too much"),
        ("#include <stdlib.h>\nint main(void) { abort(); }", "is ended by a signal"),
        ("int main(void) { return 0; }", "prints nothing"),
    ],
)
def test_what_is_no_evidence_is_left_out(code, reason, sandbox):
    found = prepare_one(sandbox, candidate(code, inputs=((),)), {})
    assert isinstance(found, str) and found.startswith("test: ") and reason in found


def test_a_known_miscompile_is_convicted_and_minus_oz_is_not(programs, tmp_path, pool):
    records, findings = run_differential(programs, [*LISTS, PassList.parse("-lower-expect -Oz")], tmp_path, pool)
    good, plain, bad, again = records
    assert good.admitted and plain.admitted and again.admitted and not bad.admitted
    assert (good.programs, good.runs, good.miscompiles) == (2, 3, 0)
    assert (again.programs, again.runs, again.miscompiles) == (2, 0, 0), "the same executables are not run again"
    assert bad.miscompiles == 1 and bad.example == "test/loop"
    (finding,) = findings
    assert finding.program.name == "loop" and finding.difference.got != finding.difference.expected


def test_a_reproducer_shows_the_difference_and_is_reduced(programs, tmp_path, pool, sandbox):
    long = PassList.parse("-sroa -gvn -structurizecfg -adce -Oz")
    _, findings = run_differential(programs[:1], [long, LISTS[2]], tmp_path, pool)
    found = reproduce(findings, tmp_path / "reproducers", sandbox)
    assert found and all("structurizecfg" in str(r.pass_list) for r in found)
    assert all(len(r.pass_list) < len(long) for r in found)
    about = json.loads((found[0].folder / "about.json").read_text())
    assert about["program"] == "test/loop" and about["arguments"] in (["1"], ["8"])
    assert (found[0].folder / "expected.txt").read_bytes() != (found[0].folder / "got.txt").read_bytes()
    script = (found[0].folder / "run.sh").read_text()
    assert found[0].pass_list.pipeline(find_toolchain().major) in script
    if find_toolchain().tool("opt") and find_toolchain().tool("llc"):
        tools = tmp_path / "bin"
        tools.mkdir()
        for name in ("opt", "llc", "clang"):
            (tools / f"{name}-{find_toolchain().major}").symlink_to(find_toolchain().tool(name))
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "run.sh"], cwd=found[0].folder, env=environment, capture_output=True, text=True)
        expected, _, got = done.stdout.partition("status")
        assert expected.strip() and expected.strip() not in got, done.stderr


TAMPER = """
from passformer.llvm.module import Module
from passformer.verify.check import optimise

def wrong_constant(module, pipeline):
    if pipeline == "default<O2>":
        return optimise(module, pipeline)
    text = module.text().replace(", 5\\n", ", 6\\n")
    with Module.parse(text.encode()) as other:
        return optimise(other, pipeline)

def swapped_operation(module, pipeline):
    if pipeline == "default<O2>":
        return optimise(module, pipeline)
    with Module.parse(module.text().replace(" add i32", " sub i32", 1).encode()) as other:
        return optimise(other, pipeline)
"""


@pytest.mark.parametrize("bug", ["wrong_constant", "swapped_operation"])
def test_a_planted_bug_is_convicted(bug, programs, tmp_path, monkeypatch):
    (tmp_path / "tamper.py").write_text(TAMPER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    import tamper

    with Pool(1) as pool:
        wrong = getattr(tamper, bug)
        records, findings = run_differential(programs[:1], LISTS[:2], tmp_path, pool, optimise_with=wrong)
    assert [record.miscompiles for record in records] == [0, 1]
    assert findings[0].pass_list == LISTS[1]


def test_a_list_that_llvm_does_not_survive_is_no_miscompile(programs, tmp_path, pool):
    crashing = PassList.parse("-function-import -Oz")
    (record,), findings = run_differential(programs[:1], [crashing], tmp_path, pool)
    assert not findings and not record.admitted and (record.programs, record.failures) == (0, 1)


def test_finished_work_is_not_done_again(programs, tmp_path, pool):
    run_differential(programs[:1], LISTS, tmp_path, pool)
    (journal,) = tmp_path.glob("verdicts-*.jsonl")
    before = journal.read_text()
    records, _ = run_differential(programs, LISTS, tmp_path, pool)
    after = journal.read_text()
    assert after.startswith(before) and after.count("\n") == 2 and records[0].programs == 2


def test_a_killed_run_goes_on(tmp_path):
    command = [sys.executable, "-m", "passformer", "verify", "--passes", "-Oz", "--programs", "random:40", "--json"]
    command += ["--jobs", "1", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = tmp_path / "run" / "verdicts"
    while process.poll() is None and not any(tmp_path.glob("run/verdicts-*.jsonl")):
        time.sleep(0.05)
    time.sleep(0.3)
    process.kill()
    process.wait()
    (journal,) = tmp_path.glob("run/verdicts-*.jsonl")
    finished = [line for line in journal.read_text().splitlines(keepends=True) if line.endswith("\n")]
    done = subprocess.run(command, capture_output=True, text=True)
    result = json.loads(done.stdout)
    lines = journal.read_text().splitlines(keepends=True)
    assert lines[: len(finished)] == finished and len(lines) == result["programs"]
    assert result["runs"] == 3 * result["programs"] and result["miscompiles"] == 0


def test_the_stage_writes_a_record_that_admits(tmp_path, pool):
    settings = Settings(("shipped:crc", "random:6"))
    summary = verify_lists(LISTS, tmp_path, pool, settings)
    assert summary["programs"] == 7 == sum(summary["by_source"].values())
    assert summary["runs"] >= 2 * (1 + 6 * 3) and summary["lists"] == 3
    record = read_record(tmp_path / "record.json")
    assert record.admits(OZ) and record.admits(LISTS[1])
    assert not record.admits(PassList.parse("-gvn -Oz")), "a list that never ran is not admitted"
    assert summary["rejected"] == [str(p) for p in LISTS if not record.admits(p)]
    with pytest.raises(InputError, match="prepared for other programs"):
        verify_lists(LISTS, tmp_path, pool, Settings(("random:5",)))


def test_what_to_verify(tmp_path):
    shipped = chosen_lists([], [], False)
    assert len(shipped) >= 8 and all(p.searched for p in shipped)
    assert chosen_lists(["-sroa -Oz", "-sroa -Oz"], [], False) == [PassList.parse("-sroa -Oz")]
    singles = chosen_lists([], [], True)
    assert PassList.parse("-sroa") in singles and PassList.parse("-sroa -Oz") in singles and OZ in singles
    assert len(singles) == len(set(singles)) > 200


def test_a_working_folder_is_left_only_with_something_in_it(tmp_path):
    with working_folder(None) as folder:
        (folder / "programs.parquet").touch()
    assert not folder.exists()
    with working_folder(None) as folder:
        (folder / "reproducers").mkdir()
        (folder / "record.json").touch()
    assert [path.name for path in folder.iterdir()] == ["reproducers"]
    (folder / "reproducers").rmdir()
    folder.rmdir()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Build an executable from C text."""
    folder = tmp_path_factory.mktemp("compiled")

    def build(text: str):
        executable = folder / f"program{len(list(folder.iterdir()))}"
        command = [str(find_toolchain().clang), "-O0", "-x", "c", "-", "-o", str(executable), "-fuse-ld=lld"]
        subprocess.run(command, input=textwrap.dedent(text).encode(), check=True)
        return executable

    return build


def test_runs_are_limited(compiled, tmp_path):
    limits = RunLimits(cpu_seconds=1, memory_mib=256)
    spin = compiled("int main(void) { for (volatile int i = 0;; i++) {} }")
    started = time.perf_counter()
    assert run_program(spin, (), limits)[0] == Outcome(TIMEOUT, b"") and time.perf_counter() - started < 8
    flood = compiled('#include <stdio.h>\nint main(void) { for (;;) puts("many words"); }')
    assert run_program(flood, (), limits)[0].status == TIMEOUT
    greedy = compiled("#include <stdlib.h>\nint main(void) { return malloc(1u << 30) ? 0 : 7; }")
    assert run_program(greedy, (), limits)[0].status == 7
    crash = compiled("#include <stdlib.h>\nint main(void) { abort(); }")
    assert run_program(crash, (), limits)[0].status == -6


def test_runs_see_an_empty_folder_and_little_else(compiled):
    look = compiled(
        """
        #include <dirent.h>
        #include <stdio.h>
        #include <stdlib.h>
        int main(int argc, char **argv) {
            int entries = 0;
            DIR *here = opendir(".");
            while (readdir(here)) entries++;
            printf("%d %s %d %s", entries, getenv("HOME") ? "home" : "homeless", getchar(), argv[1]);
            return 0;
        }"""
    )
    outcome, seconds = run_program(look, ("x y",), RunLimits())
    assert outcome == Outcome(0, b"2 homeless -1 x y") and seconds < 1


def test_a_worker_without_network_has_none(compiled):
    connect = compiled(
        """
        #include <net/if.h>
        #include <stdio.h>
        int main(void) {
            struct if_nameindex *all = if_nameindex();
            int others = 0;
            for (int i = 0; all && all[i].if_index; i++) others += all[i].if_name[0] != 'l';
            printf("%d", others);
            return 0;
        }"""
    )
    script = (
        "from pathlib import Path; from passformer.verify.execute import *; left = leave_network(); "
        f"print(left, run_program(Path({str(connect)!r}), (), RunLimits())[0].stdout.decode())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    left, others = done.stdout.split()
    if left == "False":
        pytest.skip("the kernel does not give this user a network namespace")
    assert others == "0"


def test_what_the_linker_says_is_passed_on(tmp_path):
    (tmp_path / "empty.o").write_bytes(b"not an object")
    assert "empty.o" in link(link_command("c"), [tmp_path / "empty.o"], tmp_path / "x")
