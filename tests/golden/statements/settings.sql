-- ==== settings
SET spark.sql.shuffle.partitions = 8;
SET pipelines.trigger.interval=10 seconds;
set `a key` = `a value`;
SET path = s3a://bucket/x=1/y -- the landing zone
;
SET empty =;
SET var = 1; SET time.zone = 2; SET catalog = 3
-- ---- expected
1:1 set spark.sql.shuffle.partitions = '8'
2:1 set pipelines.trigger.interval = '10 seconds'
3:1 set a key = 'a value'
4:1 set path = 's3a://bucket/x=1/y'
6:1 set empty = ''
7:1 set var = '1'
7:14 set time.zone = '2'
7:33 set catalog = '3'

-- ==== names in use
USE silver; USE `my catalog`.silver; USE SCHEMA gold; use database gold; USE NAMESPACE a.b;
USE CATALOG main; SET CATALOG `x y`; SET CATALOG 'x'
-- ---- expected
1:1 use schema silver
1:13 use schema `my catalog`.silver
1:38 use schema gold
1:55 use schema gold
1:74 use schema a.b
2:1 use catalog main
2:19 use catalog `x y`
2:38 use catalog `x`

-- ==== mistakes
SET;
SET k;
SET k v = 1;
SET 'k' = 1;
SET -v;
SET TIME ZONE 'UTC';
SET VAR x = 1;
SET CATALOG a.b;
USE a.b.c;
USE CATALOG;
USE;
USE SCHEMA a b;
-- ---- expected
1:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] This is not a statement of a pipeline: SET
    Write SET name = value.
2:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] This is not a statement of a pipeline: SET k
    Write SET name = value.
3:5 DefinitionError [PARSE_SYNTAX_ERROR] The name of a setting has no spaces or quotes: k v
    Write SET name = value.
4:5 DefinitionError [PARSE_SYNTAX_ERROR] The name of a setting has no spaces or quotes: 'k'
    Write SET name = value.
5:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] This is not a statement of a pipeline: SET -v
    Write SET name = value.
6:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] SET TIME ZONE is not supported: The time zone of the session.
    Write SET spark.sql.session.timeZone = zone.
7:1 UnsupportedError [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR] SET VAR is not supported: A variable of the session.
    Use SET k = v.
8:13 DefinitionError [PARSE_SYNTAX_ERROR] The name of a catalog has one part: a.b.
9:5 DefinitionError [PARSE_SYNTAX_ERROR] The name of a schema has at most 2 parts: a.b.c.
10:12 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a catalog before the end of the statement.
11:4 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a schema before the end of the statement.
12:14 DefinitionError [PARSE_SYNTAX_ERROR] Expected the end of the statement, found 'b'.

