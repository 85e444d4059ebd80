#include "platform/view_neighbors.h"

#include <algorithm>
#include <string>
#include <utility>

#include <arrow/array/array_primitive.h>

#include "base/add_once.h"
#include "base/name.h"
#include "base/short_text.h"
#include "compute/expression.h"
#include "compute/take_rows.h"
#include "neighbors/row_filter.h"

namespace tercet {
namespace {

using Batch = std::shared_ptr<arrow::RecordBatch>;

/// How many rows for one wanted are looked at first, and then again, where a filter asks for
/// features that only the view's vectors have.
constexpr int64_t kMoreRows = 4;

/// An embedding of a view, and how a row of its group says which entity it is of.
struct Place {
  FeatureGroupDefinition group;
  const GroupSelection* selection = nullptr;  // of the view's definition
  std::string column;                         // the group's
  std::vector<std::pair<std::string, std::string>> said;  // an entity's column, the group's column
};

std::string Naming(const FeatureViewDefinition& view) {
  return "feature view '" + view.ref().ToText() + "'";
}

Result<Place> PlaceOf(Platform* platform, const FeatureViewDefinition& view,
                      const std::string& wanted) {
  std::vector<const GroupSelection*> selections = {&view.root};
  for (const GroupSelection& join : view.joins) selections.push_back(&join);
  std::vector<std::string> names;
  std::vector<Place> places;
  for (const GroupSelection* selection : selections) {
    ARROW_ASSIGN_OR_RAISE(const auto group, platform->GetFeatureGroup(selection->group));
    for (const auto& [column, embedding] : group.embeddings) {
      names.push_back(selection->prefix + column);
      if (!wanted.empty() && wanted != names.back()) continue;
      places.push_back({.group = group, .selection = selection, .column = column, .said = {}});
    }
  }
  if (places.size() == 1) return std::move(places[0]);
  if (names.empty()) {
    return Status::KeyError(Naming(view), " is of no group with an embedding, so there is nothing "
                                          "to find neighbours by; declare one where a group is");
  }
  if (places.empty()) {
    return Status::KeyError(Naming(view), " has no embedding '", wanted, "'",
                            Suggest(wanted, names));
  }
  return Status::Invalid(Naming(view), " has ", places.size(),
                         wanted.empty() ? " embeddings" : " embeddings of that name",
                         "; say which column is meant", Suggest("", names));
}

/// Which of an entity's columns the group's rows say. Invalid where they don't say all of their
/// own.
Status FindSaid(const FeatureViewDefinition& view, const VectorContract& contract, Place* place) {
  const arrow::Schema& entities = *contract.entities;
  if (place->selection == &view.root) {
    for (const std::string& name : entities.field_names()) {
      if (place->group.schema->GetFieldIndex(name) >= 0) place->said.emplace_back(name, name);
    }
    if (!place->said.empty()) return Status::OK();
    return Status::Invalid("rows of feature group '", place->group.ref().ToText(),
                           "' don't say which entity of ", Naming(view), " they are of: requests "
                           "have no column of it, only ", entities.ToString());
  }
  auto on = place->selection->on;
  if (on.empty()) {
    for (const std::string& key : place->group.primary_key) on.emplace_back(key, key);
  }
  for (const auto& [left, key] : on) {
    const bool asked = entities.GetFieldIndex(left) >= 0 ||
                       contract.optional->GetFieldIndex(left) >= 0;
    if (!asked || !place->selection->from.empty()) {
      return Status::Invalid("rows of feature group '", place->group.ref().ToText(),
                             "' don't say which entity of ", Naming(view), " they are of: it finds "
                             "them by '", left, "', which another row gives and not a request");
    }
    place->said.emplace_back(left, key);
  }
  return Status::OK();
}

/// Where a view's column comes from; null where it is none of a group's.
const GroupSelection* SelectionOf(const FeatureViewDefinition& view, const std::string& name,
                                  const Place& place) {
  const auto has = [&](const GroupSelection& one) {
    if (!name.starts_with(one.prefix)) return false;
    const std::string feature = name.substr(one.prefix.size());
    if (!one.features.empty()) {
      return std::find(one.features.begin(), one.features.end(), feature) != one.features.end();
    }
    return &one == place.selection && place.group.schema->GetFieldIndex(feature) >= 0;
  };
  if (has(*place.selection)) return place.selection;
  for (const GroupSelection& join : view.joins) {
    if (has(join)) return &join;
  }
  return has(view.root) ? &view.root : nullptr;
}

/// One search, in the course of which more and more rows are looked at.
class Search {
 public:
  Search(Platform* platform, const FeatureViewDefinition& view, const VectorContract& contract,
         const VectorNeighborsRequest& request, Place place)
      : platform_(platform),
        view_(view),
        contract_(contract),
        request_(request),
        place_(std::move(place)),
        find_(request.search) {}

