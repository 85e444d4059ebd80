#include "view/view_rows.h"

#include <algorithm>

#include <arrow/compute/api_vector.h>

#include "base/parallel.h"
#include "view/join_key.h"

namespace tercet {
namespace {

constexpr int64_t kSliceRows = 65536;

/// A read under way: the columns that are there so far, by their names in Evaluate's rows.
class ViewRead {
 public:
  ViewRead(const ViewPlan& plan, ViewSnapshots* snapshots, const ViewReadOptions& options,
           LeftRows left)
      : plan_(plan), options_(options), snapshots_(snapshots), left_(std::move(left)) {}

  Result<ViewRows> Run() {
    AddLeftColumns();
    for (int g = 1; g < static_cast<int>(plan_.groups().size()); ++g) {
      ARROW_RETURN_NOT_OK(Join(g));
    }
    ARROW_RETURN_NOT_OK(Evaluate());
    ViewRows rows;
    rows.columns = TableOf(columns_);
    rows.keys = KeyColumns();
    rows.event_time = event_time_;
    rows.pins = snapshots_->pins();
    ARROW_RETURN_NOT_OK(DropRows(&rows));
    return rows;
  }

 private:
  struct Named {
    std::string name;
    std::shared_ptr<arrow::ChunkedArray> values;
  };

  /// The options with progress scaled to step `step` of a step each group.
  ViewReadOptions StepOptions(int step) const {
    ViewReadOptions options = options_;
    options.spine = nullptr;
    if (options.progress) {
      const double steps = static_cast<double>(plan_.groups().size());
      options.progress = [this, step, steps](double fraction) {
        options_.progress((step + fraction) / steps);
      };
    }
    return options;
  }

  std::shared_ptr<arrow::Table> TableOf(const std::vector<Named>& columns) const {
    arrow::FieldVector fields;
    arrow::ChunkedArrayVector values;
    for (const Named& column : columns) {
      fields.push_back(arrow::field(column.name, column.values->type()));
      values.push_back(column.values);
    }
    return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(values), left_.rows);
  }

  void AddLeftColumns() {
    if (left_.times_us != nullptr) {
      event_time_ = std::make_shared<arrow::ChunkedArray>(arrow::MakeArray(
          arrow::ArrayData::Make(EventTimeType(), left_.rows, left_.times_us->data()->buffers,
                                 left_.times_us->null_count(), left_.times_us->offset())));
    }
    for (const ViewColumn& column : plan_.columns()) {
      if (column.group == 0) rows_.push_back({column.name, left_.columns.at(column.feature)});
    }
    for (const auto& parameter : plan_.definition().request_parameters) {
      rows_.push_back({parameter.first, left_.columns.at(parameter.first)});
    }
    for (const LeftColumn& column : plan_.left_columns()) {
      rows_.push_back({column.name, left_.columns.at(column.column)});
    }
  }

  Status Join(int g) {
    const ViewGroup& group = plan_.groups()[static_cast<size_t>(g)];
    const FeatureGroupDefinition& definition = group.definition;
    arrow::FieldVector fields;
    arrow::ChunkedArrayVector keys;
    for (size_t k = 0; k < group.left_keys.size(); ++k) {
      const auto type = definition.schema->GetFieldByName(definition.primary_key[k])->type();
      ARROW_ASSIGN_OR_RAISE(
          keys.emplace_back(),
          CastColumn(group.left_keys[k], left_.columns.at(group.left_keys[k]), type));
      fields.push_back(arrow::field(definition.primary_key[k], type));
    }
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, snapshots_->Get(definition));
    const auto left = arrow::Table::Make(arrow::schema(fields), keys, left_.rows);
    const auto joined = [&]() -> Result<JoinAnswer> {
      ARROW_ASSIGN_OR_RAISE(const auto order, OrderOf(g, *snapshot, *left));
      return JoinAsOf(snapshot.get(), group.features, *order, left_.rows, group.ttl_us,
                      StepOptions(g));
    };
    auto answer = joined();
    if (!answer.ok()) {
      return Explain(answer.status(), "joining feature group '" + definition.ref().ToText() + "'");
    }
    for (const ViewColumn& column : plan_.columns()) {
      if (column.group != g) continue;
      rows_.push_back({column.name, answer->rows->GetColumnByName(column.feature)});
    }
    if (group.type == JoinType::kInner) found_.push_back(answer->found);
    return Status::OK();
  }

  /// The left rows in the order of their keys for group g: sorted once for all groups that are
  /// joined by the same left columns, and let go after the last of them.
  Result<std::shared_ptr<const AsOfLeft>> OrderOf(int g, const Snapshot& snapshot,
                                                  const arrow::Table& keys) {
    std::string types;
    for (const auto& field : keys.schema()->fields()) types += field->type()->ToString() + ",";
    const auto& groups = plan_.groups();
    const std::vector<std::string>& columns = groups[static_cast<size_t>(g)].left_keys;
    std::shared_ptr<const AsOfLeft> order;
    const auto found = orders_.find({columns, types});
    if (found == orders_.end()) {
      ARROW_ASSIGN_OR_RAISE(order, OrderLeft(snapshot, keys, left_.times_us));
    } else {
      ARROW_RETURN_NOT_OK(CheckLeftKeys(snapshot, keys));
      order = found->second;
    }
    const bool again = std::any_of(groups.begin() + g + 1, groups.end(),
                                   [&](const auto& later) { return later.left_keys == columns; });
    if (!again) {
      orders_.erase({columns, types});
    } else {
      orders_[{columns, types}] = order;
    }
    return order;
  }

