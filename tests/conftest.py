"""What many tests share: the real Windows files, the real engine's results, and where they come from.

`corpus` is the folder of real files (ESE_CORPUS, else `shared/corpus` beside the project); it is never written to.
`oracle("backup")` is the unpacked archive of that name (ESE_ORACLE, else `shared/oracle`), in a cache folder outside
the project, shared by all runs and workers: copy a case before changing it.

Without the data such a test is skipped.  Where the data must be there (CI=true or ESE_REQUIRE_DATA=1) the skip is
a failure.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from engine.pages.page_rules import demand

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

demand(True)

REPOSITORY = Path(__file__).resolve().parent.parent
DATA_MARKS = ("corpus", "oracle")
TRUE = ("1", "true", "yes", "on")

# One slow machine must not turn a bounded fuzz into a random failure.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI", "").lower() in TRUE else "default")


def data_required() -> bool:
    """Return whether a missing corpus or oracle fails the run."""
    return any(os.environ.get(name, "").lower() in TRUE for name in ("CI", "ESE_REQUIRE_DATA"))


def data_folder(variable: str, name: str) -> Path:
    """Return the folder named by an environment variable, else `shared/<name>` beside the project."""
    given = os.environ.get(variable)
    return Path(given).resolve() if given else REPOSITORY.parent / "shared" / name


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test that uses the data its mark, whether or not it says so itself."""
    for item in items:
        for name in DATA_MARKS:
            if name in getattr(item, "fixturenames", ()) and item.get_closest_marker(name) is None:
                item.add_marker(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test over the data into a failure where the data is required."""
    report = yield
    marked = any(item.get_closest_marker(name) is not None for name in DATA_MARKS)
    if report.skipped and marked and data_required() and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"skipped, but the data is required here (CI or ESE_REQUIRE_DATA): {reason}"
    return report


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Return the folder of real Windows files; read-only."""
    folder = data_folder("ESE_CORPUS", "corpus")
    if not (folder / "srum-win10-clean").is_dir():
        pytest.skip(f"no corpus at {folder} (set ESE_CORPUS)")
    return folder


@pytest.fixture(scope="session")
def oracle() -> Callable[[str], Path]:
    """Return a function from a group ("clean", "dirty", "backup", "restore") to its unpacked folder."""
    folder = data_folder("ESE_ORACLE", "oracle")
    known: dict[str, Path] = {}

    def unpacked(group: str) -> Path:
        if group not in known:
            archive = folder / f"{group}.tar.xz"
            if not archive.is_file():
                pytest.skip(f"no oracle archive at {archive} (set ESE_ORACLE)")
            known[group] = unpack_once(archive, cache_folder())
        return known[group]

    return unpacked


def cache_folder() -> Path:
    """Return the folder for unpacked archives, outside the project."""
    cache = Path(platformdirs.user_cache_dir("esetui-tests", appauthor=False))
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        cache = Path(tempfile.gettempdir()) / "esetui-tests"
        cache.mkdir(parents=True, exist_ok=True)
    return cache


def unpack_once(archive: Path, cache: Path) -> Path:
    """Unpack `archive` below `cache` unless this very version is there; safe among workers and after a kill."""
    about = archive.stat()
    group = archive.name.split(".")[0]
    target = cache / f"{group}-{about.st_size}-{about.st_mtime_ns}"
    if target.is_dir():
        return target
    with FileLock(cache / f"{group}.lock"):
        if target.is_dir():
            return target
        for stale in cache.glob(f"{group}-*"):
            shutil.rmtree(stale, ignore_errors=True)
        aside = cache / f"{group}-unpacking"
        with tarfile.open(archive) as tar:
            tar.extractall(aside, filter="data")
        aside.rename(target)
    return target
