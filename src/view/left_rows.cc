#include "view/left_rows.h"

#include <algorithm>

#include <arrow/array/concatenate.h>
#include <arrow/compute/api_vector.h>

#include "base/add_once.h"
#include "base/name.h"
#include "base/parallel.h"
#include "compute/sort_key.h"
#include "view/event_time.h"
#include "view/join_key.h"
#include "view/known_join.h"
#include "view/root_rows.h"

namespace tercet {
namespace {

template <typename T>
bool Contains(const std::vector<T>& values, const T& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

struct Needs {
  std::vector<std::string> must;  ///< root columns without which there is no answer
  std::vector<std::string> may;   ///< of labels and helper columns only
};

/// Root columns that a read of the view is made of, less the event time.
Needs NeedsOf(const ViewPlan& plan) {
  Needs needs;
  const FeatureGroupDefinition& root = plan.groups()[0].definition;
  const auto is_root = [&](const std::string& name) {
    return name != root.event_time && root.schema->GetFieldByName(name) != nullptr;
  };
  for (size_t g = 1; g < plan.groups().size(); ++g) {
    if (plan.groups()[g].from > 0) continue;
    for (const std::string& key : plan.groups()[g].left_keys) {
      if (is_root(key)) AddOnce(&needs.must, key);
    }
  }
  for (const LeftColumn& column : plan.left_columns()) {
    if (is_root(column.column)) AddOnce(&needs.must, column.column);
  }
  for (const ViewColumn& column : plan.columns()) {
    if (column.group != 0 || !is_root(column.feature)) continue;
    const bool feature = plan.feature_schema()->GetFieldByName(column.name) != nullptr;
    AddOnce(feature ? &needs.must : &needs.may, column.feature);
  }
  return needs;
}

Result<std::shared_ptr<arrow::Int64Array>> TimesOf(const arrow::ChunkedArray& column) {
  arrow::ArrayVector chunks;
  for (const auto& chunk : column.chunks()) {
    ARROW_ASSIGN_OR_RAISE(auto times, EventTimeMicros(*chunk));
    chunks.push_back(std::move(times));
  }
  if (chunks.empty()) {
    ARROW_ASSIGN_OR_RAISE(auto empty, arrow::MakeEmptyArray(arrow::int64()));
    return std::static_pointer_cast<arrow::Int64Array>(empty);
  }
  if (chunks.size() == 1) return std::static_pointer_cast<arrow::Int64Array>(chunks[0]);
  ARROW_ASSIGN_OR_RAISE(auto times, arrow::Concatenate(chunks));
  return std::static_pointer_cast<arrow::Int64Array>(times);
}

/// The spine's own event time column's name, empty when it has none.
std::string TimeColumn(const ViewPlan& plan, const arrow::Schema& spine) {
  const std::string& root_time = plan.groups()[0].definition.event_time;
  if (!root_time.empty() && spine.GetFieldByName(root_time) != nullptr) return root_time;
  if (spine.GetFieldByName(kEventTime) != nullptr) return kEventTime;
  return "";
}

/// What a spine calls a root column: by its name in the view, else in the group.
std::string SpineName(const ViewPlan& plan, const arrow::Schema& spine, const std::string& column) {
  for (const ViewColumn& view_column : plan.columns()) {
    if (view_column.group == 0 && view_column.feature == column &&
        spine.GetFieldByName(view_column.name) != nullptr) {
      return view_column.name;
    }
  }
  return spine.GetFieldByName(column) != nullptr ? column : "";
}

Status CheckSpineTimes(const arrow::Int64Array& times_us) {
  if (times_us.null_count() == 0) return Status::OK();
  int64_t row = 0;
  while (times_us.IsValid(row)) ++row;
  return Status::Invalid("spine row ", row, " has no event time");
}

Status CheckNamesOnce(const arrow::Schema& spine) {
  for (const std::string& name : spine.field_names()) {
    if (spine.GetFieldByName(name) == nullptr) {
      return Status::Invalid("the spine has two columns '", name, "'");
    }
  }
  return Status::OK();
}

Result<std::shared_ptr<arrow::Table>> InRange(const std::shared_ptr<arrow::Table>& spine,
                                              std::shared_ptr<arrow::Int64Array>* times_us,
                                              const ViewReadOptions& options) {
  if (*times_us == nullptr || (!options.start_us && !options.end_us)) return spine;
  arrow::BooleanBuilder keep;
  for (int64_t i = 0; i < spine->num_rows(); ++i) {
    const int64_t time = (*times_us)->Value(i);
    ARROW_RETURN_NOT_OK(keep.Append((!options.start_us || time >= *options.start_us) &&
                                    (!options.end_us || time < *options.end_us)));
  }
  ARROW_ASSIGN_OR_RAISE(const auto mask, keep.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto times, arrow::compute::Filter(*times_us, mask));
  *times_us = std::static_pointer_cast<arrow::Int64Array>(times.make_array());
  ARROW_ASSIGN_OR_RAISE(const auto kept, arrow::compute::Filter(spine, mask));
  return kept.table();
}

/// Looks up `missing` root columns by the spine's primary key columns.
Status LookUp(const ViewPlan& plan, const std::vector<std::string>& missing,
              ViewSnapshots* snapshots, const ViewReadOptions& options, LeftRows* left) {
  const ViewGroup& root = plan.groups()[0];
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector keys;
  for (const std::string& key : root.definition.primary_key) {
    keys.push_back(left->columns.at(key));
    fields.push_back(arrow::field(key, keys.back()->type()));
  }
  const auto left_keys = arrow::Table::Make(arrow::schema(fields), keys, left->rows);
  JoinAnswer answer;
  if (options.known_at) {
    ARROW_ASSIGN_OR_RAISE(answer,
                          JoinAsKnown(snapshots, root.definition, missing, left_keys,
                                      left->times_us, left->times_us, root.ttl_us, options));
  } else {
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, snapshots->Get(root.definition));
    ARROW_ASSIGN_OR_RAISE(answer, JoinAsOf(snapshot.get(), missing, left_keys, left->times_us,
                                           root.ttl_us, options));
  }
  for (size_t i = 0; i < missing.size(); ++i) {
    left->columns[missing[i]] = answer.rows->column(static_cast<int>(i));
  }
  return Status::OK();
}

}  // namespace

Result<ScanOptions> RootScan(const ViewPlan& plan, const ViewReadOptions& options) {
  const FeatureGroupDefinition& root = plan.groups()[0].definition;
  for (const auto& [name, type] : plan.definition().request_parameters) {
    if (root.schema->GetFieldByName(name) == nullptr) {
      return Status::Invalid("request parameter '", name, "' is no column of the root group '",
                             root.ref().ToText(), "': read the view with a spine that has it");
    }
  }
  const Needs needs = NeedsOf(plan);
  ScanOptions scan{
      .columns = root.primary_key, .start_us = options.start_us, .end_us = options.end_us};
  for (const std::string& name : needs.must) AddOnce(&scan.columns, name);
  for (const std::string& name : needs.may) AddOnce(&scan.columns, name);
  for (const auto& parameter : plan.definition().request_parameters) {
    AddOnce(&scan.columns, parameter.first);
  }
  if (!root.event_time.empty()) AddOnce(&scan.columns, root.event_time);
  return scan;
}

Result<LeftRows> RootRows(const ViewPlan& plan, const std::shared_ptr<arrow::Table>& table) {
  const FeatureGroupDefinition& root = plan.groups()[0].definition;
  LeftRows left;
  left.rows = table->num_rows();
  for (int i = 0; i < table->num_columns(); ++i) {
    left.columns[table->field(i)->name()] = table->column(i);
  }
  for (const auto& [name, text] : plan.definition().request_parameters) {
    ARROW_ASSIGN_OR_RAISE(const auto type, TypeFromText(text));
    ARROW_ASSIGN_OR_RAISE(left.columns[name], CastColumn(name, left.columns[name], type));
  }
  if (!root.event_time.empty()) {
    ARROW_ASSIGN_OR_RAISE(left.times_us, TimesOf(*left.columns[root.event_time]));
  }
  return left;
}

Result<LeftRows> ReadRoot(const ViewPlan& plan, ViewSnapshots* snapshots,
                          const ViewReadOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const ScanOptions scan, RootScan(plan, options));
  ARROW_ASSIGN_OR_RAISE(const auto snapshot, snapshots->Get(plan.groups()[0].definition));
  ARROW_ASSIGN_OR_RAISE(const auto table, ReadAllRows(snapshot.get(), scan));
  return RootRows(plan, table);
}

