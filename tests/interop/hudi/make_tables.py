"""Makes the golden tables of test_hudi.py by Apache Hudi itself.

    TZ=UTC make_tables.py BUNDLE.jar VERSION FOLDER [TABLES]

BUNDLE is hudi-spark3.5-bundle_2.12 of Maven Central: 0.15.0 writes tables of version 6, 1.1.1 those
of 8 and 9. Needs PySpark 3.5 and Java 17. Each table becomes FOLDER/NAME-VERSION, and what Spark
read of it FOLDER/NAME-VERSION.json: "rows" by the instant of each write that is still on the
timeline, "cleaned" those at which Hudi says now that it can't. The tests read all from
tables.tar.xz:

    tar -cJf tables.tar.xz -C FOLDER --exclude warehouse .
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from pyspark.errors.exceptions.captured import IllegalArgumentException
from pyspark.sql import SparkSession

BUNDLE, VERSION, FOLDER = sys.argv[1], sys.argv[2], Path(sys.argv[3]).absolute()

# Small: one file a partition, a bloom filter of a few bytes, no index beside the rows.
SETTINGS = {
    "hoodie.bulkinsert.shuffle.parallelism": "1", "hoodie.insert.shuffle.parallelism": "1",
    "hoodie.upsert.shuffle.parallelism": "1", "hoodie.delete.shuffle.parallelism": "1",
    "hoodie.bloom.index.filter.type": "SIMPLE", "hoodie.index.bloom.num_entries": "100",
    "hoodie.metadata.enable": "false", "hoodie.embed.timeline.server": "false",
    "hoodie.datasource.write.hive_style_partitioning": "true",
    "hoodie.parquet.compression.codec": "gzip",
    # Or a bulk insert gives the same row another key than an upsert.
    "hoodie.datasource.write.keygenerator.consistent.logical.timestamp.enabled": "true",
    "hoodie.clean.automatic": "false", "hoodie.archive.automatic": "false",
    "hoodie.datasource.write.reconcile.schema": "true",
    "hoodie.write.table.version": VERSION,
}

spark = (SparkSession.builder.master("local[2]")
         .config("spark.jars", BUNDLE)
         .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
         .config("spark.kryo.registrator", "org.apache.spark.HoodieSparkKryoRegistrar")
         .config("spark.sql.extensions",
                 "org.apache.spark.sql.hudi.HoodieSparkSessionExtension")
         .config("spark.sql.catalog.spark_catalog",
                 "org.apache.spark.sql.hudi.catalog.HoodieCatalog")
         .config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false")
         .config("spark.sql.warehouse.dir", str(FOLDER / "warehouse"))
         .config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC")
         .config("spark.sql.shuffle.partitions", "1").getOrCreate())
spark.sparkContext.setLogLevel("ERROR")

WEATHER = "city string, hour timestamp, rain double, n int, region string"


def plain(value) -> str:
    """A value that JSON doesn't have."""
    return value.hex() if isinstance(value, bytearray) else str(value)


def hours(first: int, last: int, rain: str = "id / 4") -> str:
    """Hours [first, last) of three cities in two regions, as a query."""
    return (f"SELECT concat('c', id % 3) city, timestamp_seconds(1704067200 + id * 3600) hour,"
            f" {rain} rain, int(id) n, if(id % 3 = 0, 'north', 'south') region"
            f" FROM range({first}, {last})")


