"""Executors: order, bounds, and what their users are told when something dies."""

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from multiprocessing import active_children

import pytest

from harness import parallel
from harness.files import HarnessError
from harness.parallel import check_versions, executor, in_order
from submissions.report import Code, SubmissionError
from tests.harness.clusters import cluster, until, write_pid

pytestmark = pytest.mark.slow


def slow_square(number):
    time.sleep(0.02 * (number % 3))
    return number**2


def refuse(number):
    if number == 3:
        raise SubmissionError("three is not liked", Code.BAD_ROW)
    return number


def refuse_slowly(number):
    time.sleep(0.1)
    return refuse(number)


def write_number(task):
    number, folder = task
    time.sleep(0.1)
    (folder / str(number)).touch()
    return number


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_the_other(task):
    """Say which process runs this, and wait until the test lets it go on."""
    number, folder = task
    write_pid(folder / f"{number}-{os.getpid()}")
    until((folder / "go").exists)
    return number


def environment(name):
    return os.environ.get(name), os.getpid()


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_order_whatever_the_number_of_processes(workers):
    with executor(workers) as pool:
        assert (pool is None) == (workers == 1)
        assert list(in_order(pool, slow_square, range(20), ahead=5)) == [n**2 for n in range(20)]


def test_tasks_are_drawn_no_further_ahead_than_allowed():
    drawn = []
    tasks = (drawn.append(number) or number for number in range(100))
    with ThreadPoolExecutor(2) as pool:
        for done, _ in enumerate(in_order(pool, slow_square, tasks, ahead=7)):
            assert len(drawn) <= done + 7
    assert len(drawn) == 100


def test_an_error_comes_in_its_turn_with_all_that_it_says():
    come = []
    with pytest.raises(SubmissionError, match="three is not liked") as caught, executor(2) as pool:
        come.extend(in_order(pool, refuse, range(10)))
    assert come == [0, 1, 2]
    assert caught.value.code == Code.BAD_ROW
    assert not active_children()


def test_tasks_that_wait_when_one_fails_end_without_a_word(monkeypatch):
    heard = []
    monkeypatch.setattr(threading, "excepthook", heard.append)
    for _ in range(3):
        with pytest.raises(SubmissionError), executor(2) as pool:
            list(in_order(pool, refuse_slowly, range(40)))
    assert not heard
    assert not active_children()


def test_tasks_that_nobody_waits_for_are_not_begun(tmp_path):
    with executor(2) as pool:
        assert next(in_order(pool, write_number, [(number, tmp_path) for number in range(40)])) == 0
    assert len(list(tmp_path.iterdir())) < 40


def test_a_process_that_dies_is_told_of():
    with pytest.raises(HarnessError, match=r"ended abruptly.*fewer --workers"), executor(2) as pool:
        list(in_order(pool, die, range(4)))


def test_processes_run_one_thread_each(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with executor(2) as pool:
        threads, process = pool.submit(environment, "OMP_NUM_THREADS").result()
    assert threads == "1"
    assert process != os.getpid()


def test_a_cluster_goes_on_without_a_worker_that_was_killed(tmp_path):
    with cluster(tmp_path) as dask, executor(dask=dask.address) as pool:
        assert list(in_order(pool, slow_square, range(20), ahead=5)) == [n**2 for n in range(20)]
        (tmp_path / "tasks").mkdir()
        tasks = [(number, tmp_path / "tasks") for number in range(6)]
        running = in_order(pool, wait_for_the_other, tasks)
        results = [pool.submit(wait_for_the_other, task) for task in tasks]
        until(lambda: len(list((tmp_path / "tasks").iterdir())) == 2)
        dask.workers[0].kill()
        (tmp_path / "tasks" / "go").touch()
        assert [result.result() for result in results] == list(range(6))
        assert list(running) == list(range(6))
        ran_by = {path.name.partition("-")[2] for path in (tmp_path / "tasks").glob("*-*")}
        assert ran_by == {str(process.pid) for process in dask.workers}


def test_a_task_that_kills_its_workers_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    with (
        cluster(tmp_path, workers=1) as dask,
        pytest.raises(HarnessError, match=r"the Dask cluster at .* failed"),
        executor(dask=dask.address) as pool,
    ):
        list(in_order(pool, die, range(1)))


def test_a_cluster_is_reached_from_where_a_loop_runs(tmp_path):
    """As in a notebook. The loop runs in a thread of its own, since the tests of pages leave one in this."""

    async def absolute(address):
        with executor(dask=address) as pool:
            return list(in_order(pool, abs, (-1, 2)))

    with cluster(tmp_path, workers=1) as dask, ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, absolute(dask.address)).result() == [1, 2]


def test_a_scheduler_that_cannot_be_reached_is_told_of(monkeypatch):
    monkeypatch.setattr(parallel, "CONNECT_TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for address in (f"tcp://127.0.0.1:{port}", "nonsense", "what://is.this:1"):
        with pytest.raises(HarnessError, match=address), executor(dask=address):
            pass


def test_workers_of_another_version_are_refused():
    here = version("astroboard")
    check_versions({"tcp://10.0.0.1:1": here})
    for there in ("0.0.9", "none"):
        with pytest.raises(HarnessError, match=rf"10\.0\.0\.2:1 must have astroboard {here}, got {there}"):
            check_versions({"tcp://10.0.0.1:1": here, "tcp://10.0.0.2:1": there})


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(HarnessError, match=r"pip install 'astroboard\[cluster\]'"),
        executor(dask="tcp://127.0.0.1:1"),
    ):
        pass
