"""The library that talks to the server."""
