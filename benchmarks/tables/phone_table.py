"""Tables of `clstm.py`, printed: errors over folds, each a mean over the seeds that were run."""

import numpy as np

# What changes are against: the best of these networks, or one for each.
LSTMS = ("heads-lstm", "heads-lstmp", "heads-lstm+relu", "heads-lstmp+relu")
AGAINST = {"heads": LSTMS, "cells": ("cells-lstm",), "timed": ("cells-lstm",)}


def print_tables(results, row_of):
    """Prints a table for each corpus and each kind of network and training that has rows.

    Args:
        results: Rows that are done, by name.
        row_of: Function that returns the `Row` of a name.
    """
    groups = {}
    for name, record in results.items():
        if "folds" in record:
            timed = name.startswith("timed-")
            row = row_of(name.removeprefix("timed-"))
            kind = "timed" if timed else row.table
            group = groups.setdefault((row.corpus, kind, row.tenth, row.masked), {})
            group.setdefault(row.network, []).append(record)
    for (corpus, kind, tenth, masked), networks in groups.items():
        if kind == "timed":
            networks["cells-lstm"] = groups[corpus, "cells", False, False]["cells-lstm"]
        words = [corpus, kind, *["a tenth of the labels"] * tenth, *["masked"] * masked]
        print(f"\n{', '.join(words)}: frame error, mean and deviation over 5 folds")
        _print_table(networks, AGAINST.get(kind, ()))


def _errors(records):
    """Returns the error of each fold, a mean over seeds."""
    return np.mean([[fold["test"] for fold in record["folds"]] for record in records], axis=0)


def _print_table(networks, against):
    """Prints errors; changes are relative and paired, fold by fold."""
    errors = {name: _errors(records) for name, records in networks.items()}
    known = [name for name in against if name in errors]
    best = min(known, key=lambda name: errors[name].mean(), default=None)
    for name in sorted(errors, key=lambda name: errors[name].mean()):
        error, records = errors[name], networks[name]
        text = f"  {name:26s} {records[0]['weights']:8,} weights"
        text += f"  {error.mean():.4f} {error.std(ddof=1):.4f}"
        other = best or name.removesuffix("+greedy")
        if other in errors and other != name:
            change = 100 * (error / errors[other] - 1)
            lead = errors[other] - error
            of_error = lead.mean() / (lead.std(ddof=1) / np.sqrt(len(lead)))
            text += f"  {change.mean():+5.1f} % ({change.min():+.1f} to {change.max():+.1f})"
            text += f", {of_error:+.1f} standard errors ahead of {other}"
        seconds = sum(record["seconds"] for record in records)
        seeds = f"{len(records)} seeds" if len(records) > 1 else "1 seed"
        print(f"{text}; dropout {records[0]['dropout']}, {seeds}, {seconds} s")
