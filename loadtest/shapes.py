"""Locust's side of a shape: how many users there are, second by second.

locust -f loadtest/locustfile.py,loadtest/shapes.py --headless --levels 10:2,5:16,10:2 GrpcUser
"""

from locust import LoadTestShape

from loadtest.levels import amount_at, parse


class Levels(LoadTestShape):
    """The levels of ``--levels``: seconds:users, one after the other."""

    def tick(self) -> tuple[int, float] | None:
        """How many users now, and how many to start in a second: all of them."""
        assert self.runner is not None
        options = self.runner.environment.parsed_options
        assert options is not None
        amount = amount_at(parse(options.levels), self.get_run_time())
        if amount is None:
            return None
        users = round(amount) if options.arrivals == "closed" else 1  # one keeps the clock of an open load
        return users, max(users, 1)
