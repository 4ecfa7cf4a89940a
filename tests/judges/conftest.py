"""What the tests of the judges share."""

from collections.abc import Iterator

import pytest

from judged import Chromium


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all of them; each scenario gets a context of its own."""
    browser = Chromium(tmp_path_factory.mktemp("home"))
    yield browser
    browser.close()
