#include "source/iceberg_relation.h"

#include <algorithm>
#include <map>
#include <utility>

#include "source/sql_session.h"

namespace tercet {
namespace {

/// The ids of what a file of deletes by position has
/// (https://iceberg.apache.org/spec/#reserved-field-ids).
constexpr int64_t kPathId = 2'147'483'546, kPositionId = 2'147'483'545;

/// Columns are called by their ids inside, so that none has the name of what we put beside them.
std::string NameOf(int64_t id) { return "c" + std::to_string(id); }

/// A call that reads these columns of the files, by ids, with each row's file and number.
std::string ReadFiles(const std::vector<const IcebergFile*>& files,
                      const std::vector<IcebergColumn>& columns) {
  std::string list, schema;
  for (const IcebergFile* file : files) {
    list += (list.empty() ? "" : ", ") + QuoteSqlText(file->path);
  }
  for (const IcebergColumn& column : columns) {
    // DuckDB takes defaults of one type alone, and casts texts.
    schema += (schema.empty() ? "" : ", ") + std::to_string(column.id) + ": {name: '" +
              NameOf(column.id) + "', type: " + QuoteSqlText(column.type) +
              ", default_value: CAST(" + column.initial_value + " AS VARCHAR)}";
  }
  return "read_parquet([" + list + "], schema = MAP {" + schema +
         "}, filename = true, file_row_number = true)";
}

/// The snapshot's columns by their names.
std::string Renamed(const std::vector<IcebergColumn>& columns, const std::string& from) {
  std::string text;
  for (const IcebergColumn& column : columns) {
    text += (text.empty() ? "" : ", ") + from + NameOf(column.id) + " AS " +
            QuoteSqlName(column.name);
  }
  return text;
}

/// What SQL has to know of each file: `name` (its path, or how the table lists it), its index from
/// `first` on, its sequence number and its partition.
std::string Described(const std::vector<const IcebergFile*>& files, const IcebergFile* first,
                      std::string IcebergFile::*name = &IcebergFile::path) {
  std::string rows;
  for (const IcebergFile* file : files) {
    rows += (rows.empty() ? "(" : ", (") + QuoteSqlText(file->*name) + ", " +
            std::to_string(file - first) + ", " + std::to_string(file->sequence) + ", " +
            std::to_string(file->partition) + ")";
  }
  return "(VALUES " + rows + ")";
}

/// " ANTI JOIN …" of deletes by position, from the rows `d` of the files `f`. Files of such deletes
/// name the files that they are of as the table lists them.
std::string AntiJoinPositions(const IcebergPlan& plan,
                              const std::vector<const IcebergFile*>& touched,
                              const std::string& vectors) {
  std::vector<const IcebergFile*> files;
  bool with_vectors = false;
  for (const IcebergFile& file : plan.position_deletes) {
    if (file.vector_offset) with_vectors = true;
    if (!file.vector_offset) files.push_back(&file);
  }
  std::string rows;
  if (!files.empty()) {
    rows = "SELECT t.file, k.c" + std::to_string(kPositionId) + " AS position FROM " +
           ReadFiles(files,
                     {{kPathId, "", "VARCHAR", "NULL"}, {kPositionId, "", "BIGINT", "NULL"}}) +
           " k JOIN " + Described(files, plan.position_deletes.data()) +
           " g(path, file, sequence, part) ON k.filename = g.path JOIN " +
           Described(touched, plan.data.data(), &IcebergFile::listed) +
           " t(listed, file, sequence, part) ON k.c" + std::to_string(kPathId) +
           " = t.listed AND t.part = g.part AND t.sequence <= g.sequence";
  }
  if (with_vectors) {
    rows += (rows.empty() ? "" : " UNION ALL ") + ("SELECT file, position FROM " + vectors);
  }
  if (rows.empty()) return "";
  return " ANTI JOIN (" + rows + ") p ON f.file = p.file AND d.file_row_number = p.position";
}

/// What deletes have in common that one join can do.
using DeleteKind = std::pair<std::vector<int64_t>, bool>;  // equality ids, whether global

/// " ANTI JOIN …" of deletes of one kind, from the rows `d` of the files `f`.
std::string AntiJoin(const IcebergPlan& plan, const DeleteKind& kind,
                     const std::vector<const IcebergFile*>& files, const std::string& name) {
  std::vector<IcebergColumn> columns;
  std::string chosen, condition;
  for (const int64_t id : kind.first) {
    columns.push_back(*std::find_if(plan.compared.begin(), plan.compared.end(),
                                    [&](const IcebergColumn& one) { return one.id == id; }));
    chosen += "k." + NameOf(id) + ", ";
    condition += "d." + NameOf(id) + " IS NOT DISTINCT FROM " + name + "." + NameOf(id) + " AND ";
  }
  if (!kind.second) {
    chosen += "g.part, ";
    condition += "f.part = " + name + ".part AND ";
  }
  return " ANTI JOIN (SELECT " + chosen + "max(g.sequence) AS sequence FROM " +
         ReadFiles(files, columns) + " k JOIN " +
         Described(files, plan.equality_deletes.data()) +
         " g(path, file, sequence, part) ON k.filename = g.path GROUP BY ALL) " + name + " ON " +
         condition + "f.sequence < " + name + ".sequence";
}

}  // namespace

std::string IcebergRelation(const IcebergPlan& plan, const std::string& vectors) {
  std::vector<const IcebergFile*> whole, touched;
  for (const IcebergFile& data : plan.data) {
    const bool deleted =
        std::any_of(plan.equality_deletes.begin(), plan.equality_deletes.end(),
                    [&](const IcebergFile& one) { return one.DeletesFrom(data); }) ||
        std::any_of(plan.position_deletes.begin(), plan.position_deletes.end(),
                    [&](const IcebergFile& one) { return one.MayHavePositionsOf(data); });
    (deleted ? touched : whole).push_back(&data);
  }
  std::string nothing, rows;
  for (const IcebergColumn& column : plan.columns) {
    nothing += (nothing.empty() ? "SELECT " : ", ") + std::string("CAST(NULL AS ") + column.type +
               ") AS " + QuoteSqlName(column.name);
  }
  rows = nothing + " WHERE false";
  if (!whole.empty()) {
    rows += " UNION ALL SELECT " + Renamed(plan.columns, "") + " FROM " +
            ReadFiles(whole, plan.columns);
  }
  if (!touched.empty()) {
    std::vector<IcebergColumn> read = plan.columns;
    for (const IcebergColumn& column : plan.compared) {
      const auto same = [&](const IcebergColumn& one) { return one.id == column.id; };
      if (std::none_of(read.begin(), read.end(), same)) read.push_back(column);
    }
    rows += " UNION ALL SELECT " + Renamed(plan.columns, "d.") + " FROM " +
            ReadFiles(touched, read) + " d JOIN " + Described(touched, plan.data.data()) +
            " f(path, file, sequence, part) ON d.filename = f.path";
    rows += AntiJoinPositions(plan, touched, vectors);
    std::map<DeleteKind, std::vector<const IcebergFile*>> kinds;
    for (const IcebergFile& file : plan.equality_deletes) {
      kinds[{file.equality_ids, file.global}].push_back(&file);
    }
    int number = 0;
    for (const auto& [kind, files] : kinds) {
      rows += AntiJoin(plan, kind, files, "e" + std::to_string(number++));
    }
  }
  return "(" + rows + ")";
}

}  // namespace tercet
