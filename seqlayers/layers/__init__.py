"""Keras layers over time."""

from seqlayers.layers.delay import Delay, delay

__all__ = ["Delay", "delay"]
