#include "source/iceberg_relation.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <arrow/builder.h>

#include "source/sql_session.h"

namespace tercet {
namespace {

/// The ids of what a file of deletes by position has
/// (https://iceberg.apache.org/spec/#reserved-field-ids).
constexpr int64_t kPathId = 2'147'483'546, kPositionId = 2'147'483'545;

using Files = std::vector<const IcebergFile*>;
using Names = std::optional<std::map<int64_t, std::string>>;

/// Columns are called by their ids inside, so that none has the name of what we put beside them.
std::string NameOf(int64_t id) { return IcebergColumnName(id); }
std::string PartitionValueOf(int64_t id) { return "v" + std::to_string(id); }

void Append(std::string_view separator, const std::string& more, std::string* text) {
  if (!text->empty()) *text += separator;
  *text += more;
}

/// A call that reads these columns of the files, by their ids, or by `names` where they have none.
/// Each row tells where it is by DuckDB's `file_index` and `file_row_number`.
std::string ReadParquet(const Files& files, const std::vector<IcebergColumn>& columns,
                        const Names& names = std::nullopt) {
  std::string list, schema;
  for (const IcebergFile* file : files) Append(", ", QuoteSqlText(file->path), &list);
  for (const IcebergColumn& column : columns) {
    if (names && !names->contains(column.id)) continue;
    // DuckDB takes defaults of one type alone, and casts texts.
    Append(", ",
           (names ? QuoteSqlText(names->at(column.id)) : std::to_string(column.id)) + ": {name: '" +
               NameOf(column.id) + "', type: " + QuoteSqlText(column.type) +
               ", default_value: CAST(" + column.initial_value + " AS VARCHAR)}",
           &schema);
  }
  if (!schema.empty()) schema = ", schema = MAP {" + schema + "}";
  return "read_parquet([" + list + "]" + schema + ")";
}

bool IsParquet(const IcebergFile* file) {
  return file->format == IcebergFile::Format::kParquet;
}

/// Which files deletes may be of. Files of either are many, so that they are not compared one by
/// one with the other.
class DeleteIndex {
 public:
  explicit DeleteIndex(const IcebergPlan& plan) {
    for (const IcebergFile& file : plan.equality_deletes) {
      Keep(file.sequence, file.global ? &global_ : &equality_.try_emplace(file.partition, kNone)
                                                        .first->second);
    }
    for (const IcebergFile& file : plan.position_deletes) {
      Keep(file.sequence,
           file.referenced ? &referenced_.try_emplace(*file.referenced, kNone).first->second
                           : &positions_.try_emplace(file.partition, kNone).first->second);
    }
  }

  bool MayDeleteFrom(const IcebergFile& data) const {
    const auto newest = [](const auto& newest_of, const auto& key) {
      const auto found = newest_of.find(key);
      return found == newest_of.end() ? kNone : found->second;
    };
    return data.sequence < std::max(global_, newest(equality_, data.partition)) ||
           data.sequence <= std::max(newest(positions_, data.partition),
                                     newest(referenced_, data.listed));
  }

 private:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::min();

  static void Keep(int64_t sequence, int64_t* newest) { *newest = std::max(*newest, sequence); }

  // The newest deletes' sequence numbers.
  int64_t global_ = kNone;
  std::unordered_map<int64_t, int64_t> equality_, positions_;  // by partition
  std::unordered_map<std::string, int64_t> referenced_;        // by the file that they are of
};

/// Files that one call reads.
struct Part {
  Files files;
  bool parquet = true;            // whether DuckDB reads them
  bool deleted = false;           // whether there may be deletes of their rows
  Names names;                    // of their columns
  std::set<int64_t> from_places;  // columns whose values are those of partitions
};

std::vector<Part> PartsOf(const IcebergPlan& plan, std::optional<int64_t> start_us,
                          std::optional<int64_t> end_us) {
  const DeleteIndex deletes(plan);
  std::map<std::tuple<bool, bool, Names, std::set<int64_t>>, Files> parts;
  for (const IcebergFile& data : plan.data) {
    const bool early = start_us && data.last_us && *data.last_us < *start_us;
    const bool late = end_us && data.first_us && *data.first_us >= *end_us;
    if (early || late) continue;
    std::set<int64_t> from_places;
    for (const auto& [column, value] : data.partition_values) from_places.insert(column);
    parts[{!IsParquet(&data), deletes.MayDeleteFrom(data), data.names, std::move(from_places)}]
        .push_back(&data);
  }
  std::vector<Part> list;
  for (auto& [kind, files] : parts) {
    list.push_back({std::move(files), !std::get<0>(kind), std::get<1>(kind), std::get<2>(kind),
                    std::get<3>(kind)});
  }
  return list;
}

class RelationWriter {
 public:
  RelationWriter(const IcebergPlan& plan, const std::string& vectors)
      : plan_(plan), vectors_(vectors) {}

