-- ==== a notebook
-- Databricks notebook source
-- MAGIC %md
-- MAGIC # Title; with a semicolon

-- COMMAND ----------

CREATE MATERIALIZED VIEW a AS SELECT 1

-- COMMAND ----------
-- DBTITLE 1,Second
CREATE MATERIALIZED VIEW b AS SELECT 2;

-- COMMAND ----------

-- ---- expected
7:1 materialized_view a
  query 7:31 | SELECT 1
11:1 materialized_view b
  query 11:31 | SELECT 2

-- ==== nothing
 ; -- nothing
;;/* ; */
-- ---- expected


-- ==== semicolons inside
CREATE MATERIALIZED VIEW a AS SELECT ';', ";", `;`, r'\', 'it''s;' -- ;
/* ; /* ; */ ; */;CREATE MATERIALIZED VIEW b AS SELECT '\';'
-- ---- expected
1:1 materialized_view a
  query 1:31 | SELECT ';', ";", `;`, r'\', 'it''s;'
2:19 materialized_view b
  query 2:49 | SELECT '\';'

-- ==== a forgotten semicolon
CREATE MATERIALIZED VIEW a AS SELECT 1
CREATE OR REFRESH STREAMING LIVE TABLE b AS SELECT 2;
CREATE STREAMING TABLE c
CREATE FLOW f AS INSERT INTO c BY NAME SELECT 1;
-- ---- expected
2:1 DefinitionError [PARSE_SYNTAX_ERROR] A new statement begins inside a query.
    Write ';' before it.
4:1 DefinitionError [PARSE_SYNTAX_ERROR] Expected a clause or AS, found 'CREATE'.
    A new statement needs a ';' before it.

-- ==== strings, names and comments without an end spoil only the rest
CREATE VIEW a AS SELECT 1; CREATE MATERIALIZED VIEW b AS SELECT 'c;
CREATE MATERIALIZED VIEW d AS SELECT 2;
-- ---- expected
1:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] CREATE VIEW is not supported: A view that the catalog keeps.
    Write CREATE TEMPORARY VIEW, or CREATE MATERIALIZED VIEW to store its rows.
1:65 DefinitionError [PARSE_SYNTAX_ERROR] This string is never closed.

-- ==== a comment without an end
SELECT /* /* */ 1;
-- ---- expected
1:8 DefinitionError [UNCLOSED_BRACKETED_COMMENT] This comment is never closed.
    Add '*/'; comments inside comments need their own.

-- ==== a name without an end
SELECT `1;
-- ---- expected
1:8 DefinitionError [PARSE_SYNTAX_ERROR] This name is never closed.

