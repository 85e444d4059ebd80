#include "view/vector_read.h"

#include <algorithm>
#include <limits>
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

/// What is to be read of a group.
struct Want {
  bool needed = false;
  std::vector<std::string> columns;
  int request = -1;  ///< its number, once it is made

  bool Has(const std::string& name) const {
    return std::find(columns.begin(), columns.end(), name) != columns.end();
  }
  void Add(const std::string& name) {
    if (!Has(name)) columns.push_back(name);
  }
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
    wants_.resize(plan_.groups().size());
    WantOfJoins();
    ARROW_RETURN_NOT_OK(WantOfRoot());
    ARROW_RETURN_NOT_OK(LookUp());
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
      // A copy: as the root's event time it may become a feature, which the answer keeps.
      event_times_ = arrow::MakeArray(arrow::ArrayData::Make(
          EventTimeType(), rows_, {nullptr, arrow::Buffer::FromVector(times_us_)}, 0));
    }
    return event_times_;
  }

  Status MissingEntity(const std::string& name) const {
    std::string needs;
    for (const auto& field : plan_.entity_schema()->fields()) {
      needs += (needs.empty() ? "" : ", ") + field->name() + ": " + field->type()->ToString();
    }
    std::string has;
    for (const auto& field : entities_.schema()->fields()) {
      has += (has.empty() ? "it has '" : ", '") + field->name() + "'";
    }
    return Status::Invalid("the request has no '", name, "' (", has, "); it needs ", needs);
  }

  /// What of the left row is missing where the request brings the root's key.
  Status WantOfRoot() {
    if (!plan_.online_group(0)) return Status::OK();
    const auto want = [&](const std::string& name) -> Status {
      ARROW_ASSIGN_OR_RAISE(const auto values, LeftColumnValues(name));
      if (values == nullptr && root().schema->GetFieldByName(name) != nullptr) {
        wants_[0].Add(name);
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
      const ViewGroup& group = plan_.groups()[g];
      if (!plan_.online_group(static_cast<int>(g)) || group.from > 0) continue;
      for (const std::string& key : group.left_keys) ARROW_RETURN_NOT_OK(want(key));
    }
    wants_[0].needed = !wants_[0].columns.empty();
    return Status::OK();
  }

  /// What was passed in of a joined group's column; null when nothing was.
  std::shared_ptr<arrow::Array> PassedIn(int group, const std::string& feature) const {
    for (size_t i = 0; i < slots_.size(); ++i) {
      const ViewColumn& column = plan_.columns()[i];
      if (column.group == group && column.feature == feature) return slots_[i].values;
    }
    return nullptr;
  }

  /// What of the joined groups is missing, the last first: a join that is needed may need keys of
  /// one before it.
  void WantOfJoins() {
    for (size_t g = plan_.groups().size(); g-- > 1;) {
      const ViewGroup& group = plan_.groups()[g];
      if (!plan_.online_group(static_cast<int>(g))) continue;
      Want& want = wants_[g];
      for (size_t i = 0; i < slots_.size(); ++i) {
        if (!Missing(i, static_cast<int>(g))) continue;
        want.Add(plan_.columns()[i].feature);
        want.needed |= plan_.columns()[i].role == ViewColumn::Role::kFeature ||
                       !plan_.definition().on_demand.empty();
      }
      if (!want.needed || group.from == 0) continue;
      for (const std::string& key : group.left_keys) {
        if (PassedIn(group.from, key) != nullptr) continue;
        Want& source = wants_[static_cast<size_t>(group.from)];
        source.needed = true;
        const auto& primary_key =
            plan_.groups()[static_cast<size_t>(group.from)].definition.primary_key;
        if (std::find(primary_key.begin(), primary_key.end(), key) == primary_key.end()) {
          source.Add(key);
        }
      }
    }
  }

  /// A view column of this group that is to be looked up.
  bool Missing(size_t slot, int group) const {
    const ViewColumn& column = plan_.columns()[slot];
    return column.group == group && slots_[slot].values == nullptr &&
           column.role != ViewColumn::Role::kLabel;
  }

  /// The group's key columns that are there by now; the others come from an earlier request.
  Status TakeKeys(int g, RowsRequest* request) {
    const ViewGroup& group = plan_.groups()[static_cast<size_t>(g)];
    arrow::ArrayVector keys;
    for (size_t k = 0; k < static_cast<size_t>(group.key_schema->num_fields()); ++k) {
      const auto& field = group.key_schema->field(static_cast<int>(k));
      const std::string& name = g == 0 ? field->name() : group.left_keys[k];
      std::shared_ptr<arrow::Array> values;
      if (g == 0) {
        ARROW_ASSIGN_OR_RAISE(values, Entity(name, field->type()));
      } else if (group.from == 0) {
        ARROW_ASSIGN_OR_RAISE(values, LeftColumnValues(name));
      } else {
        values = PassedIn(group.from, name);
      }
      const Want& source = wants_[static_cast<size_t>(group.from)];
      const bool given = g > 0 && values == nullptr && source.request >= 0 &&
                         (group.from > 0 || source.Has(name));
      if (given) {
        ARROW_ASSIGN_OR_RAISE(values, arrow::MakeArrayOfNull(field->type(), rows_));
        request->keys_from.push_back(
            {.key = k, .request = static_cast<size_t>(source.request), .column = name});
      } else if (values == nullptr) {
        return MissingEntity(name);
      }
      ARROW_ASSIGN_OR_RAISE(keys.emplace_back(), CastColumn(name, values, field->type()));
    }
    request->keys = arrow::RecordBatch::Make(group.key_schema, rows_, std::move(keys));
    return Status::OK();
  }

  /// One read of all groups, of one moment, also where keys of some come from others.
  Status LookUp() {
    std::vector<RowsRequest> requests;
    std::vector<int> groups;
    for (size_t g = 0; g < plan_.groups().size(); ++g) {
      if (!wants_[g].needed) continue;
      const ViewGroup& group = plan_.groups()[g];
      RowsRequest request{.group = group.definition.ref(),
                          .keys = nullptr,
                          .event_times_us = times_us_,
                          .columns = wants_[g].columns,
                          .ttl_us = group.TtlOf()};
      if (group.moved()) {
        for (int64_t& time_us : request.event_times_us) {
          // Nothing is as old as the lowest time.
          time_us = group.TimeOf(time_us).value_or(std::numeric_limits<int64_t>::min());
        }
      }
      ARROW_RETURN_NOT_OK(TakeKeys(static_cast<int>(g), &request));
      wants_[g].request = static_cast<int>(requests.size());
      requests.push_back(std::move(request));
      groups.push_back(static_cast<int>(g));
    }
    if (requests.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(answers_, online_->Read(requests));
    ARROW_RETURN_NOT_OK(CheckAnswers(answers_, requests));
    for (size_t a = 0; a < answers_.size(); ++a) {
      ExplainMissing(requests[a], &answers_[a]);
      const Want& want = wants_[static_cast<size_t>(groups[a])];
      for (size_t i = 0; i < slots_.size(); ++i) {
        if (!Missing(i, groups[a])) continue;
        const auto at = std::find(want.columns.begin(), want.columns.end(),
                                  plan_.columns()[i].feature);
        if (at == want.columns.end()) continue;
        slots_[i] = {answers_[a].rows->column(static_cast<int>(at - want.columns.begin())),
                     &answers_[a].status};
      }
      if (groups[a] == 0) {
        for (size_t c = 0; c < want.columns.size(); ++c) {
          root_values_.emplace_back(want.columns[c],
                                    answers_[a].rows->column(static_cast<int>(c)));
        }
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

  /// What could not be looked up, since the row that says its key was not found, is missing for
  /// that row's reason.
  void ExplainMissing(const RowsRequest& request, RowsAnswer* answer) const {
    for (const RowsRequest::KeyFrom& from : request.keys_from) {
      const std::vector<RowStatus>& source = answers_[from.request].status;
      for (size_t i = 0; i < source.size(); ++i) {
        const bool found_by_stale = source[i] == RowStatus::kStale && HasRow(answer->status[i]);
        if (!HasRow(source[i]) || found_by_stale) answer->status[i] = source[i];
      }
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
  std::vector<Slot> slots_;           // one a view column
  std::vector<Want> wants_;           // one a group
  std::vector<RowsAnswer> answers_;   // of those that are needed
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