  Result<IcebergRelation> Write(const std::vector<Part>& parts) {
    std::string nothing;
    for (const IcebergColumn& column : plan_.columns) {
      Append(", ", "CAST(NULL AS " + column.type + ") AS " + QuoteSqlName(column.name), &nothing);
    }
    std::string rows = "SELECT " + nothing + " WHERE false";
    for (const Part& part : parts) {
      ARROW_ASSIGN_OR_RAISE(const std::string some, Rows(part));
      rows += " UNION ALL " + some;
    }
    relation_.text = "(" + rows + ")";
    return std::move(relation_);
  }

 private:
  Result<std::string> Rows(const Part& part) {
    std::vector<IcebergColumn> read = plan_.columns;
    if (part.deleted) {
      for (const IcebergColumn& column : plan_.compared) {
        const auto same = [&](const IcebergColumn& one) { return one.id == column.id; };
        if (std::none_of(read.begin(), read.end(), same)) read.push_back(column);
      }
    }
    std::map<int64_t, std::string> value_of;
    for (const IcebergColumn& column : read) {
      ARROW_ASSIGN_OR_RAISE(value_of[column.id], ValueIn(part, column));
    }
    std::string chosen;
    for (const IcebergColumn& column : plan_.columns) {
      Append(", ", value_of[column.id] + " AS " + QuoteSqlName(column.name), &chosen);
    }
    std::string rows = "SELECT " + chosen + " FROM " +
                       (part.parquet ? ReadParquet(part.files, read, part.names)
                                     : ReadOthers(part.files, part.files.begin(), read)) +
                       " d";
    if (!part.deleted && part.from_places.empty()) return rows;
    ARROW_ASSIGN_OR_RAISE(const std::string known,
                          Known(part.files, plan_.data.data(), part.from_places));
    rows += " JOIN " + known + " f ON d.file_index = f.number";
    if (!part.deleted) return rows;
    ARROW_ASSIGN_OR_RAISE(const std::string by_position, AntiJoinPositions(known));
    rows += by_position;
    std::map<DeleteKind, Files> kinds;
    for (const IcebergFile& file : plan_.equality_deletes) {
      kinds[{file.equality_ids, file.global}].push_back(&file);
    }
    int number = 0;
    for (auto& [kind, files] : kinds) {
      std::stable_partition(files.begin(), files.end(), IsParquet);
      ARROW_ASSIGN_OR_RAISE(const std::string by_equality,
                            AntiJoin(kind, files, value_of, "e" + std::to_string(number++)));
      rows += by_equality;
    }
    return rows;
  }

  /// A call that reads these columns of files that DuckDB doesn't read, from `first` on.
  std::string ReadOthers(const Files& files, Files::const_iterator first,
                         const std::vector<IcebergColumn>& columns) {
    IcebergRowFiles rows;
    rows.first = first - files.begin();
    for (; first != files.end(); ++first) rows.files.push_back(**first);
    rows.columns = columns;
    rows.names = plan_.names;
    const std::string name = "rows" + std::to_string(relation_.rows.size());
    relation_.rows.emplace(name, std::move(rows));
    return "feature_group(" + QuoteSqlText(name) + ")";
  }

