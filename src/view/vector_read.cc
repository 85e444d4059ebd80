#include "view/vector_read.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <arrow/array/util.h>

#include "base/name.h"
#include "view/event_time.h"
#include "view/join_key.h"

namespace tercet {
namespace {

/// A column of the answer while it is being made, and where its values come from.
struct Slot {
  std::shared_ptr<arrow::Array> values;
  const std::vector<RowStatus>* status = nullptr;  ///< null: present
};

/// One vector read under way.
class VectorRead {
 public:
  VectorRead(const ViewPlan& plan, OnlineRows* online,
             const std::shared_ptr<arrow::RecordBatch>& entities,
             const std::vector<int64_t>& event_times_us)
      : plan_(plan),
        online_(online),
        entities_(*entities),
        rows_(entities->num_rows()),
        times_us_(event_times_us) {}

  Result<VectorAnswer> Run() {
    if (static_cast<size_t>(rows_) != times_us_.size()) {
      return Status::Invalid(rows_, " entities have ", times_us_.size(), " event times");
    }
    ARROW_RETURN_NOT_OK(TakePassedIn());
    ARROW_RETURN_NOT_OK(PlanRoot());
    if (root_request_ && joins_need_root_) ARROW_RETURN_NOT_OK(LookUpRoot());
    ARROW_RETURN_NOT_OK(LookUpJoins());
    ARROW_RETURN_NOT_OK(Evaluate());
    return Answer();
  }

 private:
  Result<std::shared_ptr<arrow::Array>> Entity(const std::string& name,
                                               const std::shared_ptr<arrow::DataType>& type) {
    const auto column = entities_.GetColumnByName(name);
    if (column == nullptr) return nullptr;
    return CastColumn(name, column, type);
  }

  Status TakePassedIn() {
    slots_.resize(plan_.columns().size());
    for (size_t i = 0; i < slots_.size(); ++i) {
      const ViewColumn& column = plan_.columns()[i];
      ARROW_ASSIGN_OR_RAISE(slots_[i].values, Entity(column.name, column.type));
      if (slots_[i].values == nullptr && column.group == 0 && column.name != column.feature) {
        ARROW_ASSIGN_OR_RAISE(slots_[i].values, Entity(column.feature, column.type));
      }
    }
    return Status::OK();
  }

  const FeatureGroupDefinition& root() const { return plan_.groups()[0].definition; }

  /// A root column of the left row, if it is there by now: the request's own, the event time's, or
  /// one that was looked up.
  Result<std::shared_ptr<arrow::Array>> LeftColumnValues(const std::string& name) {
    if (name == root().event_time) return TimeAsRoot(name);
    for (size_t i = 0; i < slots_.size(); ++i) {
      const ViewColumn& column = plan_.columns()[i];
      if (column.group == 0 && column.feature == name && slots_[i].values != nullptr) {
        return slots_[i].values;
      }
    }
    for (const auto& [looked_up, values] : root_values_) {
      if (looked_up == name) return values;
    }
    auto field = root().schema->GetFieldByName(name);
    if (field == nullptr) field = plan_.entity_schema()->GetFieldByName(name);
    if (field == nullptr) return nullptr;
    return Entity(name, field->type());
  }

  Result<std::shared_ptr<arrow::Array>> EventTimes() {
    if (event_times_ == nullptr) {
      event_times_ = arrow::MakeArray(arrow::ArrayData::Make(
          EventTimeType(), rows_,
          {nullptr, std::make_shared<arrow::Buffer>(
                        reinterpret_cast<const uint8_t*>(times_us_.data()), rows_ * 8)},
          0));
    }
    return event_times_;
  }

  Status MissingEntity(const std::string& name) const {
    return Status::Invalid("the request has no '", name, "'",
                           Suggest(name, entities_.schema()->field_names()), "; it needs ",
                           plan_.entity_schema()->ToString());
  }

