"""Entry point of the command `esetui`."""

from __future__ import annotations

from esetui.cli.app import cli


def main() -> None:
    """Run the command line of this process."""
    cli(prog_name="esetui")


if __name__ == "__main__":
    main()
