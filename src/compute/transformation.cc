#include "compute/transformation.h"

#include <algorithm>

#include "base/name.h"
#include "compute/transformation_kind.h"

namespace tercet {
namespace {

std::vector<const TransformationKind*> AllKinds() {
  std::vector<const TransformationKind*> all;
  for (const auto& some : {ScalerKinds(), EncoderKinds(), ImputerKinds()}) {
    for (const TransformationKind& kind : some) all.push_back(&kind);
  }
  return all;
}

/// "standard_scaler of column 'temp' …", with the cause after it.
Status AtColumn(const Status& status, std::string_view kind, std::string_view column) {
  if (status.ok()) return status;
  return status.WithMessage("column '", column, "' of ", kind, " ", status.message());
}

Status CheckColumns(const std::string& kind, const std::vector<std::string>& columns,
                    const arrow::Schema& schema) {
  if (columns.empty()) return Status::Invalid(kind, " needs at least one column");
  for (size_t k = 0; k < columns.size(); ++k) {
    const auto found = schema.GetAllFieldIndices(columns[k]);
    if (found.empty()) {
      return Status::KeyError(kind, " has no column '", columns[k], "' to transform",
                              Suggest(columns[k], schema.field_names()));
    }
    if (found.size() > 1) {
      return Status::Invalid(kind, " can't tell which of ", found.size(), " columns named '",
                             columns[k], "' to transform");
    }
    if (std::find(columns.begin(), columns.begin() + static_cast<int64_t>(k), columns[k]) !=
        columns.begin() + static_cast<int64_t>(k)) {
      return Status::Invalid(kind, " names the column '", columns[k], "' twice");
    }
  }
  return Status::OK();
}

}  // namespace

Result<const TransformationKind*> FindTransformationKind(std::string_view name) {
  std::vector<std::string> names;
  for (const TransformationKind* kind : AllKinds()) {
    if (kind->name == name) return kind;
    names.emplace_back(kind->name);
  }
  return Status::KeyError("there is no transformation '", name, "'", Suggest(name, names));
}

Status CheckOptionNames(const json::object& options, const std::vector<std::string>& known) {
  for (const auto& [name, value] : options) {
    const std::string key(name);
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return Status::Invalid("has no option '", key, "'", Suggest(key, known));
  }
  return Status::OK();
}

Result<double> NumberParameter(const json::object& parameters, std::string_view name) {
  const json::value* value = parameters.if_contains(name);
  if (value == nullptr || !value->is_number()) {
    return Status::Invalid("has no fitted '", name, "'");
  }
  return value->to_number<double>();
}

json::object FittedTransformation::ToJson() const {
  return json::object{{"kind", kind},
                      {"columns", ToJsonArray(columns)},
                      {"options", options},
                      {"parameters", parameters}};
}

Result<FittedTransformation> FittedTransformation::FromJson(const json::object& object) {
  FittedTransformation fitted;
  ARROW_ASSIGN_OR_RAISE(fitted.kind, GetString(object, "kind"));
  ARROW_ASSIGN_OR_RAISE(fitted.columns, FindStrings(object, "columns"));
  ARROW_ASSIGN_OR_RAISE(fitted.options, FindObject(object, "options"));
  ARROW_ASSIGN_OR_RAISE(fitted.parameters, FindObject(object, "parameters"));
  return fitted;
}

Status CheckTransformation(const std::string& kind, const std::vector<std::string>& columns,
                           const json::object& options, const arrow::Schema& schema) {
  ARROW_ASSIGN_OR_RAISE(const TransformationKind* found, FindTransformationKind(kind));
  ARROW_RETURN_NOT_OK(CheckColumns(kind, columns, schema));
  for (const std::string& column : columns) {
    const auto values = ColumnValues::KindOf(*schema.GetFieldByName(column)->type());
    ARROW_RETURN_NOT_OK(AtColumn(values.status(), kind, column));
    ARROW_RETURN_NOT_OK(AtColumn(found->check(options, *values), kind, column));
  }
  return Status::OK();
}

Result<FittedTransformation> FitTransformation(const std::string& kind,
                                               const std::vector<std::string>& columns,
                                               const json::object& options,
                                               const arrow::Table& train) {
  ARROW_RETURN_NOT_OK(CheckTransformation(kind, columns, options, *train.schema()));
  ARROW_ASSIGN_OR_RAISE(const TransformationKind* found, FindTransformationKind(kind));
  FittedTransformation fitted{kind, columns, options, {}};
  for (const std::string& column : columns) {
    auto values = ColumnValues::Read(*train.GetColumnByName(column), found->fits_doubles);
    ARROW_RETURN_NOT_OK(AtColumn(values.status(), kind, column));
    auto parameters = found->fit(options, *values);
    ARROW_RETURN_NOT_OK(AtColumn(parameters.status(), kind, column));
    fitted.parameters[column] = std::move(*parameters);
  }
  return fitted;
}

}  // namespace tercet
