#include "training/part_maker.h"

#include <algorithm>

#include <arrow/builder.h>

#include "base/parallel.h"
#include "training/canonical_table.h"
#include "training/cross_fit.h"
#include "training/row_split.h"

namespace tercet {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

/// Rows that are transformed at once, by one thread.
constexpr int64_t kSliceRows = 65536;
/// Rows of a table on disk that are looked at at once to take some of them.
constexpr int64_t kMostRange = 8 * kStoredRows;

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

/// TakeRows, range by range where the table is on disk.
Result<TablePtr> StoreRows(const TableStore& store, const TablePtr& table,
                           const arrow::Int64Array& indices) {
  const int64_t count = indices.length();
  const bool together =
      count == 0 || indices.Value(count - 1) - indices.Value(0) + 1 == count;
  if (!store.spills() || together || table->num_columns() == 0) return TakeRows(table, indices);
  ARROW_ASSIGN_OR_RAISE(const auto scratch, ScratchTable::Make(store.folder(), table->schema()));
  for (int64_t begin = 0; begin < count;) {
    const int64_t first = indices.Value(begin);
    int64_t end = std::min(begin + kStoredRows, count);
    while (indices.Value(end - 1) - first >= kMostRange) end = begin + (end - begin + 1) / 2;
    const TablePtr range = table->Slice(first, indices.Value(end - 1) - first + 1);
    arrow::Int64Builder builder;
    ARROW_RETURN_NOT_OK(builder.Reserve(end - begin));
    for (int64_t i = begin; i < end; ++i) builder.UnsafeAppend(indices.Value(i) - first);
    std::shared_ptr<arrow::Int64Array> places;
    ARROW_RETURN_NOT_OK(builder.Finish(&places));
    ARROW_ASSIGN_OR_RAISE(const TablePtr rows, TakeRows(range, *places));
    ARROW_RETURN_NOT_OK(scratch->Append(*rows));
    begin = end;
  }
  return scratch->Finish();
}

Result<RawPart> TakePart(const RawPart& whole, const std::string& name,
                         const arrow::Int64Array& indices, const TableStore& store) {
  RawPart part;
  part.name = name;
  ARROW_ASSIGN_OR_RAISE(part.features, StoreRows(store, whole.features, indices));
  ARROW_ASSIGN_OR_RAISE(part.labels, StoreRows(store, whole.labels, indices));
  ARROW_ASSIGN_OR_RAISE(part.helpers, StoreRows(store, whole.helpers, indices));
  ARROW_ASSIGN_OR_RAISE(part.keys, StoreRows(store, whole.keys, indices));
  return part;
}

/// The plan's answer, where the store has it.
Result<TablePtr> StoreTransformed(const TableStore& store, const TransformationPlan& plan,
                                  const TablePtr& features) {
  if (!store.spills()) return TransformTable(plan, features);
  return StoreSlices(store, features,
                     [&](const TablePtr& slice) { return TransformTable(plan, slice); });
}

Result<TablePtr> StoreCanonical(const TableStore& store, const TablePtr& table) {
  if (!store.spills() || table->num_columns() == 0) return CanonicalTable(*table);
  return StoreSlices(store, table, [](const TablePtr& slice) { return CanonicalTable(*slice); });
}

}  // namespace

TransformationDefinition DefinitionOf(const FittedTransformation& fitted) {
  return {.kind = fitted.kind, .columns = fitted.columns, .options = fitted.options};
}

Result<TablePtr> TransformFitted(const FittedTransformation& fitted, const TablePtr& features,
                                 const TablePtr& labels, int64_t seed, const TableStore& store) {
  ARROW_ASSIGN_OR_RAISE(const bool supervised, IsSupervised(fitted.kind));
  if (supervised) return CrossFit(DefinitionOf(fitted), features, labels, seed);
  ARROW_ASSIGN_OR_RAISE(const auto step, TransformationPlan::Make({fitted}, features->schema()));
  return StoreTransformed(store, *step, features);
}

Result<bool> AnySupervised(const std::vector<FittedTransformation>& fitted) {
  for (const FittedTransformation& one : fitted) {
    ARROW_ASSIGN_OR_RAISE(const bool supervised, IsSupervised(one.kind));
    if (supervised) return true;
  }
  return false;
}

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