  /// What to read that is missing of the left row, where the request brings the root's key.
  Status PlanRoot() {
    if (!plan_.online_group(0)) return Status::OK();
    std::vector<std::string> columns;
    const auto want = [&](const std::string& name) -> Status {
      ARROW_ASSIGN_OR_RAISE(const auto values, LeftColumnValues(name));
      if (values == nullptr && root().schema->GetFieldByName(name) != nullptr &&
          std::find(columns.begin(), columns.end(), name) == columns.end()) {
        columns.push_back(name);
      }
      return Status::OK();
    };
    for (size_t i = 0; i < slots_.size(); ++i) {
      const ViewColumn& column = plan_.columns()[i];
      if (column.group == 0 && column.role != ViewColumn::Role::kLabel &&
          slots_[i].values == nullptr) {
        ARROW_RETURN_NOT_OK(want(column.feature));
      }
    }
    for (const LeftColumn& column : plan_.left_columns()) {
      ARROW_RETURN_NOT_OK(want(column.column));
    }
    for (size_t g = 1; g < plan_.groups().size(); ++g) {
      if (!plan_.online_group(static_cast<int>(g))) continue;
      for (const std::string& key : plan_.groups()[g].left_keys) {
        ARROW_RETURN_NOT_OK(want(key));
        joins_need_root_ |= std::find(columns.begin(), columns.end(), key) != columns.end();
      }
    }
    if (columns.empty()) return Status::OK();

    arrow::ArrayVector keys;
    for (const auto& field : plan_.groups()[0].key_schema->fields()) {
      ARROW_ASSIGN_OR_RAISE(keys.emplace_back(), Entity(field->name(), field->type()));
      if (keys.back() == nullptr) return MissingEntity(field->name());
    }
    root_request_ = {
        .group = root().ref(),
        .keys = arrow::RecordBatch::Make(plan_.groups()[0].key_schema, rows_, std::move(keys)),
        .event_times_us = times_us_,
        .columns = std::move(columns),
        .ttl_us = plan_.groups()[0].ttl_us};
    return Status::OK();
  }

  /// Reads the left row first: some join's key comes from it.
  Status LookUpRoot() {
    const std::vector<RowsRequest> requests{*std::exchange(root_request_, std::nullopt)};
    ARROW_ASSIGN_OR_RAISE(auto answers, online_->Read(requests));
    ARROW_RETURN_NOT_OK(CheckAnswers(answers, requests));
    TakeRoot(requests[0].columns, std::move(answers[0]));
    return Status::OK();
  }

  void TakeRoot(const std::vector<std::string>& columns, RowsAnswer answer) {
    root_answer_ = std::move(answer);
    for (size_t c = 0; c < columns.size(); ++c) {
      root_values_.emplace_back(columns[c], root_answer_.rows->column(static_cast<int>(c)));
    }
    for (size_t i = 0; i < slots_.size(); ++i) {
      const ViewColumn& column = plan_.columns()[i];
      if (column.group != 0 || slots_[i].values != nullptr) continue;
      for (const auto& [name, values] : root_values_) {
        if (name == column.feature) slots_[i] = {values, &root_answer_.status};
      }
    }
  }

