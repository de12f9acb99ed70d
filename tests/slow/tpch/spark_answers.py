"""Makes `answers/`: what Apache Spark answers to the 22 queries; README.md says how to run it."""

import re
import shutil
import sys
from pathlib import Path

from pyspark.sql import SparkSession

HERE = Path(__file__).parent
DATA = Path(sys.argv[1])

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.sql.parquet.compression.codec", "zstd")
    .config("spark.ui.enabled", "false")
    .getOrCreate()
)
tables = re.findall(
    r"TABLE (\w+) AS .*?'(csv/\w+)'.*?schema =>\s*'([^']*)'",
    (HERE / "tables.sql").read_text(),
    re.DOTALL,
)
assert len(tables) == 8
for name, folder, schema in tables:
    frame = spark.read.csv(str(DATA / folder), schema=schema, header=True, mode="FAILFAST")
    frame.createOrReplaceTempView(name)

answers = HERE / "answers"
shutil.rmtree(answers, ignore_errors=True)
answers.mkdir()
for query in sorted((HERE / "queries").glob("*.sql")):
    scratch = answers / query.stem
    spark.sql(query.read_text()).coalesce(1).write.parquet(str(scratch))
    (part,) = scratch.glob("part-*.parquet")
    part.rename(answers / f"{query.stem}.parquet")
    shutil.rmtree(scratch)
