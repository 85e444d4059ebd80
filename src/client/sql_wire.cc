#include "client/sql_wire.h"

#include <arrow/util/key_value_metadata.h>

#include "base/time_text.h"
#include "catalog/definition_json.h"
#include "client/wire.h"

namespace tercet {
namespace {

constexpr char kPins[] = "tercet.pins";

/// A reader whose schema has other metadata.
class RelabeledReader : public arrow::RecordBatchReader {
 public:
  RelabeledReader(tercet::RecordBatchReader rows, std::shared_ptr<arrow::KeyValueMetadata> metadata)
      : rows_(std::move(rows)), schema_(rows_->schema()->WithMetadata(std::move(metadata))) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(rows_->ReadNext(batch));
    if (*batch != nullptr) *batch = (*batch)->ReplaceSchemaMetadata(schema_->metadata());
    return Status::OK();
  }

 private:
  const tercet::RecordBatchReader rows_;
  const std::shared_ptr<arrow::Schema> schema_;
};

json::value TimeOrNull(const std::optional<int64_t>& time_us) {
  return time_us ? json::value(FormatTime(*time_us)) : json::value(nullptr);
}

}  // namespace

json::object ToJson(const SqlRequest& request) {
  return {{"query", request.query},
          {"as_of", OrNull(request.as_of_us)},
          {"versions", ToJsonObject(request.versions)},
          {"files", ToJsonArray(request.files)},
          {"time_limit_us", OrNull(request.time_limit_us)}};
}

Result<SqlRequest> SqlRequestFromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("SQL request", object,
                                   {"query", "as_of", "versions", "files", "time_limit_us"}));
  SqlRequest request;
  ARROW_ASSIGN_OR_RAISE(request.query, GetString(object, "query"));
  ARROW_ASSIGN_OR_RAISE(request.as_of_us, FindTime(object, "as_of"));
  ARROW_ASSIGN_OR_RAISE(request.versions, FindIntMap(object, "versions"));
  ARROW_ASSIGN_OR_RAISE(request.files, FindStrings(object, "files"));
  ARROW_ASSIGN_OR_RAISE(request.time_limit_us, FindInt(object, "time_limit_us"));
  return request;
}

json::object ToJson(const SqlStepData& data) {
  return {{"commit", data.commit.ToJson()},
          {"rows", data.rows},
          {"watermark", TimeOrNull(data.watermark_us)},
          {"pins", ToJsonObject(data.pins)}};
}

Result<SqlStepData> SqlStepDataFromJson(const json::object& object) {
  SqlStepData data;
  ARROW_ASSIGN_OR_RAISE(const json::object commit, FindObject(object, "commit"));
  ARROW_ASSIGN_OR_RAISE(data.commit, Commit::FromJson(commit));
  ARROW_ASSIGN_OR_RAISE(data.rows, GetInt(object, "rows"));
  ARROW_ASSIGN_OR_RAISE(data.watermark_us, FindTime(object, "watermark"));
  ARROW_ASSIGN_OR_RAISE(data.pins, FindIntMap(object, "pins"));
  return data;
}

RecordBatchReader ToStream(const SqlData& data) {
  return std::make_shared<RelabeledReader>(
      data.rows, arrow::key_value_metadata({kPins}, {ToText(ToJsonObject(data.pins))}));
}

Result<SqlData> SqlDataFromStream(RecordBatchReader stream) {
  const auto& metadata = stream->schema()->metadata();
  const int at = metadata == nullptr ? -1 : metadata->FindKey(kPins);
  if (at < 0) return Status::IOError("the server's answer does not say what it read");
  ARROW_ASSIGN_OR_RAISE(json::object pins, ParseJsonObject(metadata->value(at)));
  const json::object all = {{"pins", std::move(pins)}};
  SqlData data;
  ARROW_ASSIGN_OR_RAISE(data.pins, FindIntMap(all, "pins"));
  data.rows = std::make_shared<RelabeledReader>(std::move(stream), nullptr);
  return data;
}

}  // namespace tercet
