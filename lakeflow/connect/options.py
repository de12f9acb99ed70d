"""Options of a read, checked: an unknown one is refused with the nearest that is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest


def checked_options(
    function: str,
    options: Mapping[str, str],
    *,
    required: Iterable[str] = (),
    optional: Iterable[str] = (),
    location: Location | None = None,
) -> dict[str, str]:
    """The options by their lower-case names; no value of one is ever in an error.

    Args:
        function: What the user called, such as `read_files`.
        options: As the user wrote them; their case does not matter.
        required: Names of those that must be there.
        optional: Names of those that may be there.
        location: Where the user wrote the read.

    Raises:
        ConfigurationError: One is unknown, given twice or missing.

    Example:
        >>> checked_options("read_queue", {"Name": "orders"}, required=["name"])
        {'name': 'orders'}
    """
    needed = tuple(required)
    known = {name.lower(): name for name in (*needed, *optional)}
    found: dict[str, str] = {}
    for name, value in options.items():
        plain = name.lower()
        if plain not in known:
            raise ConfigurationError(
                f"{function} has no option {name}.",
                location=location,
                hint=nearest(plain, known) or f"It has: {', '.join(sorted(known.values()))}.",
            )
        if plain in found:
            raise ConfigurationError(f"{function} has {name} twice.", location=location)
        found[plain] = value
    for name in needed:
        if name.lower() not in found:
            raise ConfigurationError(f"{function} needs the option {name}.", location=location)
    return found


def positive(function: str, name: str, text: str, location: Location | None = None) -> int:
    """The value of an option that is a whole number above zero.

    Raises:
        ConfigurationError: It is not.
    """
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ConfigurationError(
            f"{name} of {function} is {text!r}, not a whole number above zero.", location=location
        )
    return int(text)
