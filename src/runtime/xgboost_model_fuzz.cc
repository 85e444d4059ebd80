// Whatever bytes a model file has, reading them ends, and what was read can be evaluated.
#include <cstddef>
#include <cstdint>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "runtime/tree_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const bool ubjson : {false, true}) {
    const auto model = tercet::ReadXgboostModel(bytes, ubjson);
    if (!model.ok() || (*model)->categories().size() > 1000) continue;
    std::vector<std::shared_ptr<arrow::Array>> columns;
    arrow::FieldVector fields;
    for (size_t i = 0; i < (*model)->categories().size(); ++i) {
      fields.push_back(arrow::field("f" + std::to_string(i), arrow::null()));
      columns.push_back(std::make_shared<arrow::NullArray>(2));
    }
    const auto batch = arrow::RecordBatch::Make(arrow::schema(fields), 2, columns);
    std::vector<double> predictions(2 * (*model)->signature().outputs->num_fields());
    (*model)->Evaluate(*batch, 0, 2, predictions.data());
  }
  return 0;
}
