"""What `import engine` costs, and that every public name is there."""

from __future__ import annotations

import json
import subprocess
import sys

import engine


def run(code: str) -> object:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return json.loads(done.stdout)


def test_importing_the_engine_loads_next_to_nothing() -> None:
    loaded = run("import engine, json, sys; print(json.dumps(sorted(sys.modules)))")
    assert isinstance(loaded, list)
    assert [name for name in loaded if name.startswith("engine")] == ["engine", "engine.version"]
    assert not {"numpy", "crc32c", "filelock", "msgspec", "textual", "watchdog", "esetui"} & set(loaded)


def test_an_instance_needs_no_screen() -> None:
    loaded = run("import engine, json, sys; engine.Instance; print(json.dumps(sorted(sys.modules)))")
    assert isinstance(loaded, list)
    assert not {"textual", "watchdog", "click", "rich", "esetui", "numpy"} & set(loaded)


def test_every_public_name_is_there() -> None:
    for name in engine.__all__:
        assert getattr(engine, name) is not None
    assert set(engine.__all__) <= set(dir(engine))
    assert not hasattr(engine, "no_such_name")


def test_the_version_is_the_distributions() -> None:
    from esetui import __version__  # noqa: PLC0415

    assert engine.__version__ == __version__
