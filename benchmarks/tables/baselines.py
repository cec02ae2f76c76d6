"""Independent Bernoulli units, one probability for each key: the baseline of music models.

python benchmarks/tables/baselines.py
"""

from seqlayers.datasets import piano_roll

PUBLISHED = {  # Boulanger-Lewandowski, Bengio and Vincent, ICML 2012, table 1, "note 1-gram"
    "jsb_chorales": -11.06,
    "musedata": -11.51,
    "nottingham": -10.25,
    "piano_midi": -11.05,
}


def main():
    print("test split, nats per frame    ours  published")
    for name, published in PUBLISHED.items():
        rolls = piano_roll.load(name)
        ours = piano_roll.independent_bernoulli_log_likelihood(rolls.train, rolls.test)
        print(f"  {name:24s} {ours:8.3f} {published:9.2f}")


if __name__ == "__main__":
    main()
