"""What DuckDB needs before it runs lowered SQL: macros for Spark's functions and conversions.

A macro is used where an expression would otherwise repeat its argument many times. Defining all
of them takes longer than many a query, so only those are defined that a query uses.
"""

from __future__ import annotations

import re
from collections.abc import Callable

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

_SPELLED_OUT = "".join(
    chr(code)
    for codes in (
        (0xDF, 0x149, 0x1F0, 0x390, 0x3B0, 0x587, *range(0x1E96, 0x1E9B)),
        (0x1F50, 0x1F52, 0x1F54, 0x1F56, *range(0x1F80, 0x1FB0), 0x1FB2, 0x1FB3, 0x1FB4),
        (0x1FB6, 0x1FB7, 0x1FBC, 0x1FC2, 0x1FC3, 0x1FC4, 0x1FC6, 0x1FC7, 0x1FCC, 0x1FD2),
        (0x1FD3, 0x1FD6, 0x1FD7, 0x1FE2, 0x1FE3, 0x1FE4, 0x1FE6, 0x1FE7, 0x1FF2, 0x1FF3),
        (0x1FF4, 0x1FF6, 0x1FF7, 0x1FFC, *range(0xFB00, 0xFB07), *range(0xFB13, 0xFB18)),
    )
    for code in codes
)
"""Letters whose upper case is more than one letter, or another than DuckDB's."""

_DIGRAPHS = "".join(map(chr, (*range(0x1C4, 0x1CD), 0x1F1, 0x1F2, 0x1F3)))
_BETWEEN = r"\p{Mn}\p{Me}\p{Cf}\p{Lm}\p{Sk}''.:" + chr(0x2019) + chr(0xB7)


def _mapping(letters: str, change: Callable[[str], str]) -> str:
    return "MAP {" + ", ".join(f"'{one}': '{change(one)}'" for one in letters) + "}"


