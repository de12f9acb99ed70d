"""Copies Delta tables to plain Parquet with Apache Spark: PYTHON spark_reader.py TARGET TABLE..."""

import sys

from pyspark.sql import SparkSession

target, *tables = sys.argv[1:]
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    .config("spark.databricks.delta.snapshotPartitions", "1")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    .config("spark.ui.enabled", "false")
    .getOrCreate()
)
for table in tables:
    frame = spark.read.format("delta").load(table)
    frame.coalesce(1).write.parquet(f"{target}/{table.rstrip('/').rsplit('/', 1)[-1]}")
