"""Each importer on a small sample of the layout it is for, written here, and on what is not that layout."""

import json
import shutil
import sys
from collections import Counter

import pytest

from passformer.corpus.build import build_corpus
from passformer.corpus.sources import KINDS, compile_commands, csmith, debian, read_spec
from passformer.corpus.store import Corpus
from passformer.llvm.errors import CompilerError, InputError
from passformer.llvm.frontend import compile_to_bitcode
from passformer.llvm.measure import render


def write(root, **files: str) -> None:
    """Files by path; `__` stands for a slash and `_DOT_` for a dot."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def build(pool, tmp_path, *specs: str) -> tuple[dict, dict[str, str]]:
    """(manifest, function name -> its group)."""
    manifest = build_corpus(specs, tmp_path / "corpus", pool)
    return manifest, {f.name: f.group for f in Corpus(tmp_path / "corpus").functions()}


@pytest.fixture
def collections(tmp_path):
    """A folder with small copies of the four public collections."""
    soco = tmp_path / "soco" / "data_dir"
    write(
        soco,
        train_DOT_csv="uid,pid\n7,100\n8,101\n7,102\n",
        dev_DOT_csv="uid,pid\n7,200\n",
        train__100="#include <bits/stdc++.h>\nusing namespace std;\n"
        "int pair_sum(int a) { vector<int> v(2, a); return v[0] + v[1]; }",
        train__101="#include <iostream>\nint other(int x) { std::cout << x; return 0; }\n",
        train__102="does not compile",
        dev__200="long long gcd_of(long long a, long long b) { return b ? gcd_of(b, a % b) : a; }\n",
        test__300="int not_labelled(int x) { return x; }\n",
    )
    write(
        tmp_path / "poj",
        ProgramData__1__10_DOT_txt="void main()\n{ int n; cin >> n; cout << n * 2 << endl; }\n",
        ProgramData__2__20_DOT_txt="int f(char *s) { return strlen(s); }\n"
        'main() { printf("%d", f("a")); gets((char *)0); }',
        ProgramData__notes__readme_DOT_txt="not a program",
    )
    driver = "void usage() {}\nint next_i() { return 4; }\nint main(int c, char **v) { usage(); return next_i(); }\n"
    write(
        tmp_path / "jotai",
        benchmarks__anghaLeaves__extr_linuxdriversfoo_c_clamp_Final_DOT_c="int clamp(int x) { return x < 0 ? 0 : x; }\n"
        + driver,
        benchmarks__anghaMath__extr_gitrefs_c_parity_Final_DOT_c="int parity(int x) { return x & 1; }\n" + driver,
    )
    gfg = (
        "int f_filled(int n) {}\nint f_gold(int n) { return n * 3; }\nint main() { return f_gold(1) == f_filled(1); }\n"
    )
    write(
        tmp_path / "gfg" / "data" / "transcoder_evaluation_gfg",
        c__TRIPLE_DOT_c="#include <stdio.h>\n" + gfg,
        cpp__TRIPLE_DOT_cpp="#include <iostream>\nusing namespace std;\nint f_gold(int n) { return n * 5; }\n"
        "//TOFILL\nint main() { cout << f_gold(1) << f_filled(1); }\n",
        java__TRIPLE_DOT_java="class T {}",
    )
    return tmp_path


def test_the_public_collections(collections, tmp_path, pool):
    specs = ["ai-soco:soco", "poj-104:poj", "jotai:jotai", "transcoder:gfg"]
    specs = [f"{kind}:{collections / name}" for kind, name in (spec.split(":") for spec in specs)]
    manifest, _ = build(pool, tmp_path, *specs)
    found = list(Corpus(tmp_path / "corpus").functions())
    groups = {(f.source, f.name): f.group for f in found}
    assert groups["ai-soco", "_Z8pair_sumi"] == "7" == groups["ai-soco", "_Z6gcd_ofxx"]
    assert groups["ai-soco", "_Z5otheri"] == "8"
    assert {(f.name, f.group) for f in found if f.source == "poj-104"} >= {
        ("main", "1"),
        ("main", "2"),
        ("_Z1fPc", "2"),
    }
    assert groups["jotai", "clamp"] == "linux" and groups["jotai", "parity"] == "gitre"
    assert {f.name for f in found if f.source == "jotai"} == {"clamp", "parity"}
    assert groups["transcoder", "f_gold"] == "TRIPLE" == groups["transcoder", "_Z6f_goldi"]
    assert not any("f_filled" in f.name or "not_labelled" in f.name for f in found)
    assert manifest["failed_by_source"] == {"ai-soco": 1}


@pytest.mark.skipif(not shutil.which("csmith"), reason="csmith is not installed")
def test_csmith(tmp_path):
    units = read_spec("csmith:3", tmp_path)
    assert [unit.group for unit in units] == ["1", "2", "3"]
    texts = [unit.code() for unit in units]
    assert len(set(texts)) == 3 and units[0].code() == texts[0]
    assert compile_to_bitcode(texts[0], ["-w", *units[0].flags], language="c")


FAKE_YARPGEN = f"""#!{sys.executable}
import pathlib, sys
seed = next(a for a in sys.argv if a.startswith("--seed=")).partition("=")[2]
out = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
assert "--std=c" in sys.argv
if seed == "3":
    sys.exit("no luck")
