"""The command line as people and scripts call it: JSON, exit statuses, and one line on stderr."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import passformer
from passformer.llvm.catalog import catalog
from passformer.llvm.frontend import compile_to_bitcode
from passformer.llvm.locate import find_toolchain
from reference import ASSETS, PROGRAMS, count_instructions, living_in_session, parse_elf, wait_until

COMMAND = [sys.executable, "-m", "passformer"]
GLOB = str(PROGRAMS / "glob.c")
NO_LLVM = """if True:
    from passformer.llvm import locate
    locate._folders = lambda: iter(())  # a machine with no LLVM at all
    from passformer.cli import main
    main()"""
CANDIDATE = {"pass_list": str, "instructions": int, "text_bytes": int}
OUTCOME = {
    "input": str,
    "llvm": str,
    "objective": str,
    "baseline": dict,
    "result": dict,
    "pipeline": str,
    "compilations": int,
    "method": str,
    "seconds": float,
}


@dataclass(frozen=True)
class Done:
    status: int
    stdout: str
    stderr: str

    @property
    def json(self):
        """The one JSON object on stdout; nothing else may be there, and nothing went wrong."""
        assert (self.status, self.stderr) == (0, "")
        return json.loads(self.stdout)


def run(*arguments: object, command: list[str] = COMMAND, **environment: str) -> Done:
    done = subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    return Done(done.returncode, done.stdout, done.stderr)


def assert_types(value: dict, types: dict) -> None:
    assert {key: type(value[key]) for key in types} == types


def assert_one_line(done: Done, status: int, words: str) -> None:
    """It failed with this status, and stderr is one line with these words (a regular expression)."""
    assert done.status == status, done.stderr
    assert done.stdout == ""
    assert re.fullmatch(r"passformer: [^\n]+\n", done.stderr), done.stderr
    assert re.search(words, done.stderr, re.IGNORECASE), done.stderr
    assert "Traceback" not in done.stderr


def test_version_and_help():
    assert run("--version") == Done(0, f"passformer {passformer.__version__}\n", "")
    for arguments in (["--help"], ["-h"], [], ["optimize", "--help"], ["bench"]):
        done = run(*arguments)
        assert (done.status, done.stderr) == (0, "") and "Usage:" in done.stdout, arguments
    everything = run("--help").stdout
    assert all(command in everything for command in ("doctor", "passes", "apply", "optimize", "bench"))


def test_importing_the_command_line_is_light():
    heavy = (
        "torch pyarrow onnxruntime numpy tokenizers rich.table rich.progress passformer.llvm.api passformer.optimize"
    )
    code = f"import sys, passformer.cli; print([m for m in {heavy.split()} if m in sys.modules])"
    assert run("-c", code, command=[sys.executable]).stdout == "[]\n"


class TestJson:
    def test_doctor(self):
        report = run("doctor", "--json").json
        assert_types(report, {"llvm": dict, "clang": dict, "targets": list, "model": dict, "problems": list})
        assert_types(report["model"], {"name": str, "llvm": int, "parameters": int})
        assert Path(report["llvm"]["library"]).exists() and Path(report["clang"]["path"]).exists()
        assert report["llvm"]["version"] in report["clang"]["version"]
        assert report["targets"]

    def test_passes(self):
        rows = run("passes", "--json").json["passes"]
        assert [row["name"] for row in rows] == list(catalog())
        for row in rows:
            assert_types(row, {"name": str, "pipeline": str, "kind": str, "searched": bool, "why": str})

    def test_apply(self):
        result = run("apply", GLOB, "--passes", " -gvn-hoist  -Oz", "--json").json
        assert_types(result, {"baseline": dict, "result": dict, "pass_list": str, "pipeline": str})
        assert result["pass_list"] == result["result"]["pass_list"] == "-gvn-hoist -Oz"
        assert result["pipeline"] == "function(gvn-hoist),default<O2>"
        assert_types(result["baseline"], CANDIDATE)

    @pytest.mark.parametrize("objective", ["instructions", "text"])
    def test_optimize_one_file(self, tmp_path, objective):
        out = tmp_path / "glob.o"
        arguments = ["--budget", 3, "--method", "search", "--objective", objective, "-o", out]
        result = run("optimize", GLOB, "--json", *arguments).json
        assert_types(result, OUTCOME)
        assert_types(result["baseline"], CANDIDATE)
        assert_types(result["result"], CANDIDATE)
        assert (result["input"], result["compilations"], result["method"]) == (GLOB, 3, "search")
        assert result["objective"] == objective
        elf = parse_elf(out.read_bytes())
        assert elf.code + elf.read_only == result["result"]["text_bytes"]

    def test_optimize_several_files(self, tmp_path):
        files = [GLOB, str(ASSETS / "shapes.cpp"), str(ASSETS / "marked.ll")]
        result = run("optimize", *files, "--json", "-o", tmp_path, "-j", 1).json
        assert set(result) >= set(OUTCOME) and result["input"] == files
        for row in result["files"]:
            assert_types(row, OUTCOME)
        for side in ("baseline", "result"):
            for key in ("instructions", "text_bytes"):
                assert result[side][key] == sum(row[side][key] for row in result["files"])
        assert sorted(p.name for p in tmp_path.iterdir()) == ["glob.o", "marked.o", "shapes.o"]

    def test_the_same_seed_gives_the_same_answer(self):
        arguments = ["optimize", GLOB, "--method", "search", "--json", "--seed"]
        one, same, other = ({**run(*arguments, seed).json, "seconds": 0} for seed in (3, 3, 4))
        assert one == same
        assert other["baseline"] == one["baseline"]


def test_people_see_tables(tmp_path):
    done = run("optimize", GLOB, ASSETS / "loops.c", COLUMNS="200")
    assert (done.status, done.stderr) == (0, "")
    assert all(word in done.stdout for word in ("glob.c", "loops.c", "total", "clang -Oz", "opt -passes='"))
    assert "targets" in run("doctor").stdout


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """A folder of files that cannot be used."""
    folder = tmp_path_factory.mktemp("bad")
    bitcode = compile_to_bitcode(Path(GLOB))
    damaged = bytearray(bitcode)
    for at in range(1000, 1100):
        damaged[at] ^= 0xFF
    contents = {
        "empty.c": b"",
        "empty.ll": b"",
        "empty.bc": b"",
        "text.txt": b"int f(void) { return 1; }",
        "damaged.bc": bytes(damaged),
        "truncated.bc": bitcode[:2000],
        "rubbish.bc": bytes(range(256)),
        "rubbish.ll": b"int f() {}",
        "target.ll": b'target triple = "pdp11-dec-none"\ndefine void @f() {\n ret void\n}\n',
        "assembly.ll": b'define void @f() {\n call void asm sideeffect "no such thing", ""()\n ret void\n}\n',
        "syntax.c": b"int f(void) {\n  return 1 +;\n}\n",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder.c").mkdir()
    return folder


@pytest.mark.parametrize(
    ("status", "words", "arguments"),
    [
        (2, r"missing\.c: no such file", "optimize missing.c"),
        (2, r"empty\.c: no function is defined", "optimize empty.c"),
        (2, r"empty\.ll: no function is defined", "optimize empty.ll"),
        (2, r"empty\.bc: ", "optimize empty.bc"),
        (2, r"folder\.c: is a folder", "optimize folder.c"),
        (2, "the suffix tells the language", "optimize ."),
        (2, r"text\.txt: the suffix tells the language", "optimize text.txt"),
        (2, r"damaged\.bc: ", "optimize damaged.bc"),
        (2, r"truncated\.bc: ", "optimize truncated.bc"),
        (2, r"rubbish\.bc: ", "optimize rubbish.bc"),
        (2, r"rubbish\.ll: .*expected top-level entity", "optimize rubbish.ll"),
        (2, "no code generator for 'pdp11-dec-none'", "optimize target.ll"),
        (2, "'instcombin': did you mean -instcombine", "apply glob.c --passes -instcombin"),
        (2, "-Oz stands more than once", "apply glob.c --passes '-Oz -Oz'"),
        (2, "has no dash", "apply glob.c --passes sroa"),
        (2, "nowhere does not exist", "optimize glob.c -o nowhere/a.o"),
        (2, "nowhere does not exist", "apply glob.c --passes -Oz -o nowhere/a.o"),
        (2, "cannot be written", "optimize glob.c -o /proc/a.o"),
        (2, "the suffix tells what to write", "optimize glob.c -o a.exe"),
        (2, "names a folder", "optimize glob.c empty.c -o a.o"),
        (2, "no method is called 'guessing'", "optimize glob.c --method guessing"),
        (2, "budget|greater than or equal to 0", "optimize glob.c --budget -1"),
        (2, "-fsanitize=address instruments", "optimize glob.c --cflags -fsanitize=address"),
        (2, "quot", """optimize glob.c --cflags "-DNAME='x" """),
        (2, "quot", """apply glob.c --passes -Oz --cflags "-DNAME='x" """),
        (2, "objective|instructions", "optimize glob.c --objective speed"),
        (2, "frobnicate", "optimize glob.c --frobnicate"),
        (2, "files", "optimize"),
        (2, "pass", "apply glob.c"),
        (2, "frobnicate", "frobnicate"),
        (2, "no such folder", "bench compile --functions nowhere"),
        (3, "-function-import: crash: SIGABRT: LLVM ERROR", "apply glob.c --passes '-Oz -function-import'"),
        (3, "-sample-profile: crash: exit status 1", "apply glob.c --passes -sample-profile"),
        (3, r"\S", "optimize assembly.ll"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_goes_wrong_is_one_line_and_a_status(bad, monkeypatch, status, words, arguments):
    monkeypatch.chdir(bad)
    if arguments.startswith("bench") and find_toolchain().tool("opt") is None:
        pytest.skip("no opt of the same LLVM version")
    done = run(*(GLOB if word == "glob.c" else word for word in shlex.split(arguments)))
    assert_one_line(done, status, words)
    assert not [p.name for p in bad.iterdir() if p.suffix in (".o", ".exe") or p.name.startswith(".")]


def test_clangs_own_message_appears_once(bad):
    done = run("optimize", bad / "syntax.c", "--json")
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.count("syntax.c:2:13: error: expected expression") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["optimize", GLOB], ["apply", GLOB, "--passes", "-Oz"], ["passes"]])
def test_without_llvm_it_says_what_to_install(arguments, tmp_path):
    assert_one_line(run(*arguments, PASSFORMER_LLVM=str(tmp_path)), 2, f"PASSFORMER_LLVM={tmp_path} holds no libLLVM")
    none = run(*arguments, command=[sys.executable, "-c", NO_LLVM], PASSFORMER_LLVM="")
    assert_one_line(none, 2, "no libLLVM 19 to 23 found: pip install karellen-llvm-core")


def test_doctor_without_llvm_reports_it(tmp_path):
    for environment in ({"PASSFORMER_LLVM": str(tmp_path)}, {"PASSFORMER_LLVM": ""}):
        report = run("doctor", "--json", command=[sys.executable, "-c", NO_LLVM], **environment).json
        assert report["llvm"] == report["clang"] == {} and report["targets"] == []
        assert len(report["problems"]) == 1 and "libLLVM" in report["problems"][0]


def test_a_library_that_cannot_be_loaded(tmp_path):
    (tmp_path / "libLLVM.so.22.1").write_bytes(b"no library")
    assert_one_line(run("optimize", GLOB, PASSFORMER_LLVM=str(tmp_path)), 3, "libLLVM cannot be loaded: crash")
    assert "cannot be loaded" in run("doctor", "--json", PASSFORMER_LLVM=str(tmp_path)).json["problems"][0]


def test_output_that_was_there_survives_a_failure(tmp_path):
    out = tmp_path / "a.ll"
    out.write_text("precious")
    assert run("apply", GLOB, "--passes", "-function-import", "-o", out).status == 3
    assert out.read_text() == "precious" and list(tmp_path.iterdir()) == [out]
    assert run("apply", GLOB, "--passes", "-sroa -Oz", "-o", out).status == 0
    assert sum(count_instructions(out.read_text()).values()) > 0


def test_ctrl_c_ends_everything_quietly(tmp_path):
    command = [*COMMAND, "optimize", str(PROGRAMS / "json.c"), "--method", "search", "--budget", "5000"]
    listening = ["env", "--default-signal=INT"]  # background jobs of a shell ignore it, and all that they start
    with subprocess.Popen(
        [*listening, *command, "--json", "-o", str(tmp_path / "a.o")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert wait_until(lambda: len(living_in_session(process.pid)) > 2, 30), "no worker came up"
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert "Traceback" not in stderr and len(stderr.splitlines()) <= 1
    assert wait_until(lambda: not living_in_session(process.pid))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("reader", "words"), [("tail -1", "passes, "), ("head -1", "pass catalog")])
def test_the_catalog_is_printed_and_its_reader_may_hang_up(reader, words):
    command = f"{sys.executable} -m passformer passes | {reader}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert words in done.stdout and done.stderr == ""
