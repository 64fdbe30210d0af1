from __future__ import annotations

import ctypes
import gc
import mmap

import pytest

from engine.files.buffers import HUGE_PAGE, io_buffer


@pytest.mark.parametrize("size", [0, 1, 4096, HUGE_PAGE - 1, HUGE_PAGE, HUGE_PAGE + 5, 4 << 20])
def test_buffer_is_zero_writable_and_of_its_size(size: int) -> None:
    buffer = io_buffer(size)
    assert (len(buffer), buffer.readonly, buffer.format) == (size, False, "B")
    assert not any(buffer)
    if size:
        buffer[0] = buffer[-1] = 7
        part = buffer[size - 1 :]
        del buffer
        gc.collect()
        assert part[0] == 7


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="this system has no huge pages to ask for")
def test_large_buffer_begins_at_a_huge_page() -> None:
    buffer = io_buffer(4 << 20)
    assert ctypes.addressof(ctypes.c_char.from_buffer(buffer)) % HUGE_PAGE == 0


def test_system_that_refuses_the_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmap, "MADV_HUGEPAGE", 9999, raising=False)
    assert len(io_buffer(HUGE_PAGE)) == HUGE_PAGE
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE")
    assert len(io_buffer(HUGE_PAGE)) == HUGE_PAGE
