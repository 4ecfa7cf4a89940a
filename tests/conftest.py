"""What all tests share."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Asynchronous tests run as the server does: asyncio on uvloop."""
    return "asyncio", {"use_uvloop": True}
