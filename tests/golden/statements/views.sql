-- ==== a temporary view
CREATE TEMPORARY VIEW v AS SELECT 1;
CREATE OR REPLACE TEMP VIEW w (a COMMENT 'first', b, CONSTRAINT c EXPECT (a > 0))
COMMENT 'w' TBLPROPERTIES ('k' = 'v') AS SELECT 1, 2
-- ---- expected
1:1 view v
  query 1:28 | SELECT 1
2:1 view w
  column 2:32 a COMMENT 'first'
  column 2:51 b
  expect 2:54 warn 'c': 2:75 | a > 0
  comment 'w'
  property k = 'v'
  query 3:42 | SELECT 1, 2

-- ==== what a view has not
CREATE TEMPORARY VIEW s.v AS SELECT 1;
CREATE TEMPORARY VIEW v (a INT) AS SELECT 1;
CREATE TEMPORARY VIEW v;
CREATE TEMPORARY VIEW v USING csv OPTIONS (path 'x');
CREATE VIEW v AS SELECT 1;
CREATE GLOBAL TEMPORARY VIEW v AS SELECT 1;
-- ---- expected
1:23 DefinitionError [INVALID_TEMP_OBJ_QUALIFIER] A temporary view belongs to no schema: s.v.
    Write its name alone.
2:26 DefinitionError [None] The column a of a view has a type or NOT NULL.
    Give only the name, and CAST in the query.
3:24 DefinitionError [PARSE_SYNTAX_ERROR] Expected AS and a query, which a view needs, before the end of the statement.
4:25 UnsupportedError [UNSUPPORTED_FEATURE] USING is not supported: A view of files.
    Write AS SELECT ... read_files().
4:35 UnsupportedError [UNSUPPORTED_FEATURE] OPTIONS is not supported: Options of files.
    Give them to read_files(...).
5:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] CREATE VIEW is not supported: A view that the catalog keeps.
    Write CREATE TEMPORARY VIEW, or CREATE MATERIALIZED VIEW to store its rows.
6:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] CREATE GLOBAL TEMPORARY VIEW is not supported: A view that other sessions see.
    Write CREATE TEMPORARY VIEW: all files of a pipeline see it.

