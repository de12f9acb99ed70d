-- ==== flows
CREATE FLOW f AS INSERT INTO t BY NAME SELECT * FROM STREAM a;
create flow `g h` comment 'why' as insert into table LIVE.t by name
with x as (select 1) select * from x
-- ---- expected
1:1 flow f into t
  query 1:40 | SELECT * FROM STREAM a
2:1 flow `g h` into LIVE.t
  comment 'why'
  query 3:1 | with x as (select 1) select * from x

-- ==== what a flow has not
CREATE FLOW a AS INSERT INTO t SELECT 1;
CREATE FLOW a AS INSERT INTO t (x, y) SELECT 1;
CREATE FLOW a AS INSERT INTO ONCE t BY NAME SELECT 1;
CREATE FLOW a AS INSERT ONCE INTO t BY NAME SELECT 1;
CREATE FLOW a AS INSERT OVERWRITE t BY NAME SELECT 1;
CREATE FLOW a AS INSERT INTO t PARTITION (d = 1) SELECT 1;
CREATE FLOW a AS INSERT INTO t BY NAME REPLACE WHERE d > 1 SELECT 1;
CREATE FLOW a AS INSERT INTO t BY NAME REPLACE USING (k) SEQUENCE BY d SELECT 1;
CREATE FLOW a AS AUTO CDC INTO t FROM STREAM s KEYS (k) SEQUENCE BY d;
CREATE FLOW s.a AS INSERT INTO t BY NAME SELECT 1;
CREATE FLOW a AS SELECT 1;
CREATE FLOW a INSERT INTO t BY NAME SELECT 1;
CREATE FLOW a AS INSERT INTO t BY NAME;
CREATE FLOW a AS BY NAME INSERT INTO t SELECT 1;
-- ---- expected
1:32 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] A flow is only supported with BY NAME.
    Write INSERT INTO t BY NAME SELECT ...; columns are matched by name.
2:32 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] A flow is only supported with BY NAME.
    Write INSERT INTO t BY NAME SELECT ...; columns are matched by name.
3:18 UnsupportedError [UNSUPPORTED_FEATURE] INSERT INTO ONCE is not supported: A flow that runs one time.
    Leave ONCE out and read the source with STREAM: a flow takes each row once.
4:18 UnsupportedError [UNSUPPORTED_FEATURE] INSERT ONCE is not supported: A flow that runs one time.
    Leave ONCE out and read the source with STREAM: a flow takes each row once.
5:18 UnsupportedError [UNSUPPORTED_FEATURE] INSERT OVERWRITE is not supported: Replaces the table's rows.
    Declare a materialized view.
6:32 UnsupportedError [UNSUPPORTED_FEATURE] PARTITION is not supported: Fills one partition.
    Leave it out: partitions follow from the rows.
7:40 UnsupportedError [UNSUPPORTED_FEATURE] REPLACE WHERE is not supported: Replaces the rows that meet a condition.
    Declare a materialized view.
8:40 UnsupportedError [UNSUPPORTED_FEATURE] REPLACE USING is not supported: Replaces the rows with the same keys.
    Declare a materialized view.
9:18 UnsupportedError [UNSUPPORTED_FEATURE] AUTO CDC is not supported: A change data flow.
    Change data flows are not available; read the changes with a streaming table.
10:13 DefinitionError [MULTIPART_FLOW_NAME_NOT_SUPPORTED] The name of a flow has one part: s.a.
11:18 DefinitionError [PARSE_SYNTAX_ERROR] Expected INSERT INTO, found 'SELECT'.
    CREATE FLOW name AS INSERT INTO table BY NAME SELECT ...
12:15 DefinitionError [PARSE_SYNTAX_ERROR] Expected AS, found 'INSERT'.
13:39 DefinitionError [PARSE_SYNTAX_ERROR] Expected a query before the end of the statement.
14:18 DefinitionError [PARSE_SYNTAX_ERROR] Expected INSERT INTO, found 'BY'.
    CREATE FLOW name AS INSERT INTO table BY NAME SELECT ...

