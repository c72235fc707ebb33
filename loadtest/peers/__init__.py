"""Peers side by side: other ways to serve the same two networks, measured in one run with ours."""
