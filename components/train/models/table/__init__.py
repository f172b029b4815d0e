"""Architectures for tables: (N, F) to features (N, channels)."""
