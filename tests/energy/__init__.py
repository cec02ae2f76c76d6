"""Tests of `seqlayers.energy`."""
