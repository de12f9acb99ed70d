-- ==== every action
CREATE STREAMING TABLE t (
  CONSTRAINT a EXPECT (x > 0),
  CONSTRAINT b EXPECT (x > 0) ON VIOLATION DROP ROW,
  CONSTRAINT c EXPECT (x > 0) ON VIOLATION FAIL UPDATE,
  constraint `d e` expect ((x) in (1, 2) and y = ')' ) on violation quarantine
)
-- ---- expected
1:1 streaming_table t
  expect 2:3 warn 'a': 2:24 | x > 0
  expect 3:3 drop 'b': 3:24 | x > 0
  expect 4:3 fail 'c': 4:24 | x > 0
  expect 5:3 quarantine 'd e': 5:28 | (x) in (1, 2) and y = ')'

-- ==== the predicate keeps its characters
CREATE STREAMING TABLE t (CONSTRAINT a EXPECT (
    x > 0 -- positive
    AND y <> 'a)b'
))
-- ---- expected
1:1 streaming_table t
  expect 1:27 warn 'a': 2:5 | x > 0 -- positive
    AND y <> 'a)b'

-- ==== mistakes
CREATE STREAMING TABLE t (
  CONSTRAINT a EXPECT (),
  CONSTRAINT b EXPECT x > 0,
  CONSTRAINT c EXPCT (x > 0),
  CONSTRAINT d EXPECT (x > 0) ON VIOLATION DROP ROWS,
  CONSTRAINT e EXPECT (x > 0) ON VIOLATION WARN,
  CONSTRAINT f EXPECT (x > 0) ON VIOLATION,
  CONSTRAINT g EXPECT (x > 0) DROP ROW,
  CONSTRAINT h EXPECT (x > 0) ON VIOLATION DROP ROW CONSTRAINT i EXPECT (y > 0),
  CONSTRAINT j CHECK (x > 0),
  CONSTRAINT k ON VIOLATION DROP ROW,
  CONSTRAINT "l m" EXPECT (x > 0),
  CONSTRAINT n EXPECT (x > 0),
  CONSTRAINT n EXPECT (x > 1)
)
-- ---- expected
2:23 DefinitionError [PARSE_SYNTAX_ERROR] The expectation a has no predicate.
3:23 DefinitionError [PARSE_SYNTAX_ERROR] Expected '(', found 'x'.
4:16 DefinitionError [PARSE_SYNTAX_ERROR] Expected EXPECT (predicate), found 'EXPCT'.
    Did you mean 'EXPECT'?
5:44 DefinitionError [PARSE_SYNTAX_ERROR] ON VIOLATION has DROP ROW, FAIL UPDATE or QUARANTINE after it, not 'DROP ROWS'.
    Did you mean 'DROP ROW'?
6:44 DefinitionError [PARSE_SYNTAX_ERROR] ON VIOLATION has DROP ROW, FAIL UPDATE or QUARANTINE after it, not 'WARN'.
    A violating row is kept and counted where ON VIOLATION is left out.
7:43 DefinitionError [PARSE_SYNTAX_ERROR] ON VIOLATION has DROP ROW, FAIL UPDATE or QUARANTINE after it.
    A violating row is kept and counted where ON VIOLATION is left out.
8:31 DefinitionError [PARSE_SYNTAX_ERROR] Expected ON VIOLATION, found 'DROP'.
9:53 DefinitionError [PARSE_SYNTAX_ERROR] Expected ',' or ')', found 'CONSTRAINT'.
10:16 UnsupportedError [UNSUPPORTED_FEATURE] CHECK is not supported: A rule of all rows.
    Declare an expectation: CONSTRAINT name EXPECT (predicate).
11:16 DefinitionError [PARSE_SYNTAX_ERROR] Expected EXPECT (predicate), found 'ON'.
12:14 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a constraint, found "l m".
    Names are quoted with back-ticks: `name`.
14:3 DefinitionError [None] The expectation n occurs twice.

