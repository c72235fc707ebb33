"""`python -m serving` is `safelight serve`."""

from serving.cli import serve

serve(prog_name="safelight serve")
