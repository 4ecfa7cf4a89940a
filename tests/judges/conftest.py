"""What the tests of the judges share."""

from collections.abc import Iterator

import pytest

from judged import Chromium, require_page


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all of them; each scenario gets a context of its own."""
    require_page()
    browser = Chromium(tmp_path_factory.mktemp("home"))
    yield browser
    browser.close()
