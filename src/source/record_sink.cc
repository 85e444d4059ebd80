#include "source/record_sink.h"

#include <algorithm>

#include "base/inside_folder.h"
#include "source/file_sink.h"
#include "source/kafka_sink.h"
#include "source/parquet_sink.h"
#include "source/postgres_sink.h"

namespace tercet {

Result<std::unique_ptr<RecordSink>> OpenRecordSink(const PredictionSink& sink,
                                                   const std::string& name) {
  ARROW_RETURN_NOT_OK(sink.Check());
  if (sink.kind == "file") {
    const int64_t bytes = sink.file_mb == 0 ? kSinkFileBytes : sink.file_mb << 20;
    const std::chrono::seconds age(sink.file_seconds);
    if (!sink.parquet()) return OpenFileSink(sink.location, name, bytes, age);
    ParquetSinkOptions options{.file_bytes = bytes};
    if (sink.file_seconds != 0) options.age = age;
    return OpenParquetSink(sink.location, name, options);
  }
  if (sink.kind == "postgres") return OpenPostgresSink(sink.location, sink.target);
  return OpenKafkaSink(sink.location, sink.target);
}

Status CheckSinkAllowed(const PredictionSink& sink,
                        const std::optional<std::vector<std::string>>& allowed) {
  if (!allowed) return Status::OK();
  const bool found = std::any_of(allowed->begin(), allowed->end(), [&](const std::string& one) {
    return sink.kind == "file" ? LiesInside(sink.location, one) : sink.kind == one;
  });
  if (found) return Status::OK();
  std::string list;
  for (const std::string& one : *allowed) list += (list.empty() ? "" : ", ") + one;
  return Status::NotImplemented(
      "the sink '", sink.ToText(), "' is not among those that this server may write (",
      list.empty() ? "none" : list, "); start it with --allow-sink ",
      sink.kind == "file" ? "FOLDER" : sink.kind);
}

}  // namespace tercet
