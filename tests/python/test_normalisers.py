"""Phones and e-mail addresses as SQL reads them, beside the libraries that know the rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import duckdb
import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from phonenumbers import (
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
)

from orchestration.warehouse import functions
from tests.python.macros import compile_macro

EUROPE = (
    *("AD", "AL", "AM", "AT", "AX", "AZ", "BA", "BE", "BG", "BY", "CH", "CY", "CZ", "DE", "DK"),
    *("EE", "ES", "FI", "FO", "FR", "GB", "GE", "GG", "GI", "GR", "HR", "HU", "IE", "IM", "IS"),
    *("IT", "JE", "KZ", "LI", "LT", "LU", "LV", "MC", "MD", "ME", "MK", "MT", "NL", "NO", "PL"),
    *("PT", "RO", "RS", "RU", "SE", "SI", "SJ", "SK", "SM", "TR", "UA", "VA", "XK"),
)
CODES = sorted({str(phonenumbers.country_code_for_region(region)) for region in EUROPE})
# Numbers of these may begin with a zero, which is no trunk prefix then.
ZERO_STAYS = {"39", "378", "47"}
# What SQL cannot tell: 80 or a carrier's code before a number, an area that is left out, a calling
# code (7) from the first digit of a number.
LIBRARY_ALONE = {"BY", "LU", "SM", "KZ"}

# What fails is shown as it is: each list is a query, and a smaller one says no more.
RANDOM = settings(max_examples=60, deadline=None, phases=[Phase.generate])

Typed = tuple[str, str | None]


@dataclass(frozen=True)
class Reader:
    """The compiled macros on a connection."""

    connection: duckdb.DuckDBPyConnection

    def phones(self, typed: Sequence[Typed]) -> list[str | None]:
        sql = compile_macro("normalise", "normalise_phone", "phone", "calling_code")
        rows = self.connection.execute(
            f"""
            with typed as (
                select unnest($phones) as phone, unnest($codes::varchar[]) as calling_code
            )
            select {sql} from typed
            """,
            {"phones": [phone for phone, _ in typed], "codes": [code for _, code in typed]},
        ).fetchall()
        return [phone for (phone,) in rows]

    def emails(self, typed: Sequence[str]) -> list[str | None]:
        sql = compile_macro("normalise", "normalise_email", "email")
        rows = self.connection.execute(
            f"with typed as (select unnest($1) as email) select {sql} from typed", [typed]
        ).fetchall()
        return [email for (email,) in rows]


@pytest.fixture(scope="module")
def whole() -> Reader:
    """SQL, and the libraries for what it leaves to them."""
    connection = duckdb.connect()
    functions.register(connection)
    return Reader(connection)


@pytest.fixture(scope="module")
def alone() -> Reader:
    """SQL alone: what it leaves to the libraries is NULL."""
    connection = duckdb.connect()
    connection.execute("create macro phone_by_library(phone, calling_code) as null::varchar")
    connection.execute("create macro email_by_library(email) as null::varchar")
    return Reader(connection)


def wrong(read: list[str | None], expected: dict[Typed, str | None]) -> dict[Typed, str | None]:
    """What was read otherwise than it should be."""
    return {
        typed: result
        for (typed, right), result in zip(expected.items(), read, strict=True)
        if result != right
    }


# Phones


def examples(region: str) -> list[PhoneNumber]:
    """The library's example of each type of number of a region."""
    found = (
        phonenumbers.example_number_for_type(region, kind) for kind in PhoneNumberType.values()
    )
    return [number for number in found if number]


def e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def ways_to_type(number: PhoneNumber) -> tuple[list[str], list[str]]:
    """A number typed with its calling code, and without."""
    code, national = str(number.country_code), phonenumbers.national_significant_number(number)
    digits = national.removeprefix("0") if code in ZERO_STAYS else national
    international = [
        e164(number),
        phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL),
        phonenumbers.format_number(number, PhoneNumberFormat.RFC3966),
        f"00{code}{national}",
        f"00 {code} {national}",
        f"(+{code}) {national}",
        f"\u202a+{code}\u00a0{national}\u202c",
        f"+{code} {national} ext. 12",
    ]
    if code not in ZERO_STAYS or digits != national:
        international.append(f"+{code} (0) {digits}")
    as_there = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    bare = "".join(char for char in as_there if char.isdigit())
    between = [
        sign.join((bare[:2], bare[2:5], bare[5:])) for sign in (" ", ".", "-", "/", " - ", "\t")
    ]
    return international, [as_there, bare, *between, f"tel. {bare}x3", f"{bare} wew. 5"]


