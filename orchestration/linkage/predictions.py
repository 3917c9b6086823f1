"""The columns of a scored pair, apart from what scores it: nothing here imports Splink."""

import pyarrow as pa

SCHEMA = pa.schema(
    {
        "id_a": pa.string(),
        "id_b": pa.string(),
        "match_weight": pa.float64(),
        "match_probability": pa.float64(),
        "link_weight": pa.float64(),
        "decision": pa.string(),
        "reason": pa.string(),
        "evidence": pa.list_(pa.string()),
        "model_version": pa.string(),
    }
)
