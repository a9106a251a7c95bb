"""A program that is told to stop learns it wherever it is, and only while it listens."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from shared.signals import stop_on_signals
from tests.conftest import REPO


def run(code: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """A small program of its own, because one that hangs must not take the tests with it."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, timeout=seconds, check=False
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_sets_the_event_and_the_old_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.wait(30)
    assert signal.getsignal(number) is before
    assert "signals" not in [thread.name for thread in threading.enumerate()]


def test_a_stop_at_the_moment_at_which_its_handler_is_installed_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install, at_once = signal.signal, [True]

    def installed(number: signal.Signals, handler: signal.Handlers) -> object:
        before = install(number, handler)
        if number == signal.SIGTERM and at_once.pop():
            signal.raise_signal(number)
        return before

    monkeypatch.setattr(signal, "signal", installed)
    with stop_on_signals() as stop:
        monkeypatch.undo()
        assert stop.wait(30)


def test_a_stop_by_a_signal_is_told_apart_from_a_stop_by_the_program() -> None:
    signalled = threading.Event()
    with stop_on_signals(signalled=signalled) as stop:
        stop.set()
        assert not signalled.wait(0.05)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signalled.wait(30)


def test_sighup_is_told_apart_from_a_stop_and_may_come_often() -> None:
    hangup = threading.Event()
    with stop_on_signals(hangup) as stop:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
            assert hangup.wait(30)
            hangup.clear()
        assert not stop.is_set()


AT_EVERY_LINE = """
import signal, sys, threading
from shared.signals import stop_on_signals

def stopped_at(line):
    # Deliver the signal at the n-th line that the main thread executes inside Event.wait().
    with stop_on_signals() as stop:
        seen = 0
        def trace(frame, event, argument):
            nonlocal seen
            if frame.f_code.co_filename != threading.__file__:
                return None
            seen += 1
            if seen == line:
                signal.raise_signal(signal.SIGTERM)
            return trace
        sys.settrace(trace)
        stop.wait(0.002)
        sys.settrace(None)
        if seen < line:
            return False
        assert stop.wait(30), line
        return True

lines = 1
while stopped_at(lines):
    lines += 1
print(lines)
"""


def test_a_stop_at_any_line_of_the_wait_for_it_freezes_nothing() -> None:
    done = run(AT_EVERY_LINE)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20  # lines of threading.py that a wait goes through


MANY_TIMES = """
import os, random, signal, threading, time
from shared.signals import stop_on_signals

for _ in range(300):
    with stop_on_signals() as stop:
        killer = threading.Timer(random.uniform(0, 0.004), os.kill, (os.getpid(), signal.SIGTERM))
        killer.start()
        while not stop.wait(0):
            pass
        killer.join()
print("stopped")
"""


@pytest.mark.long
def test_a_program_that_is_stopped_three_hundred_times_ends_three_hundred_times() -> None:
    done = run(MANY_TIMES, 110)  # a stop that is missed lasts forever; on a busy machine, each takes 0.2 s
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr


def test_a_stop_is_noticed_while_the_main_thread_is_stuck() -> None:
    code = """
import os, signal, threading
from shared.signals import stop_on_signals

with stop_on_signals() as stop:
    threading.Thread(target=lambda: (stop.wait(), print("noticed", flush=True), os._exit(0))).start()
    os.kill(os.getpid(), signal.SIGTERM)
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
"""
    assert run(code).stdout == "noticed\n"


STUCK = """
import signal, sys, time
from shared.signals import stop_on_signals

with stop_on_signals(within_s={within}, at_once=lambda: print("at once", flush=True)) as stop:
    print("ready", flush=True)
    def hang_here():
        while True:
            time.sleep(0.05)
    hang_here()
"""


def test_a_second_signal_ends_the_program_at_once() -> None:
    words = [sys.executable, "-c", STUCK.format(within=60)]
    with subprocess.Popen(words, cwd=REPO, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGTERM)
        program.send_signal(signal.SIGTERM)  # a launcher that passes it on is no second request
        time.sleep(0.4)
        assert program.poll() is None
        program.send_signal(signal.SIGINT)
        assert program.wait(30) == 128 + signal.SIGINT
        assert program.stdout.read() == "at once\n"


def test_a_stop_that_hangs_ends_with_an_error_and_says_where_it_hangs() -> None:
    words = [sys.executable, "-c", STUCK.format(within=0.3)]
    with subprocess.Popen(
        words, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGTERM)
        _, said = program.communicate(timeout=60)
        assert program.returncode == 1
        assert "hang_here" in said


def test_handlers_are_installed_in_one_place() -> None:
    """Any other handler of ours could take a lock that the main thread holds."""
    found = []
    for folder in ("shared", "edge_node", "viewer_server", "broker", "optimization"):
        for file in (REPO / folder).rglob("*.py"):
            calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
            if any(ast.unparse(call.func) in ("signal.signal", "signal") for call in calls):
                found.append(str(file.relative_to(REPO)))
    assert found == [str(Path("shared", "signals.py"))]
