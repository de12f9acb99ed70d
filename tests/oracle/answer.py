"""Asks Apache Spark for its answers, and writes them as vectors.

    spark/bin/python tests/oracle/answer.py tests/oracle/random < queries.sql > spark_random.jsonl

Args: a folder, each of whose Parquet files is a table; on standard input one query a line. It runs
in an environment of its own that has `pyspark` and Java 17, and imports nothing of Lakeflow.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession, types


def written(value: Any, kind: types.DataType) -> Any:
    """A value as the vectors have it."""
    if value is None:
        return None
    match kind:
        case types.ArrayType():
            return [written(item, kind.elementType) for item in value]
        case types.StructType():
            return {field.name: written(value[field.name], field.dataType) for field in kind}
        case types.DecimalType():
            return format(value, "f")
        case types.DoubleType() | types.FloatType():
            if math.isnan(value):
                return "NaN"
            return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
        case types.BinaryType():
            return bytes(value).hex()
    return value


def shown(field: types.StructField) -> str:
    """The column as Spark itself writes it where Python would read the machine's time zone."""
    name = f"`{field.name}`"
    match field.dataType:
        case types.DateType():
            return f"date_format({name}, 'yyyy-MM-dd') AS {name}"
        case types.TimestampType():
            return f"date_format({name}, \"yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'\") AS {name}"
    return name


def vector(spark: SparkSession, sql: str) -> dict[str, Any]:
    """A query with its rows and types, or with the condition of its error."""
    found: dict[str, Any] = {"id": hashlib.sha256(sql.encode()).hexdigest()[:10], "sql": sql}
    try:
        answer = spark.sql(sql)
        asked = answer.selectExpr(*map(shown, answer.schema))
        kinds = [field.dataType for field in asked.schema]
        found["rows"] = [
            [written(value, kind) for value, kind in zip(row, kinds, strict=True)]
            for row in asked.collect()
        ]
        named = (f"{field.name} {field.dataType.simpleString().upper()}" for field in answer.schema)
        found["type"] = ",".join(named)
    except PySparkException as error:
        found["error_class"] = error.getCondition()
    return found


def main(folder: Path) -> None:
    """Answers the queries of standard input."""
    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.enabled": "false",
    }
    spark = SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    for path in folder.glob("*.parquet"):
        spark.read.parquet(str(path)).createOrReplaceTempView(path.stem)
    for line in sys.stdin:
        print(json.dumps(vector(spark, line.strip())), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
