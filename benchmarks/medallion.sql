-- TPC-H's orders and lineitem: two tables as delivered, two with rules, three views over them.

CREATE OR REFRESH STREAMING TABLE bronze_orders AS
SELECT * FROM STREAM read_files('orders/*.csv', format => 'csv', header => true,
  schemaEvolutionMode => 'none', mode => 'FAILFAST',
  schema => 'o_orderkey BIGINT, o_custkey BIGINT, o_orderstatus STRING,
    o_totalprice DECIMAL(15,2), o_orderdate DATE, o_orderpriority STRING, o_clerk STRING,
    o_shippriority INT, o_comment STRING');

CREATE OR REFRESH STREAMING TABLE bronze_lineitem AS
SELECT * FROM STREAM read_files('lineitem/*.csv', format => 'csv', header => true,
  schemaEvolutionMode => 'none', mode => 'FAILFAST',
  schema => 'l_orderkey BIGINT, l_partkey BIGINT, l_suppkey BIGINT, l_linenumber INT,
    l_quantity DECIMAL(15,2), l_extendedprice DECIMAL(15,2), l_discount DECIMAL(15,2),
    l_tax DECIMAL(15,2), l_returnflag STRING, l_linestatus STRING, l_shipdate DATE,
    l_commitdate DATE, l_receiptdate DATE, l_shipinstruct STRING, l_shipmode STRING,
    l_comment STRING');

CREATE OR REFRESH STREAMING TABLE silver_orders (
  CONSTRAINT has_key EXPECT (o_orderkey IS NOT NULL) ON VIOLATION FAIL UPDATE,
  CONSTRAINT plausible_price EXPECT (o_totalprice < 400000) ON VIOLATION QUARANTINE,
  CONSTRAINT settled EXPECT (o_orderstatus <> 'P')
) AS
SELECT o_orderkey, o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_orderpriority
FROM STREAM bronze_orders;

CREATE OR REFRESH STREAMING TABLE silver_lineitem (
  CONSTRAINT shipped_first EXPECT (l_receiptdate > l_shipdate) ON VIOLATION FAIL UPDATE,
  CONSTRAINT discount_allowed EXPECT (l_discount < 0.10) ON VIOLATION DROP ROW,
  CONSTRAINT in_time EXPECT (l_receiptdate <= l_commitdate)
) AS
SELECT l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount,
  l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipmode
FROM STREAM bronze_lineitem;

CREATE OR REFRESH MATERIALIZED VIEW pricing_summary AS
SELECT l_returnflag, l_linestatus, sum(l_quantity) AS quantity,
  sum(l_extendedprice) AS base_price, count(*) AS items
FROM silver_lineitem GROUP BY l_returnflag, l_linestatus;

CREATE OR REFRESH MATERIALIZED VIEW customer_turnover AS
SELECT o_custkey, count(*) AS orders, sum(o_totalprice) AS turnover
FROM silver_orders GROUP BY o_custkey;

CREATE OR REFRESH MATERIALIZED VIEW shipping_by_priority AS
SELECT l_shipmode, o_orderpriority, count(*) AS items, sum(l_extendedprice) AS price
FROM silver_orders JOIN silver_lineitem ON o_orderkey = l_orderkey
GROUP BY l_shipmode, o_orderpriority;
