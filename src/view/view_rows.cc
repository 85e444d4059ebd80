#include "view/view_rows.h"

#include <algorithm>
#include <utility>

#include <arrow/array/util.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/api_vector.h>

#include "base/parallel.h"
#include "view/join_key.h"
#include "view/known_join.h"

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
    if (group.horizon_us && !options_.labels_to_come) return AddUnknown(g);
    ARROW_ASSIGN_OR_RAISE(const auto keys, KeysOf(group));
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, snapshots_->Get(definition));
    std::vector<std::string> columns = group.features;
    columns.insert(columns.end(), group.keys_given.begin(), group.keys_given.end());
    const auto joined = [&]() -> Result<JoinAnswer> {
      if (options_.known_at && !group.horizon_us) {
        ARROW_ASSIGN_OR_RAISE(const auto times_us, TimesOf(group));
        return JoinAsKnown(snapshots_, definition, columns, keys, left_.times_us, times_us,
                           group.TtlOf(), StepOptions(g));
      }
      ARROW_ASSIGN_OR_RAISE(const auto order, OrderOf(g, *snapshot, *keys));
      return JoinAsOf(snapshot.get(), columns, *order, *keys, group.TtlOf(), StepOptions(g));
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
    return GiveKeys(g, *keys, *answer);
  }

  /// Labels to come, where predictions are made.
  Status AddUnknown(int g) {
    for (const ViewColumn& column : plan_.columns()) {
      if (column.group != g) continue;
      ARROW_ASSIGN_OR_RAISE(auto nulls, arrow::MakeArrayOfNull(column.type, left_.rows));
      rows_.push_back({column.name, std::make_shared<arrow::ChunkedArray>(std::move(nulls))});
    }
    return Status::OK();
  }

  /// The columns of the left side that are the group's primary key, of its types.
  Result<std::shared_ptr<arrow::Table>> KeysOf(const ViewGroup& group) const {
    arrow::ChunkedArrayVector keys;
    for (size_t k = 0; k < group.left_keys.size(); ++k) {
      const std::string& name = group.left_keys[k];
      const auto& values =
          group.from == 0 ? left_.columns.at(name) : given_.at({group.from, name});
      ARROW_ASSIGN_OR_RAISE(
          keys.emplace_back(),
          CastColumn(name, values, group.key_schema->field(static_cast<int>(k))->type()));
    }
    return arrow::Table::Make(group.key_schema, std::move(keys), left_.rows);
  }

  /// Keeps what the rows of group g say for the joins that come from it, and lets go of what no
  /// later join needs.
  Status GiveKeys(int g, const arrow::Table& keys, const JoinAnswer& answer) {
    const auto& groups = plan_.groups();
    const std::vector<std::string>& primary_key =
        groups[static_cast<size_t>(g)].definition.primary_key;
    for (const ViewGroup& other : groups) {
      if (other.from != g) continue;
      for (const std::string& name : other.left_keys) {
        auto values = answer.rows->GetColumnByName(name);
        const auto key = std::find(primary_key.begin(), primary_key.end(), name);
        if (key != primary_key.end()) {
          // Where there is no row its key is not known either, whatever it was looked for by.
          const auto& of_left = keys.column(static_cast<int>(key - primary_key.begin()));
          ARROW_ASSIGN_OR_RAISE(
              const arrow::Datum known,
              arrow::compute::IfElse(answer.found, of_left,
                                     arrow::MakeNullScalar(of_left->type())));
          values = known.is_chunked_array()
                       ? known.chunked_array()
                       : std::make_shared<arrow::ChunkedArray>(known.make_array());
        }
        given_[{g, name}] = std::move(values);
      }
    }
    std::erase_if(given_, [&](const auto& given) {
      return std::none_of(groups.begin() + g + 1, groups.end(), [&](const ViewGroup& later) {
        return later.from == given.first.first;
      });
    });
    return Status::OK();
  }

  /// As of which times the left rows see the group; null where nothing is to be seen.
  Result<std::shared_ptr<arrow::Int64Array>> TimesOf(const ViewGroup& group) const {
    if (!group.moved()) return left_.times_us;
    if (left_.times_us == nullptr) {
      return Status::Invalid("the left rows have no event time that its ",
                             group.horizon_us ? "horizon" : "lag",
                             " could be counted from; read the view with a spine that has one");
    }
    std::optional<int64_t> known_until_us;
    if (group.horizon_us) {
      ARROW_ASSIGN_OR_RAISE(known_until_us, snapshots_->NewestTime(group.definition));
    }
    arrow::Int64Builder times;
    ARROW_RETURN_NOT_OK(times.Reserve(left_.rows));
    for (int64_t i = 0; i < left_.rows; ++i) {
      std::optional<int64_t> time_us;
      if (left_.times_us->IsValid(i)) time_us = group.TimeOf(left_.times_us->Value(i));
      const bool known = time_us && (!group.horizon_us || (known_until_us &&
                                                            *time_us <= *known_until_us));
      known ? times.UnsafeAppend(*time_us) : times.UnsafeAppendNull();
    }
    ARROW_ASSIGN_OR_RAISE(auto array, times.Finish());
    return std::static_pointer_cast<arrow::Int64Array>(array);
  }

  /// Whether the left rows have one order for both groups, if the keys have the same types.
  static bool SameOrder(const ViewGroup& a, const ViewGroup& b) {
    return a.from == b.from && a.left_keys == b.left_keys && a.lag_us == b.lag_us &&
           !a.horizon_us && !b.horizon_us;
  }

  /// The left rows in the order of their keys for group g: sorted once for all groups that are
  /// joined by the same left columns as of the same times, and let go after the last of them.
  Result<std::shared_ptr<const AsOfLeft>> OrderOf(int g, const Snapshot& snapshot,
                                                  const arrow::Table& keys) {
    const auto& groups = plan_.groups();
    const ViewGroup& group = groups[static_cast<size_t>(g)];
    const bool again =
        std::any_of(groups.begin() + g + 1, groups.end(),
                    [&](const ViewGroup& later) { return SameOrder(group, later); });
    const auto found = std::find_if(orders_.begin(), orders_.end(), [&](const Order& order) {
      return SameOrder(group, groups[static_cast<size_t>(order.group)]) &&
             order.keys->Equals(*keys.schema());
    });
    std::shared_ptr<const AsOfLeft> order;
    if (found == orders_.end()) {
      ARROW_ASSIGN_OR_RAISE(const auto times_us, TimesOf(group));
      ARROW_ASSIGN_OR_RAISE(order, OrderLeft(snapshot, keys, times_us));
      if (again) orders_.push_back({g, keys.schema(), order});
    } else {
      ARROW_RETURN_NOT_OK(CheckLeftKeys(snapshot, keys));
      order = found->left;
    }
    if (!again) {
      std::erase_if(orders_, [&](const Order& kept) {
        return SameOrder(group, groups[static_cast<size_t>(kept.group)]);
      });
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
      if (group.from > 0) continue;
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
  /// The left rows in the order of a group's keys, for later groups that are joined alike.
  struct Order {
    int group;                            // the first of them
    std::shared_ptr<arrow::Schema> keys;  // of the types that the left columns were cast to
    std::shared_ptr<const AsOfLeft> left;
  };
  std::vector<Order> orders_;
  /// Key columns that rows of a joined group give, by group and name.
  std::map<std::pair<int, std::string>, std::shared_ptr<arrow::ChunkedArray>> given_;
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
