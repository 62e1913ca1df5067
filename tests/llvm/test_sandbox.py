"""What kills a worker costs one item, and nothing else: not the caller, not its neighbours, not its terminal."""

import contextlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from passformer.llvm import sandbox as module
from passformer.llvm.errors import PassformerError
from passformer.llvm.frontend import load
from passformer.llvm.measure import Measurement, Subject, measurer, read_module, render
from passformer.llvm.passlist import OZ
from passformer.llvm.protocol import Protocol
from passformer.llvm.sandbox import Failure, Limits, Pool, Sandbox, SetupError
from reference import ASSETS, PROGRAMS, is_gone, wait_until

PLAIN = (ASSETS / "unmarked.ll").read_bytes()
PID = "__import__('os').getpid()"
ABORT = "__import__('os').abort()"
HUGE_OBJECT = (
    b"@x = global { i8, [8000000000 x i8] } { i8 1, [8000000000 x i8] zeroinitializer }\n"
    b"define void @f() {\n ret void\n}\n"
)
IN_WORKER = contextlib.nullcontext  # as `prepare`: hands the worker a builtin to call with each item


class Impatient(Limits):
    """For items that sleep."""

    wall_seconds = 2.0


def slowly(seconds: float, value: str) -> str:
    return f"(__import__('time').sleep({seconds}), {value})[1]"


@pytest.mark.parametrize(
    ("function", "deadly", "limits", "kind", "words"),
    [
        (eval, ABORT, Limits(), "crash", "SIGABRT"),
        (eval, "__import__('os')._exit(7)", Limits(), "crash", "exit status 7"),
        (eval, "1/0", Limits(), "crash", "ZeroDivisionError"),
        (eval, "[0 for _ in iter(int, 1)]", Limits(cpu_seconds=1), "timeout", "1 CPU-second"),
        (eval, slowly(60, "0"), Impatient(), "timeout", ""),
        (eval, "bytearray(1 << 40)", Limits(), "memory", "4096 MiB"),
    ],
    ids=["abort", "exit", "exception", "loop", "sleep", "memory"],
)
def test_a_deadly_item_costs_exactly_itself(function, deadly, limits, kind, words):
    with Sandbox(limits) as sandbox:
        before, dead, after, last = sandbox.map(IN_WORKER, function, ["6*7", deadly, "6*8", "6*9"])
        assert (before, after, last) == (42, 48, 54)
        assert isinstance(dead, Failure) and dead.kind == kind and words in dead.message
        assert str(dead) == f"{kind}: {dead.message}" and "\n" not in str(dead)


def test_llvm_aborts_refusals_and_results_stay_in_order(capfd, sandbox):
    pipelines = ["default<O2>", "function-import", "no-such-pass", "sample-profile", "default<O2>", ""]
    subject = Subject(sandbox.call(read_module, (PLAIN, Protocol.CLANG)).bitcode)
    good, abort, refused, exited, again, untouched = sandbox.map(measurer, subject, pipelines)
    assert isinstance(good, Measurement) and good == again and untouched.instructions > good.instructions
    assert abort.kind == "crash" and abort.message.startswith("SIGABRT: LLVM ERROR: ")
    assert exited.kind == "crash" and "exit status 1" in exited.message and "profile" in exited.message
    assert refused == Failure("refused", "unknown pass name 'no-such-pass'")
    assert capfd.readouterr() == ("", ""), "what LLVM prints is kept from the terminal"


def test_ctrl_c_is_not_for_the_worker(sandbox):
    assert sandbox.call(eval, f"[__import__('os').kill({PID}, 2), 5][1]") == 5


def test_every_result_is_verified(sandbox):
    broken = b"define i32 @f() {\n %a = add i32 %a, 1\n ret i32 %a\n}"  # as a faulty pass might leave it
    (result,) = sandbox.map(measurer, Subject(broken), [""])
    assert result.kind == "refused" and result.message.startswith("invalid module: ")


def test_native_memory_blow_up():
    with Sandbox(Limits(memory_mib=512)) as sandbox:
        assert sandbox.call(render, (HUGE_OBJECT, "object")) == Failure("memory", "over 512 MiB")
        assert sandbox.call(eval, "1+1") == 2


