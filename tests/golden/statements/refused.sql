-- ==== clauses of tables, all at once
CREATE OR REFRESH PRIVATE STREAMING TABLE t
LOCATION 's3://x' WITH ROW FILTER f ON (a) SCHEDULE REFRESH EVERY 1 DAY
TRIGGER ON UPDATE AT MOST EVERY INTERVAL 1 HOUR COMMENT 'x' REFRESH POLICY INCREMENTAL STRICT
USING parquet OPTIONS (a 'b') CLUSTER BY AUTO AS SELECT 1;
CREATE STREAMING TABLE u CLUSTER BY NONE;
-- ---- expected
1:19 UnsupportedError [UNSUPPORTED_FEATURE] PRIVATE is not supported: A table that is not published.
    Leave the word out, or use CREATE TEMPORARY VIEW if its rows need not be stored.
2:1 UnsupportedError [UNSUPPORTED_FEATURE] LOCATION is not supported: A place for the table's files.
    Leave it out: the lakehouse decides where its tables lie.
2:19 UnsupportedError [UNSUPPORTED_FEATURE] WITH ROW FILTER is not supported: A function that hides rows from some readers.
    Write the condition into the query.
2:44 UnsupportedError [UNSUPPORTED_FEATURE] SCHEDULE is not supported: When the table is refreshed.
    Updates are started by `lakeflow run` or by a job with a schedule or trigger.
3:1 UnsupportedError [UNSUPPORTED_FEATURE] TRIGGER ON UPDATE is not supported: Refresh when an input changes.
    Updates are started by `lakeflow run` or by a job with a schedule or trigger.
3:61 UnsupportedError [UNSUPPORTED_FEATURE] REFRESH POLICY is not supported: Whether a refresh may be full or incremental.
    Leave it out: the plan says which is taken and why.
4:1 UnsupportedError [UNSUPPORTED_FEATURE] USING is not supported: Another format.
    Tables are Delta: leave the clause out or write USING DELTA.
4:15 UnsupportedError [UNSUPPORTED_FEATURE] OPTIONS is not supported: Options of the format.
    Use TBLPROPERTIES.
4:31 UnsupportedError [UNSUPPORTED_FEATURE] CLUSTER BY AUTO is not supported: Columns chosen by use.
    Name the columns.
5:26 UnsupportedError [UNSUPPORTED_FEATURE] CLUSTER BY NONE is not supported: No clustering.
    Leave the clause out.

-- ==== flows in a table
CREATE STREAMING TABLE t FLOW AUTO CDC FROM STREAM s KEYS (k) SEQUENCE BY d COLUMNS * EXCEPT (x) STORED AS SCD TYPE 2;
CREATE STREAMING TABLE t FLOW INSERT BY NAME SELECT 1 AS x;
CREATE STREAMING TABLE t FLOW REPLACE WHERE a > 1 BY NAME SELECT 1;
-- ---- expected
1:26 UnsupportedError [UNSUPPORTED_FEATURE] FLOW AUTO CDC is not supported: A change data flow in place of a query.
    Change data flows are not available; read the changes with a streaming table.
2:26 UnsupportedError [UNSUPPORTED_FEATURE] FLOW INSERT is not supported: A flow in place of a query.
    Declare the table, then CREATE FLOW name AS INSERT INTO table BY NAME SELECT ...
3:26 UnsupportedError [UNSUPPORTED_FEATURE] FLOW REPLACE WHERE is not supported: A flow that replaces rows.
    Declare the table, then CREATE FLOW name AS INSERT INTO table BY NAME SELECT ...

-- ==== other statements
APPLY CHANGES INTO LIVE.t FROM STREAM(LIVE.s) KEYS (k) SEQUENCE BY d;
INSERT INTO t VALUES (1, 2);
CREATE TABLE t (a INT);
CREATE TEMPORARY STREAMING LIVE TABLE t AS SELECT 1;
CREATE FUNCTION f() RETURNS INT RETURN 1;
CREATE OR REPLACE TEMPORARY FUNCTION f() RETURNS INT RETURN 1;
CREATE CATALOG c;
CREATE;
SELECT
  1;
DROP TABLE t;
REFRESH MATERIALIZED VIEW t;
CRATE STREAMING TABLE t;
CREATE STREMING TABLE t;
CREATE MATERIALISED VIEW t AS SELECT 1;
(SELECT 1);
'x';
CREATE OR REFRESH FLOW f AS INSERT INTO t BY NAME SELECT 1;
CREATE TEMPORARY VIEW IF EXISTS a AS SELECT 1;
-- ---- expected
1:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] APPLY CHANGES INTO is not supported: The older AUTO CDC INTO.
    Change data flows are not available; read the changes with a streaming table.
2:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] INSERT INTO is not supported: Adds rows to a table.
    Declare the table, then CREATE FLOW name AS INSERT INTO table BY NAME SELECT ...
3:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] CREATE TABLE is not supported: A table that no pipeline fills.
    Write CREATE STREAMING TABLE or CREATE MATERIALIZED VIEW.
4:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] CREATE TEMPORARY STREAMING LIVE TABLE is not supported: Not published.
    Leave the word out, or use CREATE TEMPORARY VIEW if its rows need not be stored.
5:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] CREATE FUNCTION is not supported: A function in SQL or another language.
    Write the expression in the query.
6:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] CREATE TEMPORARY FUNCTION is not supported: A function in SQL or another language.
    Write the expression in the query.
7:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] This is not a statement of a pipeline: CREATE CATALOG c
    A pipeline file has CREATE, SET and USE statements.
8:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] This is not a statement of a pipeline: CREATE
    A pipeline file has CREATE, SET and USE statements.
9:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] This is not a statement of a pipeline: SELECT 1
    A pipeline file has CREATE, SET and USE statements.
11:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] This is not a statement of a pipeline: DROP TABLE t
    A pipeline file has CREATE, SET and USE statements.
12:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] REFRESH is not supported: Starts an update.
    Updates are started by `lakeflow run` or by a job with a schedule or trigger.
13:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] This is not a statement of a pipeline: CRATE STREAMING TABLE t
    Did you mean 'CREATE'?
14:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] This is not a statement of a pipeline: CREATE STREMING TABLE t
    Did you mean 'STREAMING TABLE'?
15:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] This is not a statement of a pipeline: CREATE MATERIALISED VIEW t AS
    Did you mean 'MATERIALIZED VIEW'?
16:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] This is not a statement of a pipeline: (SELECT 1)
    A pipeline file has CREATE, SET and USE statements.
17:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] This is not a statement of a pipeline: 'x'
    A pipeline file has CREATE, SET and USE statements.
18:8 DefinitionError [PARSE_SYNTAX_ERROR] CREATE FLOW has no OR REFRESH or OR REPLACE.
19:26 DefinitionError [PARSE_SYNTAX_ERROR] Expected a clause or AS, found 'EXISTS'.

-- ==== a watermark
CREATE MATERIALIZED VIEW a AS SELECT watermark FROM STREAM(b) WATERMARK ts DELAY OF INTERVAL 10 MINUTES GROUP BY 1
-- ---- expected
1:63 UnsupportedError [UNSUPPORTED_FEATURE] WATERMARK is not supported: How late rows of a stream may come: WATERMARK column DELAY OF interval.
    Aggregate in a materialized view, which counts late rows too.