Result<SpineColumns> ResolveSpine(const ViewPlan& plan, const arrow::Schema& spine) {
  const FeatureGroupDefinition& root = plan.groups()[0].definition;
  ARROW_RETURN_NOT_OK(CheckNamesOnce(spine));
  SpineColumns columns{.time = TimeColumn(plan, spine)};
  if (columns.time.empty() && !root.event_time.empty()) {
    return Status::Invalid("the spine has no event time: neither a column '", root.event_time,
                           "' nor '", kEventTime, "'",
                           Suggest(root.event_time, spine.field_names()));
  }
  const Needs needs = NeedsOf(plan);
  std::vector<std::string> wanted = root.primary_key;
  for (const std::string& name : needs.must) AddOnce(&wanted, name);
  for (const std::string& name : needs.may) AddOnce(&wanted, name);
  std::vector<std::string> missing;
  for (const std::string& name : wanted) {
    if (name == root.event_time) continue;
    std::string in_spine = SpineName(plan, spine, name);
    if (in_spine.empty()) {
      missing.push_back(name);
    } else {
      columns.given[name] = std::move(in_spine);
    }
  }
  for (const auto& parameter : plan.definition().request_parameters) {
    if (spine.GetFieldByName(parameter.first) != nullptr) continue;
    return Status::Invalid("the spine has no column '", parameter.first, "', a request parameter",
                           Suggest(parameter.first, spine.field_names()));
  }
  const bool has_key =
      std::none_of(root.primary_key.begin(), root.primary_key.end(),
                   [&](const std::string& key) { return Contains(missing, key); });
  for (const std::string& name : missing) {
    if (has_key) {
      columns.look_up.push_back(name);
    } else if (Contains(needs.must, name)) {
      return Status::Invalid("the spine has no column '", name,
                             "', nor all of the primary key of '", root.ref().ToText(),
                             "' to look it up by", Suggest(name, spine.field_names()));
    } else if (Contains(needs.may, name)) {
      columns.unknown.push_back(name);
    }  // else a primary key column that nothing needs
  }
  return columns;
}

