"""Real projects, built unmodified by their own build systems: `clang -Oz` against `passformer cc`, sizes and CPU time.

Usage: python benchmarks/real_projects.py [WORK] [--projects zlib ...] [--budget 2] [--function-budget 1] [--repeats 1]
Writes docs/results/real-projects.json and .csv (every object). Debian's sources come by apt-get (deb-src has to be on);
the builds need dpkg-dev, make, cmake, and for Lua autoconf and libtool. What cannot be fetched or built is named.

Each variant starts from a fresh copy of the sources in the same folder, without a server: starting one is part of what
a build costs. Orphans of a build (the server, its workers) become children of this process, which ends them after the
build, so that the kernel's account of our children holds their CPU time too.
"""

import argparse
import contextlib
import csv
import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from passformer.bench.provenance import provenance
from passformer.build.report import read_log
from passformer.build.wrapper import DEFAULT_BUDGET, function_budget
from passformer.corpus.sources.debian import fetch
from passformer.llvm.errors import InputError
from passformer.llvm.locate import find_toolchain
from passformer.llvm.objects import ObjectSizes, object_sizes
from passformer.llvm.sandbox import Sandbox
from passformer.tables import track

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results"
_CHILD_SUBREAPER = 36
"""prctl(2): orphans among our descendants become our children."""
_RELOCATABLE = b"\x01\x00"
"""e_type of an ELF object, at byte 16."""


@dataclass(frozen=True, slots=True)
class Project:
    """A source package, and how its own build system is told the compiler and its flags (shell commands)."""

    package: str
    configure: str
    build: str
    test: str
    tested: str
    """What the test command runs."""
    beside: str = ""
    """A source package that the tests use."""

    @property
    def name(self) -> str:
        """Upstream's."""
        return self.package.removeprefix("lib")


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to build."""

    wrapped: bool
    fresh: bool = True
    """With an empty cache."""
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Setup:
    """Of a whole run."""

    budget: int
    """Pass lists a module, and"""
    function_budget: int
    repeats: int
    """Builds of each variant, of which the cheapest counts."""
    jobs: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one step of a build."""

    cpu_seconds: float
    """User and system time of all processes."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Built:
    """One variant of one project."""

    configure: Cost
    build: Cost
    objects: dict[str, tuple[ObjectSizes, bytes]]
    """By their path in the tree."""


_CMAKE = "cmake -S . -B build -DCMAKE_BUILD_TYPE=None"
PROJECTS = (
    Project(
        "zlib",  # lld wants the last option: the version script names functions that configure's little test has not
        'LDSHARED="$CC -shared -Wl,-soname,libz.so.1,--version-script,zlib.map,--undefined-version" ./configure',
        "make -j$JOBS",
        "make check",
        "make check",
    ),
    Project(  # without -j: its rule for two libraries runs twice at once then, and the runs disturb each other
        "lua5.4",
        "mkdir debian/libtool; cp debian/configure.ac debian/libtool; cd debian/libtool\n"
        "LIBTOOLIZE='libtoolize -i' autoreconf -f -i; ./configure; cd ../..\n"
        'echo "#define DEB_HOST_MULTIARCH \\"$(dpkg-architecture -qDEB_HOST_MULTIARCH)\\""'
        " > src/lua5.4-deb-multiarch.h",
        'make linux LIBTOOL="$PWD/debian/libtool/libtool" CC="$CC -std=gnu99" CXX="$CXX"'
        ' MYCFLAGS="$CFLAGS" MYCXXFLAGS="$CXXFLAGS" MYLDFLAGS=-Wl,--undefined-version'
        " DEB_HOST_MULTIARCH=$(dpkg-architecture -qDEB_HOST_MULTIARCH)",
        'make test LIBTOOL="$PWD/debian/libtool/libtool"; cd ../lua-lpeg\n'
        'make linux CC="$CC" COPT="$CFLAGS -DNDEBUG" LUADIR=../lua5.4/src/; ../lua5.4/src/lua5.4 test.lua',
        "the package has no test suite: `make test` prints the version; that of LPeg ran on the interpreter",
        beside="lua-lpeg",
    ),
    Project(
        "bzip2",
        "true",
        'make -j$JOBS CC="$CC" CFLAGS="$CFLAGS -Wall -Winline -D_FILE_OFFSET_BITS=64" libbz2.a bzip2 bzip2recover',
        "make check",
        "make check",
    ),
    Project(
        "lz4",
        "true",
        "make -j$JOBS",
        "make check; make -C tests test-frametest test-fuzzer FUZZER_TIME=-T5s",
        "make check, fuzzers 5 s each instead of 90; the tests with huge files did not run",
    ),
    Project(
        "libjsoncpp",
        f"{_CMAKE} -DBUILD_STATIC_LIBS=OFF -DBUILD_OBJECT_LIBS=OFF -DJSONCPP_WITH_POST_BUILD_UNITTEST=OFF"
        " -DCCACHE_EXECUTABLE=",
        "cmake --build build -j$JOBS",
        "ctest --test-dir build; cmake --build build --target jsoncpp_check",
        "ctest, jsoncpp_check",
    ),
    Project(
        "tinyxml2",
        f"{_CMAKE} -DBUILD_SHARED_LIBS=yes",
        "cmake --build build -j$JOBS",
        "ctest --test-dir build",
        "ctest",
    ),
)
VARIANTS = {
    "plain": Variant(wrapped=False),
    "wrapped": Variant(wrapped=True),
    "cached": Variant(wrapped=True, fresh=False),
    "modules": Variant(wrapped=True, settings=(("PASSFORMER_FUNCTION_BUDGET", "0"),)),
}


def environment(variant: Variant, places: Path, setup: Setup) -> dict[str, str]:
    """What tells a build system the compiler, and passformer its folders and budgets."""
    clang, wrapper = find_toolchain().clang, Path(sys.executable).with_name("passformer")
    compilers = (f"{wrapper} cc", f"{wrapper} c++") if variant.wrapped else (f"{clang}", f"{clang} --driver-mode=g++")
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PASSFORMER_")}
    return {
        **mine,
        "LC_ALL": "C",
        "JOBS": str(setup.jobs),
        "CC": compilers[0],
        "CXX": compilers[1],
        "CFLAGS": "-Oz",
        "CXXFLAGS": "-Oz",
        "LD_LIBRARY_PATH": str(next(clang.parent.parent.glob("lib/**/libc++.so.1"), clang).parent),
        "XDG_RUNTIME_DIR": str(places),
        "PASSFORMER_CACHE": str(places / "cache"),
        "PASSFORMER_LOG": str(places / "log"),
        "PASSFORMER_BUDGET": str(setup.budget),
        "PASSFORMER_FUNCTION_BUDGET": str(setup.function_budget),
        **dict(variant.settings),
    }


def run(command: str, folder: Path, variables: dict[str, str], said: Path) -> Cost:
    """A shell command; raises InputError where it fails. The orphans that it leaves are ended and counted."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with said.open("ab") as output:
        done = subprocess.run(
            ["sh", "-ec", command], cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    seconds = time.perf_counter() - started
    end_orphans()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise InputError(f"`{command.splitlines()[-1]}` fails: {said} says why")
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, seconds)


