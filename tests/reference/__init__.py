"""Each equation again, in plain NumPy loops and float64, written without a look at the library."""
