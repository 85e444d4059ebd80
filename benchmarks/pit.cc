// Our side of benchmarks/pit.py, which says what is measured.
//
//   pit write PROJECT HISTORY.parquet           makes the feature group 'history'
//   pit read PROJECT LABELS.parquet [OUT.arrow] joins it to the labels; prints CPU and wall seconds
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <string>

#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>

#include "base/parallel.h"
#include "catalog/catalog.h"
#include "offline/feature_tables.h"
#include "view/point_in_time_read.h"

namespace tercet {
namespace {

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Result<std::shared_ptr<arrow::Table>> ReadParquet(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto file,
                        arrow::io::MemoryMappedFile::Open(path, arrow::io::FileMode::READ));
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        parquet::arrow::OpenFile(file, arrow::default_memory_pool()));
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

Status Write(const std::string& directory, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const Project project, Project::Open(directory));
  ARROW_ASSIGN_OR_RAISE(const auto rows, ReadParquet(path));
  FeatureGroupDefinition history{.name = "history"};
  history.primary_key = {"key"};
  history.event_time = "time";
  history.schema = rows->schema()->RemoveMetadata();
  ARROW_RETURN_NOT_OK(project.tables->Define(history));
  FeatureGroupDefinition labels{.name = "labels"};
  labels.primary_key = {"label"};
  labels.event_time = "time";
  labels.schema = arrow::schema({arrow::field("label", arrow::int64()),
                                 arrow::field("key", arrow::int64()),
                                 history.schema->GetFieldByName("time")});
  ARROW_RETURN_NOT_OK(project.tables->Define(labels));
  ARROW_ASSIGN_OR_RAISE(const auto table, project.tables->Get(history.ref()));
  return table
      ->Write(std::make_shared<arrow::TableBatchReader>(rows),
              {.mode = InsertMode::kOverwrite, .idempotency_key = ""})
      .status();
}

Status Read(const std::string& directory, const std::string& labels, const char* out) {
  InitializeArrow();
  ARROW_ASSIGN_OR_RAISE(const Project project, Project::Open(directory));
  const double cpu = CpuSeconds(), wall = WallSeconds();
  FeatureViewDefinition view{.name = "pit"};
  view.root = {.group = {"labels", 1}, .features = {"label", "key"}};
  view.joins = {{.group = {"history", 1}}};
  ARROW_ASSIGN_OR_RAISE(const auto plan, ViewPlan::Make(view, [&](const Ref& ref) {
                          return project.tables->Definition(ref);
                        }));
  ViewReadOptions options;
  ARROW_ASSIGN_OR_RAISE(options.spine, ReadParquet(labels));
  ARROW_ASSIGN_OR_RAISE(const ViewRows rows, ReadView(*plan, project.tables.get(), options));
  std::printf("{\"cpu_seconds\": %.4f, \"wall_seconds\": %.4f, \"rows\": %lld}\n",
              CpuSeconds() - cpu, WallSeconds() - wall,
              static_cast<long long>(rows.columns->num_rows()));
  if (out == nullptr) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto sink, arrow::io::FileOutputStream::Open(out));
  ARROW_ASSIGN_OR_RAISE(const auto writer,
                        arrow::ipc::MakeFileWriter(sink, rows.columns->schema()));
  ARROW_RETURN_NOT_OK(writer->WriteTable(*rows.columns));
  ARROW_RETURN_NOT_OK(writer->Close());
  return sink->Close();
}

}  // namespace
}  // namespace tercet

int main(int count, char** arguments) {
  const std::string verb = count > 3 ? arguments[1] : "";
  arrow::Status status = arrow::Status::Invalid("usage: pit write|read PROJECT FILE [OUT]");
  if (verb == "write") status = tercet::Write(arguments[2], arguments[3]);
  if (verb == "read") {
    status = tercet::Read(arguments[2], arguments[3], count > 4 ? arguments[4] : nullptr);
  }
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
