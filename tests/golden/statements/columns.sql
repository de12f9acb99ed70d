-- ==== types
CREATE STREAMING TABLE t (
  a BIGINT, b DECIMAL(10,2), c STRUCT<x: INT, `y z` ARRAY<STRING>>, d MAP<STRING, STRUCT<e: DATE>>,
  date DATE /* of the order */ NOT NULL COMMENT 'it''s', comment STRING, -- the words of clauses
  timestamp TIMESTAMP_NTZ COMMENT "say \"when\"" NOT NULL
)
-- ---- expected
1:1 streaming_table t
  column 2:3 a BIGINT
  column 2:13 b DECIMAL(10,2)
  column 2:30 c STRUCT<x: INT, `y z`: ARRAY<STRING>>
  column 2:69 d MAP<STRING, STRUCT<e: DATE>>
  column 3:3 date DATE NOT NULL COMMENT "it's"
  column 3:58 comment STRING
  column 4:3 timestamp TIMESTAMP_NTZ NOT NULL COMMENT 'say "when"'

-- ==== names alone
CREATE MATERIALIZED VIEW t (a, b COMMENT 'second', `c d`) AS SELECT 1, 2, 3
-- ---- expected
1:1 materialized_view t
  column 1:29 a
  column 1:32 b COMMENT 'second'
  column 1:52 c d
  query 1:62 | SELECT 1, 2, 3

-- ==== everything wrong with columns at once
CREATE STREAMING TABLE t (
  a BIGNIT,
  b VARCHAR(10),
  c STRING DEFAULT 'x' COMMENT 'y',
  d BIGINT GENERATED ALWAYS AS IDENTITY (START WITH 1),
  e STRING MASK hide USING COLUMNS (a, b) NOT NULL,
  f INT PRIMARY KEY,
  A INT,
  g,
  h INT NOT NUL,
  i INT 'comment',
  ,
  j INT COMMENT what,
  k MAP<STRING>,
  "l" INT,
  CONSTRAINT pk PRIMARY KEY (a),
  FOREIGN KEY (a) REFERENCES x
);
CREATE STREAMING TABLE u ();
CREATE STREAMING TABLE v (a INT;
-- ---- expected
2:5 DefinitionError [UNSUPPORTED_DATATYPE] BIGNIT is not a type that a table can hold, in 'BIGNIT'.
    Did you mean 'bigint'?
3:5 DefinitionError [None] VARCHAR with a length is not supported in 'VARCHAR(10)'.
    Use STRING, and an expectation on length(column) where it matters.
4:12 UnsupportedError [UNSUPPORTED_FEATURE] DEFAULT is not supported: The value where none is given.
    Write coalesce(column, value) in the query.
5:12 UnsupportedError [UNSUPPORTED_FEATURE] GENERATED is not supported: A column that is computed: an expression or an identity.
    Compute the column in the query.
6:12 UnsupportedError [UNSUPPORTED_FEATURE] MASK is not supported: A function that hides the column's values from some readers.
    Leave the column out, or hide its values in the query.
7:9 UnsupportedError [UNSUPPORTED_FEATURE] PRIMARY KEY is not supported: The column identifies rows.
    Declare an expectation; keys are not enforced by the Delta format.
9:3 DefinitionError [None] The column g has no type, but others have.
    Give a type to every column of the list, or to none.
10:9 DefinitionError [PARSE_SYNTAX_ERROR] Expected ',' or ')', found 'NOT'.
    Did you mean 'NOT NULL'?
11:9 DefinitionError [PARSE_SYNTAX_ERROR] Expected ',' or ')', found 'comment'.
12:3 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a column before ','.
13:17 DefinitionError [PARSE_SYNTAX_ERROR] Expected a comment in quotes, found 'what'.
14:5 DefinitionError [PARSE_SYNTAX_ERROR] 'MAP<STRING>' is not a column list: expected ',', found '>'.
15:3 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a column, found "l".
    Names are quoted with back-ticks: `name`.
16:17 UnsupportedError [UNSUPPORTED_FEATURE] PRIMARY KEY is not supported: Columns that identify rows.
    Declare an expectation; keys are not enforced by the Delta format.
17:3 UnsupportedError [UNSUPPORTED_FEATURE] FOREIGN KEY is not supported: Columns that name a row elsewhere.
    Declare an expectation; keys are not enforced by the Delta format.
19:27 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a column before ')'.
20:26 DefinitionError [PARSE_SYNTAX_ERROR] This '(' is never closed.

