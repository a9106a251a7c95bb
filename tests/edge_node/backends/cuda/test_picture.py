"""Page-locked memory for pictures: who has it, when it returns, when there is no more, and copies into it."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edge_node.backends.cuda import picture
from edge_node.backends.cuda.picture import Copying, PinnedPool
from tests.edge_node.backends.cuda.fake_gpu import fake_gpu

MB = 1 << 20
FRAME = 480 * 640 * 3


def test_memory_returns_when_nobody_holds_the_picture_or_a_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu, driver = fake_gpu(monkeypatch, MB)
    pool = PinnedPool(gpu)
    picture = pool.lend(480, 640)
    picture[:] = 7
    corner = picture[-2:, -2:]
    first = pool.find(picture)
    del picture
    other = pool.lend(480, 640)
    other[:] = 9
    assert pool.find(other) != first
    assert (corner == 7).all()
    del corner
    again = pool.lend(480, 640)
    assert pool.find(again) == first
    assert (driver.pinned, pool.held) == (2, 2 * FRAME)


def test_the_address_of_a_part_is_that_of_its_first_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, _ = fake_gpu(monkeypatch, MB)
    pool = PinnedPool(gpu)
    picture = pool.lend(48, 64)
    start = pool.find(picture)
    assert start is not None
    assert pool.find(picture[10:20, 5:9]) == start + (10 * 64 + 5) * 3
    assert pool.find(picture.reshape(-1)[100:]) == start + 100
    assert PinnedPool(gpu).find(picture) == start  # the GPU reads it, whichever engine lent it
    assert pool.find(picture.copy()) is None
    assert pool.find(np.zeros((48, 64, 3), np.uint8)) is None


def test_beyond_the_limit_pictures_lie_in_ordinary_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, driver = fake_gpu(monkeypatch, MB)
    pool = PinnedPool(gpu, 3 * FRAME)
    held = [pool.lend(480, 640) for _ in range(5)]
    assert [pool.find(one) is not None for one in held] == [True] * 3 + [False] * 2
    assert all(one.shape == (480, 640, 3) and one.dtype == np.uint8 for one in held)
    del held[0]
    assert pool.find(pool.lend(480, 640)) is not None
    assert driver.pinned == 3


def test_cameras_with_another_resolution_take_the_memory_over(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, _ = fake_gpu(monkeypatch, MB)
    pool = PinnedPool(gpu, 3 * FRAME)
    small = [pool.lend(480, 640) for _ in range(3)]
    assert pool.find(pool.lend(720, 640)) is None  # all is lent
    small.clear()
    assert pool.find(pool.lend(720, 640)) is not None
    assert pool.held <= 3 * FRAME


def test_a_system_without_page_locked_memory_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, driver = fake_gpu(monkeypatch, MB)
    pool = PinnedPool(gpu)
    first = pool.lend(48, 64)
    driver.countdown = iter([1, 0])
    second = pool.lend(48, 64)
    third = pool.lend(48, 64)
    fourth = pool.lend(48, 64)  # would end the iterator
    found = [pool.find(one) is not None for one in (first, second, third, fourth)]
    assert found == [True, True, False, False]
    del second
    assert pool.find(pool.lend(48, 64)) is not None  # what it has stays in use


def test_where_gpu_and_host_share_memory_less_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, _ = fake_gpu(monkeypatch, MB, integrated=True)
    pool = PinnedPool(gpu)
    held = [pool.lend(4096, 4096) for _ in range(4)]
    assert [pool.find(one) is not None for one in held] == [True, True, False, False]


def test_closing_keeps_lent_pictures_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, driver = fake_gpu(monkeypatch, MB)
    pool = PinnedPool(gpu)
    kept, _ = pool.lend(48, 64), pool.lend(32, 32)
    del _
    kept[:] = 5
    pool.close()
    assert driver.pinned == 1  # what nobody holds is free at once
    assert (kept == 5).all()
    assert pool.find(pool.lend(48, 64)) is None


def test_many_threads_may_lend_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, _ = fake_gpu(monkeypatch, MB)
    pool = PinnedPool(gpu, 20 * 48 * 64 * 3)
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(300):
            mine = pool.lend(48, 64)
            mine[:] = number
            if not (mine == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert not wrong
    assert pool.held <= 16 * 48 * 64 * 3  # a thread holds its last picture until it has the next one


@pytest.mark.parametrize("threads", [0, 3])
def test_a_picture_is_whole_once_it_is_finished(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, shape, np.uint8) for shape in ((720, 1280, 3), (1, 1, 3), (1080, 1920))]
    images += [image[1:, ::2] for image in images[:1]] * 4  # parts, as tiles are
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        monkeypatch.setattr(picture, "_threads", lambda: pool if threads else None)
        for _ in range(10):
            memory = [np.zeros(image.nbytes, np.uint8) for image in images]
            copying = Copying(list(zip(memory, images, strict=True)))
            for number, (target, image) in enumerate(zip(memory, images, strict=True)):
                copying.finish(number)
                assert np.array_equal(target.reshape(image.shape), image), number
