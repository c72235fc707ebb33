"""What a GPU can do, what our networks and server do on it, and the ratio: one command, one table."""