class Table:
    def __init__(self, name: str, **settings: str):
        self.name = f"{name}-{VERSION}"
        self.path = FOLDER / self.name
        self.rows: dict[str, list[dict]] = {}  # by instant
        self.settings = {
            **SETTINGS, "hoodie.table.name": name,
            "hoodie.datasource.write.recordkey.field": "city,hour",
            "hoodie.datasource.write.keygenerator.class":
                "org.apache.hudi.keygen.ComplexKeyGenerator",
            "hoodie.datasource.write.partitionpath.field": "region",
            "hoodie.datasource.write.precombine.field": "n",
            **{f"hoodie.{key.replace('__', '.')}": value for key, value in settings.items()}}

    def write(self, query: str, operation: str, mode: str = "append", **settings: str) -> None:
        options = {**self.settings, "hoodie.datasource.write.operation": operation,
                   **{f"hoodie.{key.replace('__', '.')}": value
                      for key, value in settings.items()}}
        (spark.sql(query).coalesce(1).write.format("hudi").options(**options).mode(mode)
         .save(str(self.path)))
        # A write may be followed by a clustering or compaction, which changes no row; a compaction
        # that was planned before others wrote is of the rows that were there then.
        newest = max(self.rows, default="")
        for instant in self.instants():
            if instant > newest:
                self.rows[instant] = self.read()

    def instants(self) -> list[str]:
        """The requested times of completed writes, oldest first."""
        timeline = self.path / ".hoodie"
        timeline = timeline / "timeline" if int(VERSION) >= 8 else timeline
        found = [re.match(r"(\d+)(?:_\d+)?\.(commit|deltacommit|replacecommit)$", file.name)
                 for file in timeline.iterdir()]
        return sorted(match[1] for match in found if match)

    def read(self, instant: str = "") -> list[dict]:
        reader = spark.read.format("hudi")
        reader = reader.option("as.of.instant", instant) if instant else reader
        frame = reader.load(str(self.path))
        frame = frame.select(*[c for c in frame.columns if not c.startswith("_hoodie_")])
        rows = [row.asDict(recursive=True) for row in frame.collect()]
        return sorted(rows, key=lambda row: [str(row[name]) for name in sorted(row)])

    def record(self) -> None:
        """Writes down what was read, having held it to what Spark reads at each instant now."""
        kept, cleaned = {}, []
        for instant in self.instants():
            if instant in self.rows:
                kept[instant] = self.rows[instant]
            try:
                now = self.read(instant)
                assert kept.setdefault(instant, now) == now, (self.name, instant)
            except IllegalArgumentException as error:
                assert "Cleaner cleaned up" in str(error), error
                cleaned.append(instant)
        self.path.with_suffix(".json").write_text(
            json.dumps({"rows": kept, "cleaned": cleaned}, indent=0, default=plain))
        for junk in (*self.path.rglob("*.crc"), *self.path.rglob(".*.crc")):
            junk.unlink(missing_ok=True)


def copy_on_write() -> None:
    """All kinds of writes, columns that come and get wider."""
    table = Table("weather")
    table.write(hours(0, 24), "bulk_insert", mode="overwrite")
    table.write(hours(12, 30, "-1D"), "upsert")
    table.write(hours(3, 6), "delete")
    table.write("SELECT city, hour, rain, bigint(n) + 5000000000 n, region,"
                " nullif(1.5D, 0D) wind FROM ("
                + hours(20, 34) + ")", "upsert")
    table.write("SELECT city, hour, rain, bigint(n) n, region, nullif(2.5D, 0D) wind FROM ("
                + hours(40, 43, "7D") + ") WHERE region = 'north'", "insert_overwrite")
    table.write("SELECT city, hour, rain, bigint(n) n, region, double(null) wind FROM ("
                + hours(50, 53) + ")", "insert", clustering__inline="true",
                clustering__inline__max__commits="1",
                clustering__plan__strategy__small__file__limit="100000000")
    table.write("SELECT city, hour, rain, bigint(n) n, region, nullif(9D, 0D) wind FROM ("
                + hours(51, 55) + ")", "upsert")
    table.write("SELECT city, hour, rain, bigint(n) n, region, double(null) wind FROM ("
                + hours(0, 3) + ")", "delete_partition",
                datasource__write__partitions__to__delete="region=south")
    table.record()


def cleaned() -> None:
    """A timeline whose old instants are archived, and old files cleaned away; two partition
    columns, whose names are not in paths."""
    table = Table("cleaned", clean__automatic="true", archive__automatic="true",
                  datasource__write__partitionpath__field="region,city",
                  datasource__write__hive_style_partitioning="false",
                  cleaner__commits__retained="2", clean__commits__retained="2",
                  keep__min__commits="3", keep__max__commits="4")
    table.write(hours(0, 9), "bulk_insert", mode="overwrite")
    for step in range(1, 8):
        table.write(hours(0, 9, f"{step}D") + (" WHERE id % 3 > 0" if step > 2 else ""), "upsert")
    table.record()


def types() -> None:
    """One of each type, without partitions and without an event time."""
    table = Table("types", datasource__write__recordkey__field="k",
                  datasource__write__partitionpath__field="",
                  datasource__write__keygenerator__class=(
                      "org.apache.hudi.keygen.NonpartitionedKeyGenerator"),
                  datasource__write__precombine__field="k", metadata__enable="true")
    table.write("SELECT bigint(1) k, true b, int(7) i, 2.5F f, 1.25D d, 'ü''\"' s,"
                " date'2024-02-29' day, timestamp'2024-02-29 12:34:56.789012' at,"
                " cast(12.34 as decimal(10, 2)) money, array(1, 2, null) list,"
                " named_struct('x', 1.5D, 'y', 'a') point, map('a', 1) pairs,"
                " binary('xyz') raw"
                " UNION ALL SELECT bigint(2), null, null, null, null, null, null, null, null,"
                " null, null, null, null", "bulk_insert", mode="overwrite")
    table.record()


