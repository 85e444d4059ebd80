#include "offline/column_defaults.h"

#include <arrow/array/util.h>
#include <arrow/util/base64.h>

#include "base/batch_bytes.h"
#include "offline/delta_schema.h"
#include "offline/column_fit.h"

namespace tercet {

Result<std::string> DefaultsToText(const ColumnDefaults& defaults) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, value] : defaults) {
    fields.push_back(arrow::field(name, value->type));
    ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), arrow::MakeArrayFromScalar(*value, 1));
  }
  const auto row = arrow::RecordBatch::Make(arrow::schema(std::move(fields)), 1, arrays);
  ARROW_ASSIGN_OR_RAISE(const auto bytes, WriteBatch(*row));
  return arrow::util::base64_encode(std::string_view(*bytes));
}

Result<ColumnDefaults> DefaultsOf(const Metadata& metadata, const arrow::Schema& schema) {
  ColumnDefaults defaults;
  const auto text = metadata.configuration.find(std::string(kDefaultsProperty));
  if (text == metadata.configuration.end()) return defaults;
  const auto row = [&]() -> Result<std::shared_ptr<arrow::RecordBatch>> {
    ARROW_ASSIGN_OR_RAISE(std::string bytes, arrow::util::base64_decode(text->second));
    ARROW_ASSIGN_OR_RAISE(auto batch, ReadBatch(arrow::Buffer::FromString(std::move(bytes))));
    if (batch->num_rows() != 1) return Status::Invalid("not one row");
    ARROW_RETURN_NOT_OK(batch->ValidateFull());
    return batch;
  }();
  if (!row.ok()) {
    return Status::Invalid("property '", kDefaultsProperty, "' is damaged: ",
                           row.status().message());
  }
  for (int i = 0; i < (*row)->num_columns(); ++i) {
    const std::string& name = (*row)->column_name(i);
    const auto field = schema.GetFieldByName(name);
    if (field == nullptr) continue;  // another engine dropped the column
    ARROW_ASSIGN_OR_RAISE(const auto value, Widen((*row)->column(i), field->type()));
    ARROW_ASSIGN_OR_RAISE(defaults[name], value->GetScalar(0));
  }
  return defaults;
}

}  // namespace tercet
