"""The DALI twin, for a CPU or an NVIDIA GPU: `graphs` describes it, `runner` runs it from Python.

`graphs` is what Triton's DALI backend serves too, so it imports nothing but DALI and the specs.
"""