Result<LeftRows> ReadSpine(const ViewPlan& plan, ViewSnapshots* snapshots,
                           const ViewReadOptions& options) {
  const FeatureGroupDefinition& root = plan.groups()[0].definition;
  ARROW_ASSIGN_OR_RAISE(const SpineColumns columns, ResolveSpine(plan, *options.spine->schema()));
  LeftRows left;
  if (!columns.time.empty()) {
    auto times = TimesOf(*options.spine->GetColumnByName(columns.time));
    if (!times.ok()) return Explain(times.status(), "spine column '" + columns.time + "'");
    left.times_us = std::move(times).ValueUnsafe();
    ARROW_RETURN_NOT_OK(CheckSpineTimes(*left.times_us));
  }
  ARROW_ASSIGN_OR_RAISE(const auto spine, InRange(options.spine, &left.times_us, options));
  left.rows = spine->num_rows();
  for (const auto& [name, in_spine] : columns.given) {
    ARROW_ASSIGN_OR_RAISE(left.columns[name],
                          CastColumn(in_spine, spine->GetColumnByName(in_spine),
                                     root.schema->GetFieldByName(name)->type()));
  }
  for (const auto& [name, text] : plan.definition().request_parameters) {
    ARROW_ASSIGN_OR_RAISE(const auto type, TypeFromText(text));
    ARROW_ASSIGN_OR_RAISE(left.columns[name],
                          CastColumn(name, spine->GetColumnByName(name), type));
  }
  if (!root.event_time.empty()) {
    ARROW_ASSIGN_OR_RAISE(
        auto times,
        EventTimeAs(*left.times_us, root.schema->GetFieldByName(root.event_time)->type()));
    left.columns[root.event_time] = std::make_shared<arrow::ChunkedArray>(std::move(times));
  }
  for (const std::string& name : columns.unknown) {
    ARROW_ASSIGN_OR_RAISE(
        auto nulls, arrow::MakeArrayOfNull(root.schema->GetFieldByName(name)->type(), left.rows));
    left.columns[name] = std::make_shared<arrow::ChunkedArray>(std::move(nulls));
  }
  if (!columns.look_up.empty()) {
    ARROW_RETURN_NOT_OK(LookUp(plan, columns.look_up, snapshots, options, &left));
  }
  return left;
}

}  // namespace tercet
