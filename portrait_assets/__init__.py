"""Portrait: living, multi-dimensional, explainable user portraits from raw events."""

__version__ = "0.1.0"
