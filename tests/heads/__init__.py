"""Tests of `seqlayers.heads`."""