  /// A relation with these columns of files of deletes, those of Parquet before others.
  std::string ReadDeletes(const Files& files, const std::vector<IcebergColumn>& columns) {
    const auto others = std::find_if_not(files.begin(), files.end(), IsParquet);
    if (others == files.end()) return ReadParquet(files, columns);
    std::string chosen;
    for (const IcebergColumn& column : columns) {
      chosen += "CAST(" + NameOf(column.id) + " AS " + column.type + ") AS " + NameOf(column.id) +
                ", ";
    }
    std::string rows =
        "(SELECT " + chosen + "file_index FROM " + ReadOthers(files, others, columns);
    if (others != files.begin()) {
      rows += " UNION ALL SELECT " + chosen + "file_index FROM " +
              ReadParquet({files.begin(), others}, columns);
    }
    return rows + ")";
  }

  /// A column's value of a row of a file that DuckDB doesn't read, which says itself whether it has
  /// the column.
  static std::string ValueInRow(const Part& part, const IcebergColumn& column) {
    const std::string value = "CAST(d." + NameOf(column.id) + " AS " + column.type + ")";
    const bool from_place = part.from_places.contains(column.id);
    if (!from_place && column.initial_value == "NULL") return value;
    const auto elsewhere = ValueElsewhere(part, column);
    // Which files lack the column is not known yet.
    const std::string otherwise = elsewhere.ok()
                                      ? *elsewhere
                                      : "error(" + QuoteSqlText(elsewhere.status().message()) + ")";
    return "CASE WHEN d." + IcebergColumnIsThere(column.id) + " THEN " + value + " ELSE " +
           otherwise + " END";
  }

  /// A column's value of a row of a part.
  static Result<std::string> ValueIn(const Part& part, const IcebergColumn& column) {
    if (!part.parquet) return ValueInRow(part, column);
    if (!part.names || part.names->contains(column.id)) return "d." + NameOf(column.id);
    return ValueElsewhere(part, column);
  }

  /// A column's value in files that don't have it.
  static Result<std::string> ValueElsewhere(const Part& part, const IcebergColumn& column) {
    if (!part.from_places.contains(column.id)) {
      return "CAST(" + column.initial_value + " AS " + column.type + ")";
    }
    const std::string text = "f." + PartitionValueOf(column.id);
    const std::string number = "CAST(" + text + " AS BIGINT)";
    if (column.type == "DATE") return "(DATE '1970-01-01' + CAST(" + text + " AS INTEGER))";
    if (column.type == "TIMESTAMP") return "make_timestamp(" + number + ")";
    if (column.type == "TIMESTAMP WITH TIME ZONE") return "make_timestamptz(" + number + ")";
    static const std::set<std::string> as_text = {"BOOLEAN", "INTEGER", "BIGINT",
                                                  "FLOAT",   "DOUBLE",  "VARCHAR"};
    if (as_text.contains(column.type)) return "CAST(" + text + " AS " + column.type + ")";
    return Status::NotImplemented("column '", column.name, "' of the type ", column.type,
                                  " has values in the names of partitions alone, which are not "
                                  "read of this type");
  }

  /// A relation with what SQL has to know of each file: its number in the list, its index from
  /// `first` on, how the table lists it, its sequence number, its partition, and values of the
  /// partition.
  Result<std::string> Known(const Files& files, const IcebergFile* first,
                            const std::set<int64_t>& values = {}) {
    arrow::Int64Builder numbers, indices, sequences, partitions;
    arrow::StringBuilder names;
    for (const IcebergFile* file : files) {
      ARROW_RETURN_NOT_OK(numbers.Append(numbers.length()));
      ARROW_RETURN_NOT_OK(indices.Append(file - first));
      ARROW_RETURN_NOT_OK(names.Append(file->listed));
      ARROW_RETURN_NOT_OK(sequences.Append(file->sequence));
      ARROW_RETURN_NOT_OK(partitions.Append(file->partition));
    }
    arrow::FieldVector fields;
    arrow::ArrayVector columns;
    const auto add = [&](const std::string& name, arrow::ArrayBuilder* builder) -> Status {
      fields.push_back(arrow::field(name, builder->type()));
      return builder->Finish(&columns.emplace_back());
    };
    ARROW_RETURN_NOT_OK(add("number", &numbers));
    ARROW_RETURN_NOT_OK(add("file", &indices));
    ARROW_RETURN_NOT_OK(add("listed", &names));
    ARROW_RETURN_NOT_OK(add("sequence", &sequences));
    ARROW_RETURN_NOT_OK(add("part", &partitions));
    for (const int64_t column : values) {
      arrow::StringBuilder texts;
      for (const IcebergFile* file : files) {
        const std::optional<std::string>& text = file->partition_values.at(column);
        ARROW_RETURN_NOT_OK(text ? texts.Append(*text) : texts.AppendNull());
      }
      ARROW_RETURN_NOT_OK(add(PartitionValueOf(column), &texts));
    }
    const std::string name = "files" + std::to_string(relation_.tables.size());
    relation_.tables[name] = arrow::Table::Make(arrow::schema(fields), columns);
    return "feature_group(" + QuoteSqlText(name) + ")";
  }

