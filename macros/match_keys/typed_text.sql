{#
    A typed text in lower case and composed letters (NFC), '' if empty. White space, controls and
    invisible signs go at both ends; each run of them within becomes a space, or nothing.
    Args: value, SQL of a text; keep_spaces.
#}
{% macro typed_text(value, keep_spaces=true) -%}
    {%- set invisible = [
        '\\x00-\\x20', '\\x7f-\\x{a0}', '\\x{ad}', '\\x{1680}', '\\x{2000}-\\x{200b}',
        '\\x{200e}', '\\x{200f}', '\\x{2028}-\\x{202f}', '\\x{205f}-\\x{206f}', '\\x{3000}',
        '\\x{feff}'
    ] -%}
    {%- if keep_spaces -%}
    nfc_normalize(
        lower(trim(regexp_replace({{ value }}, '[{{ invisible | join }}]+', ' ', 'g'), ' '))
    )
    {%- else -%}
    nfc_normalize(lower(regexp_replace({{ value }}, '[{{ invisible | join }}]+', '', 'g')))
    {%- endif -%}
{%- endmacro %}
