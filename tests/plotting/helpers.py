"""Readers of figures, for the tests of pictures."""


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def texts(labels):
    return [label.get_text() for label in labels]
