"""Trained weights to servable files, behind a parity gate."""
