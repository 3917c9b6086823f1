{# Signs that are part of no name: the inside of a class of a regular expression. #}
{% macro punctuation() -%}
    !-/:-@\[-`{-~\x{a1}-\x{a9}\x{ab}-\x{b4}\x{b6}-\x{b9}\x{bb}-\x{bf}\x{d7}\x{f7}\x{2010}-\x{205e}
{%- endmacro %}