  /// On-demand features and the filter, slice by slice.
  Status Evaluate() {
    const bool has_filter = !plan_.definition().filter.empty();
    const bool has_on_demand = !plan_.definition().on_demand.empty();
    std::map<std::string, std::shared_ptr<arrow::ChunkedArray>> by_name;
    for (const Named& column : rows_) by_name.try_emplace(column.name, column.values);
    std::vector<int> computed;
    for (size_t i = 0; i < plan_.columns().size(); ++i) {
      if (!by_name.contains(plan_.columns()[i].name)) computed.push_back(static_cast<int>(i));
    }
    std::vector<arrow::ArrayVector> chunks(computed.size());
    if (has_filter || has_on_demand) {
      std::vector<Named> inputs = rows_;
      if (event_time_ == nullptr) {
        ARROW_ASSIGN_OR_RAISE(auto nulls, arrow::MakeArrayOfNull(EventTimeType(), left_.rows));
        inputs.push_back({kEventTime, std::make_shared<arrow::ChunkedArray>(std::move(nulls))});
      } else {
        inputs.push_back({kEventTime, event_time_});
      }
      const auto table = TableOf(inputs);
      const int64_t slices = std::max<int64_t>((left_.rows + kSliceRows - 1) / kSliceRows, 1);
      for (auto& column : chunks) column.resize(static_cast<size_t>(slices));
      kept_.resize(has_filter ? static_cast<size_t>(slices) : 0);
      ARROW_RETURN_NOT_OK(ParallelFor(slices, [&](int64_t s) -> Status {
        const auto slice = static_cast<size_t>(s);
        ARROW_ASSIGN_OR_RAISE(const auto rows,
                              table->Slice(s * kSliceRows, kSliceRows)->CombineChunksToBatch());
        ARROW_ASSIGN_OR_RAISE(const auto columns, plan_.Evaluate(rows));
        for (size_t c = 0; c < computed.size(); ++c)
          chunks[c][slice] = columns->column(computed[c]);
        if (!has_filter) return Status::OK();
        return plan_.EvaluateFilter(rows, columns).Value(&kept_[slice]);
      }));
    }
    size_t next = 0;
    for (const ViewColumn& column : plan_.columns()) {
      const auto found = by_name.find(column.name);
      columns_.push_back(
          {column.name, found != by_name.end()
                            ? found->second
                            : std::make_shared<arrow::ChunkedArray>(chunks[next++], column.type)});
    }
    return Status::OK();
  }

  /// The root's primary key as far as the left side has it, then the join keys.
  std::shared_ptr<arrow::Table> KeyColumns() const {
    std::vector<std::string> names = plan_.groups()[0].definition.primary_key;
    for (const ViewGroup& group : plan_.groups()) {
      for (const std::string& name : group.left_keys) {
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
      }
    }
    std::vector<Named> keys;
    for (const std::string& name : names) {
      const auto column = left_.columns.find(name);
      if (column != left_.columns.end()) keys.push_back({name, column->second});
    }
    return TableOf(keys);
  }

  /// Leaves out rows that an inner join did not find, or for which the filter is not true.
  Status DropRows(ViewRows* rows) const {
    if (found_.empty() && kept_.empty()) return Status::OK();
    arrow::BooleanBuilder mask;
    ARROW_RETURN_NOT_OK(mask.Reserve(left_.rows));
    for (int64_t i = 0; i < left_.rows; ++i) {
      bool keep = std::all_of(found_.begin(), found_.end(),
                              [&](const auto& found) { return found->Value(i); });
      if (keep && !kept_.empty()) {
        const auto& slice =
            static_cast<const arrow::BooleanArray&>(*kept_[static_cast<size_t>(i / kSliceRows)]);
        keep = slice.IsValid(i % kSliceRows) && slice.Value(i % kSliceRows);
      }
      mask.UnsafeAppend(keep);
    }
    ARROW_ASSIGN_OR_RAISE(const auto built, mask.Finish());
    ARROW_ASSIGN_OR_RAISE(const auto columns, arrow::compute::Filter(rows->columns, built));
    rows->columns = columns.table();
    ARROW_ASSIGN_OR_RAISE(const auto keys, arrow::compute::Filter(rows->keys, built));
    rows->keys = keys.table();
    if (rows->event_time == nullptr) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto times, arrow::compute::Filter(rows->event_time, built));
    rows->event_time = times.chunked_array();
    return Status::OK();
  }

  const ViewPlan& plan_;
  const ViewReadOptions& options_;
  ViewSnapshots* const snapshots_;
  const LeftRows left_;
  /// By left columns and the types that they were cast to.
  std::map<std::pair<std::vector<std::string>, std::string>, std::shared_ptr<const AsOfLeft>>
      orders_;
  std::shared_ptr<arrow::ChunkedArray> event_time_;
  std::vector<Named> rows_;                                  // Evaluate's rows less the event time
  std::vector<Named> columns_;                               // the view's
  std::vector<std::shared_ptr<arrow::BooleanArray>> found_;  // of inner joins
  std::vector<std::shared_ptr<arrow::Array>> kept_;          // the filter, a slice each
};

}  // namespace

Result<ViewRows> RowsOf(const ViewPlan& plan, ViewSnapshots* snapshots,
                        const ViewReadOptions& options, LeftRows left) {
  InitializeArrow();
  return ViewRead(plan, snapshots, options, std::move(left)).Run();
}

}  // namespace tercet
