-- ==== in names, strings, column lists and paths
CREATE STREAMING TABLE ${catalog}.bronze_${env}.t (${columns})
COMMENT "in ${env}"
AS SELECT * FROM STREAM read_files("${dir}sf=${ env }/Batch1") WHERE `${env}` = 1
-- ---- parameters
catalog=main
env=dev
columns=a INT, b STRING
dir=/data/
-- ---- expected
1:1 streaming_table main.bronze_dev.t
  column 1:52 a INT
  column 1:52 b STRING
  comment 'in dev'
  query 3:4 | SELECT * FROM STREAM read_files("/data/sf=dev/Batch1") WHERE `dev` = 1

-- ==== places after a value are those of the user's file
CREATE MATERIALIZED VIEW a AS SELECT ${long}; CREATE MATERIALIZED VIEW b AS SELECT 1
-- ---- parameters
long=a, b, c, d, e, f, g, h, i, j, k, l, m, n
-- ---- expected
1:1 materialized_view a
  query 1:31 | SELECT a, b, c, d, e, f, g, h, i, j, k, l, m, n
1:47 materialized_view b
  query 1:77 | SELECT 1

-- ==== errors inside and after a value
CREATE STREAMING TABLE t (a ${type}, b BIGNIT) CLUSTER BY (${empty}) COMENT 'x'
-- ---- parameters
type=STRNG
empty=
-- ---- expected
1:29 DefinitionError [UNSUPPORTED_DATATYPE] STRNG is not a type that a table can hold, in 'STRNG'.
    Did you mean 'string'?
1:40 DefinitionError [UNSUPPORTED_DATATYPE] BIGNIT is not a type that a table can hold, in 'BIGNIT'.
    Did you mean 'bigint'?
1:68 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a clustering column before ')'.

-- ==== a value that refers to values
CREATE MATERIALIZED VIEW a AS SELECT * FROM parquet.`${path}`
-- ---- parameters
base=/data
path=${base}/x
-- ---- expected
1:1 materialized_view a
  query 1:31 | SELECT * FROM parquet.`/data/x`

-- ==== SET gives a value, in the characters after the sign
SET start='2020-01-01';
SET next = date_add(${start}, /* a day */ 1);
CREATE MATERIALIZED VIEW a AS SELECT * FROM b WHERE d > ${start} AND d < ${next};
-- ---- expected
1:1 set start = "'2020-01-01'"
2:1 set next = "date_add('2020-01-01', 1)"
3:1 materialized_view a
  query 3:31 | SELECT * FROM b WHERE d > '2020-01-01' AND d < date_add('2020-01-01', 1)

-- ==== comments are left alone
-- ${unknown}
CREATE MATERIALIZED VIEW a AS /* ${unknown} */ SELECT 1 -- ${unknown}
  , 2 /* ${unknown} */ AS b
-- ---- expected
2:1 materialized_view a
  query 2:48 | SELECT 1 -- ${unknown}
    |   , 2 /* ${unknown} */ AS b

-- ==== unknown, circular, and with a semicolon
CREATE MATERIALIZED VIEW ${catalgo}.a AS SELECT '${other}';
CREATE MATERIALIZED VIEW b AS SELECT ${one};
CREATE MATERIALIZED VIEW c AS SELECT ${sharp};
CREATE MATERIALIZED VIEW d AS SELECT ${quote};
CREATE MATERIALIZED VIEW e AS SELECT ${};
${empty};
SET later = 1;
-- ---- parameters
catalog=main
one=${two}
two=${one}
sharp=1; DROP TABLE x
quote='a
empty=
-- ---- expected
1:26 DefinitionError [None] The parameter ${catalgo} has no value.
    Did you mean 'catalog'?
1:50 DefinitionError [None] The parameter ${other} has no value.
    Did you mean 'quote'?
2:38 DefinitionError [None] The value of the parameter ${one} refers to itself.
3:38 DefinitionError [PARSE_SYNTAX_ERROR] The value of a parameter has a ';' outside a string.
4:38 DefinitionError [PARSE_SYNTAX_ERROR] This string is never closed.
5:38 DefinitionError [None] The parameter ${} has no value.
    Give it one in the pipeline's configuration, or SET it earlier in this file.
6:1 DefinitionError [None] The values of parameters leave no statement.

-- ==== used before SET
CREATE MATERIALIZED VIEW a AS SELECT ${start};
SET start = 1
-- ---- expected
1:38 DefinitionError [None] The parameter ${start} has no value.
    Give it one in the pipeline's configuration, or SET it earlier in this file.

