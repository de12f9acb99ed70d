"""What a DuckDB connection needs before it runs lowered SQL: macros for Spark's conversions.

A macro is used where an expression would otherwise repeat its argument many times; each is
temporary, so it belongs to the connection.
"""

from __future__ import annotations

_SPACE = "".join(chr(code) for code in range(1, 33)) + "\x7f"

_DATE = r"^([+-]?[0-9]{4,7})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[ T].*)?)?)?$"
_ZONE = (
    r"Z|[+-][0-9]{1,2}(?::?[0-9]{1,2}){0,2}|(?:UTC|GMT|UT)(?:[+-][0-9]{1,2}(?::?[0-9]{2})?)?"
    r"|[A-Za-z]+/[A-Za-z_/+-]+"
)
_TIMESTAMP = (
    r"^([+-]?[0-9]{4,6})(?:-([0-9]{1,2})(?:-([0-9]{1,2})"
    r"(?:[ T]([0-9]{1,2})(?::([0-9]{1,2})(?::([0-9]{1,2})(?:\.([0-9]*))?)?)? ?(" + _ZONE + r")?"
    r")?)?)?$"
)
_PARTS = "['y', 'mo', 'd', 'h', 'mi', 's', 'f', 'z']"
_CANONICAL = r"[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?)?"

_FLOATING = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"

