#include "offline/sql_time_ranges.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>
#include <vector>

#include "base/time_text.h"

namespace tercet {
namespace {

constexpr int64_t kSecond = 1'000'000, kDay = 86'400 * kSecond;

/// Functions that read a table by its name.
constexpr std::string_view kNamingFunctions[] = {"query", "query_table", "feature_group"};

std::string_view TextOf(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return {value->as_string().data(), value->as_string().size()};
}

const json::object* ObjectOf(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

/// A table in a FROM clause.
struct Leaf {
  const json::object* node;
  std::string table, alias;
  std::shared_ptr<arrow::Field> event_time;  ///< null: none
  SqlTimeRange range;
};

class RangeFinder {
 public:
  RangeFinder(const std::map<std::string, int64_t>& times, const SqlEventTime& event_time)
      : times_(times), event_time_(event_time) {}

  Status Visit(const json::value& value) {
    if (const json::array* array = value.if_array()) {
      for (const json::value& item : *array) ARROW_RETURN_NOT_OK(Visit(item));
    }
    const json::object* object = value.if_object();
    if (object == nullptr) return Status::OK();
    const std::string_view type = TextOf(*object, "type");
    if (type == "SELECT_NODE") Narrow(*object);
    if (type == "BASE_TABLE") ARROW_RETURN_NOT_OK(Mention(*object));
    if (type == "FUNCTION") {
      for (const std::string_view name : kNamingFunctions) {
        if (SameName(TextOf(*object, "function_name"), name)) unknown_ = true;
      }
    }
    for (const auto& member : *object) ARROW_RETURN_NOT_OK(Visit(member.value()));
    return Status::OK();
  }

  std::map<std::string, SqlTimeRange> Take() && {
    if (unknown_) return {};
    return std::move(hulls_);
  }

 private:
  /// Every mention counts; one that no SELECT narrowed is read whole.
  Status Mention(const json::object& node) {
    const json::value* at = node.if_contains("at_clause");
    if (at != nullptr && !at->is_null()) {
      return Status::Invalid("SQL: AT (…) is not read here; write feature_group('",
                             TextOf(node, "table_name"), "', as_of := …)");
    }
    const auto found = narrowed_.find(&node);
    const SqlTimeRange range = found == narrowed_.end() ? SqlTimeRange{} : found->second;
    const auto [hull, first] = hulls_.try_emplace(std::string(TextOf(node, "table_name")), range);
    if (!first) {
      hull->second.start_us = std::min(hull->second.start_us, range.start_us);
      hull->second.end_us = std::max(hull->second.end_us, range.end_us);
    }
    return Status::OK();
  }

  void Narrow(const json::object& select) {
    const json::object* from = ObjectOf(select, "from_table");
    const json::object* where = ObjectOf(select, "where_clause");
    if (from == nullptr || where == nullptr || ObjectOf(select, "sample") != nullptr) return;
    std::vector<Leaf> leaves;
    if (!AddLeaves(*from, &leaves)) return;
    AddCondition(*where, &leaves);
    for (const Leaf& leaf : leaves) narrowed_[leaf.node] = leaf.range;
  }

  /// False where a row that WHERE refuses may still have a say in which others come.
  bool AddLeaves(const json::object& from, std::vector<Leaf>* leaves) {
    const std::string_view type = TextOf(from, "type");
    if (ObjectOf(from, "sample") != nullptr) return false;
    if (type == "JOIN") {
      const std::string_view kind = TextOf(from, "ref_type");
      if (kind != "REGULAR" && kind != "CROSS") return false;
      const json::object *left = ObjectOf(from, "left"), *right = ObjectOf(from, "right");
      if (left == nullptr || right == nullptr || !AddLeaves(*left, leaves)) return false;
      // WHERE does not see the right side of these.
      const std::string_view join = TextOf(from, "join_type");
      return join == "SEMI" || join == "ANTI" || AddLeaves(*right, leaves);
    }
    // What is within a subquery is narrowed by its own SELECT.
    if (type != "BASE_TABLE") return true;
    const json::value* renamed = from.if_contains("column_name_alias");
    if (renamed != nullptr && renamed->is_array() && !renamed->as_array().empty()) return true;
    Leaf leaf{.node = &from, .table = std::string(TextOf(from, "table_name")),
              .alias = std::string(TextOf(from, "alias")), .event_time = nullptr, .range = {}};
    leaf.event_time = event_time_(leaf.table);
    if (leaf.alias.empty()) leaf.alias = leaf.table;
    leaves->push_back(std::move(leaf));
    return true;
  }

  void AddCondition(const json::object& condition, std::vector<Leaf>* leaves) {
    const std::string_view type = TextOf(condition, "type");
    if (type == "CONJUNCTION_AND") {
      const json::value* children = condition.if_contains("children");
      if (children == nullptr || !children->is_array()) return;
      for (const json::value& child : children->as_array()) {
        if (child.is_object()) AddCondition(child.as_object(), leaves);
      }
      return;
    }
    if (type == "COMPARE_BETWEEN") {
      Compare(ObjectOf(condition, "input"), ">=", ObjectOf(condition, "lower"), leaves);
      Compare(ObjectOf(condition, "input"), "<=", ObjectOf(condition, "upper"), leaves);
      return;
    }
    const json::object *left = ObjectOf(condition, "left"), *right = ObjectOf(condition, "right");
    if (type == "COMPARE_EQUAL") {
      for (const std::string_view sign : {"<=", ">="}) {
        Compare(left, sign, right, leaves);
        Compare(right, sign, left, leaves);
      }
    } else if (type == "COMPARE_GREATERTHAN" || type == "COMPARE_GREATERTHANOREQUALTO") {
      Compare(left, ">=", right, leaves);
      Compare(right, "<=", left, leaves);
    } else if (type == "COMPARE_LESSTHAN" || type == "COMPARE_LESSTHANOREQUALTO") {
      Compare(left, "<=", right, leaves);
      Compare(right, ">=", left, leaves);
    }
  }

  /// Takes in "column sign constant", where it is that.
  void Compare(const json::object* column, std::string_view sign, const json::object* constant,
               std::vector<Leaf>* leaves) const {
    if (column == nullptr || constant == nullptr) return;
    Leaf* leaf = LeafOf(*column, leaves);
    const std::optional<int64_t> time_us = TimeOf(*constant);
    if (leaf == nullptr || !time_us) return;
    // The column may be coarser than the constant, which is then rounded.
    const bool is_date = leaf->event_time->type()->id() != arrow::Type::TIMESTAMP;
    const int64_t slack = is_date ? kDay : kSecond;
    SqlTimeRange& range = leaf->range;
    if (sign == ">=") range.start_us = std::max(range.start_us, *time_us - slack);
    if (sign == "<=") range.end_us = std::min(range.end_us, *time_us + slack);
  }

  /// The table whose event time is meant. If a column of the same name is elsewhere, the engine
  /// refuses the query as ambiguous.
  Leaf* LeafOf(const json::object& column, std::vector<Leaf>* leaves) const {
    if (TextOf(column, "type") != "COLUMN_REF") return nullptr;
    const json::value* names = column.if_contains("column_names");
    if (names == nullptr || !names->is_array()) return nullptr;
    std::vector<std::string> parts;
    for (const json::value& name : names->as_array()) {
      if (name.is_string()) parts.emplace_back(name.as_string().data(), name.as_string().size());
    }
    if (parts.empty() || parts.size() > 2) return nullptr;
    Leaf* found = nullptr;
    for (Leaf& leaf : *leaves) {
      if (parts.size() == 2 && !SameName(leaf.alias, parts[0])) continue;
      if (leaf.event_time == nullptr || !SameName(leaf.event_time->name(), parts.back())) continue;
      if (found != nullptr) return nullptr;
      found = &leaf;
    }
    return found;
  }

  std::optional<int64_t> TimeOf(const json::object& constant) const {
    const std::string_view type = TextOf(constant, "type");
    if (type == "OPERATOR_CAST") {
      const json::object *child = ObjectOf(constant, "child"),
                         *to = ObjectOf(constant, "cast_type");
      if (child == nullptr || to == nullptr) return std::nullopt;
      static const std::set<std::string_view> kTimes = {"DATE", "TIMESTAMP",
                                                        "TIMESTAMP WITH TIME ZONE"};
      return kTimes.contains(TextOf(*to, "id")) ? TimeOf(*child) : std::nullopt;
    }
    if (type == "VALUE_PARAMETER") {
      const auto time = times_.find(std::string(TextOf(constant, "identifier")));
      return time == times_.end() ? std::nullopt : std::optional(time->second);
    }
    if (type != "VALUE_CONSTANT") return std::nullopt;
    const json::object* value = ObjectOf(constant, "value");
    if (value == nullptr) return std::nullopt;
    const std::string_view text = TextOf(*value, "value");
    // Offsets and zones are left to the engine; without them both mean UTC.
    if (text.empty() || text.find_first_not_of("0123456789-:. T") != std::string_view::npos) {
      return std::nullopt;
    }
    if (text.size() > 10 && text.find('-', 10) != std::string_view::npos) return std::nullopt;
    const Result<int64_t> time_us = ParseTime(text);
    return time_us.ok() ? std::optional(*time_us) : std::nullopt;
  }

  const std::map<std::string, int64_t>& times_;
  const SqlEventTime& event_time_;
  std::map<const json::object*, SqlTimeRange> narrowed_;  // by the tables of FROM clauses
  std::map<std::string, SqlTimeRange> hulls_;
  bool unknown_ = false;
};

}  // namespace

Result<std::map<std::string, SqlTimeRange>> FindTimeRanges(
    const json::value& tree, const std::map<std::string, int64_t>& times,
    const SqlEventTime& event_time) {
  RangeFinder finder(times, event_time);
  ARROW_RETURN_NOT_OK(finder.Visit(tree));
  return std::move(finder).Take();
}

}  // namespace tercet
