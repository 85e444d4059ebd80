"""Spark beside the tests, in an environment and a process of its own: plain PySpark in local mode
with Delta's jars. Run by `spark.py` with Spark's Python; reads lines of JSON, a statement in SQL
or a view to run, and answers each with one line of JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def session(jars: Path):
    from pyspark.sql import SparkSession

    settings = {
        "spark.jars": ",".join(str(jar) for jar in sorted(jars.glob("*.jar"))),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension,"
                                "org.apache.iceberg.spark.extensions."
                                "IcebergSparkSessionExtensions",
        # Iceberg's tables are `lake.db.…`, in the folder `lake` beside the warehouse.
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "hadoop",
        "spark.sql.catalog.lake.warehouse": str(Path(sys.argv[2]).with_name("lake")),
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.warehouse.dir": sys.argv[2],
        "spark.sql.session.timeZone": "UTC",
        # It keeps deletes by equality with the types that their columns had once.
        "spark.sql.iceberg.executor-cache.enabled": "false",
        # Small tables, two cores.
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def split_of(tc, asked: dict):
    """{"random": {"train": 0.8, …}} as `tc.split.random(train=0.8, …)`."""
    [(name, arguments)] = asked.items()
    return getattr(tc.split, name)(**arguments)


def run_view(spark, asked: dict) -> dict:
    """Training data of a view by Spark, written as Parquet files in `folder`, a part each, with the
    parts of fold number `fold` in its folder "fold"."""
    import tercet as tc

    options = dict(asked["options"])
    if "split" in options:
        options["split"] = split_of(tc, options["split"])
    spark.conf.set("spark.sql.session.timeZone", asked.get("zone", "UTC"))
    try:
        with tc.open(asked["project"]) as project:
            spine = asked.get("sql")
            if "spine" in asked:
                spine = spark.read.parquet(asked["spine"])
            elif "entities" in asked:
                spine = tc.entities(asked["entities"])
            data = project.feature_view(asked["view"]).training_data(
                spine, engine="spark", **options)
            if asked["folder"]:
                data.save(asked["folder"])
            if "fold" in asked:
                list(data.folds())[asked["fold"]].save(asked["folder"] + "/fold")
            data.unpersist()
            return {"definition": data.definition if data.version else None}
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


def delete_by_equality(spark, asked: dict) -> None:
    """Commits a file of deletes by equality to an Iceberg table, as Flink's writer does."""
    jvm = spark._jvm
    table = jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(
        spark._jsparkSession, asked["table"])
    columns = spark.sparkContext._gateway.new_array(jvm.int, len(asked["columns"]))
    for position, number in enumerate(asked["columns"]):
        columns[position] = number
    file = Path(asked["file"])
    deletes = (jvm.org.apache.iceberg.FileMetadata.deleteFileBuilder(table.spec())
               .ofEqualityDeletes(columns).withPath(str(file)).withFormat("PARQUET")
               .withFileSizeInBytes(file.stat().st_size).withRecordCount(asked["rows"]))
    if "partition" in asked:
        deletes = deletes.withPartitionPath(asked["partition"])
    table.newRowDelta().addDeletes(deletes.build()).commit()
    spark.sql(f"REFRESH TABLE {asked['table']}")


def main() -> None:
    # What Spark and its JVM print is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    spark = session(Path(sys.argv[1]))
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        try:
            asked = json.loads(line)
            if isinstance(asked, dict) and "columns" in asked:
                delete_by_equality(spark, asked)
                answer = {}
            elif isinstance(asked, dict):
                answer = run_view(spark, asked)
            else:
                rows = [row.asDict(recursive=True) for row in spark.sql(asked).collect()]
                answer = {"rows": rows}
        except Exception as error:  # whatever the statement's fault, the test is told
            answer = {"error": str(error)}
        print(json.dumps(answer, default=str), file=answers, flush=True)


if __name__ == "__main__":
    main()
