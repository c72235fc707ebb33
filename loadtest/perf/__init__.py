"""perf_analyzer, Triton's own load generator, over real pictures."""
