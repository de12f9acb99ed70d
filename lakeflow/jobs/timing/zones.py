"""Time zones by the ids that Java knows, as Databricks takes them."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest

# What Java means by its three-letter ids, where the zone database knows them not or otherwise.
_SHORT = {
    "ACT": "Australia/Darwin",
    "AET": "Australia/Sydney",
    "AGT": "America/Argentina/Buenos_Aires",
    "ART": "Africa/Cairo",
    "AST": "America/Anchorage",
    "BET": "America/Sao_Paulo",
    "BST": "Asia/Dhaka",
    "CAT": "Africa/Harare",
    "CNT": "America/St_Johns",
    "CST": "America/Chicago",
    "CTT": "Asia/Shanghai",
    "EAT": "Africa/Addis_Ababa",
    "ECT": "Europe/Paris",
    "IET": "America/Indiana/Indianapolis",
    "IST": "Asia/Kolkata",
    "JST": "Asia/Tokyo",
    "MIT": "Pacific/Apia",
    "NET": "Asia/Yerevan",
    "NST": "Pacific/Auckland",
    "PLT": "Asia/Karachi",
    "PNT": "America/Phoenix",
    "PRT": "America/Puerto_Rico",
    "PST": "America/Los_Angeles",
    "SST": "Pacific/Guadalcanal",
    "VST": "Asia/Ho_Chi_Minh",
}
_FIXED_SHORT = {"EST": -5, "MST": -7, "HST": -10}
_OFFSET = re.compile(r"(?:GMT|UTC|UT)?([+-])(\d{1,2})(?::?([0-5]\d))?", re.ASCII)


def time_zone(java_id: str) -> tzinfo:
    """The zone that an id names: `Europe/Vienna`, `UTC`, `GMT+02:00`, or Java's `PST`.

    Java takes an id that it does not know for GMT, without a word. Here it is refused.

    Raises:
        ConfigurationError: There is no such zone.
    """
    import zoneinfo

    if java_id in ("UTC", "GMT", "Z", "Etc/UTC"):
        return UTC
    if java_id in _FIXED_SHORT:
        return timezone(timedelta(hours=_FIXED_SHORT[java_id]), java_id)
    if offset := _OFFSET.fullmatch(java_id):
        sign, hours, minutes = offset.groups()
        if int(hours) <= 18:
            east = timedelta(hours=int(hours), minutes=int(minutes or 0))
            return timezone(east if sign == "+" else -east, java_id)
    try:
        return zoneinfo.ZoneInfo(_SHORT.get(java_id, java_id))
    except (KeyError, OSError, ValueError) as error:
        known = zoneinfo.available_timezones()
        if not known:
            raise ConfigurationError(
                f"The time zone {java_id!r} cannot be found, for this machine knows none.",
                hint="Install its package tzdata, or the one of that name for Python.",
            ) from error
        raise ConfigurationError(
            f"{java_id!r} is not the name of a time zone.",
            hint=nearest(java_id, known) or "Write it like UTC, Europe/Vienna or GMT+02:00.",
        ) from error
