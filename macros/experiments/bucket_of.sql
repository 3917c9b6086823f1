{#
    One of 10,000 buckets, 0 to 9999, that a salt puts an id into: the same in every build, and
    under another salt another one that tells nothing of the first. A share of 5 % are the buckets
    below 500, so that a share that grows keeps who was in it.
#}
{% macro bucket_of(salt, id) -%}
    cast(cast('0x' || left(md5({{ salt }} || ':' || {{ id }}), 8) as bigint) % 10000 as integer)
{%- endmacro %}
