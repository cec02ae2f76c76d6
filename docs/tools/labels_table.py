"""Labels of frames over their seeds, from the rows of `benchmarks/tables/annotate.py`."""

import statistics

from tables import mean_with_error, results, table

NETWORKS = {
    "patches": '`network="patches"`',
    "sfm": '`network="sfm"`',
    "convolution": "convolutions and LSTM",
    "stream": "`bidirectional=False`",
}
TWEETYNET = {30: ("0.963", "0.046"), 75: ("0.973", "0.024")}  # accuracy, error rate
HEAD = ["network", "weights", "seeds", "validation", "accuracy", "error rate", "nats", "onset, ms"]


def syllables():
    """The finch's songs of the second day, after 30 or 75 seconds of the first."""
    rows = []
    for seconds, (accuracy, errors) in TWEETYNET.items():
        rows += [[f"{seconds} s", *row] for row in _rows(seconds)]
        rows.append(
            [f"{seconds} s", "TweetyNet, published", "", "", "", accuracy, errors, *[""] * 4]
        )
    return table(["trained on", *HEAD, "offset, ms", "processor, s"], rows)


def phones():
    """Phones of the sentences of the first fold."""
    rows = _rows("speech")
    return table([*HEAD, "offset, ms", "processor, s"], rows) if rows else "Not run yet.\n"


def _rows(task):
    rows = []
    for network, title in NETWORKS.items():
        names = [f"{network}-{task}-seed{seed}" for seed in range(5)]
        seeds = [results("annotate")[name] for name in names if name in results("annotate")]
        if seeds:
            tested = [row["test"] for row in seeds]
            cells = [
                mean_with_error([row["validation"]["error_rate"] for row in seeds], 4),
                *(
                    mean_with_error([row[key] for row in tested], 4)
                    for key in ("accuracy", "error_rate")
                ),
                mean_with_error([row["log_prob"] for row in tested], 3),
                *(
                    mean_with_error([row[key] for row in tested], 2)
                    for key in ("onset_ms", "offset_ms")
                ),
                round(statistics.mean(row["processor_seconds"] for row in seeds)),
            ]
            rows.append([title, f"{seeds[0]['weights']:,}", len(seeds), *cells])
    return rows