out.joinpath("init.h").write_text("extern int array [4];\\n")
if seed != "4":
    text = '/* yarpgen */\\n#include "init.h"\\n\\nvoid test(int var_0) {{ array [1] = var_0 * %s; }}\\n'
    out.joinpath("func.c").write_text(text % seed)
out.joinpath("driver.c").write_text("int main() {{ return 0; }}\\n")
"""


@pytest.fixture
def fake_yarpgen(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "yarpgen"
    write(tmp_path, bin__yarpgen=FAKE_YARPGEN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")


@pytest.mark.usefixtures("fake_yarpgen")
def test_yarpgen_gives_the_function_and_not_the_driver(tmp_path, pool):
    assert b"var_0 * 2" in read_spec("yarpgen:2", tmp_path)[1].code()
    manifest, groups = build(pool, tmp_path, "yarpgen:4")
    assert groups == {"test": "2"}  # the later of the two functions of that name
    assert manifest["functions"] == 2 and manifest["failed"] == 2
    assert set(manifest["failures"]) == {
        "yarpgen: yarpgen fails: no luck",
        "yarpgen: yarpgen wrote no func.c: version 2 is needed, this is another",
    }


def test_generators_that_are_missing_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"yarpgen is not on PATH: build it from https://"):
        read_spec("yarpgen:2", tmp_path)
    with pytest.raises(InputError, match="apt-get install csmith libcsmith-dev"):
        read_spec("csmith:2", tmp_path)


def test_a_generator_that_hangs_costs_its_own_program_only(tmp_path, monkeypatch):
    write(tmp_path, csmith="#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "csmith").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(csmith, "SECONDS", 0.2)
    with pytest.raises(CompilerError, match="csmith takes over"):
        csmith.generate(1)


def test_a_source_tree(tmp_path, pool):
    write(
        tmp_path / "src",
        alpha__lib__string_DOT_h="#define OWN 3\n",
        alpha__include__alpha_DOT_h='#include "alpha/x.h"\n',
        alpha__include__alpha__x_DOT_h="typedef int T;\n",
        alpha__main_DOT_c='#include <string.h>\n#include "alpha.h"\nT own(const char *s) { return strlen(s); }\n',
        alpha__lib__deep_DOT_c='#include "string.h"\nint deep(void) { return OWN; }\n',
        beta__b_DOT_cc='#include "far/far.hpp"\nint b(int x) { return far(x); }\n',
        beta__other__far__far_DOT_hpp="inline int far(int x) { return x * 9; }\n",
        top_DOT_c="int top(int x) { return x - 9; }\n",
        readme_DOT_txt="nothing",
    )
    (tmp_path / "src" / "beta" / "other" / "far.h").write_text("")
    manifest, groups = build(pool, tmp_path, f"dir:{tmp_path / 'src'}")
    assert groups["own"] == groups["deep"] == "alpha" and groups["top"] == "top.c"
    assert groups["_Z1bi"] == groups["_Z3fari"] == "beta"
    assert manifest["failed"] == 0


def database(folder, *entries: dict) -> str:
    file = folder / "compile_commands.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(list(entries)))
    return f"compile-commands:{file}"


def test_a_compilation_database(tmp_path, pool):
    build_folder = tmp_path / "project" / "build"
    write(
        tmp_path / "project",
        one__a_DOT_c="#ifdef YES\nint a(int x) { return x * FACTOR; }\n#endif\n",
        two__b_DOT_inc='#include "b.h"\nint b(T<int> x) { return NAME[x]; }\n',
        two__b_DOT_h="template <class A> using T = A;\n",
        two__c_DOT_s="nop\n",
    )
    spec = database(
        tmp_path / "project",
        {
            "directory": str(build_folder),
            "file": "../one/a.c",
            "command": "ccache gcc -O3 -g3 -flto=auto -fsanitize=address,undefined -MD -MF a.d -MT a.o -DYES "
            "'-DFACTOR=(1 + 2)' -Werror -Wno-this-is-gcc -o a.o -c ../one/a.c",
        },
        {
            "directory": "build",
            "file": "../two/b.inc",
            "arguments": ["c++", "-x", "c++", "-I../two", '-DNAME="x y"', "-O0", "-ob.o", "-c", "--", "../two/b.inc"],
        },
        {"directory": str(build_folder), "file": "../two/c.s", "command": "gcc -c ../two/c.s"},
        {"directory": str(build_folder), "file": "../two/gone.c", "command": "gcc -c ../two/gone.c"},
    )
    build_folder.mkdir()
    manifest, groups = build(pool, tmp_path, spec)
    assert groups == {"a": "one", "_Z1bi": "two"}
    assert manifest["failed"] == 1
    assert manifest["failures"] == {
        f"compile-commands: gone.c: no such file in {tmp_path / 'project' / 'two'}"[
            : len("compile-commands: ") + 120
        ]: 1
    }


def test_flags_that_are_kept(tmp_path):
    write(tmp_path, a_DOT_c="int a;\n")
    arguments = (
        "clang -std=c11 -DX -U Y -I inc -isystem sys -include pre.h -fno-exceptions -m64 -march=native -funsigned-char"
    )
    dropped = "-Xclang -include-pch -Xclang pre.pch -Wall -Wp,-MD,a.d -MJ a.json -pipe --coverage -Os -ggdb -c"
    spec = database(tmp_path, {"directory": ".", "file": "a.c", "command": f"env A=b {arguments} {dropped} a.c -o a.o"})
    (unit,) = read_spec(spec, tmp_path)
    assert unit.flags == tuple(arguments.split()[1:])
    assert (unit.language, unit.group, unit.folder) == ("c", tmp_path.name, tmp_path)


def test_a_file_is_taken_once_for_each_set_of_flags(tmp_path):
    write(tmp_path, a_DOT_c="int a(void) { return X; }\n")
    entries = [{"directory": ".", "file": "a.c", "command": f"cc -DX={x} -c a.c -o {i}.o"} for i, x in enumerate("112")]
    assert [unit.flags for unit in read_spec(database(tmp_path, *entries), tmp_path)] == [("-DX=1",), ("-DX=2",)]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file or directory: expected a compile_commands.json"),
        ("{", "is no JSON"),
        ("{}", "expected a list of objects with `directory`"),
        ('[{"directory": ".", "file": "a.c"}]', "expected a list of objects"),
        ('[{"directory": ".", "file": "a.c", "arguments": "cc a.c"}]', "expected a list of objects"),
        ('[{"directory": ".", "file": "a.c", "command": "cc \'a.c"}]', "expected a list of objects"),
        ("[]", "no entry for a C or C\\+\\+ file"),
        ('[{"directory": ".", "file": "a.s", "command": "cc a.s"}]', "no entry for a C or C\\+\\+ file"),
        ('[{"directory": ".", "file": "a.c", "command": "cc a.c"}]', r"none of its 1 files exists, as .*a\.c"),
    ],
)
def test_a_database_that_cannot_be_used(tmp_path, content, complaint):
    file = tmp_path / "compile_commands.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=complaint) as caught:
        compile_commands.units(str(file), tmp_path)
    assert str(caught.value).startswith(str(file)) and "\n" not in str(caught.value)


@pytest.mark.skipif(not shutil.which("cmake"), reason="cmake is not installed")
def test_a_debian_package_with_cmake(tmp_path, sandbox):
    root = tmp_path / "demo-1.0"
    write(
        root,
        CMakeLists_DOT_txt="cmake_minimum_required(VERSION 3.10)\nproject(demo C)\n"
        "configure_file(config.h.in config.h)\nadd_library(demo src/a.c)\n"
        "target_include_directories(demo PRIVATE ${CMAKE_BINARY_DIR})\n",
        config_DOT_h_DOT_in="#define NAME 5\n",
        src__a_DOT_c='#include "config.h"\n'
        "const char *place(void) { return __FILE__; }\nint five(void) { return NAME; }\n",
        src__unused_DOT_c="int unused(void) { return 1; }\n",
    )
    (unit,) = debian.unpacked_units(root, "demo")
    assert (unit.source, unit.group) == ("debian", "demo") and unit.name.endswith("src/a.c")
    bitcode = compile_to_bitcode(unit.code, unit.flags, language="c", folder=unit.folder)
    text = sandbox.call(render, (bitcode, "text"))
    assert b'c"src/a.c\\00"' in text and b"ret i32 5" in text


def test_a_debian_package_with_configure(tmp_path):
    root = tmp_path / "demo-1.0"
    write(
        root,
        configure="#!/bin/sh\necho '#define NAME 5' > config.h\nexit 1\n",
        a_DOT_c="#ifdef HAVE_CONFIG_H\n#include <config.h>\n#endif\nint five(void) { return NAME; }\n",
        tests__t_DOT_c="int t(void) { return 1; }\n",
        _DOT_pc__fix_DOT_patch__a_DOT_c="int before_the_patch(void) { return 1; }\n",
    )
    units = debian.unpacked_units(root, "demo")
    assert [(unit.name, unit.group) for unit in units] == [("a.c", "demo"), ("tests/t.c", "demo")]
    assert compile_to_bitcode(units[0].code, units[0].flags, language="c")


def test_a_debian_package_as_it_is(tmp_path):
    write(tmp_path / "demo-1.0", CMakeLists_DOT_txt="message(FATAL_ERROR no)\n", a_DOT_c="int a(void) { return 1; }\n")
    assert [unit.name for unit in debian.unpacked_units(tmp_path / "demo-1.0", "demo")] == ["a.c"]


FAKE_APT = "#!/bin/sh\necho 'E: {}' >&2\nexit 100\n"


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("You must put some 'deb-src' URIs in your sources.list", "debian:zlib: apt has no deb-src sources: add"),
        ("Unable to find a source package for zlib", "debian:zlib: Unable to find a source package for zlib"),
    ],
)
def test_what_apt_says_is_passed_on(tmp_path, monkeypatch, said, complaint):
    write(tmp_path / "bin", **{"apt-get": FAKE_APT.format(said.replace("'", "")), "dpkg-source": "#!/bin/sh\n"})
    for program in (tmp_path / "bin").iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    with pytest.raises(InputError, match=complaint):
        read_spec("debian:zlib", tmp_path)


@pytest.mark.parametrize("value", ["-oDir::Etc=/tmp", "a b", "Zlib", "../x"])
def test_a_package_has_a_package_name(tmp_path, value):
    with pytest.raises(InputError, match="write the name of a source package"):
        read_spec(f"debian:{value}", tmp_path)


def exebench_row(number: int) -> dict:
    """A row as it is in the hub's files, of the fields that differ from row to row some."""
    fields = {
        "path": f"owner{number}/repo/src/file.c",
        "func_def": f"static inline T f{number}(T x) {{\n  return helper(x) * {number + 2};\n}}",
        "func_head": f"static inline T f{number}(T x)",
        "fname": f"f{number}",
        "signature": ["T", "T"],
        "asm": {f"gcc_{number}": "nop"},
        "synth_deps": "typedef long T;\nlong helper(long);\n",
        "real_deps": "typedef int T;\nstatic int helper(int x) { return x + 1; }\nint other(void) { return 4; }\n",
        "synth_io_pairs": None if number else {"input": [{"x": 1}], "output": [{"x": 2}]},
    }
    if number == 1:
        fields["real_deps"] = None
    return {"text": fields, "meta": {"number": number}}


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.zst", "json", "parquet", "flat.parquet", "folder"])
def test_exebench(tmp_path, pool, kind):
    pytest.importorskip("datasets")
    rows = [exebench_row(number) for number in range(3)]
    file = tmp_path / "data" / f"rows.{kind}"
    file.parent.mkdir()
    if kind.endswith("parquet"):
        _write_parquet(file, [row["text"] for row in rows] if kind.startswith("flat") else rows)
    elif kind == "json":
        file.write_text(json.dumps(rows))
    else:
        lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
        if kind == "jsonl.zst":
            lines = pytest.importorskip("zstandard").compress(lines)
        file.with_suffix(".jsonl" if kind == "folder" else file.suffix).write_bytes(lines)
    manifest, groups = build(pool, tmp_path, f"exebench:{file.parent if kind == 'folder' else file}")
    assert groups == {f"f{number}": f"owner{number}/repo" for number in range(3)}
    assert manifest["failed"] == 0 and manifest["duplicates_removed"] == 0
    modules = {f.name: f.ir for f in Corpus(tmp_path / "corpus").functions()}
    wide = {
        name: b"mul nsw i64" in pool.call(lambda s, ir=ir: s.call(render, (ir, "text"))) for name, ir in modules.items()
    }
    assert wide == {"f0": False, "f1": True, "f2": False}  # f1 has synthetic dependencies only, where T is long


