#pragma once

// What the tests of this room share: a folder of their own, and small tables from text.

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/id.h"
#include "base/parallel.h"
#include "offline/delta_log.h"
#include "offline/table.h"

namespace tercet {

#define ASSERT_OK(expression)                                              \
  do {                                                                     \
    const ::arrow::Status status_of_test_ = ::arrow::ToStatus(expression); \
    ASSERT_TRUE(status_of_test_.ok()) << status_of_test_.ToString();       \
  } while (false)

/// The value of a Result, or the end of the test.
template <typename T>
T Value(Result<T> result) {
  if (!result.ok()) {
    ADD_FAILURE() << result.status().ToString();
    throw std::runtime_error(result.status().ToString());
  }
  return *std::move(result);
}

class TestFolder {
 public:
  TestFolder()
      : path_((std::filesystem::temp_directory_path() / ("tercet-" + NewUuid())).string()) {
    std::filesystem::create_directories(path_);
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string Join(const std::string& name) const { return JoinPath(path_, name); }

 private:
  const std::string path_;
};

inline std::shared_ptr<arrow::RecordBatch> Rows(const std::shared_ptr<arrow::Schema>& schema,
                                                const std::string& text) {
  InitializeArrow();
  const auto array =
      Value(arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), text));
  return Value(arrow::RecordBatch::FromStructArray(array))->ReplaceSchemaMetadata(nullptr);
}

inline std::shared_ptr<arrow::RecordBatchReader> Reader(
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  return Value(arrow::RecordBatchReader::Make(batches, batches.at(0)->schema()));
}

inline std::shared_ptr<arrow::RecordBatch> Collect(
    const std::shared_ptr<arrow::RecordBatchReader>& reader) {
  const auto table = Value(reader->ToTable());
  return Value(table->CombineChunksToBatch());
}

inline std::shared_ptr<arrow::RecordBatch> ScanAll(Snapshot* snapshot,
                                                   const ScanOptions& options = {}) {
  return Collect(Value(snapshot->Scan(options)));
}

inline void ExpectEqual(const arrow::RecordBatch& actual, const arrow::RecordBatch& expected) {
  EXPECT_TRUE(actual.Equals(expected)) << "actual:\n"
                                       << actual.ToString() << "\nexpected:\n"
                                       << expected.ToString();
}

/// Sets table properties, as another engine would: a commit of metadata.
inline void SetProperties(const std::string& table_path,
                          const std::map<std::string, std::string>& properties) {
  const DeltaLog log(LocalFileSystem(), table_path);
  const TableStatePtr state = Value(log.Load(std::nullopt, {}));
  Metadata metadata = state->metadata;
  for (const auto& [name, value] : properties) metadata.configuration[name] = value;
  const CommitInfo info{{{"timestamp", state->commit_time_us / 1000 + 1},
                         {"operation", "SET TBLPROPERTIES"},
                         {"txnId", NewUuid()}}};
  ASSERT_TRUE(Value(log.TryCommit(state->version + 1, {info, metadata}, 0, "none")));
}

}  // namespace tercet
