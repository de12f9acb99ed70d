-- Partitions with awkward values, quarantined rows, columns that came late.

CREATE OR REFRESH STREAMING TABLE visits (
  day DATE COMMENT 'When', place STRING, amount DECIMAL(8,2) NOT NULL,
  CONSTRAINT positive EXPECT (amount > 0) ON VIOLATION QUARANTINE
)
PARTITIONED BY (day, place)
AS SELECT day, place, amount FROM STREAM read_files(
  'visits', format => 'csv', header => true,
  schema => 'day DATE, place STRING, amount DECIMAL(8,2)');

CREATE OR REFRESH STREAMING TABLE widened
AS SELECT * FROM STREAM read_files('widened', format => 'csv', header => true);

CREATE OR REFRESH MATERIALIZED VIEW totals
PARTITIONED BY (place)
AS SELECT place, count(*) AS visits, sum(amount) AS amount FROM visits GROUP BY place;
