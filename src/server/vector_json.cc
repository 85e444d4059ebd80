#include "server/vector_json.h"

#include <string_view>

#include <arrow/array/array_binary.h>

#include "base/rows_to_json.h"

namespace tercet {
namespace {

/// The members of "missing" of one feature.
void AppendMissing(std::string_view feature, std::string_view status, bool* first,
                   std::string* out) {
  if (status == "present") return;
  if (!*first) out->push_back(',');
  *first = false;
  AppendJsonText(feature, out);
  out->push_back(':');
  AppendJsonText(status, out);
}

}  // namespace

void AppendVector(const VectorData& data, int64_t row, std::string* out) {
  out->append("{\"features\":");
  AppendJsonRow(*data.features, row, out);
  out->append(",\"missing\":{");
  bool first = true;
  for (int i = 0; i < data.status->num_columns(); ++i) {
    const auto& column = static_cast<const arrow::StringArray&>(*data.status->column(i));
    AppendMissing(data.status->schema()->field(i)->name(), column.GetView(row), &first, out);
  }
  out->push_back('}');
  if (data.helpers != nullptr && data.helpers->num_columns() > 0) {
    out->append(",\"helpers\":");
    AppendJsonRow(*data.helpers, row, out);
  }
  out->push_back('}');
}

void AppendVector(const VectorReader& reader, const VectorCells& vector, std::string* out) {
  const arrow::Schema& features = *reader.features();
  out->append("{\"features\":");
  AppendJsonRow(features, vector.features, out);
  out->append(",\"missing\":{");
  bool first = true;
  for (size_t i = 0; i < vector.status.size(); ++i) {
    if (vector.status[i] == RowStatus::kPresent) continue;
    AppendMissing(features.field(static_cast<int>(i))->name(), RowStatusName(vector.status[i]),
                  &first, out);
  }
  out->push_back('}');
  if (reader.helpers()->num_fields() > 0) {
    out->append(",\"helpers\":");
    AppendJsonRow(*reader.helpers(), vector.helpers, out);
  }
  out->push_back('}');
}

}  // namespace tercet