def test_compile(tmp_path, pool):
    pytest.importorskip("datasets")
    bitcode = compile_to_bitcode(b"int sum(int a, int b) { return a + b; }\n", language="c")
    other = compile_to_bitcode(b"int product(int a, int b) { return a * b; }\n", language="c")
    contents = [(bitcode, "pkg-a"), (other, "pkg-b"), (b"BC\xc0\xde of the future", "pkg-c")]
    rows = [
        {
            "content": content,
            "license_expression": "MIT",
            "license_source": "spack",
            "license_files": [{"file": "LICENSE", "license": "MIT"}],
            "package_source": package,
            "language": "c",
        }
        for content, package in contents
    ]
    _write_parquet(tmp_path / "rows.parquet", rows)
    manifest, groups = build(pool, tmp_path, f"compile:{tmp_path / 'rows.parquet'}")
    assert groups == {"sum": "pkg-a", "product": "pkg-b"}
    assert manifest["failed_by_source"] == {"compile": 1}


def _write_parquet(path, rows: list[dict]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path)


@pytest.mark.parametrize(
    ("kind", "content", "complaint"),
    [
        ("exebench", '{"text": {"path": "a/b/c.c"}}\n', "a row lacks path, fname, func_def: expected the schema"),
        ("exebench", "no json\n", "a line of it is no JSON"),
        ("exebench", "3\n", "expected one JSON object a line"),
        ("compile", '{"content": "text"}\n', "a row lacks content"),
    ],
)
def test_rows_of_another_schema(tmp_path, kind, content, complaint):
    pytest.importorskip("datasets")
    (tmp_path / "rows.jsonl").write_text(content)
    with pytest.raises(InputError, match=complaint) as caught:
        read_spec(f"{kind}:{tmp_path / 'rows.jsonl'}", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["exebench", "compile"])
