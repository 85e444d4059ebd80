#include "view/vector_lookup.h"

#include <algorithm>
#include <cstring>

#include "compute/cell_key.h"
#include "view/view_names.h"

namespace tercet {

/// Resolves a view's columns. What can't be had in place is nullopt, or false.
class VectorLookup::Maker {
 public:
  Maker(const ViewPlan& plan, VectorLookup* lookup) : plan_(plan), lookup_(lookup) {}

  bool Make() {
    for (const auto& field : lookup_->entities_->fields()) {
      if (!IsCellType(*field->type())) return false;
    }
    for (size_t g = 0; g < plan_.groups().size(); ++g) {
      if (plan_.online_group(static_cast<int>(g)) && !AddGroup(g)) return false;
    }
    lookup_->helpers_.resize(static_cast<size_t>(plan_.helper_schema()->num_fields()));
    for (const ViewColumn& column : plan_.columns()) {
      if (column.role == ViewColumn::Role::kLabel) continue;
      const auto source = SourceOf(column);
      if (!source || !IsCellType(*column.type)) return false;
      if (column.role == ViewColumn::Role::kHelper) {
        const int at = plan_.helper_schema()->GetFieldIndex(column.name);
        lookup_->helpers_[static_cast<size_t>(at)] = *source;
      } else if (source->from != From::kNothing) {
        lookup_->features_.push_back(*source);
      } else {
        return false;  // ReadVectors says what is missing.
      }
    }
    return true;
  }

 private:
  using From = Source::From;

  const ViewGroup& root() const { return plan_.groups().front(); }
  const std::string& root_time() const { return root().definition.event_time; }

  /// What the request brings under a name; false where it would have to be cast.
  bool FindEntity(const std::string& name, const arrow::DataType& type,
                  std::optional<Source>* source) const {
    const int entity = lookup_->entities_->GetFieldIndex(name);
    if (entity < 0) return true;
    *source = Source{.from = From::kEntity, .index = static_cast<size_t>(entity)};
    return lookup_->entities_->field(entity)->type()->Equals(type);
  }

  /// The left row's time in the root's type.
  std::optional<Source> TimeAsRoot() const {
    const auto& type = *root().definition.schema->GetFieldByName(root_time())->type();
    const bool micros =
        type.id() == arrow::Type::TIMESTAMP &&
        static_cast<const arrow::TimestampType&>(type).unit() == arrow::TimeUnit::MICRO;
    if (!micros) return std::nullopt;
    return Source{.from = From::kEventTime};
  }

  /// Whether a column of the view comes with the request: of the root, by its name in the group
  /// too.
  bool FindPassedIn(const ViewColumn& column, std::optional<Source>* source) const {
    if (!FindEntity(column.name, *column.type, source)) return false;
    if (source->has_value() || column.group != 0) return true;
    return FindEntity(column.feature, *column.type, source);
  }

  /// The columns of a group that no request brings, and the key to look them up by.
  bool AddGroup(size_t g) {
    const ViewGroup& group = plan_.groups()[g];
    // Keys that another row says, and times that are not the left row's.
    if (group.from > 0 || group.moved()) return false;
    std::vector<std::string> columns;
    const auto want = [&](const std::string& column) {
      if (g == 0 && column == root_time()) return;
      if (std::find(columns.begin(), columns.end(), column) == columns.end()) {
        columns.push_back(column);
      }
    };
    for (const ViewColumn& column : plan_.columns()) {
      if (column.group != static_cast<int>(g) || column.role == ViewColumn::Role::kLabel) continue;
      std::optional<Source> passed_in;
      if (!FindPassedIn(column, &passed_in)) return false;
      if (!passed_in) want(column.feature);
    }
    if (g == 0) {
      for (const LeftColumn& column : plan_.left_columns()) {
        std::optional<Source> passed_in;
        if (!FindEntity(column.column, *column.type, &passed_in)) return false;
        if (!passed_in) want(column.column);
      }
    }
    if (columns.empty()) return true;
    for (const std::string& column : columns) {
      if (!IsCellType(*group.definition.schema->GetFieldByName(column)->type())) return false;
    }
    const std::vector<std::string> names =
        g == 0 ? group.key_schema->field_names() : group.left_keys;
    Key key;
    for (size_t k = 0; k < names.size(); ++k) {
      const auto& type = group.key_schema->field(static_cast<int>(k))->type();
      std::optional<Source> source;
      if (!FindEntity(names[k], *type, &source) || !source || !IsCellKeyType(*type)) return false;
      key.entities.push_back(source->index);
      key.types.push_back(type->id());
    }
    firsts_.push_back({g, cells_});
    cells_ += columns.size();
    lookup_->groups_.push_back(
        {.group = group.definition.ref(), .columns = std::move(columns), .ttl_us = group.ttl_us});
    lookup_->keys_.push_back(std::move(key));
    return true;
  }

