"""The table of what was tried, printed after the suites of faults."""

import hypothesis
import pytest
from faults.helpers import SHORT

# The short form tries the same cases each time, so that a red test stays red; the long form tries
# others each time, and prints how to repeat the one that failed.
hypothesis.settings.register_profile(
    "faults",
    derandomize=SHORT,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)


@pytest.fixture
def tried(record_property):
    """Counts what was tried: `tried(n)` adds n; the table after the tests has the sum."""
    count = [0]  # a list, whose number is read when the test has ended
    record_property("tried", count)

    def add(number=1):
        count[0] += number

    return add


def pytest_terminal_summary(terminalreporter):
    rows = []
    for outcome in ("passed", "failed", "xfailed"):
        for report in terminalreporter.getreports(outcome):
            for tried in dict(report.user_properties).get("tried", ()):
                sentence = report.nodeid.partition("::")[2].removeprefix("test_").replace("_", " ")
                rows.append(f"| {sentence} | {tried:,} | {report.duration:,.0f} | {outcome} |")
    if rows:
        form = "short" if SHORT else "long"
        terminalreporter.write_line(f"\n| the {form} form | tried | seconds | outcome |")
        terminalreporter.write_line("|---|---|---|---|")
        for row in rows:
            terminalreporter.write_line(row)
