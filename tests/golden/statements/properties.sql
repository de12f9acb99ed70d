-- ==== keys and values
CREATE STREAMING TABLE t TBLPROPERTIES (
  'delta.appendOnly' = 'true', quality = "gold", pipelines.autoOptimize.managed = TRUE,
  `a b`.c 1.5, "d" '2', myCompanyPipeline.quality = 'x''y'
)
-- ---- expected
1:1 streaming_table t
  property delta.appendOnly = 'true'
  property quality = 'gold'
  property pipelines.autoOptimize.managed = 'true'
  property a b.c = '1.5'
  property d = '2'
  property myCompanyPipeline.quality = "x'y"

-- ==== mistakes
CREATE STREAMING TABLE a TBLPROPERTIES (k = v);
CREATE STREAMING TABLE b TBLPROPERTIES (k);
CREATE STREAMING TABLE c TBLPROPERTIES (k = 1, k = 2);
CREATE STREAMING TABLE d TBLPROPERTIES ();
CREATE STREAMING TABLE e TBLPROPERTIES (a-b = 1);
CREATE STREAMING TABLE f TBLPROPERTIES (a = 1 b = 2);
CREATE STREAMING TABLE g TBLPROPERTIES a = 1;
CREATE STREAMING TABLE h TBLPROPERTIES (a = 1,);
-- ---- expected
1:45 DefinitionError [PARSE_SYNTAX_ERROR] Expected the value of k, found 'v'.
    A value is a string in quotes, a number, or a boolean.
2:42 DefinitionError [PARSE_SYNTAX_ERROR] Expected the value of k before ')'.
    A value is a string in quotes, a number, or a boolean.
3:48 DefinitionError [DUPLICATE_KEY] k occurs twice.
4:41 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a property before ')'.
5:41 DefinitionError [INVALID_IDENTIFIER] A name with '-' is written in back-ticks: a-...
6:47 DefinitionError [PARSE_SYNTAX_ERROR] Expected ',' or ')' after the value of a, found 'b'.
7:40 DefinitionError [PARSE_SYNTAX_ERROR] Expected '(', found 'a'.
8:47 DefinitionError [PARSE_SYNTAX_ERROR] Expected the name of a property before ')'.

