from __future__ import annotations

import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).with_name("conftest.py")


@pytest.mark.corpus
def test_corpus_is_there(corpus: Path) -> None:
    assert (corpus / "srum-win10-clean" / "SRUDB.dat").is_file()


@pytest.mark.oracle
def test_oracle_unpacks_outside_the_project(oracle: Callable[[str], Path]) -> None:
    folder = oracle("backup")
    assert (folder / "backup-full-incr-incr").is_dir()
    assert oracle("backup") == folder
    assert CONFTEST.parent.parent not in folder.parents


def run_inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, required: str) -> pytest.RunResult:
    monkeypatch.setenv("ESE_CORPUS", str(pytester.path / "absent"))
    monkeypatch.setenv("ESE_ORACLE", str(pytester.path / "absent"))
    monkeypatch.setenv("CI", "")
    monkeypatch.setenv("ESE_REQUIRE_DATA", required)
    pytester.makeini("[pytest]\nmarkers =\n  corpus: c\n  oracle: o\n")
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makepyfile(
        """
        import pytest
        def test_plain(): pytest.skip("not about data")
        def test_corpus(corpus): raise AssertionError("must not run")
        def test_oracle(oracle): oracle("backup")
        """
    )
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rs")


def test_missing_data_skips_with_the_reason(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_inner(pytester, monkeypatch, "")
    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines(["*no corpus at *absent*ESE_CORPUS*", "*no oracle archive at *backup.tar.xz*"])
    assert result.ret == 0


def test_missing_data_fails_where_it_is_required(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_inner(pytester, monkeypatch, "1")
    outcomes = result.parseoutcomes()
    assert outcomes.get("skipped") == 1
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == 2
    assert result.ret == 1


def test_archive_is_unpacked_once_and_again_when_it_changes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "")
    archive = pytester.path / "thing.tar.xz"
    for text in ("one", "twotwo" * 99):
        (pytester.path / "a.txt").write_text(text)
        with tarfile.open(archive, "w:xz") as tar:
            tar.add(pytester.path / "a.txt", "thing/a.txt")
        pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
        pytester.makepyfile(
            f"""
            from pathlib import Path
            from conftest import unpack_once
            def test_it(tmp_path):
                cache = Path({str(pytester.path)!r}) / "cache"
                cache.mkdir(exist_ok=True)
                (cache / "thing-unpacking").mkdir(exist_ok=True)  # left by a kill
                first = unpack_once(Path({str(archive)!r}), cache)
                assert (first / "thing" / "a.txt").read_text() == {text!r}
                assert unpack_once(Path({str(archive)!r}), cache) == first
                assert [p for p in cache.iterdir() if p.is_dir() and p.name != "thing-unpacking"] == [first]
            """
        )
        pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
