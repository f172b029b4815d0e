"""Step `register`: a model becomes a version in the registry, and gets the alias its gates and golden cases earn it."""

from components.register.step import register

__all__ = ["register"]