@pytest.mark.parametrize("region", EUROPE)
def test_every_example_is_one_number_however_it_is_typed(region: str, whole: Reader) -> None:
    own = str(phonenumbers.country_code_for_region(region))
    expected: dict[Typed, str | None] = {}
    for number in examples(region):
        international, national = ways_to_type(number)
        brands = (own, "48" if own != "48" else "49", None)
        expected |= dict.fromkeys(product(international, brands), e164(number))
        expected |= dict.fromkeys(product(national, (own,)), e164(number))
        expected |= dict.fromkeys(product(national, (None,)), None)
    assert len(expected) > 50
    assert wrong(whole.phones(list(expected)), expected) == {}


def test_sql_alone_reads_the_usual_numbers_of_every_country(alone: Reader) -> None:
    usual = [
        number
        for region in EUROPE
        if region not in LIBRARY_ALONE
        for number in (
            phonenumbers.example_number_for_type(region, PhoneNumberType.FIXED_LINE),
            phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE),
        )
        if number
    ]
    expected: dict[Typed, str | None] = {}
    for number in usual:
        code, national = str(number.country_code), phonenumbers.national_significant_number(number)
        expected |= dict.fromkeys([(f"+{code} {national}", None), (national, code)], e164(number))
    assert wrong(alone.phones(list(expected)), expected) == {}


def read_by_library(typed: str, calling_code: str) -> PhoneNumber | None:
    """What the library alone makes of a number."""
    try:
        number = phonenumbers.parse(
            typed, phonenumbers.region_code_for_country_code(int(calling_code))
        )
    except NumberParseException:
        return None
    possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    return number if possible and len(e164(number)) <= 16 else None


# From far too short to far too long.
DIGITS = st.from_regex(r"[1-9][0-9]{1,16}", fullmatch=True)
NUMBERS = st.lists(
    st.tuples(st.sampled_from([*CODES, "1"]), st.sampled_from(["+", "", "0", "code"]), DIGITS),
    min_size=30,
    max_size=100,
)


@given(NUMBERS)
@RANDOM
def test_what_is_possible_is_what_the_library_says(
    whole: Reader, alone: Reader, numbers: list[tuple[str, str, str]]
) -> None:
    expected: dict[Typed, str | None] = {}
    for code, prefix, digits in numbers:
        region = phonenumbers.region_code_for_country_code(int(code))
        if prefix == "0" and phonenumbers.ndd_prefix_for_region(region, True) != "0":
            continue  # The library knows no such prefix there, and keeps the zero.
        typed = {"+": f"+{code}", "code": code}.get(prefix, prefix) + digits
        if typed.startswith(code) and len(typed) >= len(code) + 9:
            continue  # The calling code of the brand, not the first digits of a number.
        number = read_by_library(typed, code)
        if number and number.italian_leading_zero:
            continue  # The library keeps the prefix when too few digits come after it.
        expected[typed, code] = e164(number) if number else None
    assert wrong(whole.phones(list(expected)), expected) == {}
    certain = zip(expected, alone.phones(list(expected)), strict=True)
    assert {typed: read for typed, read in certain if read not in (None, expected[typed])} == {}


