#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/parallel.h"
#include "runtime/predictor.h"

namespace tercet {

/// A model of testdata/ copied into a folder of its own, with what its library answered.
class ModelFixture {
 public:
  static constexpr const char* kTestdata = "src/runtime/testdata";

  explicit ModelFixture(const std::string& file)
      : folder_(std::filesystem::temp_directory_path() / ("tercet-runtime-" + NewUuid())) {
    InitializeArrow();
    const std::filesystem::path source = std::filesystem::path(kTestdata) / file;
    std::filesystem::create_directories(folder_);
    const std::string extension = source.extension();
    std::filesystem::copy_file(source, folder_ / ("model" + extension));
    format = extension == ".onnx"  ? ModelFormat::kOnnx
             : extension == ".txt" ? ModelFormat::kLightgbm
                                   : ModelFormat::kXgboost;
    std::filesystem::path answers = source;
    answers.replace_extension(".arrow");
    if (std::filesystem::exists(answers)) ReadAnswers(answers);
  }
  ~ModelFixture() { std::filesystem::remove_all(folder_); }

  std::string directory() const { return folder_; }

  ModelFormat format;
  std::shared_ptr<arrow::RecordBatch> inputs;
  std::vector<std::shared_ptr<arrow::Array>> expected;

 private:
  void ReadAnswers(const std::string& path) {
    auto file = arrow::io::ReadableFile::Open(path).ValueOrDie();
    auto reader = arrow::ipc::RecordBatchStreamReader::Open(file).ValueOrDie();
    auto batch = reader->ToTable().ValueOrDie()->CombineChunksToBatch().ValueOrDie();
    std::vector<int> input_columns;
    for (int i = 0; i < batch->num_columns(); ++i) {
      if (batch->column_name(i).starts_with("expected_")) {
        expected.push_back(batch->column(i));
      } else {
        input_columns.push_back(i);
      }
    }
    inputs = batch->SelectColumns(input_columns).ValueOrDie();
  }

  const std::filesystem::path folder_;
};

}  // namespace tercet
