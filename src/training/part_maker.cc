#include "training/part_maker.h"

#include "base/parallel.h"
#include "training/canonical_table.h"
#include "training/cross_fit.h"
#include "training/row_split.h"

namespace tercet {
namespace {

/// Rows that are transformed at once, by one thread.
constexpr int64_t kSliceRows = 65536;

Result<std::shared_ptr<arrow::Table>> Select(const arrow::Schema& wanted,
                                             const arrow::Table& columns) {
  std::vector<std::shared_ptr<arrow::ChunkedArray>> chosen;
  for (const auto& field : wanted.fields()) {
    chosen.push_back(columns.GetColumnByName(field->name()));
    if (chosen.back() == nullptr || !chosen.back()->type()->Equals(field->type())) {
      return Status::UnknownError("the read of the view lacks its column '", field->ToString(),
                                  "'");
    }
  }
  return arrow::Table::Make(arrow::schema(wanted.fields()), std::move(chosen),
                            columns.num_rows());
}

Result<std::shared_ptr<arrow::Table>> KeysOf(const ViewRows& rows) {
  if (rows.event_time == nullptr) return rows.keys;
  const int there = rows.keys->schema()->GetFieldIndex("event_time");
  const auto field = arrow::field("event_time", rows.event_time->type());
  if (there >= 0) return rows.keys->SetColumn(there, field, rows.event_time);
  return rows.keys->AddColumn(rows.keys->num_columns(), field, rows.event_time);
}

/// What the split goes by: a column is looked for among labels, features, helpers and keys.
SplitColumns ColumnsOf(const SplitDefinition& split, const RawPart& whole, const ViewRows& rows) {
  SplitColumns columns{.event_time = rows.event_time, .column = nullptr};
  if (split.column.empty()) return columns;
  for (const auto& side : {whole.labels, whole.features, whole.helpers, whole.keys}) {
    if (columns.column == nullptr) columns.column = side->GetColumnByName(split.column);
  }
  return columns;
}

Result<RawPart> TakePart(const RawPart& whole, const std::string& name,
                         const arrow::Int64Array& indices) {
  RawPart part;
  part.name = name;
  ARROW_ASSIGN_OR_RAISE(part.features, TakeRows(whole.features, indices));
  ARROW_ASSIGN_OR_RAISE(part.labels, TakeRows(whole.labels, indices));
  ARROW_ASSIGN_OR_RAISE(part.helpers, TakeRows(whole.helpers, indices));
  ARROW_ASSIGN_OR_RAISE(part.keys, TakeRows(whole.keys, indices));
  return part;
}

/// One transformation of the part that it was fitted on.
Result<std::shared_ptr<arrow::Table>> TransformFitted(
    const FittedTransformation& fitted, const std::shared_ptr<arrow::Table>& features,
    const std::shared_ptr<arrow::Table>& labels, int64_t seed) {
  ARROW_ASSIGN_OR_RAISE(const bool supervised, IsSupervised(fitted.kind));
  if (supervised) {
    return CrossFit({.kind = fitted.kind, .columns = fitted.columns, .options = fitted.options},
                    features, labels, seed);
  }
  ARROW_ASSIGN_OR_RAISE(const auto step, TransformationPlan::Make({fitted}, features->schema()));
  return TransformTable(*step, features);
}

Result<bool> AnySupervised(const std::vector<FittedTransformation>& fitted) {
  for (const FittedTransformation& one : fitted) {
    ARROW_ASSIGN_OR_RAISE(const bool supervised, IsSupervised(one.kind));
    if (supervised) return true;
  }
  return false;
}

}  // namespace

Result<std::shared_ptr<arrow::Table>> TransformTable(
    const TransformationPlan& plan, const std::shared_ptr<arrow::Table>& features) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> slices;
  arrow::TableBatchReader reader(*features);
  reader.set_chunksize(kSliceRows);
  ARROW_ASSIGN_OR_RAISE(slices, reader.ToRecordBatches());
  ARROW_RETURN_NOT_OK(ParallelFor(slices.size(), [&](int64_t i) -> Status {
    ARROW_ASSIGN_OR_RAISE(slices[i], plan.Apply(slices[i]));
    return Status::OK();
  }));
  return arrow::Table::FromRecordBatches(plan.output_schema(), slices);
}

Result<RawPart> WholePart(const ViewPlan& plan, const ViewRows& rows) {
  RawPart whole;
  whole.name = "train";
  ARROW_ASSIGN_OR_RAISE(whole.features, Select(*plan.feature_schema(), *rows.columns));
  ARROW_ASSIGN_OR_RAISE(whole.labels, Select(*plan.label_schema(), *rows.columns));
  ARROW_ASSIGN_OR_RAISE(whole.helpers, Select(*plan.helper_schema(), *rows.columns));
  ARROW_ASSIGN_OR_RAISE(whole.keys, KeysOf(rows));
  return whole;
}

