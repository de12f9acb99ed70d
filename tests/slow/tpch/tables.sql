-- The eight tables of TPC-H as streaming tables over the generator's CSV files.

CREATE OR REFRESH STREAMING TABLE region AS SELECT * FROM STREAM read_files(
  'csv/region', format => 'csv', header => true, schema =>
  'r_regionkey BIGINT, r_name STRING, r_comment STRING');

CREATE OR REFRESH STREAMING TABLE nation AS SELECT * FROM STREAM read_files(
  'csv/nation', format => 'csv', header => true, schema =>
  'n_nationkey BIGINT, n_name STRING, n_regionkey BIGINT, n_comment STRING');

CREATE OR REFRESH STREAMING TABLE part AS SELECT * FROM STREAM read_files(
  'csv/part', format => 'csv', header => true, schema =>
  'p_partkey BIGINT, p_name STRING, p_mfgr STRING, p_brand STRING, p_type STRING, p_size INT,
   p_container STRING, p_retailprice DECIMAL(15,2), p_comment STRING');

CREATE OR REFRESH STREAMING TABLE supplier AS SELECT * FROM STREAM read_files(
  'csv/supplier', format => 'csv', header => true, schema =>
  's_suppkey BIGINT, s_name STRING, s_address STRING, s_nationkey BIGINT, s_phone STRING,
   s_acctbal DECIMAL(15,2), s_comment STRING');

CREATE OR REFRESH STREAMING TABLE partsupp AS SELECT * FROM STREAM read_files(
  'csv/partsupp', format => 'csv', header => true, schema =>
  'ps_partkey BIGINT, ps_suppkey BIGINT, ps_availqty INT, ps_supplycost DECIMAL(15,2),
   ps_comment STRING');

CREATE OR REFRESH STREAMING TABLE customer AS SELECT * FROM STREAM read_files(
  'csv/customer', format => 'csv', header => true, schema =>
  'c_custkey BIGINT, c_name STRING, c_address STRING, c_nationkey BIGINT, c_phone STRING,
   c_acctbal DECIMAL(15,2), c_mktsegment STRING, c_comment STRING');

CREATE OR REFRESH STREAMING TABLE orders AS SELECT * FROM STREAM read_files(
  'csv/orders', format => 'csv', header => true, schema =>
  'o_orderkey BIGINT, o_custkey BIGINT, o_orderstatus STRING, o_totalprice DECIMAL(15,2),
   o_orderdate DATE, o_orderpriority STRING, o_clerk STRING, o_shippriority INT,
   o_comment STRING');

CREATE OR REFRESH STREAMING TABLE lineitem AS SELECT * FROM STREAM read_files(
  'csv/lineitem', format => 'csv', header => true, schema =>
  'l_orderkey BIGINT, l_partkey BIGINT, l_suppkey BIGINT, l_linenumber INT,
   l_quantity DECIMAL(15,2), l_extendedprice DECIMAL(15,2), l_discount DECIMAL(15,2),
   l_tax DECIMAL(15,2), l_returnflag STRING, l_linestatus STRING, l_shipdate DATE,
   l_commitdate DATE, l_receiptdate DATE, l_shipinstruct STRING, l_shipmode STRING,
   l_comment STRING');
