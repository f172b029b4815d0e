"""Architectures for signals: (N, T, C) to a feature map (N, t, channels); T is fixed."""
