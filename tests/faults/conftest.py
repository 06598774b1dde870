"""Everything in this folder kills something, and says at the end how often."""

from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LINE = "line of the summary"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.faults)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says a line in the summary of the run, by whichever process the test is run."""
    properties = request.node.user_properties
    return lambda line: properties.append((LINE, line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for results in terminalreporter.stats.values():
        for result in results:
            if isinstance(result, pytest.TestReport) and result.when == "teardown":
                for name, line in result.user_properties:
                    if name == LINE:
                        terminalreporter.line(str(line))
