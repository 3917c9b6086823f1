"""SQL functions in Python: phones, e-mail addresses and holidays as the libraries know them.

The macros of macros/normalise read what is plain themselves and ask these for everything else.
dbt-duckdb registers them on its connection (profiles.yml); whoever reads a staging view over
another one calls register first. A value that is not valid is None, and no error ever tells it.
"""

import re
from datetime import date
from functools import cache
from unicodedata import category

import duckdb
import holidays
import phonenumbers
from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import PythonExceptionHandling
from duckdb.func import FunctionNullHandling
from duckdb.sqltypes import DATE, INTEGER, VARCHAR
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumber, ValidationResult
from phonenumbers.phonemetadata import PhoneMetadata

_LONGEST_NUMBER = len("+") + 15  # E.164
_BARE_DIGITS = 9  # after the calling code: fewer may as well be a number within the country

# What stands before the first digit, and the number up to a letter or sign that ends it:
# "tel. +48 600 100 200 ext. 5", "600 100 200, 600 100 201".
_NUMBER = re.compile(r"(?P<before>\D*)(?P<number>\d(?:\d|_|[^\w,;#+\uff0b])*)")

# Spaces, controls and invisible signs; the joiners U+200C and U+200D are letters to some scripts.
_BLANK = {"Zs", "Zl", "Zp", "Cc", "Cf"}
_JOINERS = {"\u200c", "\u200d"}
_TOP_LEVEL = re.compile(r"\.(?:[a-z]{2,}|xn--[a-z0-9-]+)\Z")


class Plugin(BasePlugin):
    """What dbt-duckdb loads: registers the functions on the connection that it opens."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Called once for each file that dbt opens; its threads share the functions."""
        register(conn)


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a connection the functions that models call, by name with their arguments' types."""
    # An exception that nobody foresaw might tell the value: it is NULL, too. A function may return
    # NULL only if it is asked about NULL as well.
    for name, function, arguments, result in (
        ("phone_by_library", read_phone, (VARCHAR, VARCHAR), VARCHAR),
        ("email_by_library", read_email, (VARCHAR,), VARCHAR),
        ("holiday_on", holiday_on, (VARCHAR, VARCHAR, INTEGER), DATE),
    ):
        connection.create_function(
            name,
            function,
            list(arguments),
            result,
            null_handling=FunctionNullHandling.SPECIAL,
            exception_handling=PythonExceptionHandling.RETURN_NULL,
        )


def read_phone(phone: str | None, calling_code: str) -> str | None:
    """The number as + and digits (E.164), its extension dropped; None when it cannot be one.

    `calling_code` is that of a number typed without one; without it ("") such a number is None.
    """
    if phone is None:
        return None
    match = _NUMBER.match(phonenumbers.normalize_digits_only(phone, keep_non_digits=True))
    if match is None:
        return None
    digits = re.sub(r"\D", "", match["number"])
    is_international = any(plus in match["before"] for plus in "+\uff0b")
    if digits.startswith("00"):
        is_international, digits = True, digits[2:]
    if is_international:
        return _e164(f"+{digits}", None)
    if not calling_code:
        return None
    if digits.startswith(calling_code) and len(digits) >= len(calling_code) + _BARE_DIGITS:
        bare = _e164(f"+{digits}", None)
        if bare is not None:
            return bare
    return _e164(digits, phonenumbers.region_code_for_country_code(int(calling_code)))


def _e164(number: str, region: str | None) -> str | None:
    try:
        parsed = phonenumbers.parse(number, region)
    except NumberParseException:
        return None
    _drop_trunk_zeros(parsed)
    # Not what can be dialled within one area only: in the next one it is another person.
    if phonenumbers.is_possible_number_with_reason(parsed) != ValidationResult.IS_POSSIBLE:
        return None
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return written if len(written) <= _LONGEST_NUMBER else None


def _drop_trunk_zeros(number: PhoneNumber) -> None:
    """Drop zeros that no number of the country begins with: the library keeps "+48 (0) 600..."."""
    if not number.italian_leading_zero or number.country_code is None:
        return
    region = phonenumbers.region_code_for_country_code(number.country_code)
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(number.country_code, region)
    pattern = metadata and metadata.general_desc and metadata.general_desc.national_number_pattern
    if not re.fullmatch(pattern or "", phonenumbers.national_significant_number(number)):
        number.italian_leading_zero = None
        number.number_of_leading_zeros = None


def read_email(email: str | None) -> str | None:
    """The address in lower case without white space, its domain in ASCII; None when it is none."""
    if email is None:
        return None
    text = "".join(char for char in email if category(char) not in _BLANK or char in _JOINERS)
    try:
        address = validate_email(text.lower(), check_deliverability=False)
    except EmailNotValidError:
        return None
    if not _TOP_LEVEL.search(address.ascii_domain):
        return None
    return f"{address.local_part}@{address.ascii_domain}"


def holiday_on(country: str | None, holiday: str | None, year: int | None) -> date | None:
    """The day of a country's holiday in a year, by its English name; None when there is none.

    It counts where it falls, also when a weekday after it is free instead.
    """
    if country is None or holiday is None or year is None:
        return None
    if country not in holidays.list_supported_countries():
        return None
    days = _calendar(country, year).get_named(holiday, lookup="exact")
    return min(days, default=None)


@cache
def _calendar(country: str, year: int) -> holidays.HolidayBase:
    known = holidays.country_holidays(country)
    return holidays.country_holidays(
        country,
        years=year,
        observed=False,
        language="en_US" if "en_US" in known.supported_languages else None,
        categories=known.supported_categories,
    )
