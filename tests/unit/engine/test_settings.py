"""Settings that cannot be meant are refused by their name."""

from __future__ import annotations

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.settings import Settings


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("THREADS", "x", "threads is a whole number above 0, not 'x'"),
        ("THREADS", "1.5", "threads is a whole number above 0, not '1.5'"),
        ("MAX_CONCURRENT_FLOWS", "0", "max_concurrent_flows is a whole number above 0, not '0'"),
        ("LEASE_SECONDS", "nan", "lease_seconds is a number above 0, not 'nan'"),
        ("MEMORY_LIMIT", "1.2.3GB", "'1.2.3GB' is not a size"),
    ],
)
def test_a_value_that_is_none_names_its_setting(variable, value, said):
    with pytest.raises(ConfigurationError, match=f"^{said}"):
        Settings.load({f"LAKEFLOW_{variable}": value})