def test_a_truncated_file_of_rows_is_named(tmp_path, kind):
    pytest.importorskip("datasets")
    _write_parquet(tmp_path / "rows.parquet", [{"content": b"x" * 5000}])
    (tmp_path / "rows.parquet").write_bytes((tmp_path / "rows.parquet").read_bytes()[:200])
    with pytest.raises(InputError, match=r"rows\.parquet: the datasets library cannot read it") as caught:
        read_spec(f"{kind}:{tmp_path / 'rows.parquet'}", tmp_path / "work")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["exebench", "compile"])
def test_the_library_that_is_missing_is_named(tmp_path, monkeypatch, kind):
    (tmp_path / "rows.jsonl").write_text("{}\n")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install 'passformer\[datasets\]'"):
        read_spec(f"{kind}:{tmp_path / 'rows.jsonl'}", tmp_path)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_place_of_another_layout_is_refused_in_one_line(tmp_path, kind):
    write(tmp_path / "place", readme_DOT_md="nothing to compile here\n", docs__a_DOT_html="")
    for place in (tmp_path / "place", tmp_path / "missing"):
        with pytest.raises(InputError) as caught:
            read_spec(f"{kind}:{place}", tmp_path / "work")
        assert "\n" not in str(caught.value) and str(place) in str(caught.value)


@pytest.mark.parametrize("spec", ["", "dir", "dir:", ":x", "tar:x", "Dir:x"])
def test_a_spec_names_its_kind(tmp_path, spec):
    with pytest.raises(InputError, match="is no source: write KIND:VALUE, KIND one of ai-soco, poj-104"):
        read_spec(spec, tmp_path)


def test_groups_of_generated_programs_are_their_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: name)
    assert Counter(unit.group for unit in read_spec("yarpgen:5", tmp_path)) == Counter("12345")
    assert [unit.group for unit in read_spec("yarpgen:8-10", tmp_path)] == ["8", "9", "10"]
    for value in ("0", "-1", "many", "1.5", "0-3", "5-4", "3-"):
        with pytest.raises(InputError, match="write how many programs to generate"):
            read_spec(f"yarpgen:{value}", tmp_path)
