// Our side of the benchmark of column statistics, which benchmarks/statistics/run.py describes.
//
//   statistics FILE.parquet THREADS RUNS    prints a line of JSON a run: what it took, and the last
//                                           time also the statistics

#include <cstdio>
#include <cstdlib>
#include <string>

#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>

#include "base/json.h"
#include "base/parallel.h"
#include "clocks.h"
#include "training/part_statistics.h"

namespace tercet {
namespace {

Result<std::shared_ptr<arrow::Table>> Read(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const auto file, arrow::io::ReadableFile::Open(path));
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        parquet::arrow::OpenFile(file, arrow::default_memory_pool()));
  return reader->ReadTable();
}

Status Run(const std::string& path, int runs) {
  ARROW_ASSIGN_OR_RAISE(const auto table, Read(path));
  const std::vector<RawPart> parts = {
      {"train", table, arrow::Table::Make(arrow::schema({}), arrow::ArrayVector{}, 0), {}, {}}};
  for (int run = 1; run <= runs; ++run) {
    const double cpu = CpuSeconds(), wall = WallSeconds();
    ARROW_ASSIGN_OR_RAISE(json::object statistics, StatisticsOf(parts));
    json::object line{{"cpu_seconds", CpuSeconds() - cpu}, {"wall_seconds", WallSeconds() - wall}};
    if (run == runs) line["statistics"] = std::move(statistics["train"]);
    std::puts(ToText(line).c_str());
  }
  return Status::OK();
}

}  // namespace
}  // namespace tercet

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: statistics FILE.parquet THREADS RUNS\n", stderr);
    return 2;
  }
  tercet::InitializeArrow();
  tercet::Status status = tercet::SetThreadCount(std::atoi(argv[2]));
  if (status.ok()) status = tercet::Run(argv[1], std::atoi(argv[3]));
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