Result<DividedRows> DivideRows(const ViewPlan& plan, const SplitDefinition& split, int64_t seed,
                               const ViewRows& rows, const TableStore& store) {
  ARROW_ASSIGN_OR_RAISE(const RawPart whole, WholePart(plan, rows));
  DividedRows divided;
  ARROW_ASSIGN_OR_RAISE(divided.rows, SplitRows(split, seed, rows.columns->num_rows(),
                                                ColumnsOf(split, whole, rows)));
  const std::vector<std::string> names = split.PartNames();
  for (size_t i = 0; i < names.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(divided.parts.emplace_back(),
                          TakePart(whole, names[i], *divided.rows[i], store));
  }
  return divided;
}

Result<DividedRows> DivideFold(const ViewPlan& plan, const SplitDefinition& split, int64_t seed,
                               const ViewRows& rows, int64_t fold, const TableStore& store) {
  ARROW_ASSIGN_OR_RAISE(const RawPart whole, WholePart(plan, rows));
  ARROW_ASSIGN_OR_RAISE(const FoldRows indices,
                        RowsOfFold(split, seed, rows.columns->num_rows(),
                                   ColumnsOf(split, whole, rows), fold));
  DividedRows divided{.parts = std::vector<RawPart>(2), .rows = {indices.train, indices.test}};
  ARROW_ASSIGN_OR_RAISE(divided.parts[0], TakePart(whole, "train", *indices.train, store));
  ARROW_ASSIGN_OR_RAISE(divided.parts[1], TakePart(whole, "test", *indices.test, store));
  return divided;
}

size_t FittingPart(const std::vector<RawPart>& parts) {
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].name == "train") return i;
  }
  return 0;
}

Result<std::vector<FittedTransformation>> FitAll(
    const std::vector<TransformationDefinition>& transformations, const RawPart& part,
    int64_t seed, const TableStore& store) {
  std::vector<FittedTransformation> fitted;
  if (!transformations.empty() && part.features->num_rows() == 0) {
    return Status::Invalid("part '", part.name, "' has no rows to fit transformations on; ",
                           "choose another range of time or another split");
  }
  TablePtr features = part.features;
  size_t applied = 0;  // of `fitted`
  // What those that are not applied yet do to other columns is nothing to this one.
  const auto waits = [&](const std::string& column) {
    if (features->schema()->GetFieldIndex(column) < 0) return true;
    return std::any_of(fitted.begin() + static_cast<std::ptrdiff_t>(applied), fitted.end(),
                       [&](const FittedTransformation& one) {
                         return std::find(one.columns.begin(), one.columns.end(), column) !=
                                one.columns.end();
                       });
  };
  for (const TransformationDefinition& definition : transformations) {
    if (std::any_of(definition.columns.begin(), definition.columns.end(), waits)) {
      for (; applied < fitted.size(); ++applied) {
        ARROW_ASSIGN_OR_RAISE(features, TransformFitted(fitted[applied], features, part.labels,
                                                        seed, store));
      }
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
                                              const RawPart* fitting, int64_t seed,
                                              const TableStore& store) {
  ARROW_ASSIGN_OR_RAISE(const bool supervised, AnySupervised(fitted));
  ARROW_ASSIGN_OR_RAISE(const auto plan,
                        TransformationPlan::Make(fitted, parts.front().features->schema()));
  std::vector<TrainingPart> finished(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    const RawPart& raw = parts[i];
    TablePtr features = raw.features;
    if (supervised && &raw == fitting) {
      for (const FittedTransformation& one : fitted) {
        ARROW_ASSIGN_OR_RAISE(features, TransformFitted(one, features, raw.labels, seed, store));
      }
    } else if (!fitted.empty()) {
      ARROW_ASSIGN_OR_RAISE(features, StoreTransformed(store, *plan, features));
    }
    finished[i].name = raw.name;
    ARROW_ASSIGN_OR_RAISE(finished[i].features, StoreCanonical(store, features));
    ARROW_ASSIGN_OR_RAISE(finished[i].labels, StoreCanonical(store, raw.labels));
    ARROW_ASSIGN_OR_RAISE(finished[i].helpers, StoreCanonical(store, raw.helpers));
    ARROW_ASSIGN_OR_RAISE(finished[i].keys, StoreCanonical(store, raw.keys));
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
