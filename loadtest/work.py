"""What all Locust users of a process share, and the options that say what it is."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from client import Client, Retry
from loadtest.pictures import MIXES
from loadtest.prepared import MODELS, Deck, Prepared, prepare
from loadtest.record import Recorder


def add_options(parser: ArgumentParser) -> None:
    """Safelight's own options, for Locust's command line; most can be set by the environment, too."""
    group = parser.add_argument_group("Safelight")
    group.add_argument("--pictures", type=Path, env_var="PICTURES", help="Folder to send; otherwise made ones.")
    group.add_argument("--mix", default="mixed", choices=[mix.name for mix in MIXES], env_var="MIX", help="Of those.")
    group.add_argument("--count", type=int, default=40, env_var="COUNT", help="How many to make.")
    group.add_argument("--models", default="both", choices=[*MODELS], env_var="MODELS", help="Which to ask.")
    group.add_argument("--batch", type=int, default=1, env_var="BATCH", help="Pictures in a request.")
    group.add_argument("--timeout", type=float, default=30.0, env_var="TIMEOUT", help="Seconds to wait for an answer.")
    group.add_argument("--seed", type=int, default=0, env_var="SEED", help="Of pictures, their order and arrivals.")
    group.add_argument(
        "--arrivals", default="closed", choices=["closed", "poisson", "fixed"], help="Of the *Arrivals users."
    )
    group.add_argument("--rate", type=float, default=5.0, env_var="RATE", help="Requests a second of *Arrivals users.")
    group.add_argument("--levels", default="", help="seconds:amount, ... for shapes.py, and for *Arrivals users.")
    group.add_argument("--prepared", type=Path, help="Folder of pictures and answers, as loadtest.prepared saves them.")
    group.add_argument("--record", type=Path, help="CSV file with a line for every request.")


class Work:
    """Pictures with their answers, the way to ask, the record."""

    def __init__(self, options: Any) -> None:
        self.options = options
        self.prepared = (
            Prepared.load(options.prepared)
            if options.prepared
            else prepare(options.pictures, options.mix, options.count, options.models, seed=options.seed)
        )
        self.models = MODELS[options.models]
        self.deck = Deck(len(self.prepared.blobs), options.seed)
        self.recorder = Recorder(options.record) if options.record else None

    def client(self, url: str) -> Client:
        """A connection that asks once: a request sent again would hide that it was refused."""
        return Client(url, timeout=self.options.timeout, retry=Retry(attempts=1), throttle=None)