Result<std::vector<RawPart>> DivideRows(const ViewPlan& plan, const SplitDefinition& split,
                                        int64_t seed, const ViewRows& rows) {
  ARROW_ASSIGN_OR_RAISE(const RawPart whole, WholePart(plan, rows));
  ARROW_ASSIGN_OR_RAISE(const auto indices, SplitRows(split, seed, rows.columns->num_rows(),
                                                      ColumnsOf(split, whole, rows)));
  const std::vector<std::string> names = split.PartNames();
  std::vector<RawPart> parts;
  for (size_t i = 0; i < names.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(parts.emplace_back(), TakePart(whole, names[i], *indices[i]));
  }
  return parts;
}

Result<std::vector<RawPart>> DivideFold(const ViewPlan& plan, const SplitDefinition& split,
                                        int64_t seed, const ViewRows& rows, int64_t fold) {
  ARROW_ASSIGN_OR_RAISE(const RawPart whole, WholePart(plan, rows));
  ARROW_ASSIGN_OR_RAISE(const FoldRows indices,
                        RowsOfFold(split, seed, rows.columns->num_rows(),
                                   ColumnsOf(split, whole, rows), fold));
  std::vector<RawPart> parts(2);
  ARROW_ASSIGN_OR_RAISE(parts[0], TakePart(whole, "train", *indices.train));
  ARROW_ASSIGN_OR_RAISE(parts[1], TakePart(whole, "test", *indices.test));
  return parts;
}

const RawPart& FittingPart(const std::vector<RawPart>& parts) {
  for (const RawPart& part : parts) {
    if (part.name == "train") return part;
  }
  return parts.front();
}

Result<std::vector<FittedTransformation>> FitAll(
    const std::vector<TransformationDefinition>& transformations, const RawPart& part,
    int64_t seed) {
  std::vector<FittedTransformation> fitted;
  if (!transformations.empty() && part.features->num_rows() == 0) {
    return Status::Invalid("part '", part.name, "' has no rows to fit transformations on; ",
                           "choose another range of time or another split");
  }
  std::shared_ptr<arrow::Table> features = part.features;
  for (const TransformationDefinition& definition : transformations) {
    if (!fitted.empty()) {
      ARROW_ASSIGN_OR_RAISE(features,
                            TransformFitted(fitted.back(), features, part.labels, seed));
    }
    ARROW_ASSIGN_OR_RAISE(
        FittedTransformation one,
        FitTransformation(definition.kind, definition.columns, definition.options, *features,
                          part.labels.get()));
    fitted.push_back(std::move(one));
  }
  return fitted;
}

Result<std::vector<TrainingPart>> FinishParts(const std::vector<RawPart>& parts,
                                              const std::vector<FittedTransformation>& fitted,
                                              const RawPart* fitting, int64_t seed) {
  ARROW_ASSIGN_OR_RAISE(const bool supervised, AnySupervised(fitted));
  ARROW_ASSIGN_OR_RAISE(const auto plan,
                        TransformationPlan::Make(fitted, parts.front().features->schema()));
  std::vector<TrainingPart> finished(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    const RawPart& raw = parts[i];
    std::shared_ptr<arrow::Table> features = raw.features;
    if (supervised && &raw == fitting) {
      for (const FittedTransformation& one : fitted) {
        ARROW_ASSIGN_OR_RAISE(features, TransformFitted(one, features, raw.labels, seed));
      }
    } else if (!fitted.empty()) {
      ARROW_ASSIGN_OR_RAISE(features, TransformTable(*plan, features));
    }
    finished[i].name = raw.name;
    ARROW_ASSIGN_OR_RAISE(finished[i].features, CanonicalTable(*features));
    ARROW_ASSIGN_OR_RAISE(finished[i].labels, CanonicalTable(*raw.labels));
    ARROW_ASSIGN_OR_RAISE(finished[i].helpers, CanonicalTable(*raw.helpers));
    ARROW_ASSIGN_OR_RAISE(finished[i].keys, CanonicalTable(*raw.keys));
  }
  return finished;
}

Result<std::map<std::string, std::string>> ContentAddresses(
    const std::vector<TrainingPart>& parts) {
  std::vector<std::string> addresses(parts.size());
  ARROW_RETURN_NOT_OK(ParallelFor(parts.size(), [&](int64_t i) -> Status {
    const TrainingPart& part = parts[i];
    arrow::FieldVector fields;
    arrow::ChunkedArrayVector columns;
    for (const auto& table : {part.keys, part.features, part.labels, part.helpers}) {
      for (int c = 0; c < table->num_columns(); ++c) {
        fields.push_back(table->field(c));
        columns.push_back(table->column(c));
      }
    }
    const auto whole = arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns),
                                          part.features->num_rows());
    ARROW_ASSIGN_OR_RAISE(addresses[i], ContentAddress(*whole));
    return Status::OK();
  }));
  std::map<std::string, std::string> by_name;
  for (size_t i = 0; i < parts.size(); ++i) by_name[parts[i].name] = addresses[i];
  return by_name;
}

}  // namespace tercet
