// Our side of the benchmarks of the point-in-time join (pit, pit_wide, pit_hot, pit_memory), which
// say what is measured. LABELS is a group or a Parquet file of label, key and time; GROUPS are
// separated by commas and joined by key as of time.
//
//   pit write PROJECT GROUP KEY FILE.parquet      makes a feature group with that primary key
//   pit read PROJECT GROUPS LABELS [OUT.arrow]    the join in memory; prints what it took
//   pit batches PROJECT GROUPS LABELS [OUT.arrow] the same piece by piece, each let go
//   pit stream PROJECT GROUPS LABELS.parquet OUT.parquet LIMIT_BYTES
//                                                 the join piece by piece to Parquet

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>

#include "base/large_memory.h"
#include "base/parallel.h"
#include "catalog/catalog.h"
#include "clocks.h"
#include "offline/feature_tables.h"
#include "view/point_in_time_read.h"

namespace tercet {
namespace {

/// Not into the default pool's memory, which asks for huge pages where they are dear, too.
Result<std::shared_ptr<arrow::Table>> ReadParquet(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto file,
                        arrow::io::MemoryMappedFile::Open(path, arrow::io::FileMode::READ));
  ARROW_ASSIGN_OR_RAISE(auto reader, parquet::arrow::OpenFile(file, LargeMemory()));
  reader->set_use_threads(true);
  return reader->ReadTable();
}

struct Project {
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<FeatureTables> tables;

  static Result<Project> Open(const std::string& directory) {
    Project project;
    ARROW_RETURN_NOT_OK(LocalFileSystem()->MakeDirectory(directory));
    ARROW_ASSIGN_OR_RAISE(project.catalog,
                          Catalog::Open(JoinPath(directory, "catalog.sqlite"), SystemClock()));
    project.tables = std::make_unique<FeatureTables>(project.catalog.get(), LocalFileSystem(),
                                                     directory, SystemClock());
    return project;
  }
};

Status Write(const std::string& directory, const std::string& group, const std::string& key,
             const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const Project project, Project::Open(directory));
  ARROW_ASSIGN_OR_RAISE(const auto rows, ReadParquet(path));
  FeatureGroupDefinition history{.name = group};
  history.primary_key = {key};
  history.event_time = "time";
  history.schema = rows->schema()->RemoveMetadata();
  ARROW_RETURN_NOT_OK(project.tables->Define(history));
  ARROW_ASSIGN_OR_RAISE(const auto table, project.tables->Get(history.ref()));
  return table
      ->Write(std::make_shared<arrow::TableBatchReader>(rows),
              {.mode = InsertMode::kOverwrite, .idempotency_key = ""})
      .status();
}

bool IsFile(const std::string& labels) { return labels.ends_with(".parquet"); }

/// The labels with the features of all groups. Where the labels are a file, the root is a group
/// that has no rows of its own.
Result<std::shared_ptr<const ViewPlan>> PlanOf(const Project& project, const std::string& groups,
                                               const std::string& root) {
  FeatureGroupDefinition labels{.name = IsFile(root) ? "labels" : root};
  labels.primary_key = {"label"};
  labels.event_time = "time";
  labels.schema =
      arrow::schema({arrow::field("label", arrow::int64()), arrow::field("key", arrow::int64()),
                     arrow::field("time", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"))});
  FeatureViewDefinition view{.name = "pit"};
  view.root = {.group = labels.ref(), .features = {"label", "key"}};
  std::istringstream names(groups);
  for (std::string name; std::getline(names, name, ',');) {
    view.joins.push_back({.group = {name, 1}});
  }
  return ViewPlan::Make(view, [&](const Ref& ref) -> Result<FeatureGroupDefinition> {
    if (IsFile(root) && ref.name == labels.name) return labels;
    return project.tables->Definition(ref);
  });
}

void Print(double cpu, double wall, int64_t rows) {
  std::printf("{\"cpu_seconds\": %.4f, \"wall_seconds\": %.4f, \"rows\": %lld}\n",
              CpuSeconds() - cpu, WallSeconds() - wall, static_cast<long long>(rows));
}

Status Read(const std::string& directory, const std::string& groups, const std::string& labels,
            const char* out) {
  InitializeArrow();
  ARROW_ASSIGN_OR_RAISE(const Project project, Project::Open(directory));
  const double cpu = CpuSeconds(), wall = WallSeconds();
  ARROW_ASSIGN_OR_RAISE(const auto plan, PlanOf(project, groups, labels));
  ViewReadOptions options;
  if (IsFile(labels)) {
    ARROW_ASSIGN_OR_RAISE(options.spine, ReadParquet(labels));
  }
  ARROW_ASSIGN_OR_RAISE(const ViewRows rows, ReadView(*plan, project.tables.get(), options));
  Print(cpu, wall, rows.columns->num_rows());
  if (out == nullptr) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto sink, arrow::io::FileOutputStream::Open(out));
  ARROW_ASSIGN_OR_RAISE(const auto writer,
                        arrow::ipc::MakeFileWriter(sink, rows.columns->schema()));
  ARROW_RETURN_NOT_OK(writer->WriteTable(*rows.columns));
  ARROW_RETURN_NOT_OK(writer->Close());
  return sink->Close();
}

/// The reader of the pieces drops them.
Status Batches(const std::string& directory, const std::string& groups, const std::string& labels,
               const char* out) {
  InitializeArrow();
  ARROW_ASSIGN_OR_RAISE(const Project project, Project::Open(directory));
  std::shared_ptr<arrow::io::OutputStream> sink;
  if (out != nullptr) {
    ARROW_ASSIGN_OR_RAISE(sink, arrow::io::FileOutputStream::Open(out));
  }
  const double cpu = CpuSeconds(), wall = WallSeconds();
  ARROW_ASSIGN_OR_RAISE(const auto plan, PlanOf(project, groups, labels));
  ViewReadOptions options;
  if (IsFile(labels)) {
    ARROW_ASSIGN_OR_RAISE(options.spine, ReadParquet(labels));
  }
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer;
  int64_t rows = 0;
  {
    ARROW_ASSIGN_OR_RAISE(const auto stream,
                          ViewStream::Open(plan.get(), project.tables.get(), options));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto piece, stream->Next());
      if (!piece) break;
      rows += piece->columns->num_rows();
      if (sink == nullptr) continue;
      if (writer == nullptr) {
        ARROW_ASSIGN_OR_RAISE(writer, arrow::ipc::MakeFileWriter(sink, piece->columns->schema()));
      }
      ARROW_RETURN_NOT_OK(writer->WriteTable(*piece->columns));
    }
  }
  Print(cpu, wall, rows);
  if (writer != nullptr) ARROW_RETURN_NOT_OK(writer->Close());
  return sink == nullptr ? Status::OK() : sink->Close();
}

