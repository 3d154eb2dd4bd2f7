"""Runs the command line as `python -m evovae`."""

from evovae.cli import main

main()