_MACROS: dict[str, str] = {
    "spark_upper(x)": f"""
        CASE WHEN regexp_matches(x, '[{_SPELLED_OUT}]') THEN array_to_string(list_transform(
            string_split(x, ''),
            lambda c: coalesce({_mapping(_SPELLED_OUT, str.upper)}[c], upper(c))), '')
        ELSE upper(x) END""",
    "spark_lower(x)": f"""
        CASE WHEN regexp_matches(x, '[İΣ]') THEN lower(regexp_replace(replace(x, 'İ', 'i̇'),
            '(\\p{{L}}[{_BETWEEN}]*)Σ([{_BETWEEN}]*)($|[^\\p{{L}}{_BETWEEN}])', '\\1ς\\2\\3', 'g'))
        ELSE lower(x) END""",
    "spark_title(c)": f"""
        CASE WHEN regexp_matches(c, '[{_SPELLED_OUT}{_DIGRAPHS}]')
            THEN {_mapping(_SPELLED_OUT + _DIGRAPHS, str.title)}[c] ELSE upper(c) END""",
    "spark_initcap(x)": """
        array_to_string(list_transform(string_split(x, ' '),
            lambda w: spark_title(left(w, 1)) || spark_lower(substring(w, 2))), ' ')""",
    "spark_reverse(x)": "array_to_string(list_reverse(string_split(x, '')), '')",
    "spark_positive(n)": "CASE WHEN n > 0 THEN n WHEN n <= 0 THEN 0 END",
    "spark_substring(x, p, n)": """
        CASE WHEN p IS NOT NULL AND n IS NOT NULL THEN substring(x, greatest(spark_start(x, p), 0) + 1,
            greatest(spark_start(x, p) + CAST(n AS BIGINT) - greatest(spark_start(x, p), 0), 0)) END""",
    "spark_start(x, p)": """
        CASE WHEN p > 0 THEN CAST(p AS BIGINT) - 1 WHEN p < 0 THEN length(x) + p
        WHEN p = 0 THEN 0 END""",
    "spark_locate(part, x, p)": """
        CASE WHEN part IS NULL OR x IS NULL THEN NULL WHEN p IS NULL OR p < 1 THEN 0
        WHEN part = '' THEN 1 WHEN instr(substring(x, p), part) = 0 THEN 0
        ELSE CAST(instr(substring(x, p), part) + p - 1 AS INTEGER) END""",
    "spark_base64(x)": r"""
        rtrim(regexp_replace(to_base64(x), '(.{76})', '\1' || chr(13) || chr(10), 'g'),
            chr(13) || chr(10))""",
    "spark_character(n)": """
        CASE WHEN n < 0 THEN '' ELSE chr(CAST(n % 256 AS INTEGER)) END""",
    "spark_substring_index(x, separator, n)": """
        CASE WHEN n > 0 THEN array_to_string(string_split(x, separator)[:n], separator)
        WHEN n < 0 THEN array_to_string(string_split(x, separator)[n:], separator)
        WHEN x IS NOT NULL AND n = 0 THEN '' END""",
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
        WHEN contains(z, '/') THEN spark_first_instant(make_timestamp(micros), z)
        ELSE make_timestamptz(micros - spark_offset(z)) END""",
    "spark_instant(x, zone)": """
        CASE WHEN zone = 'UTC' THEN make_timestamptz(epoch_us(x))
        ELSE spark_first_instant(x, zone) END""",
    "spark_first_instant(x, zone)": """
        CASE WHEN timezone(zone, timezone(zone, x) - INTERVAL 1 HOUR) = x
            THEN timezone(zone, x) - INTERVAL 1 HOUR ELSE timezone(zone, x) END""",
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
        ELSE CASE WHEN x < 0 THEN '-' ELSE '' END || list_transform(
            [spark_shortest(abs(x))],
            lambda t: spark_scientific(split_part(split_part(t, 'e', 1), '.', 1),
                split_part(split_part(t, 'e', 1), '.', 2), spark_exponent(t)))[1] END""",
    "spark_shortest(x)": """
        CASE WHEN typeof(x) = 'FLOAT' AND x >= 10000000 THEN list_filter(
            list_transform(range(9), lambda n: format('{:.' || n || 'e}', CAST(x AS DOUBLE))),
            lambda t: CAST(t AS FLOAT) = x)[1]
        ELSE CAST(x AS VARCHAR) END""",
    "spark_unscaled(x, unit)": """
        CAST(trunc(x) AS HUGEINT) * unit + CAST((x - trunc(x)) * unit AS HUGEINT)""",
    "spark_half_up(n, d)": """
        n // d + CASE WHEN abs(n % d) >= abs(d) - abs(n % d)
            THEN CASE WHEN (n < 0) = (d < 0) THEN 1 ELSE -1 END ELSE 0 END""",
    "spark_half_even(n, d)": """
        n // d + CASE WHEN abs(n % d) > abs(d) - abs(n % d)
                OR (abs(n % d) = abs(d) - abs(n % d) AND (n // d) % 2 <> 0)
            THEN CASE WHEN n < 0 THEN -1 ELSE 1 END ELSE 0 END""",
    "spark_ceil_div(x, n)": "-spark_floor_div(-x, n)",
    "spark_half_up_double(x, places)": """
        CASE WHEN NOT isfinite(x) OR abs(x) >= 1e17 THEN x
        WHEN abs(x) < 1 THEN CAST(CAST(round(CAST(CAST(x AS VARCHAR) AS DECIMAL(38,37)), places)
            AS VARCHAR) AS DOUBLE)
        ELSE CAST(CAST(round(CAST(CAST(x AS VARCHAR) AS DECIMAL(38,20)), places) AS VARCHAR)
            AS DOUBLE) END""",
    "spark_half_even_double(x, places)": """
        CASE WHEN NOT isfinite(x) OR abs(x) >= 1e17 THEN x
        WHEN abs(x) < 1 THEN CAST(CAST(spark_even(CAST(CAST(x AS VARCHAR) AS DECIMAL(38,37)),
            places) AS VARCHAR) AS DOUBLE)
        ELSE CAST(CAST(spark_even(CAST(CAST(x AS VARCHAR) AS DECIMAL(38,20)), places) AS VARCHAR)
            AS DOUBLE) END""",
    "spark_even(x, places)": """
        CASE WHEN round(x, places) - trunc(x, places) <> 0
            AND abs(x - trunc(x, places)) = abs(round(x, places) - x)
            AND right(CAST(trunc(x, places) AS VARCHAR), 1) IN ('0', '2', '4', '6', '8')
        THEN trunc(x, places) ELSE round(x, places) END""",
    "spark_half_up_units(x, unit)": """
        CASE WHEN NOT isfinite(x) OR abs(x) >= 1e30 THEN x
        ELSE CAST(spark_half_up(CAST(trunc(x) AS HUGEINT), unit) * unit AS DOUBLE) END""",
    "spark_half_even_units(x, unit)": """
        CASE WHEN NOT isfinite(x) OR abs(x) >= 1e30 THEN x
        WHEN abs(CAST(trunc(x) AS HUGEINT) % unit) * 2 = unit AND trunc(x) <> x
            THEN CAST(spark_half_up(CAST(trunc(x) AS HUGEINT), unit) * unit AS DOUBLE)
        ELSE CAST(spark_half_even(CAST(trunc(x) AS HUGEINT), unit) * unit AS DOUBLE) END""",
    "spark_rint(x)": """
        CASE WHEN NOT isfinite(x) OR x = 0 OR abs(x) >= 4503599627370496 THEN x
        WHEN abs(x) <= 0.5 THEN CASE WHEN x < 0 THEN CAST('-0' AS DOUBLE) ELSE 0 END
        ELSE round_even(x, 0) END""",
    "spark_expm1(x)": """
        CASE WHEN x = 0 THEN x WHEN abs(x) < 1e-5 THEN x + x * x / 2 + x * x * x / 6 ELSE exp(x) - 1 END""",
    "spark_log1p(x)": """
        CASE WHEN x <= -1 THEN NULL WHEN abs(x) < 1e-5 THEN x - x * x / 2 + x * x * x / 3
        ELSE ln(1 + x) END""",
    "spark_cot(x)": """
        CASE WHEN isinf(x) THEN CAST('nan' AS DOUBLE) ELSE 1 / tan(x) END""",
    "spark_atanh(x)": """
        CASE WHEN abs(x) > 1 THEN CAST('nan' AS DOUBLE) WHEN x = 1 THEN CAST('inf' AS DOUBLE)
        WHEN x = -1 THEN CAST('-inf' AS DOUBLE) ELSE atanh(x) END""",
    "spark_signum(x)": "CASE WHEN isnan(x) OR x = 0 THEN x WHEN x > 0 THEN 1 WHEN x < 0 THEN -1 END",
    "spark_hypot(a, b)": """
        CASE WHEN a IS NULL OR b IS NULL THEN NULL
        WHEN isinf(a) OR isinf(b) THEN CAST('inf' AS DOUBLE)
        WHEN isnan(a) OR isnan(b) THEN CAST('nan' AS DOUBLE)
        WHEN greatest(abs(a), abs(b)) = 0 THEN 0
        ELSE greatest(abs(a), abs(b)) * sqrt(1 + pow(least(abs(a), abs(b))
            / greatest(abs(a), abs(b)), 2)) END""",
    "spark_pow(a, b)": """
        CASE WHEN abs(a) = 1 AND NOT isfinite(b) THEN CAST('nan' AS DOUBLE) ELSE pow(a, b) END""",
    "spark_binary(x)": """
        CASE WHEN x >= 0 THEN to_binary(x)
        ELSE to_binary(CAST(x AS HUGEINT) + CAST('18446744073709551616' AS HUGEINT)) END""",
    "spark_shifted(n, width)": "CAST(((n % width) + width) % width AS HUGEINT)",
    "spark_power(n, width)": "(CAST(1 AS HUGEINT) << spark_shifted(n, width))",
    "spark_signed(x, width)": """
        CASE WHEN x >= (CAST(1 AS HUGEINT) << (width - 1))
            THEN x - (CAST(1 AS HUGEINT) << width) ELSE x END""",
    "spark_unsigned(x, width)": """
        CASE WHEN x < 0 THEN x + (CAST(1 AS HUGEINT) << width) ELSE CAST(x AS HUGEINT) END""",
    "spark_shiftleft(x, n, width)": """
        spark_signed((spark_unsigned(x, width)
            % (CAST(1 AS HUGEINT) << (width - spark_shifted(n, width))))
            * spark_power(n, width), width)""",
    "spark_shiftright(x, n, width)": "spark_floor_div(CAST(x AS HUGEINT), spark_power(n, width))",
    "spark_shiftrightunsigned(x, n, width)": "spark_signed(spark_unsigned(x, width) // spark_power(n, width), width)",
    "spark_width_bucket(x, low, high, n)": """
        CASE WHEN n <= 0 OR n = 9223372036854775807 OR isnan(x) OR low = high
            OR NOT isfinite(low) OR NOT isfinite(high) THEN NULL
        WHEN low < high THEN CASE WHEN x < low THEN 0 WHEN x >= high THEN n + 1
            ELSE CAST(floor(n * (x - low) / (high - low)) AS BIGINT) + 1 END
        ELSE CASE WHEN x > low THEN 0 WHEN x <= high THEN n + 1
            ELSE CAST(floor(n * (low - x) / (low - high)) AS BIGINT) + 1 END END""",
    "spark_quotient(n, d, shift)": "(n // d) * shift + spark_half_up((n % d) * shift, d)",
    "spark_strftime(x, pattern)": """
        CASE WHEN year(x) BETWEEN 1 AND 9999 OR NOT contains(pattern, '%Y')
            THEN strftime(x, pattern)
        WHEN year(x) > 9999 THEN strftime(x, replace(pattern, '%Y', '+%Y'))
        WHEN x IS NOT NULL THEN CAST(error('A year before the first cannot be written.') AS VARCHAR)
        END""",
    "spark_offset_text(seconds, colon)": """
        CASE WHEN seconds < 0 THEN '-' ELSE '+' END
        || lpad(CAST(abs(seconds) // 3600 AS VARCHAR), 2, '0') || colon
        || lpad(CAST(abs(seconds) // 60 % 60 AS VARCHAR), 2, '0')""",
    "spark_in_month(t)": "epoch_us(t) - epoch_us(date_trunc('month', t))",
    "spark_month_number(t)": "year(t) * 12 + month(t)",
    "spark_day_number(t)": "spark_month_number(t) * 32 + day(t)",
    "spark_clock_order(a, b)": """
        CASE WHEN CAST(a AS TIME) < CAST(b AS TIME) THEN -1
            WHEN CAST(a AS TIME) > CAST(b AS TIME) THEN 1 ELSE 0 END""",
    "spark_months(a, b)": """
        list_transform([CAST(b AS DATE) + CASE
            WHEN CAST(b AS DATE) > CAST(a AS DATE) AND spark_clock_order(b, a) < 0 THEN -1
            WHEN CAST(b AS DATE) < CAST(a AS DATE) AND spark_clock_order(b, a) > 0 THEN 1
            ELSE 0 END],
            lambda d: (spark_day_number(d) - spark_day_number(a)) // 32)[1]""",
    "spark_is_last_day(t)": "last_day(t) = CAST(t AS DATE)",
    "spark_months_between(a, b)": """
        spark_month_number(a) - spark_month_number(b)
        + CASE WHEN day(a) = day(b) OR (spark_is_last_day(a) AND spark_is_last_day(b)) THEN 0
            ELSE (spark_in_month(a) // 1000000 - spark_in_month(b) // 1000000)
                / CAST(2678400 AS DOUBLE) END""",
    "spark_floor_div(x, n)": "(x - ((x % n) + n) % n) // n",
}


