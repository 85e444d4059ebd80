#include "compute/transformation.h"

#include <algorithm>

#include "base/name.h"
#include "compute/transformation_kind.h"

namespace tercet {
namespace {

const std::vector<const TransformationKind*>& AllKinds() {
  static const std::vector<const TransformationKind*> kinds = [] {
    std::vector<const TransformationKind*> all;
    for (const auto& family :
         {ScalerKinds(), DistributionKinds(), PowerKinds(), LimitKinds(), BinKinds(),
          EncoderKinds(), FrequencyKinds(), TargetKinds(), HashKinds(), TimeKinds(), TextKinds(),
          ImputerKinds()}) {
      for (const TransformationKind& kind : family) all.push_back(&kind);
    }
    return all;
  }();
  return kinds;
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

Result<std::vector<std::string>> OutputNames(const TransformationKind& kind,
                                             const std::string& column,
                                             const json::object& options,
                                             const json::object& parameters) {
  if (kind.outputs == nullptr) return std::vector<std::string>{column};
  return kind.outputs(column, options, parameters);
}

std::vector<std::string> TransformationNames() {
  std::vector<std::string> names;
  for (const TransformationKind* kind : AllKinds()) names.emplace_back(kind->name);
  return names;
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

namespace {

/// The column of the labels that a supervised kind is fitted to: that of the option 'target', or
/// the only one.
Result<std::string> TargetName(const std::string& kind, const json::object& options,
                               const arrow::Schema& labels) {
  ARROW_ASSIGN_OR_RAISE(const auto given, FindString(options, "target"));
  if (given) {
    if (labels.GetFieldByName(*given) != nullptr) return *given;
    return Status::KeyError(kind, " has no label '", *given, "' to be fitted to",
                            Suggest(*given, labels.field_names()));
  }
  if (labels.num_fields() == 1) return labels.field(0)->name();
  return Status::Invalid(kind, " is fitted to a label, and the view has ", labels.num_fields(),
                         labels.num_fields() == 0 ? "" : "; name one as its option 'target'");
}

Result<std::string> CheckTarget(const std::string& kind, const json::object& options,
                                const arrow::Schema& labels) {
  ARROW_ASSIGN_OR_RAISE(const std::string name, TargetName(kind, options, labels));
  ARROW_ASSIGN_OR_RAISE(const expr::Kind of,
                        ColumnValues::KindOf(*labels.GetFieldByName(name)->type()));
  const Status numeric = CheckNumeric(of);
  if (numeric.ok()) return name;
  return Status::TypeError("label '", name, "' of ", kind, " ", numeric.message());
}

}  // namespace

Result<std::shared_ptr<arrow::Schema>> CheckTransformation(
    const std::string& kind, const std::vector<std::string>& columns, const json::object& options,
    const std::shared_ptr<arrow::Schema>& schema, const arrow::Schema& labels) {
  ARROW_ASSIGN_OR_RAISE(const TransformationKind* found, FindTransformationKind(kind));
  ARROW_RETURN_NOT_OK(CheckColumns(kind, columns, *schema));
  arrow::FieldVector after;
  for (const auto& field : schema->fields()) {
    if (std::find(columns.begin(), columns.end(), field->name()) == columns.end()) {
      after.push_back(field);
      continue;
    }
    const auto values = ColumnValues::KindOf(*field->type());
    ARROW_RETURN_NOT_OK(AtColumn(values.status(), kind, field->name()));
    ARROW_RETURN_NOT_OK(AtColumn(found->check(options, *values), kind, field->name()));
    if (found->outputs_are_fitted) continue;
    ARROW_ASSIGN_OR_RAISE(const auto names, OutputNames(*found, field->name(), options, {}));
    for (size_t k = 0; k < names.size(); ++k) {
      const expr::Kind answer =
          found->answer == nullptr ? expr::Kind::kDouble : found->answer(options, *values, k);
      after.push_back(answer == *values ? field->WithName(names[k])
                                        : arrow::field(names[k], expr::ArrowTypeOf({answer, ""})));
    }
  }
  if (found->fit_to_target != nullptr) {
    ARROW_RETURN_NOT_OK(CheckTarget(kind, options, labels).status());
  }
  return arrow::schema(std::move(after));
}

Result<bool> IsSupervised(const std::string& kind) {
  ARROW_ASSIGN_OR_RAISE(const TransformationKind* found, FindTransformationKind(kind));
  return found->fit_to_target != nullptr;
}

Result<std::vector<double>> TargetOf(const std::string& kind, const json::object& options,
                                     const arrow::Table& labels) {
  ARROW_ASSIGN_OR_RAISE(const std::string name, CheckTarget(kind, options, *labels.schema()));
  ARROW_ASSIGN_OR_RAISE(const auto values,
                        ColumnValues::Read(*labels.GetColumnByName(name), true));
  return values.NumberOfEachRow();
}

Result<FittedTransformation> FitTransformation(const std::string& kind,
                                               const std::vector<std::string>& columns,
                                               const json::object& options,
                                               const arrow::Table& train,
                                               const arrow::Table* labels) {
  const auto no_labels = arrow::schema({});
  const arrow::Schema& label_schema = labels == nullptr ? *no_labels : *labels->schema();
  ARROW_RETURN_NOT_OK(
      CheckTransformation(kind, columns, options, train.schema(), label_schema).status());
  ARROW_ASSIGN_OR_RAISE(const TransformationKind* found, FindTransformationKind(kind));
  FittedTransformation fitted{kind, columns, options, {}};
  std::vector<double> target;
  if (found->fit_to_target != nullptr) {
    ARROW_ASSIGN_OR_RAISE(target, TargetOf(kind, options, *labels));
  }
  for (const std::string& column : columns) {
    if (found->fit == nullptr && found->fit_to_target == nullptr) {
      fitted.parameters[column] = json::object{};
      continue;
    }
    auto values = ColumnValues::Read(*train.GetColumnByName(column), found->fits_doubles);
    ARROW_RETURN_NOT_OK(AtColumn(values.status(), kind, column));
    auto parameters = found->fit_to_target != nullptr
                          ? found->fit_to_target(options, *values, target)
                          : found->fit(options, *values);
    ARROW_RETURN_NOT_OK(AtColumn(parameters.status(), kind, column));
    fitted.parameters[column] = std::move(*parameters);
  }
  return fitted;
}

}  // namespace tercet
