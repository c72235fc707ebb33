"""`safelight tune`: good settings for the machine it runs on, found by measuring."""
