"""The commands of `seqlayers`, a file each, and what they share.

`cli` has errors and imports, `parameters` options, `run_data` the data of runs.
"""