def merge_on_read() -> None:
    """Updates in log files, compacted in the second table."""
    for name in ("logged", "compacted"):
        table = Table(name, datasource__write__table__type="MERGE_ON_READ",
                      compact__inline="false")
        table.write(hours(0, 9), "bulk_insert", mode="overwrite")
        more = {} if name == "logged" else {"compact__inline": "true",
                                            "compact__inline__max__delta__commits": "1"}
        table.write(hours(6, 9, "-2D"), "upsert", **more)
        table.record()


PAYLOADS = {"EVENT_TIME_ORDERING": "org.apache.hudi.common.model.DefaultHoodieRecordPayload",
            "COMMIT_TIME_ORDERING": "org.apache.hudi.common.model.OverwriteWithLatestAvroPayload"}


def ordering(mode: str) -> dict[str, str]:
    """Settings of a merge-on-read table that merges by event time or by time of commit."""
    settings = {"datasource__write__table__type": "MERGE_ON_READ", "compact__inline": "false",
                "compact__inline__max__delta__commits": "100",
                # Inserts go to file groups of their own, or updates would go along.
                "parquet__small__file__limit": "0"}
    if int(VERSION) < 8:
        settings["datasource__write__payload__class"] = PAYLOADS[mode]
        settings["compaction__payload__class"] = PAYLOADS[mode]
    else:
        settings["write__record__merge__mode"] = mode
    return settings


def merged() -> None:
    """Log files on log files: updates, some of them late (of a smaller `n`), deletes of three
    kinds, new and wider columns, Parquet blocks, a rollback, compactions planned and done."""
    for mode in PAYLOADS:
        table = Table("merged-" + mode.split("_")[0].lower(), **ordering(mode))
        # `n` says which of two records is the later one, `m` gets wider.
        rows = ("SELECT city, hour, {rain} rain, bigint(n + {more}) n, region, {m} m{also} FROM ("
                + "{hours})")

        def upsert(first: int, last: int, more: str, rain: str, m: str = "n", also: str = "",
                   **settings: str) -> None:
            table.write(rows.format(hours=hours(first, last), more=more, rain=rain, m=m,
                                    also=also), "upsert", **settings)

        table.write(rows.format(hours=hours(0, 24), more=0, rain="rain", m="n", also=""),
                    "bulk_insert", mode="overwrite")
        upsert(3, 12, "100", "-1D")
        # Late for 3 to 8, equal for 9 to 11, new for 12 to 14.
        upsert(3, 15, "if(n < 9, 50, 100)", "-2D")
        table.write(rows.format(hours=hours(0, 5), more=0, rain="rain", m="n", also=""), "delete")
        upsert(4, 7, "90", "-3D")
        upsert(9, 18, "if(n % 2 = 0, 200, -200)", "-4D",
               also=", nullif(true, false) _hoodie_is_deleted")
        wind = ", nullif(false, true) _hoodie_is_deleted, {} wind"
        upsert(6, 10, "500", "n / 8", "n + 5000000000", wind.format("nullif(2.5D, 0D)"),
               logfile__data__block__format="parquet")
        upsert(8, 20, "600", "rain", "n + 0L", wind.format("nullif(3.5D, 0D)"))
        if int(VERSION) < 8:  # since then, log files of what is rolled back go
            last = table.instants()[-1]
            named = table.name.replace("-", "_")
            spark.sql(f"CREATE TABLE {named} USING hudi LOCATION '{table.path}'")
            spark.sql(f"CALL rollback_to_instant(table => '{named}', instant_time => '{last}')")
        upsert(18, 27, "1", "rain", "n + 0L", wind.format("nullif(4.5D, 0D)"))
        spark.sql(f"CALL run_compaction(op => 'schedule', path => '{table.path}')")
        upsert(20, 23, "700", "rain", "n + 0L", wind.format("double(null)"))
        upsert(1, 4, "800", "rain", "n + 0L", wind.format("nullif(5.5D, 0D)"),
               compact__inline="true", compact__inline__max__delta__commits="1")
        upsert(2, 5, "801", "rain", "n + 0L", wind.format("nullif(6.5D, 0D)"))
        table.record()


