"""Architectures for pictures: (N, H, W, C) to a feature map (N, h, w, channels)."""
