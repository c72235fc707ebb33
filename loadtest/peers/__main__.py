"""``python -m loadtest.peers``: other ways to serve the same networks, measured side by side with ours."""

from pathlib import Path

import click
from rich.console import Console

from film.errors import SafelightError
from film.specs import CLASSIFIERS, classifier
from loadtest.ending import ended_by_sigterm
from loadtest.peers.registry import PEERS, RUNTIMES, PeersError

NAMES = [one.name for one in PEERS]
EPILOG = (
    """\b
Peers:
"""
    + "\n".join(f"  {one.name:<11} {one.title}{f' ({one.note})' if one.note else ''}" for one in PEERS)
    + """

\b
Examples:
  python -m loadtest.peers --users 1,8,16 --seconds 4          everything, an hour and more
  python -m loadtest.peers --peers safelight --peers fastapi --seconds 3 --rounds 1 --no-tune
  python -m loadtest.peers --minutes 60                        stop in time; the same command goes on
  python -m loadtest.peers --peers ray --runtimes torch --out out/ray

Each peer gets an environment of its own under .cache/peers, which is kept. Where pip would bring PyTorch for a GPU
(2 GB each), set PIP_EXTRA_INDEX_URL to the index of PyTorch's builds for CPUs first."""
)


@click.command(epilog=EPILOG)
@click.option("--peers", "names", multiple=True, type=click.Choice(NAMES), help="May be given more than once. [all]")
@click.option(
    "--models", "models", multiple=True, type=click.Choice([spec.name for spec in CLASSIFIERS]), help="[both]"
)
@click.option("--runtimes", multiple=True, type=click.Choice(list(RUNTIMES)), help="[all]")
@click.option("--users", default="1,8,32", show_default=True, help="At a time, each waiting for its answer.")
@click.option("--seconds", type=click.FloatRange(0.1), default=10.0, show_default=True, help="Of each load.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--pictures", type=click.IntRange(1), default=24, show_default=True, help="How many are sent in turn.")
@click.option("--mix", default="phone", show_default=True, help="Of pictures (loadtest/pictures.py).")
@click.option("--tune/--no-tune", default=True, show_default=True, help="Compare each peer's settings first.")
@click.option(
    "--minutes", type=click.FloatRange(0), default=600.0, show_default=True, help="Then stop, to go on later."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out/peers"), show_default=True)
@ended_by_sigterm()  # or the peer that runs would be left behind
def main(
    names: tuple[str, ...],
    models: tuple[str, ...],
    runtimes: tuple[str, ...],
    users: str,
    seconds: float,
    rounds: int,
    pictures: int,
    mix: str,
    tune: bool,
    minutes: float,
    out: Path,
) -> None:
    """Measure peers with our two networks: pictures/s, waiting, memory, cold start, and whether answers are right.

    Writes peers.json (which a run that was cut short goes on with), peers.md, peers.png and logs to the folder OUT.
    The same command again measures what is missing and what failed, if machine, commit and pictures are the same.
    Exit code 1 where it cannot go on or a peer failed, 3 where the time was over first.
    """
    from loadtest.peers import session  # a second that --help need not pay
    from loadtest.peers.runner import Plan

    try:
        plan = Plan(
            tuple(one for one in PEERS if one.name in names or not names),
            tuple(classifier(name) for name in models) or CLASSIFIERS,
            tuple(runtime for runtime in RUNTIMES if runtime in runtimes or not runtimes),
            _numbers(users),
            seconds,
            rounds,
            tune,
            minutes,
        )
        code = session.run(plan, pictures, mix, out, Console(stderr=True))
    except SafelightError as error:
        raise click.ClickException(str(error)) from error
    raise SystemExit(code)


def _numbers(users: str) -> tuple[int, ...]:
    parts = users.split(",")
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise PeersError(f"--users is numbers above 0 with commas between, not {users!r}.")
    return tuple(sorted({int(part) for part in parts}))


if __name__ == "__main__":
    main(prog_name="python -m loadtest.peers")
