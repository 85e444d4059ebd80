#include "training/part_maker.h"

#include "base/parallel.h"
#include "training/canonical_table.h"
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

/// The same values, whatever the slices: TransformationPlan::Apply treats each row by itself.
Result<std::shared_ptr<arrow::Table>> Transform(const TransformationPlan& plan,
                                                const std::shared_ptr<arrow::Table>& features) {
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

}  // namespace

Result<std::vector<RawPart>> DivideRows(const ViewPlan& plan, const SplitDefinition& split,
                                        int64_t seed, const ViewRows& rows) {
  ARROW_ASSIGN_OR_RAISE(const auto features, Select(*plan.feature_schema(), *rows.columns));
  ARROW_ASSIGN_OR_RAISE(const auto labels, Select(*plan.label_schema(), *rows.columns));
  ARROW_ASSIGN_OR_RAISE(const auto helpers, Select(*plan.helper_schema(), *rows.columns));
  ARROW_ASSIGN_OR_RAISE(const auto keys, KeysOf(rows));
  ARROW_ASSIGN_OR_RAISE(const auto indices,
                        SplitRows(split, seed, rows.columns->num_rows(), rows.event_time));
  const std::vector<std::string> names = split.PartNames();
  std::vector<RawPart> parts(names.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    parts[i].name = names[i];
    ARROW_ASSIGN_OR_RAISE(parts[i].features, TakeRows(features, *indices[i]));
    ARROW_ASSIGN_OR_RAISE(parts[i].labels, TakeRows(labels, *indices[i]));
    ARROW_ASSIGN_OR_RAISE(parts[i].helpers, TakeRows(helpers, *indices[i]));
    ARROW_ASSIGN_OR_RAISE(parts[i].keys, TakeRows(keys, *indices[i]));
  }
  return parts;
}

const RawPart& FittingPart(const std::vector<RawPart>& parts) {
  for (const RawPart& part : parts) {
    if (part.name == "train") return part;
  }
  return parts.front();
}

Result<std::vector<FittedTransformation>> FitAll(
    const std::vector<TransformationDefinition>& transformations, const RawPart& part) {
  std::vector<FittedTransformation> fitted;
  if (!transformations.empty() && part.features->num_rows() == 0) {
    return Status::Invalid("part '", part.name, "' has no rows to fit transformations on; ",
                           "choose another range of time or another split");
  }
  std::shared_ptr<arrow::Table> features = part.features;
  for (const TransformationDefinition& definition : transformations) {
    if (!fitted.empty()) {
      ARROW_ASSIGN_OR_RAISE(const auto step,
                            TransformationPlan::Make({fitted.back()}, features->schema()));
      ARROW_ASSIGN_OR_RAISE(features, Transform(*step, features));
    }
    ARROW_ASSIGN_OR_RAISE(
        FittedTransformation one,
        FitTransformation(definition.kind, definition.columns, definition.options, *features));
    fitted.push_back(std::move(one));
  }
  return fitted;
}

Result<std::vector<TrainingPart>> FinishParts(const std::vector<RawPart>& parts,
                                              const std::vector<FittedTransformation>& fitted) {
  ARROW_ASSIGN_OR_RAISE(const auto plan,
                        TransformationPlan::Make(fitted, parts.front().features->schema()));
  std::vector<TrainingPart> finished(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    const RawPart& raw = parts[i];
    std::shared_ptr<arrow::Table> features = raw.features;
    if (!fitted.empty()) {
      ARROW_ASSIGN_OR_RAISE(features, Transform(*plan, features));
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