  /// " ANTI JOIN …" of deletes by position, from the rows `d` of the files `f`, which are `known`.
  /// Files of such deletes name the files that they are of as the table lists them.
  Result<std::string> AntiJoinPositions(const std::string& known) {
    Files files;
    bool with_vectors = false;
    for (const IcebergFile& file : plan_.position_deletes) {
      if (file.vector_offset) with_vectors = true;
      if (!file.vector_offset) files.push_back(&file);
    }
    // As a call that reads both kinds of files numbers them.
    std::stable_partition(files.begin(), files.end(), IsParquet);
    std::string rows;
    if (!files.empty()) {
      ARROW_ASSIGN_OR_RAISE(const std::string of_deletes,
                            Known(files, plan_.position_deletes.data()));
      rows = "SELECT t.file, k." + NameOf(kPositionId) + " AS position FROM " +
             ReadDeletes(files, {{kPathId, "", "VARCHAR", "NULL", arrow::utf8()},
                                 {kPositionId, "", "BIGINT", "NULL", arrow::int64()}}) +
             " k JOIN " + of_deletes + " g ON k.file_index = g.number JOIN " + known + " t ON k." +
             NameOf(kPathId) + " = t.listed AND t.part = g.part AND t.sequence <= g.sequence";
    }
    if (with_vectors) Append(" UNION ALL ", "SELECT file, position FROM " + vectors_, &rows);
    if (rows.empty()) return std::string();
    return " ANTI JOIN (" + rows + ") p ON f.file = p.file AND d.file_row_number = p.position";
  }

  /// What deletes have in common that one join can do.
  using DeleteKind = std::pair<std::vector<int64_t>, bool>;  // equality ids, whether global

  /// " ANTI JOIN …" of deletes of one kind, from the rows `d` of the files `f`.
  Result<std::string> AntiJoin(const DeleteKind& kind, const Files& files,
                               const std::map<int64_t, std::string>& value_of,
                               const std::string& name) {
    std::vector<IcebergColumn> columns;
    std::string chosen, condition;
    for (const int64_t id : kind.first) {
      columns.push_back(*std::find_if(plan_.compared.begin(), plan_.compared.end(),
                                      [&](const IcebergColumn& one) { return one.id == id; }));
      chosen += "k." + NameOf(id) + ", ";
      condition += value_of.at(id) + " IS NOT DISTINCT FROM " + name + "." + NameOf(id) + " AND ";
    }
    if (!kind.second) {
      chosen += "g.part, ";
      condition += "f.part = " + name + ".part AND ";
    }
    ARROW_ASSIGN_OR_RAISE(const std::string known, Known(files, plan_.equality_deletes.data()));
    return " ANTI JOIN (SELECT " + chosen + "max(g.sequence) AS sequence FROM " +
           ReadDeletes(files, columns) + " k JOIN " + known +
           " g ON k.file_index = g.number GROUP BY ALL) " + name + " ON " + condition +
           "f.sequence < " + name + ".sequence";
  }

  const IcebergPlan& plan_;
  const std::string& vectors_;
  IcebergRelation relation_;
};

}  // namespace

Result<IcebergRelation> RelationOf(const IcebergPlan& plan, const std::string& vectors,
                                   std::optional<int64_t> start_us,
                                   std::optional<int64_t> end_us) {
  return RelationWriter(plan, vectors).Write(PartsOf(plan, start_us, end_us));
}

}  // namespace tercet