def test_the_time_limit_is_for_each_item():
    now = "__import__('time').process_time()"
    spin = f"(lambda start: all({now} < start + 0.4 for _ in iter(int, 1)))({now})"
    with Sandbox(Limits(cpu_seconds=1)) as sandbox:
        assert list(sandbox.map(IN_WORKER, eval, [spin] * 4)) == [False] * 4


@pytest.mark.parametrize("ir", [b"garbage", b"BC\xc0\xde garbage", b"define i32 @f() { ret i64 0 }"])
def test_an_unreadable_module_is_a_setup_error_and_the_sandbox_lives_on(sandbox, ir):
    worker = sandbox.call(eval, PID)
    with pytest.raises(SetupError, match=r"\S"):
        list(sandbox.map(measurer, Subject(ir), ["", ""]))
    assert sandbox.call(eval, PID) == worker


def test_a_crash_in_preparation_is_a_setup_error_too(sandbox):
    with pytest.raises(SetupError, match="ZeroDivisionError"):
        list(sandbox.map(eval, "1/0", ["1"]))
    assert sandbox.call(eval, "1+1") == 2


def test_what_was_prepared_is_kept_until_something_else_is_or_the_worker_dies(sandbox):
    remember = "(lambda seen: lambda item: (eval(item), seen.append(item), seen[:])[2])([])"
    shared = f"__import__('contextlib').nullcontext({remember})"

    def see(shared: str, *items: str) -> list[object]:
        return [r.kind if isinstance(r, Failure) else r for r in sandbox.map(eval, shared, items)]

    assert see(shared, "1", "2") == [["1"], ["1", "2"]]
    assert see(shared, "3") == [["1", "2", "3"]], "the same goes on"
    assert see(f" {shared}".strip() + " ", "4") == [["4"]], "another begins anew"
    assert see(shared, "5", ABORT, "6") == [["5"], "crash", ["6"]], "after a crash, too"
    with pytest.raises(SetupError):
        see("1/0", "7")
    assert see(shared, "8") == [["8"]]


def test_results_come_one_by_one_and_may_be_abandoned(sandbox):
    results = sandbox.map(IN_WORKER, eval, ["1", "2", "3", slowly(60, "4"), "5"])
    assert [next(results), next(results)] == [1, 2]
    results.close()
    assert list(sandbox.map(IN_WORKER, eval, ["6", "7"])) == [6, 7]


def test_one_worker_serves_many_calls_and_no_items_need_none():
    with Sandbox() as sandbox:
        assert list(sandbox.map(IN_WORKER, eval, [])) == []
        assert len({sandbox.call(eval, PID) for _ in range(3)}) == 1
        first = sandbox.call(eval, PID)
        sandbox.kill()
        assert is_gone(first) and sandbox.call(eval, PID) != first


def test_close_from_another_thread_stops_what_runs():
    with Sandbox() as sandbox:
        pid = sandbox.call(eval, PID)
        threading.Timer(0.3, sandbox.close).start()
        with pytest.raises(PassformerError, match="closed"):
            sandbox.call(eval, slowly(60, "0"))
        assert is_gone(pid)
        with pytest.raises(PassformerError, match="closed"):
            sandbox.call(eval, "1")


def test_close_while_a_worker_comes_up_ends_that_one_too(monkeypatch):
    started, popen = [], subprocess.Popen

    def interrupted(*arguments, **options):
        started.append(popen(*arguments, **options))
        sandbox.close()  # as another thread may, before this one knows its worker
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with Sandbox() as sandbox, pytest.raises(PassformerError, match="closed"):
        sandbox.call(eval, "1")
    assert len(started) == 1 and started[0].returncode == -signal.SIGKILL


def test_close_while_a_pool_makes_a_sandbox_closes_that_one_too(monkeypatch):
    closing = []

    class Slow(Sandbox):
        def __init__(self, limits):
            super().__init__(limits)
            closing.append(threading.Thread(target=pool.close))
            closing[0].start()
            assert wait_until(lambda: pool._closed)
            time.sleep(0.1)  # past the sandboxes that it knows

    monkeypatch.setattr(module, "Sandbox", Slow)
    pool = Pool(1)
    with pytest.raises(PassformerError, match="closed"):
        pool.call(lambda sandbox: sandbox.call(eval, "1"))
    closing[0].join()