  Source LookedUp(int group, const std::string& column) const {
    for (size_t i = 0; i < firsts_.size(); ++i) {
      if (firsts_[i].group != static_cast<size_t>(group)) continue;
      const auto& columns = lookup_->groups_[i].columns;
      const auto at = std::find(columns.begin(), columns.end(), column);
      if (at == columns.end()) break;
      return {.from = From::kLookedUp,
              .index = firsts_[i].cell + static_cast<size_t>(at - columns.begin()),
              .group = i};
    }
    return {};
  }

  std::optional<Source> SourceOf(const ViewColumn& column) {
    std::optional<Source> source;
    if (!FindPassedIn(column, &source)) return std::nullopt;
    const bool on_demand = column.group < 0 && column.feature.empty();
    // Other features are made of the computed value, whatever is passed in; that is no short way.
    if (source) return on_demand ? std::nullopt : source;
    if (on_demand) return Computed(column.name);
    if (column.group == 0 && column.feature == root_time()) return TimeAsRoot();
    // Labels are never looked up.
    if (column.role == ViewColumn::Role::kLabel) return Source{};
    return LookedUp(column.group, column.feature);
  }

  /// A root column that an expression names though the view did not select it.
  std::optional<Source> SourceOf(const LeftColumn& column) {
    if (column.column == root_time()) return TimeAsRoot();
    for (const ViewColumn& selected : plan_.columns()) {
      if (selected.group != 0 || selected.feature != column.column) continue;
      const auto source = SourceOf(selected);
      if (!source || source->from != From::kNothing) return source;
    }
    std::optional<Source> source;
    if (!FindEntity(column.column, *column.type, &source)) return std::nullopt;
    return source ? *source : LookedUp(0, column.column);
  }

  std::optional<Source> SourceOf(const ExpressionInput& input) {
    if (input.row_column.empty()) {
      return Computed(plan_.definition().on_demand[static_cast<size_t>(input.computed)].first);
    }
    if (input.row_column == kEventTime) return Source{.from = From::kEventTime};
    for (const ViewColumn& column : plan_.columns()) {
      if (column.group >= 0 && column.name == input.row_column) return SourceOf(column);
    }
    for (const LeftColumn& column : plan_.left_columns()) {
      if (column.name == input.row_column) return SourceOf(column);
    }
    const auto parameter = plan_.row_schema()->GetFieldByName(input.row_column);
    std::optional<Source> source;
    if (parameter == nullptr || !FindEntity(input.row_column, *parameter->type(), &source)) {
      return std::nullopt;
    }
    return source;
  }

  std::optional<Source> Computed(const std::string& name) {
    for (const auto& [known, source] : computed_) {
      if (known == name) return source;
    }
    const auto& on_demand = plan_.definition().on_demand;
    size_t i = 0;
    while (i < on_demand.size() && on_demand[i].first != name) ++i;
    const ViewExpression& expression = plan_.on_demand().at(i);
    if (!expression.compiled()->takes_cells()) return std::nullopt;
    Computation computation{
        .what = expression.what(), .expression = expression.compiled(), .inputs = {}};
    for (const ExpressionInput& input : expression.inputs()) {
      const auto source = SourceOf(input);
      if (!source) return std::nullopt;
      computation.inputs.push_back(*source);
    }
    const Source source{.from = From::kComputed, .index = lookup_->computations_.size()};
    lookup_->computations_.push_back(std::move(computation));
    computed_.emplace_back(name, source);
    return source;
  }

  struct First {
    size_t group;  // of the plan
    size_t cell;   // of its columns' first
  };

