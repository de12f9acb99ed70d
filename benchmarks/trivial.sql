-- Three tables over a hundred rows: what is measured is the start.

CREATE OR REFRESH STREAMING TABLE bronze AS
SELECT * FROM STREAM read_files('items/*.csv', format => 'csv', header => true,
  schemaEvolutionMode => 'none', schema => 'id BIGINT, price DECIMAL(10,2), kind STRING');

CREATE OR REFRESH STREAMING TABLE silver (
  CONSTRAINT positive EXPECT (price > 0) ON VIOLATION DROP ROW
) AS SELECT id, price, kind FROM STREAM bronze;

CREATE OR REFRESH MATERIALIZED VIEW gold AS
SELECT kind, sum(price) AS turnover FROM silver GROUP BY kind;
