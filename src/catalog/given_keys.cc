#include "catalog/given_keys.h"

#include <arrow/compute/api_scalar.h>
#include <arrow/compute/cast.h>

#include "base/parallel.h"

namespace tercet {
namespace {

/// A key of the rows that were found; null where none was, whatever it was looked for by.
Result<std::shared_ptr<arrow::Array>> KeyOfFound(const std::shared_ptr<arrow::Array>& key,
                                                 const std::vector<RowStatus>& status) {
  arrow::BooleanBuilder found;
  ARROW_RETURN_NOT_OK(found.Reserve(static_cast<int64_t>(status.size())));
  for (const RowStatus one : status) found.UnsafeAppend(HasRow(one));
  ARROW_ASSIGN_OR_RAISE(const auto mask, found.Finish());
  InitializeArrow();
  ARROW_ASSIGN_OR_RAISE(
      const arrow::Datum keys,
      arrow::compute::IfElse(mask, key, arrow::MakeNullScalar(key->type())));
  return keys.make_array();
}

}  // namespace

Result<RowsRequest> WithKeysGiven(const std::vector<RowsRequest>& requests,
                                  const std::vector<RowsAnswer>& answers, size_t r) {
  RowsRequest request = requests[r];
  const std::string what = "online read of feature group '" + request.group.ToText() + "'";
  if (request.keys == nullptr) return Status::Invalid(what, " without keys");
  arrow::ArrayVector keys = request.keys->columns();
  for (const RowsRequest::KeyFrom& from : request.keys_from) {
    if (from.request >= r || from.key >= keys.size()) {
      return Status::Invalid(what, ": request ", r, " takes key ", from.key, " from request ",
                             from.request);
    }
    const RowsRequest& source = requests[from.request];
    const RowsAnswer& answer = answers[from.request];
    if (answer.rows->num_rows() != request.keys->num_rows()) {
      return Status::Invalid(what, ": ", request.keys->num_rows(), " keys come from ",
                             answer.rows->num_rows(), " rows of '", source.group.ToText(), "'");
    }
    auto values = answer.rows->GetColumnByName(from.column);
    if (values == nullptr) {
      const auto key = source.keys->GetColumnByName(from.column);
      if (key == nullptr) {
        return Status::KeyError(what, ": '", source.group.ToText(), "' was not asked for '",
                                from.column, "', which is to be its key");
      }
      ARROW_ASSIGN_OR_RAISE(values, KeyOfFound(key, answer.status));
    }
    const auto& type = request.keys->schema()->field(static_cast<int>(from.key))->type();
    if (!values->type()->Equals(*type)) {
      InitializeArrow();
      auto cast =
          arrow::compute::Cast(*values, type, arrow::compute::CastOptions::Safe(type));
      if (!cast.ok()) return Explain(cast.status(), "column '" + from.column + "'");
      values = std::move(cast).ValueUnsafe();
    }
    keys[from.key] = std::move(values);
  }
  request.keys = arrow::RecordBatch::Make(request.keys->schema(), request.keys->num_rows(),
                                          std::move(keys));
  request.keys_from.clear();
  return request;
}

}  // namespace tercet