def logs_alone() -> None:
    """Inserts in logs: the index is a hash, so file groups take in new keys. Of Hudi 0.15
    alone: 1.1 doesn't come to an end here."""
    if int(VERSION) >= 8:
        return
    table = Table("buckets", index__type="BUCKET", bucket__index__num__buckets="2",
                  datasource__write__partitionpath__field="",
                  datasource__write__keygenerator__class=(
                      "org.apache.hudi.keygen.NonpartitionedKeyGenerator"),
                  bucket__index__hash__field="city", **ordering("EVENT_TIME_ORDERING"))
    table.write(hours(0, 6), "upsert", mode="overwrite")
    table.write(hours(3, 9, "-1D"), "upsert")
    table.write(hours(5, 7), "delete")
    table.record()


def logged_types() -> None:
    """One of each type in log files, of Avro and of Parquet."""
    table = Table("logged-types", datasource__write__recordkey__field="k",
                  datasource__write__partitionpath__field="",
                  datasource__write__keygenerator__class=(
                      "org.apache.hudi.keygen.NonpartitionedKeyGenerator"),
                  datasource__write__precombine__field="o", **ordering("EVENT_TIME_ORDERING"))
    row = ("SELECT bigint({k}) k, true b, int(7) i, 2.5F f, 1.25D d, 'üß' s,"
           " date'2024-02-29' day, timestamp'2024-02-29 12:34:5{k}.789012' at,"
           " cast(12.3{k} as decimal(10, 2)) money, cast(-1{k} as decimal(30, 4)) much,"
           " array(1, {k}) list,"
           " named_struct('x', 1.5D, 'y', 'a{k}') point,"
           " map('a', {k}) pairs, binary('xyz{k}') raw, bigint({k}) o")
    nothing = ("SELECT bigint({k}), null, null, null, null, null, null,"
               " null, null, null, null, null, null, null, bigint(6)")
    table.write(" UNION ALL ".join(row.format(k=k) for k in range(4)) + " UNION ALL "
                + nothing.format(k=9), "bulk_insert", mode="overwrite")
    table.write(row.format(k=1).replace("1.25D", "-0.5D") + " UNION ALL " + nothing.format(k=2)
                + " UNION ALL " + row.format(k=5), "upsert")
    table.write(row.format(k=3).replace("2.5F", "-8F") + " UNION ALL " + nothing.format(k=0)
                + " UNION ALL " + row.format(k=5), "upsert",
                logfile__data__block__format="parquet")
    # Late.
    table.write(row.format(k=2) + " UNION ALL " + row.format(k=7), "upsert")
    table.record()


def renamed() -> None:
    """A column with another name than in the files, which only its id tells."""
    table = Table("renamed")
    table.write(hours(0, 3), "bulk_insert", mode="overwrite")
    spark.sql("SET hoodie.schema.on.read.enable=true")
    spark.sql("SET hoodie.datasource.write.schema.allow.auto.evolution.column.drop=true")
    spark.sql(f"CREATE TABLE renamed USING hudi LOCATION '{table.path}'")
    spark.sql("ALTER TABLE renamed RENAME COLUMN rain TO wet")
    for junk in table.path.rglob(".*.crc"):
        junk.unlink()
    spark.sql("SET hoodie.schema.on.read.enable=false")


def single(name: str, **settings: str) -> Table:
    """A merge-on-read table without partitions, of the key `k`, ordered by `o`."""
    return Table(name, datasource__write__recordkey__field="k",
                 datasource__write__partitionpath__field="",
                 datasource__write__keygenerator__class=(
                     "org.apache.hudi.keygen.NonpartitionedKeyGenerator"),
                 **{"datasource__write__precombine__field": "o",
                    "datasource__write__table__type": "MERGE_ON_READ",
                    "compact__inline": "false", "compact__inline__max__delta__commits": "100",
                    "parquet__small__file__limit": "0", **settings})


def changes(*rows: str) -> str:
    """Rows of "k o a b op", where - is null and ? what Debezium writes of a value it does not
    know."""
    def text(value: str) -> str:  # of a type that may be null
        known = "__debezium_unavailable_value" if value == "?" else value
        return f"nullif('{known}', '-')"

    return " UNION ALL ".join(
        "SELECT '{}' k, nullif(bigint({}), -1) o, nullif(int({}), -1) a, {} b, {} op".format(
            k, o, -1 if a == "-" else a, text(b), text(op))
        for k, o, a, b, op in (row.split() for row in rows))


