"""Codes of speech over their seeds, from the rows of `benchmarks/tables/lstbm.py`."""

import re
import statistics

from tables import mean_with_deviation, results, table

MODELS = {"lstbm": "LSTBM", "rtrbm": "RTRBM", "trbm": "TRBM", "rbm": "RBM"}
CHANGES = {
    "bptt": "`truncate=False`",
    "lstm": '`variant="lstm"`',
    "centered": "`centering_rate=0.01`",
    "gamma": '`visibles="gamma"`',
}
FRAMES = {"root": "root amplitude", "long": "root amplitude", "full": "root amplitude"}
FRAMES["paper"] = "amplitude, 1e-3"
PRINTED = {  # PESQ of Table 1
    "rbm": {100: "2.69", 200: "3.20", 400: "3.63"},
    "trbm": {100: "3.22", 200: "3.75", 400: "3.94"},
    "lstbm": {100: "3.81", 200: "3.95", 400: "4.02"},
}
DIGITS = {"pesq_nb": 2, "pesq_wb": 2, "stoi": 3, "si_sdr": 1, "mse": 3, "distortion": 1}
HEAD = ["model", "J", "numbers in a code", "frames", "epochs", "seeds", "PESQ nb", "printed"]
HEAD += ["PESQ wb", "STOI", "SI-SDR, dB", "MSE", "distortion, dB", "seconds"]
NAME = re.compile(r"([a-z]+)-(\d+)-([a-z]+)(?:-([a-z]+))?")


def means():
    """Returns the mean over seeds of each measure on test sentences, by row and measure."""
    return {
        name: {
            key: statistics.mean(row["test"][key] for row in seeds)
            for key in DIGITS
            if all(key in row["test"] for row in seeds)
        }
        for name, seeds in _rows().items()
    }


def codes():
    """Speech coded and decoded: number of hidden units by number, shorter trainings first."""
    rows = []
    for name, seeds in _rows().items():
        model, units, recipe, change = NAME.fullmatch(name).groups()
        place = (recipe == "paper", seeds[0]["epochs"], int(units), list(MODELS).index(model))
        title = MODELS[model] + (f", {CHANGES[change]}" if change else "")
        printed = "" if change else PRINTED.get(model, {}).get(int(units), "")
        measures = {key: _over(key, seeds) for key in DIGITS}
        cells = [title, units, seeds[0]["bits"], FRAMES[recipe], seeds[0]["epochs"], len(seeds)]
        cells += [measures.pop("pesq_nb"), printed, *measures.values()]
        seconds = round(statistics.mean(row["seconds"] for row in seeds))
        rows.append(((*place, change or ""), [*cells, seconds]))
    return table(HEAD, [cells for _, cells in sorted(rows)])


def _rows():
    """Returns the rows of all seeds of each training."""
    found = {}
    for name, row in results("lstbm").items():
        found.setdefault(re.sub(r"-seed\d+$", "", name), []).append(row)
    return found


def _over(key, seeds):
    """Returns the mean of a measure with its deviation over seeds, "" where it was not made."""
    values = [row["test"][key] for row in seeds if key in row["test"]]
    if len(values) < len(seeds):
        return ""
    return mean_with_deviation(values, DIGITS[key])
