"""Load on a running server: Locust users built around our own client."""