CLASSES = {
    "OverwriteNonDefaultsWithLatestAvroPayload": "", "PartialUpdateAvroPayload": "",
    "DefaultHoodieRecordPayload": "", "AWSDmsAvroPayload": "Op", "EventTimeAvroPayload": "",
    "debezium.PostgresDebeziumAvroPayload": "_change_operation_type",
}


def payloads() -> None:
    """What each payload class makes of nulls, late rows, equal times, marked deletes and values
    that are not known."""
    for name, operation in CLASSES.items():
        in_full = "org.apache.hudi.common.model." + name
        debezium = name.startswith("debezium")
        more = {"payload__delete__field": "op", "payload__delete__marker": "D"}
        table = single("payload-" + name.split(".")[-1].removesuffix("AvroPayload"),
                       datasource__write__payload__class=in_full,
                       compaction__payload__class=in_full,
                       payload__ordering__field="o" if not debezium else "_event_lsn",
                       **({"datasource__write__precombine__field": "_event_lsn"}
                          if debezium else {}),
                       **(more if name.startswith("Default") else {}))

        def rows(*of: str) -> str:
            query = changes(*of)
            if not operation:
                return query
            lsn = "o AS _event_lsn" if debezium else "o"
            made = "lower(op)" if debezium else "op"
            return f"SELECT k, {lsn}, a, b, {made} AS `{operation}` FROM ({query})"

        table.write(rows(*[f"k{i} 10 {i} base I" for i in range(12)]), "bulk_insert",
                    mode="overwrite")
        table.write(rows("k0 20 - x U", "k1 5 - late U", "k2 10 - equal U", "k3 20 - - D",
                         "k4 20 44 ? U", "k5 5 - - D", "k6 20 - first U", "k7 5 77 - U",
                         "k8 20 88 - U"), "upsert")
        table.write(rows("k0 15 7 - U", "k1 30 1 - U", "k3 25 3 again U", "k4 30 - ? U",
                         "k5 30 - five U", "k6 30 6 - U", "k7 30 - seven U", "k8 15 - - D",
                         "k12 9 - new I"), "upsert")
        table.write(rows("k2 40 - - U", "k9 40 - - U"), "delete")
        table.write(rows("k2 50 2 - U", "k9 3 9 - U", "k10 3 - lower U", "k3 26 - ? U"), "upsert",
                    logfile__data__block__format="parquet")
        table.record()


def updated_in_part() -> None:
    """MERGE INTO of some columns: logs of these columns alone, since Hudi 1.0."""
    if int(VERSION) < 8:
        return
    for mode in PAYLOADS:
        table = single("partial-" + mode.split("_")[0].lower(), write__record__merge__mode=mode)
        table.write(changes(*[f"k{i} 10 {i} base I" for i in range(9)]), "bulk_insert",
                    mode="overwrite")
        named = table.name.replace("-", "_")
        spark.sql(f"CREATE TABLE {named} USING hudi LOCATION '{table.path}'")
        for name, value in table.settings.items():
            spark.sql(f"SET {name}={value}")

        def merge(update: str, *of: str) -> None:
            spark.sql(f"MERGE INTO {named} t USING ({changes(*of)}) s ON t.k = s.k"
                      f" WHEN MATCHED THEN UPDATE SET {update}")
            newest = max(table.instants())
            spark.sql(f"REFRESH TABLE {named}")
            table.rows[newest] = table.read()

        merge("a = s.a, o = s.o", "k0 20 100 - -", "k1 5 101 - -", "k2 10 - - -", "k3 20 103 - -")
        merge("b = s.b, o = s.o", "k0 30 - second -", "k1 30 - - -", "k3 15 - late -",
              "k4 20 - four -")
        table.write(changes("k0 25 5 whole -", "k4 40 4 whole -", "k5 20 5 whole -"), "upsert")
        table.write(changes("k3 50 - - -"), "delete")
        merge("a = s.a + 1, o = s.o", "k4 50 1 - -", "k5 15 2 - -", "k6 11 3 - -")
        table.record()
        for name in table.settings:
            spark.sql(f"RESET {name}")


ALL = (copy_on_write, cleaned, types, merge_on_read, merged, logs_alone, logged_types, renamed,
       payloads, updated_in_part)
for make in [one for one in ALL if one.__name__ in sys.argv[4:] or len(sys.argv) == 4]:
    make()
spark.stop()