  const ViewPlan& plan_;
  VectorLookup* const lookup_;
  std::vector<First> firsts_;  // one a group that is looked up
  size_t cells_ = 0;
  std::vector<std::pair<std::string, Source>> computed_;
};

std::shared_ptr<const VectorLookup> VectorLookup::Make(
    const std::shared_ptr<const ViewPlan>& plan) {
  auto lookup = std::make_shared<VectorLookup>();
  lookup->plan_ = plan;
  lookup->entities_ = plan->entity_schema();
  if (!Maker(*plan, lookup.get()).Make()) return nullptr;
  for (const CellColumns& group : lookup->groups_) {
    lookup->first_cells_.push_back(lookup->looked_up_);
    lookup->looked_up_ += group.columns.size();
  }
  // Groups are mostly joined on one key.
  for (const Key& key : lookup->keys_) {
    const auto same = std::find(lookup->keys_.begin(), lookup->keys_.end(), key);
    lookup->same_key_.push_back(static_cast<size_t>(same - lookup->keys_.begin()));
  }
  const auto others = [&](size_t same) { return same != 0; };
  if (lookup->groups_.size() > 1 &&
      std::none_of(lookup->same_key_.begin(), lookup->same_key_.end(), others)) {
    lookup->one_key_.emplace(lookup->groups_);
  }
  lookup->takes_columns_ = lookup->TakesColumns();
  lookup->in_order_ = lookup->looked_up_ == lookup->features_.size();
  for (size_t f = 0; f < lookup->features_.size(); ++f) {
    const Source& feature = lookup->features_[f];
    lookup->in_order_ &= feature.from == Source::From::kLookedUp && feature.index == f;
  }
  return lookup;
}

bool VectorLookup::Key::Append(std::span<const Cell> entity, std::string* out) const {
  thread_local std::vector<Cell> parts;
  parts.clear();
  for (const size_t e : entities) {
    if (entity[e].null()) return false;
    parts.push_back(entity[e]);
  }
  AppendCellKey(types, parts, out);
  return true;
}

bool VectorLookup::TakesColumns() const {
  if (entities_->num_fields() == 0 || !helpers_.empty()) return false;
  std::vector<bool> taken(looked_up_, false);
  for (const Source& feature : features_) {
    if (feature.from == Source::From::kEntity) continue;
    if (feature.from != Source::From::kLookedUp || taken[feature.index]) return false;
    taken[feature.index] = true;
  }
  return std::find(taken.begin(), taken.end(), false) == taken.end();
}

namespace {

/// A thread that read more than this gives their memory back.
constexpr size_t kKeptRows = 8192;

/// What ReadColumns needs for a moment; kept by each thread so that a read allocates little.
struct ColumnsScratch {
  std::vector<ColumnTarget> columns;
  std::vector<KeyList> lists;
  std::vector<const KeyList*> keys;
};

}  // namespace

Result<ColumnsRead> VectorLookup::ReadColumns(VectorRows* online, std::span<const Cell> entities,
                                              int64_t event_time_us,
                                              std::span<const ColumnTarget> features) const {
  if (!takes_columns_) return ColumnsRead::kElsewhere;
  const auto width = static_cast<size_t>(entities_->num_fields());
  const size_t rows = entities.size() / width;
  bool whole = true;
  if (in_order_ && one_key_ && rows == 1) {
    thread_local std::string key;
    key.clear();
    if (keys_[0].Append(entities, &key)) {
      return online->ReadVector(*one_key_, key, event_time_us, features);
    }
  }
  thread_local ColumnsScratch scratch;
  auto& [columns, lists, keys] = scratch;
  columns.resize(looked_up_);
  for (size_t f = 0; f < features_.size(); ++f) {
    const ColumnTarget& target = features[f];
    if (features_[f].from == Source::From::kLookedUp) {
      columns[features_[f].index] = target;
      continue;
    }
    if (target.width > kMaxTargetWidth) return ColumnsRead::kElsewhere;
    for (size_t i = 0; i < rows; ++i) {
      const Cell cell = entities[i * width + features_[f].index];
      if (!cell.null() && cell.size != target.width) return ColumnsRead::kElsewhere;
      const void* bytes = cell.null() ? static_cast<const void*>(&target.null_bits) : cell.data;
      std::memcpy(target.values + i * target.width, bytes, target.width);
      if (cell.null()) target.status[i] = kNullValue;
      whole &= !cell.null();
    }
  }
  lists.resize(groups_.size());
  keys.clear();
  for (size_t g = 0; g < groups_.size(); ++g) {
    keys.push_back(&lists[same_key_[g]]);
    if (same_key_[g] < g) continue;
    lists[g].bytes.clear();
    lists[g].ends.clear();
    for (size_t i = 0; i < rows; ++i) {
      keys_[g].Append(entities.subspan(i * width, width), &lists[g].bytes);
      lists[g].ends.push_back(lists[g].bytes.size());
    }
  }
  if (groups_.empty()) return whole ? ColumnsRead::kWhole : ColumnsRead::kWithGaps;
  const bool as_vector = one_key_ && rows == 1 && !lists[0].bytes.empty();
  ARROW_ASSIGN_OR_RAISE(const ColumnsRead read,
                        as_vector
                            ? online->ReadVector(*one_key_, lists[0].bytes, event_time_us, columns)
                            : online->ReadColumns(groups_, keys, event_time_us, columns));
  if (rows > kKeptRows) scratch = {};
  return read == ColumnsRead::kWhole && !whole ? ColumnsRead::kWithGaps : read;
}

size_t VectorLookup::RowsOf(std::span<const Cell> entities) const {
  const auto width = static_cast<size_t>(entities_->num_fields());
  return width == 0 ? 1 : entities.size() / width;
}

Result<bool> VectorLookup::Read(OnlineRows* online, std::span<const Cell> entities,
                                int64_t event_time_us, VectorCells* vector) const {
  const size_t rows = RowsOf(entities);
  const auto width = static_cast<size_t>(entities_->num_fields());
  vector->keys.resize(groups_.size() * rows);
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (size_t i = 0; i < rows; ++i) {
      std::string& key = vector->keys[g * rows + i];
      key.clear();
      keys_[g].Append(entities.subspan(i * width, width), &key);
    }
  }
  if (groups_.empty()) {
    vector->rows.status.clear();
  } else {
    ARROW_ASSIGN_OR_RAISE(const bool answered,
                          online->ReadCells(groups_, vector->keys, event_time_us, &vector->rows));
    if (!answered) return false;
  }
  ARROW_RETURN_NOT_OK(FillFeatures(entities, event_time_us, vector));
  return true;
}

