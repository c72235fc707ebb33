"""The darkroom: light, film stocks, and the simulations built on them. Pixels and physics only, no framework."""