_MACROS = {
    "spark_trim(x)": f"trim(x, '{_SPACE}')",
    "spark_digits(x)": (
        "CASE WHEN regexp_full_match(spark_trim(x), '[+-]?[0-9]+') THEN spark_trim(x) END"
    ),
    "spark_number(x)": (
        f"CASE WHEN regexp_full_match(spark_trim(x), '{_FLOATING}') THEN spark_trim(x) END"
    ),
    "spark_double(x)": f"""
        CASE WHEN regexp_full_match(spark_trim(x), '{_FLOATING}[dDfF]?')
            THEN TRY_CAST(rtrim(spark_trim(x), 'dDfF') AS DOUBLE)
        WHEN lower(spark_trim(x)) = 'nan' THEN CAST('nan' AS DOUBLE)
        WHEN lower(spark_trim(x)) IN ('inf', '+inf', 'infinity', '+infinity')
            THEN CAST('inf' AS DOUBLE)
        WHEN lower(spark_trim(x)) IN ('-inf', '-infinity') THEN CAST('-inf' AS DOUBLE)
        END""",
    "spark_boolean(x)": """
        CASE WHEN lower(spark_trim(x)) IN ('t', 'true', 'y', 'yes', '1') THEN true
        WHEN lower(spark_trim(x)) IN ('f', 'false', 'n', 'no', '0') THEN false END""",
    "spark_date(x)": f"""
        CASE WHEN regexp_full_match(x, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')
            THEN TRY_CAST(x AS DATE)
        WHEN regexp_matches(spark_trim(x), '{_DATE}') THEN list_transform(
            [regexp_extract(spark_trim(x), '{_DATE}', ['y', 'mo', 'd'])],
            lambda p: TRY(make_date(CAST(p.y AS INTEGER), spark_part(p.mo, 1),
                spark_part(p.d, 1))))[1]
        END""",
    "spark_part(x, missing)": "CASE WHEN x = '' THEN missing ELSE CAST(x AS INTEGER) END",
    "spark_micros(p)": """
        epoch_us(make_timestamp(CAST(p.y AS INTEGER), spark_part(p.mo, 1), spark_part(p.d, 1),
            spark_part(p.h, 0), spark_part(p.mi, 0), spark_part(p.s, 0)))
        + CAST(rpad(left(p.f, 6), 6, '0') AS BIGINT)""",
    "spark_ntz(x)": f"""
        CASE WHEN regexp_full_match(x, '{_CANONICAL}') THEN TRY_CAST(x AS TIMESTAMP)
        WHEN regexp_matches(spark_trim(x), '{_TIMESTAMP}') THEN list_transform(
            [regexp_extract(spark_trim(x), '{_TIMESTAMP}', {_PARTS})],
            lambda p: TRY(make_timestamp(spark_micros(p))))[1]
        END""",
    "spark_offset(z)": r"""
        list_transform([regexp_extract(z, '([+-])([0-9]{1,2})(?::?([0-9]{1,2}))?(?::?([0-9]{1,2}))?$',
            ['g', 'h', 'm', 's'])], lambda o: CASE WHEN o.g = '' THEN 0
            WHEN spark_part(o.m, 0) > 59 OR spark_part(o.s, 0) > 59
                OR spark_part(o.h, 0) * 60 + spark_part(o.m, 0) > 1080 THEN NULL
            ELSE (CASE WHEN o.g = '-' THEN -1000000 ELSE 1000000 END)
                * CAST(spark_part(o.h, 0) * 3600 + spark_part(o.m, 0) * 60 + spark_part(o.s, 0)
                    AS BIGINT) END)[1]""",
    "spark_zoned(micros, z, zone)": """
        CASE WHEN z = '' THEN spark_instant(make_timestamp(micros), zone)
        WHEN contains(z, '/') THEN timezone(z, make_timestamp(micros))
        ELSE make_timestamptz(micros - spark_offset(z)) END""",
    "spark_instant(x, zone)": """
        CASE WHEN zone = 'UTC' THEN make_timestamptz(epoch_us(x)) ELSE timezone(zone, x) END""",
    "spark_local(x, zone)": """
        CASE WHEN zone = 'UTC' THEN make_timestamp(epoch_us(x)) ELSE timezone(zone, x) END""",
    "spark_timestamp(x, zone)": f"""
        CASE WHEN regexp_full_match(x, '{_CANONICAL}')
            THEN spark_instant(TRY_CAST(x AS TIMESTAMP), zone)
        WHEN regexp_matches(spark_trim(x), '{_TIMESTAMP}') THEN list_transform(
            [regexp_extract(spark_trim(x), '{_TIMESTAMP}', {_PARTS})],
            lambda p: TRY(spark_zoned(spark_micros(p), p.z, zone)))[1]
        END""",
    "spark_fraction_text(t)": "regexp_replace(t, '^(-?)\\.', '\\10.')",
    "spark_float(x)": """
        CASE WHEN isfinite(x) AND abs(x) >= 3.4028235677973366e38
            THEN CASE WHEN x > 0 THEN CAST('inf' AS FLOAT) ELSE CAST('-inf' AS FLOAT) END
        ELSE CAST(x AS FLOAT) END""",
    "spark_exponent(t)": "coalesce(TRY_CAST(split_part(t, 'e', 2) AS INTEGER), 0)",
    "spark_scientific(whole, fraction, exponent)": """
        left(ltrim(whole || fraction, '0'), 1) || '.'
        || CASE WHEN length(rtrim(ltrim(whole || fraction, '0'), '0')) < 2 THEN '0'
            ELSE rtrim(substring(ltrim(whole || fraction, '0'), 2), '0') END
        || 'E' || CAST(CASE WHEN whole <> '0' THEN length(whole) - 1
            ELSE -1 - (length(fraction) - length(ltrim(fraction, '0'))) END + exponent AS VARCHAR)
        """,
    "spark_float_text(x)": """
        CASE WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN
            CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END
        WHEN x = 0 OR (abs(x) >= 0.001 AND abs(x) < 10000000) THEN CAST(x AS VARCHAR)
        ELSE CASE WHEN x < 0 THEN '-' ELSE '' END || list_transform([CAST(abs(x) AS VARCHAR)],
            lambda t: spark_scientific(split_part(split_part(t, 'e', 1), '.', 1),
                split_part(split_part(t, 'e', 1), '.', 2), spark_exponent(t)))[1] END""",
    "spark_unscaled(x, unit)": """
        CAST(trunc(x) AS HUGEINT) * unit + CAST((x - trunc(x)) * unit AS HUGEINT)""",
    "spark_half_up(n, d)": """
        n // d + CASE WHEN abs(n % d) >= abs(d) - abs(n % d)
            THEN CASE WHEN (n < 0) = (d < 0) THEN 1 ELSE -1 END ELSE 0 END""",
    "spark_quotient(n, d, shift)": "(n // d) * shift + spark_half_up((n % d) * shift, d)",
    "spark_floor_div(x, n)": "(x - ((x % n) + n) % n) // n",
}


def _ordered() -> tuple[str, ...]:
    """The statements, each macro after those that it uses."""
    names = {signature.split("(", 1)[0]: signature for signature in _MACROS}
    done: list[str] = []

    def add(name: str) -> None:
        if name in done:
            return
        body = _MACROS[names[name]]
        for other in names:
            if other != name and f"{other}(" in body:
                add(other)
        done.append(name)

    for name in names:
        add(name)
    return tuple(
        f"CREATE OR REPLACE MACRO {names[name]} AS {_MACROS[names[name]].strip()}" for name in done
    )


SETUP: tuple[str, ...] = (*_ordered(),)
"""Statements that a connection runs once before any lowered SQL."""