def adopt_orphans() -> None:
    """From now on."""
    ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans() -> None:
    """End and await all children of this process; a server's workers become children when it ends."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in Path("/proc/thread-self/children").read_text().split():
                os.kill(int(pid), signal.SIGTERM)
            os.wait()


def objects_below(folder: Path, sandbox: Sandbox) -> dict[str, tuple[ObjectSizes, bytes]]:
    """Every ELF object, whatever its file is called."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            if data.startswith(b"\x7fELF") and data[16:18] == _RELOCATABLE:
                sizes = sandbox.call(object_sizes, data)
                assert isinstance(sizes, ObjectSizes), sizes
                found[str(path.relative_to(folder))] = sizes, data
    return found


def build(project: Project, variant: Variant, work: Path, places: Path, setup: Setup, sandbox: Sandbox) -> Built:
    """From a fresh copy of the sources, in a folder that is the same for all variants: paths end up in objects."""
    if variant.fresh:
        shutil.rmtree(places, ignore_errors=True)
        places.mkdir(mode=0o700)
    for package in filter(None, (project.package, project.beside)):
        tree = work / "build" / package
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(sources(package, work), tree, symlinks=True)
    tree, said = work / "build" / project.package, work / f"{project.package}.log"
    variables = environment(variant, places, setup)
    configure = run(project.configure, tree, variables, said)
    made = run(project.build, tree, variables, said)
    return Built(configure, made, objects_below(tree, sandbox))