@pytest.mark.parametrize(
    ("typed", "calling_code", "expected"),
    [
        ("06 698 12345", "39", "+390669812345"),  # Italy keeps its zero, ...
        ("+39 (0)6 698 12345", None, "+390669812345"),
        ("+39 347 1234567", None, "+393471234567"),  # ... mobiles have none.
        ("06 20 123 4567", "36", "+36201234567"),  # Hungary dials 06, ...
        ("06 1 234 5678", "36", "+3612345678"),
        ("8 612 34567", "370", "+37061234567"),  # Lithuania 8 or 0, ...
        ("0 612 34567", "370", "+37061234567"),
        ("8 800 12345", "370", "+37080012345"),
        ("800 12345", "370", "+37080012345"),
        ("8 029 491 19 11", "375", "+375294911911"),  # ... Belarus 80, ...
        ("8 (495) 123-45-67", "7", "+74951234567"),  # ... Russia 8, ...
        ("800 123 45 67", "7", "+78001234567"),
        ("0 22 123 45 67", "48", "+48221234567"),  # ... Poland once 0, ...
        ("15060 27 12 34", "352", "+352271234"),  # ... Luxembourg the code of a carrier.
        ("+48 (0) 600 100 200", None, "+48600100200"),
        ("+0048 600 100 200", None, "+48600100200"),
        ("+49 00171 2345678", None, "+491712345678"),
        ("48600100200", "48", "+48600100200"),  # The calling code without a sign ...
        ("491712345678", "49", "+491712345678"),
        ("49 30 1234567", "49", "+49301234567"),
        ("49 30 1234567 x1", "49", "+49301234567"),
        ("49 30 123456", "49", "+4930123456"),  # ... is one before nine digits more, ...
        ("48 362 12 34", "48", "+48483621234"),  # ... and else where it is no number without.
        ("4352 123 456", "43", "+434352123456"),
        ("77012345678", "7", "+77012345678"),
        ("7012345678", "7", "+77012345678"),
        ("600 100 200, 600 100 201", "48", "+48600100200"),
        ("dom: 22 123 45 67 w. 12", "48", "+48221234567"),
        ("\uff16\uff10\uff10\uff11\uff10\uff10\uff12\uff10\uff10", "48", "+48600100200"),
        ("\uff0b48 600 100 200", None, "+48600100200"),
        ("\u0666\u0660\u0660\u0661\u0660\u0660\u0662\u0660\u0660", "48", "+48600100200"),
        ("+1 (212) 555-0123", "48", "+12125550123"),
        ("+86 138 0013 8000", "48", "+8613800138000"),
        ("+48 600 100", None, "+48600100"),  # Short numbers are possible in Poland, ...
        ("+48 600 10", None, None),
        ("+48 600 100 200 30", None, None),
        ("+49 12345 67890 123", None, "+491234567890123"),  # ... long ones in Germany, up to 15.
        ("+49 12345 67890 1234", None, None),
        ("+44 123456", None, None),  # Of a town, without its area code.
        ("000 000 000", "48", None),
        ("+48 000 000 000", None, None),
        ("+999 600 100 200", None, None),
        ("600 100 200", None, None),
        ("600 100 200", "999", None),
        ("none", "48", None),
        ("", "48", None),
        ("-", "48", None),
        ("+", "48", None),
    ],
)
def test_a_phone_number(
    typed: str, calling_code: str | None, expected: str | None, whole: Reader
) -> None:
    assert whole.phones([(typed, calling_code)]) == [expected]