  /// One read of all joined groups, and of the root where they don't need it first, from one
  /// snapshot of the store.
  Status LookUpJoins() {
    std::vector<RowsRequest> requests;
    std::vector<size_t> groups;
    for (size_t g = 1; g < plan_.groups().size(); ++g) {
      const ViewGroup& group = plan_.groups()[g];
      if (!plan_.online_group(static_cast<int>(g))) continue;
      RowsRequest request{.group = group.definition.ref(),
                          .keys = nullptr,
                          .event_times_us = times_us_,
                          .columns = {},
                          .ttl_us = group.ttl_us};
      bool needed = false;
      for (size_t i = 0; i < slots_.size(); ++i) {
        const ViewColumn& column = plan_.columns()[i];
        if (column.group != static_cast<int>(g) || slots_[i].values != nullptr ||
            column.role == ViewColumn::Role::kLabel) {
          continue;
        }
        request.columns.push_back(column.feature);
        needed |=
            column.role == ViewColumn::Role::kFeature || !plan_.definition().on_demand.empty();
      }
      if (!needed) continue;
      arrow::ArrayVector keys;
      for (size_t k = 0; k < group.left_keys.size(); ++k) {
        ARROW_ASSIGN_OR_RAISE(auto values, LeftColumnValues(group.left_keys[k]));
        if (values == nullptr) return MissingEntity(group.left_keys[k]);
        const auto& field = group.key_schema->field(static_cast<int>(k));
        ARROW_ASSIGN_OR_RAISE(keys.emplace_back(),
                              CastColumn(group.left_keys[k], values, field->type()));
      }
      request.keys = arrow::RecordBatch::Make(group.key_schema, rows_, std::move(keys));
      requests.push_back(std::move(request));
      groups.push_back(g);
    }
    const bool with_root = root_request_.has_value();
    if (with_root) requests.push_back(std::move(*root_request_));
    if (requests.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(answers_, online_->Read(requests));
    ARROW_RETURN_NOT_OK(CheckAnswers(answers_, requests));
    if (with_root) {
      RowsAnswer root_answer = std::move(answers_.back());
      answers_.pop_back();
      TakeRoot(requests.back().columns, std::move(root_answer));
    }
    for (size_t a = 0; a < answers_.size(); ++a) {
      const ViewGroup& group = plan_.groups()[groups[a]];
      ExplainMissing(group, &answers_[a]);
      int next = 0;
      for (size_t i = 0; i < slots_.size(); ++i) {
        const ViewColumn& column = plan_.columns()[i];
        if (column.group != static_cast<int>(groups[a]) || slots_[i].values != nullptr ||
            column.role == ViewColumn::Role::kLabel) {
          continue;
        }
        slots_[i] = {answers_[a].rows->column(next++), &answers_[a].status};
      }
    }
    return Status::OK();
  }

  Status CheckAnswers(const std::vector<RowsAnswer>& answers,
                      const std::vector<RowsRequest>& requests) const {
    bool good = answers.size() == requests.size();
    for (size_t a = 0; good && a < answers.size(); ++a) {
      good = answers[a].status.size() == static_cast<size_t>(rows_) &&
             answers[a].rows->num_columns() == static_cast<int>(requests[a].columns.size());
    }
    return good ? Status::OK() : Status::UnknownError("the online rows do not answer the request");
  }

  /// A key that could not be looked up is missing for the root's reason.
  void ExplainMissing(const ViewGroup& group, RowsAnswer* answer) const {
    const bool looked_up =
        std::any_of(root_values_.begin(), root_values_.end(), [&](const auto& value) {
          return std::find(group.left_keys.begin(), group.left_keys.end(), value.first) !=
                 group.left_keys.end();
        });
    if (!looked_up) return;
    for (size_t i = 0; i < answer->status.size(); ++i) {
      const RowStatus root_status = root_answer_.status[i];
      if (root_status != RowStatus::kPresent) answer->status[i] = root_status;
    }
  }

  /// Computes the on-demand features that were not passed in.
  Status Evaluate() {
    bool wanted = false;
    for (size_t i = 0; i < slots_.size(); ++i) {
      wanted |= slots_[i].values == nullptr && plan_.columns()[i].group < 0;
    }
    if (!wanted) return Status::OK();
    arrow::ArrayVector arrays;
    const auto& schema = plan_.row_schema();
    arrays.reserve(static_cast<size_t>(schema->num_fields()));
    for (const auto& field : schema->fields()) {
      ARROW_ASSIGN_OR_RAISE(auto values, RowColumn(*field));
      if (values == nullptr) {
        if (plan_.entity_schema()->GetFieldByName(field->name()) != nullptr) {
          return MissingEntity(field->name());
        }
        ARROW_ASSIGN_OR_RAISE(values, arrow::MakeArrayOfNull(field->type(), rows_));
      }
      arrays.push_back(std::move(values));
    }
    ARROW_ASSIGN_OR_RAISE(const auto columns, plan_.Evaluate(arrow::RecordBatch::Make(
                                                  schema, rows_, std::move(arrays))));
    for (size_t i = 0; i < slots_.size(); ++i) {
      const ViewColumn& column = plan_.columns()[i];
      if (slots_[i].values == nullptr && column.group < 0) {
        slots_[i].values = columns->column(static_cast<int>(i));
      }
    }
    return Status::OK();
  }

  /// A column of Evaluate's rows; null when nothing gives it.
  Result<std::shared_ptr<arrow::Array>> RowColumn(const arrow::Field& field) {
    if (field.name() == kEventTime) return EventTimes();
    for (size_t i = 0; i < slots_.size(); ++i) {
      const ViewColumn& column = plan_.columns()[i];
      if (column.group < 0 || column.name != field.name()) continue;
      if (slots_[i].values == nullptr && column.group == 0) {
        ARROW_ASSIGN_OR_RAISE(slots_[i].values, TimeAsRoot(column.feature));
      }
      return slots_[i].values;
    }
    for (const LeftColumn& column : plan_.left_columns()) {
      if (column.name == field.name()) return LeftColumnValues(column.column);
    }
    return Entity(field.name(), field.type());
  }

  /// The left row's time in the root's type, when `column` is the root's event time; else null.
  Result<std::shared_ptr<arrow::Array>> TimeAsRoot(const std::string& column) {
    if (column != root().event_time) return nullptr;
    ARROW_ASSIGN_OR_RAISE(const auto times, EventTimes());
    return EventTimeAs(*times, root().schema->GetFieldByName(column)->type());
  }

  Result<VectorAnswer> Answer() {
    VectorAnswer answer;
    arrow::ArrayVector features, helpers(plan_.definition().helper_columns.size());
    features.reserve(slots_.size());
    for (size_t i = 0; i < slots_.size(); ++i) {
      const ViewColumn& column = plan_.columns()[i];
      Slot& slot = slots_[i];
      if (column.role == ViewColumn::Role::kLabel) continue;
      if (slot.values == nullptr && column.group == 0) {
        ARROW_ASSIGN_OR_RAISE(slot.values, TimeAsRoot(column.feature));
      }
      if (column.role == ViewColumn::Role::kHelper) {
        if (slot.values == nullptr) {
          ARROW_ASSIGN_OR_RAISE(slot.values, arrow::MakeArrayOfNull(column.type, rows_));
        }
        helpers[static_cast<size_t>(plan_.helper_schema()->GetFieldIndex(column.name))] =
            std::move(slot.values);
        continue;
      }
      if (slot.values == nullptr) return MissingEntity(column.name);
      features.push_back(std::move(slot.values));
      if (slot.status != nullptr) {
        answer.status.push_back(*slot.status);
      } else {
        answer.status.emplace_back(static_cast<size_t>(rows_), RowStatus::kPresent);
      }
    }
    answer.features = arrow::RecordBatch::Make(plan_.feature_schema(), rows_, std::move(features));
    answer.helpers = arrow::RecordBatch::Make(plan_.helper_schema(), rows_, std::move(helpers));
    return answer;
  }

  const ViewPlan& plan_;
  OnlineRows* const online_;
  const arrow::RecordBatch& entities_;
  const int64_t rows_;
  const std::vector<int64_t>& times_us_;
  std::vector<Slot> slots_;                  // one a view column
  std::optional<RowsRequest> root_request_;  // still to be read
  bool joins_need_root_ = false;
  RowsAnswer root_answer_;
  std::vector<RowsAnswer> answers_;  // of the joins
  std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>> root_values_;
  std::shared_ptr<arrow::Array> event_times_;
};

}  // namespace

Result<VectorAnswer> ReadVectors(const ViewPlan& plan, OnlineRows* online,
                                 const std::shared_ptr<arrow::RecordBatch>& entities,
                                 const std::vector<int64_t>& event_times_us) {
  auto answer = VectorRead(plan, online, entities, event_times_us).Run();
  if (answer.ok()) return answer;
  return Explain(answer.status(), "vectors of feature view '" + plan.definition().name + "'");
}

}  // namespace tercet
