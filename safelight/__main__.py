"""``python -m safelight``: the same as ``safelight``."""

from safelight.cli import main

main(prog_name="safelight")