def test_version(any_llvm):
    with Sandbox() as sandbox:
        loaded = sandbox.version()
    assert loaded["library"] == str(any_llvm.library)
    assert loaded["version"].startswith(f"{any_llvm.major}.")
    assert loaded["targets"]


def test_every_version_runs_every_meta_flag_that_it_has(any_llvm):
    with Sandbox() as sandbox:
        subject = Subject(load(PROGRAMS / "glob.c", sandbox).bitcode, text_bytes=True)
        levels = ["O0", "O1", "O2", "O3"] + ["Os", "Oz"] * (any_llvm.major < 23)
        results = list(sandbox.map(measurer, subject, [f"default<{level}>" for level in levels]))
        ours = next(sandbox.map(measurer, subject, [OZ.pipeline(any_llvm.major)]))
    assert all(isinstance(result, Measurement) for result in results)
    assert results[0].instructions > ours.instructions and results[0].text_bytes > ours.text_bytes


class TestPool:
    def test_order_is_that_of_the_input_whatever_takes_how_long(self, pool):
        items = [slowly((7 * i % 5) / 20, str(i)) for i in range(12)]
        assert list(pool.map(lambda sandbox, item: sandbox.call(eval, item), items)) == list(range(12))

    def test_results_stream(self):
        ran = []

        def task(sandbox: Sandbox, item: str) -> int:
            value = sandbox.call(eval, item)
            ran.append(value)
            return value

        with Pool(1) as pool:
            results = pool.map(task, ["0", *(slowly(0.2, str(i)) for i in (1, 2, 3, 4))])
            assert next(results) == 0
            assert 4 not in ran
            assert list(results) == [1, 2, 3, 4]

    def test_items_are_taken_as_needed(self, pool):
        taken = 0

        def items():
            nonlocal taken
            for taken in range(1, 1001):
                yield str(taken)

        results = pool.map(lambda sandbox, item: sandbox.call(eval, item), items())
        assert next(results) == 1 and taken < 100
        results.close()

    def test_crashes_cost_only_themselves(self, pool):
        items = ["1", ABORT, "2", ABORT, ABORT, "3"]
        results = list(pool.map(lambda sandbox, item: sandbox.call(eval, item), items))
        assert [r if isinstance(r, int) else r.kind for r in results] == [1, "crash", 2, "crash", "crash", 3]

    def test_an_exception_reaches_the_caller(self, pool):
        with pytest.raises(SetupError):
            list(pool.map(lambda sandbox, ir: list(sandbox.map(measurer, Subject(ir), [""])), [PLAIN, b"garbage"]))
        assert pool.call(lambda sandbox: sandbox.call(eval, "5")) == 5

    def test_close_ends_all_workers_at_once(self):
        started = time.monotonic()
        with Pool(2) as pool:
            items = [slowly(0.3, PID)] * 4
            pids = set(pool.map(lambda sandbox, item: sandbox.call(eval, item), items))
            assert len(pids) == 2 and not any(map(is_gone, pids))
            waiting = pool.map(lambda sandbox, item: sandbox.call(eval, item), ["1", *[slowly(60, "2")] * 5])
            assert next(waiting) == 1
        assert all(map(is_gone, pids))
        assert time.monotonic() - started < 30


def test_a_killed_caller_leaves_no_worker():
    program = f"""if True:
        from passformer.llvm.sandbox import Sandbox
        with Sandbox() as sandbox:
            print(sandbox.call(eval, {PID!r}), flush=True)
            input()"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        worker = int(parent.stdout.readline())
        assert not is_gone(worker)
        parent.kill()
    assert wait_until(lambda: is_gone(worker))


def test_the_caller_never_loads_llvm():
    program = f"""if True:
        from pathlib import Path
        from passformer.llvm.sandbox import Pool
        from passformer.optimize import optimize_file
        with Pool(1) as pool:
            optimize_file(Path({str(ASSETS / "unmarked.ll")!r}), pool)
        print("libLLVM" in Path("/proc/self/maps").read_text())"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_facts_of_a_module(sandbox):
    facts = sandbox.call(read_module, (PLAIN, Protocol.CLANG))
    assert [(f.name, f.num_instructions) for f in facts.functions] == [("twice", 6), ("pick", 9)]
    assert facts.triple == "x86_64-unknown-linux-gnu" and facts.marked
    assert not sandbox.call(read_module, (facts.bitcode, Protocol.CLANG)).marked
