"""The page of settings is what the code says."""

import pytest

from tests.docs.settings import PAGE, page

pytestmark = pytest.mark.slow


def test_the_page_of_settings_is_that_of_the_code():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.docs.settings"
