#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/array/builder_binary.h>
#include <arrow/compute/cast.h>
#include <gtest/gtest.h>

namespace tercet {

/// A column of a test, of any type that texts can be cast to.
inline std::shared_ptr<arrow::Array> Column(
    const std::shared_ptr<arrow::DataType>& type,
    const std::vector<std::optional<std::string>>& texts) {
  arrow::StringBuilder builder;
  for (const auto& text : texts) {
    EXPECT_TRUE((text ? builder.Append(*text) : builder.AppendNull()).ok());
  }
  return arrow::compute::Cast(**builder.Finish(), type).ValueOrDie();
}

}  // namespace tercet