Status Stream(const std::string& directory, const std::string& groups, const std::string& labels,
              const char* out, int64_t limit_bytes) {
  InitializeArrow();
  ARROW_ASSIGN_OR_RAISE(const Project project, Project::Open(directory));
  const double cpu = CpuSeconds(), wall = WallSeconds();
  ARROW_ASSIGN_OR_RAISE(const auto plan, PlanOf(project, groups, labels));
  ARROW_ASSIGN_OR_RAISE(auto file,
                        arrow::io::MemoryMappedFile::Open(labels, arrow::io::FileMode::READ));
  ARROW_ASSIGN_OR_RAISE(auto reader, parquet::arrow::OpenFile(file, arrow::system_memory_pool()));
  std::shared_ptr<arrow::RecordBatchReader> batches;
  ARROW_ASSIGN_OR_RAISE(batches, reader->GetRecordBatchReader());
  ViewReadOptions options;
  options.memory_limit_bytes = limit_bytes;
  ARROW_ASSIGN_OR_RAISE(const auto stream, ViewStream::Open(plan.get(), project.tables.get(),
                                                            options, std::move(batches)));
  ARROW_ASSIGN_OR_RAISE(const auto sink, arrow::io::FileOutputStream::Open(out));
  const auto properties = parquet::WriterProperties::Builder().disable_dictionary()->build();
  std::unique_ptr<parquet::arrow::FileWriter> writer;
  int64_t rows = 0;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto piece, stream->Next());
    if (!piece) break;
    if (writer == nullptr) {
      ARROW_ASSIGN_OR_RAISE(
          writer, parquet::arrow::FileWriter::Open(*piece->columns->schema(),
                                                   arrow::system_memory_pool(), sink, properties));
    }
    ARROW_RETURN_NOT_OK(writer->WriteTable(*piece->columns, 131'072));
    rows += piece->columns->num_rows();
  }
  ARROW_RETURN_NOT_OK(writer->Close());
  ARROW_RETURN_NOT_OK(sink->Close());
  Print(cpu, wall, rows);
  return Status::OK();
}

}  // namespace
}  // namespace tercet

int main(int count, char** arguments) {
  const std::string verb = count > 4 ? arguments[1] : "";
  arrow::Status status = arrow::Status::Invalid(
      "usage: pit write PROJECT GROUP KEY FILE | read PROJECT GROUPS LABELS [OUT] | "
      "batches PROJECT GROUPS LABELS [OUT] | stream PROJECT GROUPS LABELS OUT LIMIT_BYTES");
  const char* out = count > 5 ? arguments[5] : nullptr;
  if (verb == "write" && out != nullptr) {
    status = tercet::Write(arguments[2], arguments[3], arguments[4], out);
  }
  if (verb == "read") status = tercet::Read(arguments[2], arguments[3], arguments[4], out);
  if (verb == "batches") status = tercet::Batches(arguments[2], arguments[3], arguments[4], out);
  if (verb == "stream" && count > 6) {
    status = tercet::Stream(arguments[2], arguments[3], arguments[4], arguments[5],
                            std::atoll(arguments[6]));
  }
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
