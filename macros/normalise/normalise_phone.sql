{#
    A typed phone number as + and digits (E.164); NULL when it cannot be one. A number without a
    calling code gets that of the brand's country, without one NULL: a guess would join strangers.
    International is what has a + or begins with 00, or with the brand's calling code and nine
    more digits.
    Here is read what is plain: signs between digits, a country and a length below. All else
    (other countries, lengths and prefixes; words, extensions) is read by
    orchestration/warehouse/functions.py: nothing below says what is no number.
    Args: phone as typed; calling_code like '48', may be NULL.
#}
{% macro normalise_phone(phone, calling_code) -%}
    {#- Calling code, usual numbers of digits after it, country; tests/python/test_normalisers.py
        holds each against phonenumbers. Not here: Belarus, Luxembourg and San Marino, where a
        number cannot be told from what is dialled before it. -#}
    {%- set plans = [
        ('1', [10], 'United States and Canada'),
        ('298', [6], 'Faroe Islands'),
        ('30', [10], 'Greece'),
        ('31', [9], 'Netherlands'),
        ('32', [8, 9], 'Belgium'),
        ('33', [9], 'France'),
        ('34', [9], 'Spain'),
        ('350', [8], 'Gibraltar'),
        ('351', [9], 'Portugal'),
        ('353', [7, 8, 9], 'Ireland'),
        ('354', [7], 'Iceland'),
        ('355', [8, 9], 'Albania'),
        ('356', [8], 'Malta'),
        ('357', [8], 'Cyprus'),
        ('358', [6, 7, 8, 9, 10], 'Finland'),
        ('359', [7, 8, 9], 'Bulgaria'),
        ('36', [8, 9], 'Hungary'),
        ('370', [8], 'Lithuania'),
        ('371', [8], 'Latvia'),
        ('372', [7, 8], 'Estonia'),
        ('373', [8], 'Moldova'),
        ('374', [8], 'Armenia'),
        ('376', [6, 9], 'Andorra'),
        ('377', [8, 9], 'Monaco'),
        ('380', [9], 'Ukraine'),
        ('381', [8, 9, 10], 'Serbia'),
        ('382', [8], 'Montenegro'),
        ('383', [8], 'Kosovo'),
        ('385', [8, 9], 'Croatia'),
        ('386', [8], 'Slovenia'),
        ('387', [8, 9], 'Bosnia and Herzegovina'),
        ('389', [8], 'North Macedonia'),
        ('39', [6, 7, 8, 9, 10, 11], 'Italy'),
        ('40', [9], 'Romania'),
        ('41', [9], 'Switzerland'),
        ('420', [9], 'Czechia'),
        ('421', [9], 'Slovakia'),
        ('423', [7, 9], 'Liechtenstein'),
        ('43', [7, 8, 9, 10, 11], 'Austria'),
        ('44', [10], 'United Kingdom'),
        ('45', [8], 'Denmark'),
        ('46', [7, 8, 9], 'Sweden'),
        ('47', [8], 'Norway'),
        ('48', [9], 'Poland'),
        ('49', [7, 8, 9, 10, 11], 'Germany'),
        ('7', [10], 'Russia and Kazakhstan'),
        ('90', [10], 'Turkey'),
        ('994', [9], 'Azerbaijan'),
        ('995', [9], 'Georgia')
    ] -%}
    {#- A zero after the calling code is dialled within the country only. But it is a part of the
        number in Italy, and half of the prefix 06 in Hungary. -#}
    {%- set zero_stays = ['36', '39'] -%}
    {%- set codes_before_zero = [] -%}
    {%- set numbers = [] -%}
    {%- for code, lengths, _ in plans -%}
        {%- if code not in zero_stays -%}{%- do codes_before_zero.append(code) -%}{%- endif -%}
        {%- set first = '[0-9]' if code == '39' else '[1-9]' -%}
        {%- for length in lengths -%}
            {%- do numbers.append(code ~ first ~ '[0-9]{' ~ (length - 1) ~ '}') -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set bare -%}
        regexp_replace({{ phone }}, '[\s\x{00a0}()./-]+', '', 'g')
    {%- endset -%}
    {%- set typed -%}
        regexp_replace({{ bare }}, '^00', '+')
    {%- endset -%}
    coalesce(
        nullif(
            regexp_extract(
                regexp_replace(
                    case
                        when starts_with({{ typed }}, '+') then {{ typed }}
                        when not starts_with({{ bare }}, {{ calling_code }})
                            then '+' || {{ calling_code }} || {{ bare }}
                        when length({{ bare }}) >= length({{ calling_code }}) + 9
                            then '+' || {{ bare }}
                    end,
                    '^\+({{ codes_before_zero | join("|") }})0',
                    '+\1'
                ),
                '^\+(?:{{ numbers | join("|") }})$'
            ),
            ''
        ),
        case
            when {{ phone }} is not null
                then phone_by_library({{ phone }}, coalesce({{ calling_code }}, ''))
        end
    )
{%- endmacro %}