# E-mail addresses


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("Anna.NOWAK+Shop@Home.PL", "anna.nowak+shop@home.pl"),
        ("anna@żółw.pl", "anna@xn--w-uga1v8h.pl"),  # One domain in any spelling.
        ("anna@ŻÓŁW.PL", "anna@xn--w-uga1v8h.pl"),
        ("anna@z\u0307o\u0301łw.pl", "anna@xn--w-uga1v8h.pl"),
        ("anna@xn--w-uga1v8h.pl", "anna@xn--w-uga1v8h.pl"),
        ("anna@XN--W-UGA1V8H.PL", "anna@xn--w-uga1v8h.pl"),
        ("jörg@müller.de", "jörg@xn--mller-kva.de"),
        ("jo\u0308rg@MÜLLER.DE", "jörg@xn--mller-kva.de"),
        ("jorg@straße.de", "jorg@xn--strae-oqa.de"),
        ("иван@почта.рф", "иван@xn--80a1acny.xn--p1ai"),
        ("anna@xn--p1ai.xn--p1ai", "anna@xn--p1ai.xn--p1ai"),
        ("ŁUCJA@home.pl", "łucja@home.pl"),
        (" anna @ home . pl\t", "anna@home.pl"),  # Nobody sees these.
        ("anna\u00a0@home.pl\r\n", "anna@home.pl"),
        ("\ufeffanna\u200b@home\u00ad.pl\u2060", "anna@home.pl"),
        ("\u202aanna@home.pl\u202c", "anna@home.pl"),
        ("a'b!#$%&*/=?^_`{|}~-c@home.pl", "a'b!#$%&*/=?^_`{|}~-c@home.pl"),
        ("anna@1and1.co.uk", "anna@1and1.co.uk"),
        ("anna..nowak@home.pl", None),
        (".anna@home.pl", None),
        ("anna.@home.pl", None),
        ("anna@home..pl", None),
        ("anna@.home.pl", None),
        ("anna@home.pl.", None),
        ("anna@-home.pl", None),
        ("anna@home-.pl", None),
        ("anna@ho_me.pl", None),
        ("anna@ab--home.pl", None),
        ("anna@xn--a.pl", None),
        ("anna@home", None),
        ("anna@home.p", None),  # No domain ends in one letter or in digits.
        ("anna@home.p1", None),
        ("anna@192.168.0.1", None),
        ("anna@[192.168.0.1]", None),
        ('"anna nowak"@home.pl', None),
        ("Anna <anna@home.pl>", None),
        ("mailto:anna@home.pl", None),
        ("anna;ewa@home.pl", None),
        ("anna@nowak@home.pl", None),
        ("@home.pl", None),
        ("anna@", None),
        ("anna@localhost", None),
        ("anna@printer.local", None),
        ("anna@home.test", None),
        ("none", None),
        ("", None),
        (f"{'a' * 64}@home.pl", f"{'a' * 64}@home.pl"),
        (f"anna@{'a' * 63}.pl", f"anna@{'a' * 63}.pl"),
        (f"anna@{'a' * 64}.pl", None),
        (f"anna@{'a.' * 123}pl", f"anna@{'a.' * 123}pl"),
        (f"annas@{'a.' * 123}pl", f"annas@{'a.' * 123}pl"),
        (f"annas1@{'a.' * 123}pl", None),
    ],
)
def test_an_email_address(typed: str, expected: str | None, whole: Reader) -> None:
    assert whole.emails([typed]) == [expected]


def accepted_by_library(typed: str) -> str | None:
    """What the library alone accepts, case apart."""
    try:
        address = validate_email(typed.lower(), check_deliverability=False)
    except EmailNotValidError:
        return None
    return f"{address.local_part}@{address.ascii_domain}"


# Everything that ASCII has but white space and controls, which are dropped before.
LOCAL = st.text("aZ09.+-_'!\"()<>,:;@[]\\", min_size=1, max_size=6)
LABEL = st.text("aZ09-", min_size=1, max_size=5) | st.sampled_from(["xn--p1ai", "_a", ""])
TOP = st.sampled_from(["pl", "DE", "com", "test", "local", "c-m", "xn--p1ai", "arpa", "example"])
EMAILS = st.lists(
    st.tuples(LOCAL, st.lists(LABEL, max_size=3), TOP).map(
        lambda parts: f"{parts[0]}@{'.'.join([*parts[1], parts[2]])}"
    ),
    min_size=30,
    max_size=100,
)


@given(EMAILS)
@RANDOM
def test_what_is_an_address_is_what_the_library_says(
    whole: Reader, alone: Reader, emails: list[str]
) -> None:
    expected = {email: accepted_by_library(email) for email in emails}
    read = dict(zip(expected, whole.emails(list(expected)), strict=True))
    by_letters = {email: right for email, right in expected.items() if not email.endswith("c-m")}
    assert {email: read[email] for email in by_letters} == by_letters
    certain = dict(zip(expected, alone.emails(list(expected)), strict=True))
    assert {e: found for e, found in certain.items() if found not in (None, expected[e])} == {}


def test_sql_alone_reads_plain_addresses(alone: Reader) -> None:
    plain = ["Anna.Nowak@home.pl", "a@b.de", "anna+x@mail.home-page.co.uk", " o'neil_1@1a.com"]
    assert alone.emails(plain) == [email.strip().lower() for email in plain]


# What nobody foresaw


def test_no_error_tells_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_to_read_phone(phone: str, _calling_code: str) -> str:
        raise RuntimeError(phone)

    def fail_to_read_email(email: str) -> str:
        raise RuntimeError(email)

    monkeypatch.setattr(functions, "read_phone", fail_to_read_phone)
    monkeypatch.setattr(functions, "read_email", fail_to_read_email)
    connection = duckdb.connect()
    functions.register(connection)
    assert Reader(connection).phones([("tel. 600 100 200", "48")]) == [None]
    assert Reader(connection).emails(["anna@żółw.pl"]) == [None]