def sources(package: str, work: Path) -> Path:
    """The unpacked package, fetched where it is not there yet. Raises InputError where that does not work."""
    folder = work / "sources" / package
    trees = [path for path in folder.glob("*") if path.is_dir()]
    return trees[0] if trees else fetch(package, folder)


def passes_tests(project: Project, work: Path, places: Path, setup: Setup) -> bool:
    """Whether the tests that a project has pass in the tree that was built last."""
    variables = environment(VARIANTS["wrapped"], places, setup)
    try:
        run(project.test, work / "build" / project.package, variables, work / f"{project.package}.log")
    except InputError as error:
        print(f"{project.name}: {error}", file=sys.stderr)
        return False
    return True


def measure(project: Project, work: Path, places: Path, setup: Setup) -> tuple[dict[str, Any], list[list[Any]]]:
    """A project's row, and those of its objects."""
    (work / f"{project.package}.log").unlink(missing_ok=True)
    runs: list[dict[str, Built]] = []
    passed, alone = True, Counter[str]()
    for _ in range(setup.repeats):
        built = {}
        for name, variant in VARIANTS.items():
            with Sandbox() as sandbox:  # after each build, so that ending orphans does not meet it
                built[name] = build(project, variant, work, places, setup, sandbox)
            if name == "wrapped" and not runs:
                tree = work / "build" / project.package
                alone.update(entry.reason for entry in read_log(tree, places / "log") if entry.reason)
                passed = passes_tests(project, work, places, setup)
        runs.append(built)
    sizes = {name: {path: size for path, (size, _) in made.objects.items()} for name, made in runs[0].items()}
    common = sorted(set.intersection(*map(set, sizes.values())))
    objects = [(path, [sizes[name][path].text_bytes for name in VARIANTS]) for path in common]
    again = runs[0]["cached"].objects
    row = {
        "package": project.package,
        "objects": len(common),
        "others": len(set.union(*map(set, sizes.values()))) - len(common),
        "smaller": sum(wrapped < plain for _, (plain, wrapped, *_) in objects),
        "larger": sum(max(others) > plain for _, (plain, *others) in objects),
        "same_again": sum(runs[0]["wrapped"].objects[path][1] == again[path][1] for path in common),
        "left_alone": dict(alone),
        "tested": project.tested,
        "passed": passed,
        "bytes": {name: sum(sizes[name][path].text_bytes for path in common) for name in VARIANTS},
        "others_bytes": {name: sum(sizes[name][path].others for path in common) for name in VARIANTS},
        "configure": {name: asdict(cheapest([built[name].configure for built in runs])) for name in VARIANTS},
        "build": {name: asdict(cheapest([built[name].build for built in runs])) for name in VARIANTS},
    }
    return row, [[project.name, path, *numbers] for path, numbers in objects]


def cheapest(costs: list[Cost]) -> Cost:
    """The run that was disturbed least."""
    return min(costs, key=lambda cost: cost.cpu_seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path, nargs="?", default=ROOT / "data" / "real-projects")
    parser.add_argument("--projects", nargs="*", default=[p.name for p in PROJECTS])
    parser.add_argument("--budget", type=int, default=DEFAULT_BUDGET)
    parser.add_argument("--function-budget", type=int, help="default: as `passformer cc` has it")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS / "real-projects.json")
    arguments = parser.parse_args()
    with Sandbox() as sandbox:
        version = sandbox.version()["version"]
    functions = function_budget(arguments.budget) if arguments.function_budget is None else arguments.function_budget
    setup = Setup(arguments.budget, functions, arguments.repeats, arguments.jobs)
    rows: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    result = {"llvm": version, **asdict(setup), **provenance(), "projects": rows, "left_out": left_out}
    objects: list[list[Any]] = [["project", "object", *VARIANTS]]
    adopt_orphans()
    chosen = [p for p in PROJECTS if p.name in arguments.projects]
    with tempfile.TemporaryDirectory(prefix="pf-") as short:  # a socket's path is at most 107 bytes long
        for project in track(chosen, len(chosen), "building"):
            try:
                rows[project.name], found = measure(project, arguments.work.resolve(), Path(short) / "places", setup)
                objects += found
            except InputError as error:
                left_out[project.name] = str(error)
                print(f"left out: {error}", file=sys.stderr)
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")
            with arguments.out.with_suffix(".csv").open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(objects)


if __name__ == "__main__":
    main()
