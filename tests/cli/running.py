"""Running a command in this process, and what it answered."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from click.testing import CliRunner

from esetui.cli.app import cli

if TYPE_CHECKING:
    from pathlib import Path


class Done(NamedTuple):
    """What a command answered."""

    code: int
    lines: list[dict[str, Any]]
    stderr: str

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the lines of one type."""
        return [line for line in self.lines if line["type"] == kind]

    @property
    def end(self) -> dict[str, Any]:
        """The last line, which says how it ended."""
        assert self.lines[-1]["type"] == "job_finished"
        return self.lines[-1]


def run(*words: object) -> Done:
    """Run a command with `--json` and read its lines."""
    done = CliRunner().invoke(cli, [*map(str, words), "--json"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Done(done.exit_code, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)


def digests(*folders: Path) -> dict[str, str]:
    """Return the contents of folders: every file with its digest, every folder by its name."""
    found: dict[str, str] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return found
