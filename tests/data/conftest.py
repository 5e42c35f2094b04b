from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def shared_data():
    """Folder of the real image sets, which are no part of the repository."""
    if not SHARED.is_dir():
        pytest.skip("the real image sets of ../shared/data are not here")
    return SHARED