_M = 2**32 - 1
_P1, _P2, _P3, _P4, _P5 = (
    f"CAST('{number}' AS UHUGEINT)"
    for number in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)
_W = f"CAST('{2**64}' AS UHUGEINT)"

_MACROS |= {
    "spark_rotated(x, r)": f"(((x << r) | (x >> (32 - r))) & {_M})",
    "spark_murmur_word(h, k)": f"""
        (spark_rotated(xor(h, (spark_rotated((k * {0xCC9E2D51}) & {_M}, 15) * {0x1B873593}) & {_M}), 13)
            * 5 + {0xE6546B64}) & {_M}""",
    "spark_murmur_end(h, n)": f"""
        list_transform(list_transform(list_transform([xor(h, CAST(n AS UBIGINT))],
            lambda a: (xor(a, a >> 16) * {0x85EBCA6B}) & {_M}),
            lambda a: (xor(a, a >> 13) * {0xC2B2AE35}) & {_M}),
            lambda a: xor(a, a >> 16))[1]""",
    "spark_low(x)": f"CAST(((CAST(x AS HUGEINT) % {2**32}) + {2**32}) % {2**32} AS UBIGINT)",
    "spark_high(x)": f"spark_low(spark_floor_div(CAST(x AS HUGEINT), {2**32}))",
    "spark_murmur_int(x, s)": """
        CASE WHEN x IS NOT NULL THEN spark_murmur_end(spark_murmur_word(s, spark_low(x)), 4) END""",
    "spark_murmur_long(x, s)": """
        CASE WHEN x IS NOT NULL THEN spark_murmur_end(spark_murmur_word(
            spark_murmur_word(s, spark_low(x)), spark_high(x)), 8) END""",
    "spark_word(x, i, n)": """
        CAST('0x' || array_to_string(list_reverse(list_transform(range(n),
            lambda b: substring(x, (i + b) * 2 + 1, 2))), '') AS UBIGINT)""",
    "spark_octet(x, i)": "CAST('0x' || substring(x, i * 2 + 1, 2) AS UBIGINT)",
    "spark_murmur_bytes(x, s)": f"""
        CASE WHEN x IS NOT NULL THEN spark_murmur_end(list_reduce(list_concat(
            list_transform(range(length(x) // 8), lambda i: spark_word(x, i * 4, 4)),
            list_transform(range(length(x) // 8 * 4, length(x) // 2), lambda i:
                CASE WHEN spark_octet(x, i) >= 128 THEN spark_octet(x, i) + {2**32 - 256}
                ELSE spark_octet(x, i) END)),
            lambda h, k: spark_murmur_word(h, k), s), length(x) // 2) END""",
    "spark_times(a, b)": f"""
        CAST(CAST(a AS UHUGEINT) * CAST(b AS UHUGEINT) % {_W} AS UBIGINT)""",
    "spark_plus(a, b)": f"""
        CAST((CAST(a AS UHUGEINT) + CAST(b AS UHUGEINT)) % {_W} AS UBIGINT)""",
    "spark_turned(x, r)": """
        ((x >> (64 - r)) | ((x & ((CAST(1 AS UBIGINT) << (64 - r)) - 1)) << r))""",
    "spark_xx_round(v, w)": f"""
        spark_times(spark_turned(spark_plus(v, spark_times(w, {_P2})), 31), {_P1})""",
    "spark_xx_eight(h, w)": f"""
        spark_plus(spark_times(spark_turned(xor(h, spark_xx_round(CAST(0 AS UBIGINT), w)), 27),
            {_P1}), {_P4})""",
    "spark_xx_four(h, w)": f"""
        spark_plus(spark_times(spark_turned(xor(h, spark_times(w, {_P1})), 23), {_P2}), {_P3})""",
    "spark_xx_one(h, w)": f"""
        spark_times(spark_turned(xor(h, spark_times(w, {_P5})), 11), {_P1})""",
    "spark_xx_end(h)": f"""
        list_transform(list_transform(list_transform([h],
            lambda a: spark_times(xor(a, a >> 33), {_P2})),
            lambda a: spark_times(xor(a, a >> 29), {_P3})), lambda a: xor(a, a >> 32))[1]""",
    "spark_wide(x)": f"""
        CAST(CASE WHEN x < 0 THEN CAST(x AS HUGEINT) + CAST('{2**64}' AS HUGEINT)
            ELSE CAST(x AS HUGEINT) END AS UBIGINT)""",
    "spark_xx_int(x, s)": f"""
        CASE WHEN x IS NOT NULL THEN spark_xx_end(spark_xx_four(spark_plus(s, {_P5} + 4),
            spark_low(x))) END""",
    "spark_xx_long(x, s)": f"""
        CASE WHEN x IS NOT NULL THEN spark_xx_end(spark_xx_eight(spark_plus(s, {_P5} + 8),
            spark_wide(x))) END""",
    "spark_xx_lane(x, v, lane)": """
        list_reduce(list_transform(range(length(x) // 64),
            lambda i: spark_word(x, i * 32 + lane * 8, 8)),
            lambda a, w: spark_xx_round(a, w), v)""",
    "spark_xx_merge(h, v)": f"""
        spark_plus(spark_times(xor(h, spark_xx_round(CAST(0 AS UBIGINT), v)), {_P1}), {_P4})""",
    "spark_xx_lanes(v)": """
        list_reduce(v, lambda h, one: spark_xx_merge(h, one),
            spark_plus(spark_plus(spark_turned(v[1], 1), spark_turned(v[2], 7)),
                spark_plus(spark_turned(v[3], 12), spark_turned(v[4], 18))))""",
    "spark_xx_start(x, s)": f"""
        CASE WHEN length(x) >= 64 THEN list_transform([[
            spark_xx_lane(x, spark_plus(s, {_P1} + {_P2}), 0),
            spark_xx_lane(x, spark_plus(s, {_P2}), 1), spark_xx_lane(x, s, 2),
            spark_xx_lane(x, spark_plus(s, {_W} - {_P1}), 3)]], lambda v: spark_xx_lanes(v))[1]
        ELSE spark_plus(s, {_P5}) END""",
    "spark_xx_bytes(x, s)": """
        CASE WHEN x IS NOT NULL THEN spark_xx_end(
            list_reduce(list_transform(range(length(x) // 8 * 4, length(x) // 2),
                    lambda i: spark_octet(x, i)),
                lambda h, w: spark_xx_one(h, w),
            list_reduce(list_transform(range(length(x) // 16 * 8, length(x) // 8 * 4, 4),
                    lambda i: spark_word(x, i, 4)),
                lambda h, w: spark_xx_four(h, w),
            list_reduce(list_transform(range(length(x) // 64 * 32, length(x) // 16 * 8, 8),
                    lambda i: spark_word(x, i, 8)),
                lambda h, w: spark_xx_eight(h, w),
                spark_plus(spark_xx_start(x, s), length(x) // 2))))) END""",
}


_DEFINED = {signature.split("(", 1)[0]: signature for signature in _MACROS}
_USED = re.compile(r"\bspark_\w+(?=\()")


def macros_of(sql: str, known: set[str]) -> list[str]:
    """The statements that define the macros which a query uses, each after those it uses itself.

    Args:
        sql: Lowered SQL.
        known: Names of macros that are defined already; those of the statements are added.
    """
    statements: list[str] = []
    for name in dict.fromkeys(_USED.findall(sql)):
        if name in known or name not in _DEFINED:
            continue
        known.add(name)
        body = _MACROS[_DEFINED[name]].strip()
        statements += macros_of(body, known)
        statements.append(f"CREATE OR REPLACE MACRO {_DEFINED[name]} AS {body}")
    return statements