Result<bool> VectorLookup::Read(VectorRows* online, std::span<const Cell> entities,
                                int64_t event_time_us, VectorCells* vector) const {
  if (one_key_ && RowsOf(entities) == 1) {
    vector->keys.resize(1);
    std::string& key = vector->keys[0];
    key.clear();
    if (keys_[0].Append(entities, &key)) {
      ARROW_ASSIGN_OR_RAISE(const bool answered,
                            online->ReadVectorCells(*one_key_, key, event_time_us, &vector->rows));
      if (!answered) return false;
      ARROW_RETURN_NOT_OK(FillFeatures(entities, event_time_us, vector));
      return true;
    }
  }
  return Read(static_cast<OnlineRows*>(online), entities, event_time_us, vector);
}

Status VectorLookup::FillFeatures(std::span<const Cell> entities, int64_t event_time_us,
                                  VectorCells* vector) const {
  const size_t rows = RowsOf(entities);
  const auto width = static_cast<size_t>(entities_->num_fields());
  vector->memory.Reset();
  auto* time = vector->memory.TakeArray<int64_t>(1);
  *time = event_time_us;
  auto* computed = vector->memory.TakeArray<Cell>(computations_.size());
  vector->features.resize(rows * features_.size());
  vector->status.resize(rows * features_.size());
  vector->helpers.clear();
  Cell* value = vector->features.data();
  RowStatus* status = vector->status.data();
  for (size_t row = 0; row < rows; ++row) {
    const auto cell_of = [&](const Source& source) -> Cell {
      switch (source.from) {
        case Source::From::kEntity:
          return entities[row * width + source.index];
        case Source::From::kLookedUp: {
          // Before it are all rows of the groups before its own, and the rows before this.
          const size_t first = first_cells_[source.group];
          const size_t columns = groups_[source.group].columns.size();
          return vector->rows.cells[rows * first + row * columns + source.index - first];
        }
        case Source::From::kComputed:
          return computed[source.index];
        case Source::From::kEventTime:
          return {reinterpret_cast<const char*>(time), sizeof(*time)};
        case Source::From::kNothing:
          break;
      }
      return {};
    };
    for (size_t c = 0; c < computations_.size(); ++c) {
      const Computation& computation = computations_[c];
      const size_t count = computation.inputs.size();
      auto* inputs = vector->memory.TakeArray<Cell>(count);
      for (size_t i = 0; i < count; ++i) inputs[i] = cell_of(computation.inputs[i]);
      const Status evaluated =
          computation.expression->EvaluateRow({inputs, count}, &vector->memory, &computed[c]);
      if (!evaluated.ok()) return Explain(evaluated, computation.what);
    }
    for (const Source& feature : features_) {
      const bool looked_up = feature.from == Source::From::kLookedUp;
      *value++ = cell_of(feature);
      *status++ = looked_up ? vector->rows.status[feature.group * rows + row] : RowStatus::kPresent;
    }
    for (const Source& helper : helpers_) vector->helpers.push_back(cell_of(helper));
  }
  return Status::OK();
}

}  // namespace tercet
