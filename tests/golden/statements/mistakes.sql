-- ==== clauses
CREATE MATERIALIZED VIEW a COMENT 'x' AS SELECT 1;
CREATE MATERIALIZED VIEW b COMMENT x AS SELECT 1;
CREATE MATERIALIZED VIEW c COMMENT 'x' COMMENT 'y' AS SELECT 1;
CREATE MATERIALIZED VIEW d SELECT 1;
CREATE MATERIALIZED VIEW e;
CREATE MATERIALIZED VIEW f AS;
CREATE MATERIALIZED VIEW g PARTITIONED BY (a) CLUSTER BY (b) AS SELECT 1;
CREATE MATERIALIZED VIEW h PARTITIONED BY (year(a)) AS SELECT 1;
CREATE MATERIALIZED VIEW i PARTITIONED BY (a.b) AS SELECT 1;
CREATE MATERIALIZED VIEW j PARTITIONED BY (a, A) AS SELECT 1;
CREATE MATERIALIZED VIEW k PARTITIONED (a) AS SELECT 1;
CREATE MATERIALIZED VIEW l CLUSTER BY (a AS SELECT 1;
CREATE MATERIALIZED VIEW m CLUSTER BY () AS SELECT 1;
-- ---- expected
1:28 DefinitionError [PARSE_SYNTAX_ERROR] Expected a clause or AS, found 'COMENT'.
    Did you mean 'COMMENT'?
2:36 DefinitionError [PARSE_SYNTAX_ERROR] Expected a comment in quotes, found 'x'.
3:40 DefinitionError [DUPLICATE_CLAUSES] COMMENT occurs twice.
4:28 DefinitionError [PARSE_SYNTAX_ERROR] Expected a clause or AS, found 'SELECT'.
    Write AS before the query.
5:27 DefinitionError [PARSE_SYNTAX_ERROR] Expected AS and a query, which a materialized view needs, before the end of the statement.
6:30 DefinitionError [PARSE_SYNTAX_ERROR] Expected a query before the end of the statement.
7:1 DefinitionError [SPECIFY_CLUSTER_BY_WITH_PARTITIONED_BY_IS_NOT_ALLOWED] g has both PARTITIONED BY and CLUSTER BY.
    Leave one of them out.
8:48 DefinitionError [PARSE_SYNTAX_ERROR] Expected ',' or ')' after a partition column, found '('.
9:44 DefinitionError [PARSE_SYNTAX_ERROR] The name of a partition column has one part: a.b.
10:47 DefinitionError [COLUMN_ALREADY_EXISTS] A occurs twice.
11:28 DefinitionError [PARSE_SYNTAX_ERROR] Expected a clause or AS, found 'PARTITIONED'.
    Did you mean 'PARTITIONED BY'?
12:39 DefinitionError [PARSE_SYNTAX_ERROR] This '(' is never closed.
13:40 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a clustering column before ')'.

-- ==== names
CREATE MATERIALIZED VIEW AS SELECT 1;
CREATE MATERIALIZED VIEW a-b AS SELECT 1;
CREATE MATERIALIZED VIEW 'a' AS SELECT 1;
CREATE MATERIALIZED VIEW a.b.c.d AS SELECT 1;
CREATE MATERIALIZED VIEW a. AS SELECT 1;
CREATE MATERIALIZED VIEW `a/b` AS SELECT 1;
CREATE MATERIALIZED VIEW `` AS SELECT 1;
CREATE MATERIALIZED VIEW 12 AS SELECT 1;
CREATE MATERIALIZED VIEW IDENTIFIER('a') AS SELECT 1;
CREATE MATERIALIZED VIEW :name AS SELECT 1;
CREATE MATERIALIZED VIEW
-- ---- expected
1:26 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a table, found 'AS'.
2:26 DefinitionError [INVALID_IDENTIFIER] A name with '-' is written in back-ticks: a-...
3:26 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a table, found 'a'.
    Names are quoted with back-ticks: `name`.
4:26 DefinitionError [PARSE_SYNTAX_ERROR] The name of a table has at most 3 parts: a.b.c.d.
5:29 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a table, found 'AS'.
6:26 DefinitionError [INVALID_IDENTIFIER] '`a/b`' is not a name: it has a '/', a NUL or only dots.
7:26 DefinitionError [INVALID_IDENTIFIER] '``' is not a name.
8:26 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a table, found '12'.
    Names are quoted with back-ticks: `name`.
9:26 UnsupportedError [UNSUPPORTED_FEATURE] IDENTIFIER(...) is not supported as a name.
    Write the name, or ${parameter} in its place.
10:26 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a table, found ':name'.
11:25 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a table before the end of the statement.

