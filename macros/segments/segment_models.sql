{#
    The segments that are models of their own, by folder: models/segments/<folder>/seg_<name>.sql.
    dbt has to read the names before it knows the project, so they stand here, once; a test holds
    the list to the folders.
#}
{% macro segment_models() -%}
    {{- return([
        "high_value_buyer", "losing_buyer", "new_buyer", "vanished_buyer", "discount_buyer",
        "practical_buyer", "stylish_buyer", "abandoned_cart", "abandoned_checkout", "birthday",
        "cross_sell", "early_access", "loyalty_candidates", "name_day", "new_in_favourite_category",
        "post_holiday_gift_givers", "post_holiday_self_buyers", "premium_buyers", "price_seekers",
        "review_request", "thanks", "up_sell", "welcome", "accessory_offer", "care_advice",
        "first_right_to_new_model", "onboarding", "replacement", "warranty_ending",
        "best_of_several_brands", "inactive_in_all_brands", "one_brand_only", "deliverability",
        "moved_away", "reactivation_accidental_click", "reactivation_declared",
        "reactivation_gift_only", "reactivation_moved", "reactivation_offer_mismatch",
        "reactivation_one_and_done", "reactivation_price", "reactivation_service_problem",
        "reactivation_stock_out", "sunset"
    ]) -}}
{%- endmacro %}
