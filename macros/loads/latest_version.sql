{#
    The latest version of each record among those that arrived and, in an increment, those that
    stand in the model already.
    Args: arrived, a CTE with version_at and load_id; key, the columns that name a record. Key
    and version_at together are unique: the loader quarantines repeats.
#}
{% macro latest_version(arrived, key) -%}
    select * from (
        select * from {{ arrived }}
        {%- if is_incremental() %}
        union all
        select standing.*
        from {{ this }} as standing
        semi join {{ arrived }} using ({{ key | join(', ') }})
        {%- endif %}
    )
    qualify row_number() over (
        partition by {{ key | join(', ') }} order by version_at desc, load_id desc
    ) = 1
{%- endmacro %}