  Result<VectorNeighborsAnswer> Run() {
    ARROW_RETURN_NOT_OK(CheckGiven());
    find_.column = place_.column;
    for (const auto& [entity, column] : place_.said) AddOnce(&find_.columns, column);
    ARROW_RETURN_NOT_OK(PlaceFilter());
    if (filter_.empty()) return Look();
    const auto vectors = static_cast<int64_t>(find_.vectors.size());
    const int64_t most =
        std::min(VectorNeighborsRequest::kMaxLookedAt, NeighborsRequest::kMaxRows / vectors);
    for (find_.k = std::min(most, kMoreRows * find_.k);;
         find_.k = std::min(most, kMoreRows * find_.k)) {
      ARROW_ASSIGN_OR_RAISE(VectorNeighborsAnswer answer, Look());
      ARROW_ASSIGN_OR_RAISE(const bool enough, Filter(&answer));
      if (enough || find_.k == most) return answer;
    }
  }

 private:
  Status CheckGiven() const {
    if (request_.entities == nullptr) return Status::OK();
    const int64_t rows = request_.entities->num_rows();
    const auto vectors = static_cast<int64_t>(request_.search.vectors.size());
    if (rows != 1 && rows != vectors) {
      return Status::Invalid("entities come as one row for all vectors or one for each: ", rows,
                             " rows for ", vectors, " vectors");
    }
    for (const auto& [entity, column] : place_.said) {
      if (request_.entities->schema()->GetFieldIndex(entity) >= 0) {
        return Status::Invalid("entity column '", entity, "' is said by the rows that are found; "
                               "leave it out");
      }
    }
    return Status::OK();
  }

  /// Gives the filter to the index where its group has all that it names, else keeps it for the
  /// vectors.
  Status PlaceFilter() {
    if (find_.filter.empty()) return Status::OK();
    const auto parsed = Expression::Parse(find_.filter);
    if (!parsed.ok()) {
      return Explain(parsed.status(), "filter '" + ShortText(find_.filter, 200) + "'");
    }
    const Expression filter = parsed->WithMembers([&](const std::string& name) {
      return place_.group.schema->GetFieldIndex(name) >= 0 || IsViewColumn(name);
    });
    bool of_group = true;
    std::vector<std::string> beside;
    for (const std::string& name : filter.columns()) {
      const GroupSelection* from = SelectionOf(view_, name, place_);
      const bool in_group = place_.group.schema->GetFieldIndex(name) >= 0;
      const bool elsewhere = from == nullptr && IsViewColumn(name);
      if (from == nullptr && in_group && !elsewhere) {
        AddOnce(&beside, name);
      } else {
        of_group &= from == place_.selection && from->prefix.empty() && in_group;
      }
    }
    if (of_group) return Status::OK();
    filter_ = std::exchange(find_.filter, "");
    beside_ = std::move(beside);
    for (const std::string& name : beside_) AddOnce(&find_.columns, name);
    return Status::OK();
  }

  /// Whether the view computes it, or a request brings it.
  bool IsViewColumn(const std::string& name) const {
    return contract_.features->GetFieldIndex(name) >= 0 ||
           (contract_.entities->GetFieldIndex(name) >= 0 &&
            std::none_of(place_.said.begin(), place_.said.end(),
                         [&](const auto& said) { return said.first == name; }));
  }

  Result<VectorNeighborsAnswer> Look() {
    ARROW_ASSIGN_OR_RAISE(const NeighborsAnswer found,
                          platform_->neighbors()->Find(place_.group.ref(), find_));
    ARROW_ASSIGN_OR_RAISE(const Batch near, found.rows->SelectColumns({0, 1}));
    VectorNeighborsAnswer answer{.near = near, .commit = found.commit};
    ARROW_ASSIGN_OR_RAISE(answer.entities, EntitiesOf(*found.rows));
    for (const std::string& name : beside_) {
      beside_values_.push_back(found.rows->GetColumnByName(name));
    }
    // The filter asks for features before transformation; then those that fit are read once more.
    ARROW_ASSIGN_OR_RAISE(answer.vectors, VectorsOf(answer.entities, filter_.empty()));
    return answer;
  }

  Result<VectorData> VectorsOf(const Batch& entities, bool transformed) const {
    VectorRequest request{.entities = entities};
    if (transformed) request.training_dataset_version = request_.training_dataset_version;
    return platform_->Vectors(view_.ref(), request);
  }

