"""What destinations know a person by, as Python makes it; macros/match_keys does the same in SQL.

A key is the normalised text that a platform compares, most of them hashed. The rules are in
docs/exports.md. A national phone number and an address whose domain is not in ASCII are no keys:
orchestration/warehouse/functions.py reads them before.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import date
from unicodedata import category, normalize

Rule = Callable[[str], str | None]

_HASH = re.compile("[0-9a-f]{64}")
_TYPED_HASH = re.compile(" *([0-9a-fA-F]{64}) *")

# White space, controls and invisible signs.
_INVISIBLE = re.compile(
    "[\x00-\x20\x7f-\xa0\xad\u1680\u2000-\u200b\u200e\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]+"
)
_PUNCTUATION = (
    r"!-/:-@\[-`{-~\u00a1-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2010-\u205e"
)
_SIGNS = re.compile(f"[{_PUNCTUATION}]+")
_NO_LETTER = re.compile(f"[0-9 {_PUNCTUATION}]+")

_ATOM = r"[^@.\"(),:;<>\[\]\\]+"
_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_EMAIL = re.compile(rf"{_ATOM}(?:[.]{_ATOM})*@(?:{_LABEL}[.])+(?:[a-z]{{2,}}|xn--[a-z0-9-]+)")
_PLUS_TAG = re.compile(r"(.)\+[^@]*@")
_PHONE = re.compile("[+][1-9][0-9]{6,14}")

_TITLES = "mr|mrs|ms|miss|mx|sir|dr|prof|pan|pani|mgr|inż|inz|hab|ks|herr|frau"
_SUFFIXES = "jr|sr|ii|iii|iv|phd|ph[.]d|md|esq"
_BEFORE_NAME = re.compile(f"(?:(?:{_TITLES})(?:[.] ?| ))+")
_AFTER_NAME = re.compile(rf"(?:(?:, ?| )(?:{_SUFFIXES})[.]?)+\Z")

# Letters without an accent that could be taken off.
_IN_ASCII = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe"} | dict(zip("łøđðħıŧ", "loddhit", strict=True))
)
# Of the United States with four digits more, and of the United Kingdom.
_LONG_POSTAL_CODE = re.compile("([0-9]{5})[0-9]{4}|([a-z]{1,2}[0-9][a-z0-9]?[0-9])[a-z]{2}")
_META_POSTAL_CODE = re.compile("[a-z0-9]{3,10}")
_GOOGLE_POSTAL_CODE = re.compile("[a-z0-9](?:[ -]?[a-z0-9]){2,9}")
_COUNTRY = re.compile("[a-z]{2}")
_BIRTH_DATE = re.compile("(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}")


def meta_key(field: str, value: str | None) -> str | None:
    """What Meta compares, before it is hashed; None when empty or invalid, a hash as it is.

    Fields: email, phone, first_name, last_name, city, postal_code, country, gender, and birth_year,
    birth_month, birth_day, which are asked for with the date, YYYY-MM-DD. Any other: ValueError.
    """
    return _key("Meta", _META, field, value)


def google_key(field: str, value: str | None) -> str | None:
    """What Google compares, before it is hashed; None when empty or invalid, a hash as it is.

    Fields: email, phone, given_name, family_name; postal_code and region_code, which are never
    hashed, so that a hash is None. Any other: ValueError.
    """
    return _key("Google", _GOOGLE, field, value)


def tiktok_key(field: str, value: str | None) -> str | None:
    """What TikTok compares, before it is hashed; None when empty or invalid, a hash as it is.

    Fields: email, phone. Any other: ValueError.
    """
    return _key("TikTok", _TIKTOK, field, value)


def hashed(text: str | None) -> str | None:
    """SHA-256 of a key as 64 hex digits in lower case; None of None, a hash stays as it is."""
    if text is None or _HASH.fullmatch(text):
        return text
    return hashlib.sha256(text.encode()).hexdigest()


def unkeyed_hashes(values: Mapping[str, str | None]) -> set[str]:
    """Every hash that a destination could hold of a person's e-mail, phone and names.

    `values` are by the columns of pii.customers: email, phone, first_name, last_name; others are
    not looked at. Many people share a name, and its hash.
    """
    email, phone = values.get("email"), values.get("phone")
    first_name, last_name = values.get("first_name"), values.get("last_name")
    keys = (
        meta_key("email", email),
        google_key("email", email),
        tiktok_key("email", email),
        meta_key("phone", phone),
        google_key("phone", phone),
        tiktok_key("phone", phone),
        meta_key("first_name", first_name),
        google_key("given_name", first_name),
        meta_key("last_name", last_name),
        google_key("family_name", last_name),
    )
    return {found for key in keys if (found := hashed(key))}


def _key(platform: str, rules: Mapping[str, Rule], field: str, value: str | None) -> str | None:
    if field not in rules:
        raise ValueError(f"{platform} compares no {field}, but {', '.join(rules)}")
    return None if value is None else rules[field](value) or None


def _or_hash(rule: Rule) -> Rule:
    """The same rule, for a field that is hashed: what is no value but a hash is passed on."""

    def key(value: str) -> str | None:
        found = rule(value)
        if found:
            return found
        hash_typed = _TYPED_HASH.fullmatch(value)
        return hash_typed[1].lower() if hash_typed else None

    return key


def _text(value: str, space: str = " ") -> str:
    """In lower case and composed letters, each run of invisible signs as `space`."""
    seen = _INVISIBLE.sub(space, value).strip(" ")
    # As SQL does it, letter by letter; Python has rules for words on these two.
    return normalize("NFC", seen.replace("\u0130", "i").replace("\u03a3", "\u03c3").lower())


def _if_all(pattern: re.Pattern[str], text: str) -> str | None:
    return text if pattern.fullmatch(text) else None


def _email(value: str) -> str | None:
    return _if_all(_EMAIL, _text(value, ""))


def _untagged_email(value: str) -> str | None:
    email = _email(value)
    return email and _PLUS_TAG.sub(r"\1@", email, count=1)


def _google_email(value: str) -> str | None:
    email = _email(value)
    if email is None or not email.endswith(("@gmail.com", "@googlemail.com")):
        return email
    # Mail arrives there whatever dots and plus tags are typed; elsewhere they are other people.
    local, _, domain = _PLUS_TAG.sub(r"\1@", email, count=1).partition("@")
    return f"{local.replace('.', '')}@{domain}"


def _phone(value: str) -> str | None:
    return _if_all(_PHONE, _text(value, ""))


def _phone_digits(value: str) -> str | None:
    phone = _phone(value)
    return phone and phone.removeprefix("+")


def _meta_name(value: str) -> str | None:
    name = _SIGNS.sub("", _text(value, ""))
    return None if _NO_LETTER.fullmatch(name) else name


def _google_name(value: str) -> str | None:
    # A title that stands alone stays: Pan is a family name.
    name = _text(value)
    untitled = _BEFORE_NAME.match(name)
    name = _AFTER_NAME.sub("", name[untitled.end() :] if untitled else name)
    return None if _NO_LETTER.fullmatch(name) else name


def _city(value: str) -> str | None:
    apart = normalize("NFD", _text(value, ""))
    city = "".join(sign for sign in apart if category(sign)[0] != "M").translate(_IN_ASCII)
    return None if _HASH.fullmatch(city) else re.sub("[^a-z]+", "", city)


def _meta_postal_code(value: str) -> str | None:
    code = _text(value, "").replace("-", "")
    if match := _LONG_POSTAL_CODE.fullmatch(code):
        code = match[1] or match[2]
    return _if_all(_META_POSTAL_CODE, code)


def _google_postal_code(value: str) -> str | None:
    code = _if_all(_GOOGLE_POSTAL_CODE, _text(value))
    return code and code.upper()


def _country(value: str) -> str | None:
    return _if_all(_COUNTRY, _text(value))


def _region_code(value: str) -> str | None:
    country = _country(value)
    return country and country.upper()


def _gender(value: str) -> str | None:
    return {"f": "f", "female": "f", "m": "m", "male": "m"}.get(_text(value))


def _birth_date_part(start: int, end: int) -> Rule:
    def part(value: str) -> str | None:
        text = _text(value, "")
        try:
            date.fromisoformat(text if _BIRTH_DATE.fullmatch(text) else "")
        except ValueError:
            return None
        return text[start:end]

    return part


_META: Mapping[str, Rule] = {
    "email": _or_hash(_email),
    "phone": _or_hash(_phone_digits),
    "first_name": _or_hash(_meta_name),
    "last_name": _or_hash(_meta_name),
    "city": _or_hash(_city),
    "postal_code": _or_hash(_meta_postal_code),
    "country": _or_hash(_country),
    "gender": _or_hash(_gender),
    "birth_year": _or_hash(_birth_date_part(0, 4)),
    "birth_month": _or_hash(_birth_date_part(5, 7)),
    "birth_day": _or_hash(_birth_date_part(8, 10)),
}
_GOOGLE: Mapping[str, Rule] = {
    "email": _or_hash(_google_email),
    "phone": _or_hash(_phone),
    "given_name": _or_hash(_google_name),
    "family_name": _or_hash(_google_name),
    "postal_code": _google_postal_code,
    "region_code": _region_code,
}
_TIKTOK: Mapping[str, Rule] = {"email": _or_hash(_untagged_email), "phone": _or_hash(_phone)}
