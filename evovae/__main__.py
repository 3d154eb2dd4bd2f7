"""Runs the command line, as `evovae` and as `python -m evovae`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is being imported ends in one line, too."""
    try:
        from evovae.cli import main as run
    except KeyboardInterrupt:
        print("evovae: interrupted", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