  Result<Batch> EntitiesOf(const arrow::RecordBatch& found) const {
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (const auto& [entity, column] : place_.said) {
      arrays.push_back(found.GetColumnByName(column));
      fields.push_back(arrow::field(entity, arrays.back()->type()));
    }
    if (request_.entities != nullptr) {
      const auto& queries = static_cast<const arrow::Int64Array&>(*found.column(0));
      std::vector<int64_t> rows(static_cast<size_t>(found.num_rows()));
      if (request_.entities->num_rows() > 1) {
        std::copy_n(queries.raw_values(), rows.size(), rows.begin());
      }
      ARROW_ASSIGN_OR_RAISE(const Batch given, TakeRows(request_.entities, rows));
      fields.insert(fields.end(), given->schema()->fields().begin(),
                    given->schema()->fields().end());
      arrays.insert(arrays.end(), given->columns().begin(), given->columns().end());
    }
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), found.num_rows(),
                                    std::move(arrays));
  }

  /// Leaves the first k rows of each vector that fit. Whether there are as many, or no more rows.
  Result<bool> Filter(VectorNeighborsAnswer* answer) {
    const Batch rows = Beside(*answer);
    ARROW_ASSIGN_OR_RAISE(const auto filter, RowFilter::Make(filter_, *rows->schema()));
    ARROW_ASSIGN_OR_RAISE(const LabelBits fits, filter->Evaluate(*rows));
    const auto& queries = static_cast<const arrow::Int64Array&>(*answer->near->column(0));
    std::vector<int64_t> found(find_.vectors.size()), kept(find_.vectors.size()), taken;
    for (int64_t i = 0; i < rows->num_rows(); ++i) {
      const auto query = static_cast<size_t>(queries.Value(i));
      ++found[query];
      if (kept[query] == request_.search.k || !HasBit(fits, static_cast<uint32_t>(i))) continue;
      ++kept[query];
      taken.push_back(i);
    }
    beside_values_.clear();
    ARROW_ASSIGN_OR_RAISE(answer->near, TakeRows(answer->near, taken));
    ARROW_ASSIGN_OR_RAISE(answer->entities, TakeRows(answer->entities, taken));
    if (request_.training_dataset_version) {
      ARROW_ASSIGN_OR_RAISE(answer->vectors, VectorsOf(answer->entities, /*transformed=*/true));
    } else {
      for (Batch* batch : {&answer->vectors.features, &answer->vectors.status,
                           &answer->vectors.helpers}) {
        ARROW_ASSIGN_OR_RAISE(*batch, TakeRows(*batch, taken));
      }
    }
    for (size_t query = 0; query < found.size(); ++query) {
      if (kept[query] < request_.search.k && found[query] == find_.k) return false;
    }
    return true;
  }

  /// What the filter may name, one column a name.
  Batch Beside(const VectorNeighborsAnswer& answer) const {
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    const auto add = [&](const std::string& name, const std::shared_ptr<arrow::Array>& values) {
      const bool known = std::any_of(fields.begin(), fields.end(),
                                     [&](const auto& field) { return field->name() == name; });
      if (known) return;
      fields.push_back(arrow::field(name, values->type()));
      arrays.push_back(values);
    };
    for (const Batch& batch : {answer.vectors.features, answer.vectors.helpers, answer.entities}) {
      for (int i = 0; i < batch->num_columns(); ++i) add(batch->column_name(i), batch->column(i));
    }
    for (size_t i = 0; i < beside_.size(); ++i) add(beside_[i], beside_values_[i]);
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), answer.near->num_rows(),
                                    std::move(arrays));
  }

  Platform* const platform_;
  const FeatureViewDefinition& view_;
  const VectorContract& contract_;
  const VectorNeighborsRequest& request_;
  const Place place_;
  NeighborsRequest find_;             // of the group
  std::string filter_;                // of the vectors
  std::vector<std::string> beside_;   // columns of the group that it names and no vector has
  arrow::ArrayVector beside_values_;  // of what was found last
};

}  // namespace

Result<VectorNeighborsAnswer> FindVectorNeighbors(Platform* platform, const Ref& view,
                                                  const VectorNeighborsRequest& request) {
  ARROW_RETURN_NOT_OK(request.search.Check());
  if (!request.search.columns.empty()) {
    return Status::Invalid("a search by a view answers its features; it takes no 'columns'");
  }
  ARROW_ASSIGN_OR_RAISE(const FeatureViewDefinition definition, platform->GetFeatureView(view));
  ARROW_ASSIGN_OR_RAISE(const VectorContract contract,
                        platform->ContractOfView(definition.ref()));
  ARROW_ASSIGN_OR_RAISE(Place place, PlaceOf(platform, definition, request.search.column));
  ARROW_RETURN_NOT_OK(FindSaid(definition, contract, &place));
  return Search(platform, definition, contract, request, std::move(place)).Run();
}

}  // namespace tercet
