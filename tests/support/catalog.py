"""What stands in a schema, as PostgreSQL's catalogue tells it: one line a thing."""

from __future__ import annotations

from tests.support.connected import connected

_DESCRIBE = """
WITH the AS (SELECT %(schema)s::regnamespace AS schema),
relation AS (SELECT pg_class.* FROM pg_class, the WHERE relnamespace = the.schema)
SELECT concat_ws(', ', format('%%s is of kind %%s', relname, relkind), relpersistence, amname,
    (SELECT string_agg(option, ', ' ORDER BY option) FROM unnest(reloptions) AS option))
    FROM relation LEFT JOIN pg_am ON pg_am.oid = relam
UNION ALL
SELECT concat_ws(', ', format('%%s.%%s: no. %%s', relname, attname, attnum),
    format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'not null' END,
    'default ' || pg_get_expr(adbin, adrelid), 'storage ' || attstorage::text,
    'compression ' || nullif(attcompression::text, ''),
    'collation ' || nullif(attcollation, 0)::regcollation::text,
    'identity ' || nullif(attidentity::text, ''), 'generated ' || nullif(attgenerated::text, ''))
    FROM relation JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE NOT attisdropped AND relkind <> 'i'
UNION ALL
SELECT format('%%s has the constraint %%s: %%s', relname, conname, pg_get_constraintdef(c.oid))
    FROM relation JOIN pg_constraint AS c ON conrelid = relation.oid AND contype <> 'n'
UNION ALL
SELECT format('%%s has the index %%s', relname, pg_get_indexdef(indexrelid))
    FROM relation JOIN pg_index ON indrelid = relation.oid
UNION ALL
SELECT format('%%s counts as %%s', sequencename,
    row(data_type, start_value, min_value, max_value, increment_by, cycle, cache_size))
    FROM pg_sequences, the WHERE schemaname = the.schema::text
UNION ALL
SELECT format('%%s belongs to %%s.%%s', s.relname, owner.relname, attname)
    FROM relation AS s JOIN pg_depend ON objid = s.oid AND deptype = 'a' AND s.relkind = 'S'
    JOIN pg_class AS owner ON owner.oid = refobjid
    JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
UNION ALL
SELECT format('%%s is a function', proname) FROM pg_proc, the WHERE pronamespace = the.schema
UNION ALL
SELECT format('%%s has the trigger %%s', relname, tgname)
    FROM relation JOIN pg_trigger ON tgrelid = relation.oid
"""


def describe(conninfo: str, schema: str) -> set[str]:
    """Tell everything that stands in a schema, without saying the schema's name."""
    with connected(conninfo) as conn:
        conn.execute("SELECT set_config('search_path', %s, true)", [schema])
        found = conn.execute(_DESCRIBE, {"schema": schema})
        return {str(line).replace(f"{schema}.", "") for (line,) in found}
