#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "offline/file_tags.h"

namespace tercet {

/// The actions of Delta's transaction log as typed values: one JSON object a line of a commit file,
/// one struct column each of a checkpoint. Member names follow the protocol; times are
/// milliseconds since the epoch, as there.

/// Where the set of deleted rows of a file is kept.
struct VectorPointer {
  std::string storage_type;    ///< "u": a file of the table, "i": inline, "p": an absolute path
  std::string path_or_inline;  ///< Z85 text, or the path
  std::optional<int64_t> offset;
  int64_t size_bytes = 0;
  int64_t cardinality = 0;

  /// Delta's unique id of the vector; with the path it names a logical file.
  std::string UniqueId() const;
  bool operator==(const VectorPointer&) const = default;
};

/// What names a logical file: its path and its vector.
std::string LogicalFileKey(const std::string& path, const std::optional<VectorPointer>& vector);

/// Where Delta's row tracking counts a file's rows from (offline/row_tracking.h).
struct RowIds {
  std::optional<int64_t> base;            ///< of the first row; the others follow
  std::optional<int64_t> commit_version;  ///< of the commit that brought the file
};

using PartitionValues = std::map<std::string, std::optional<std::string>>;

struct AddFile {
  std::string path;  ///< as in the log: percent-encoded, relative to the table
  PartitionValues partition_values;
  int64_t size_bytes = 0;
  int64_t modification_time_ms = 0;
  bool data_change = true;
  std::string stats;  ///< JSON text, or empty
  FileTags tags;
  std::optional<VectorPointer> vector;
  RowIds row_ids;

  std::string Key() const { return LogicalFileKey(path, vector); }
};

struct RemoveFile {
  std::string path;
  std::optional<int64_t> deletion_time_ms;
  bool data_change = true;
  PartitionValues partition_values;
  std::optional<int64_t> size_bytes;
  FileTags tags;
  std::optional<VectorPointer> vector;
  RowIds row_ids;

  std::string Key() const { return LogicalFileKey(path, vector); }
  /// The removal of a live file.
  static RemoveFile Of(const AddFile& file, int64_t time_ms, bool data_change);
};

struct ChangeFile {
  std::string path;
  PartitionValues partition_values;
  int64_t size_bytes = 0;
};

struct Metadata {
  std::string id;
  std::optional<std::string> name, description;
  std::string schema_string;
  std::vector<std::string> partition_columns;
  std::map<std::string, std::string> configuration;
  std::optional<int64_t> created_time_ms;
};

struct Protocol {
  int64_t min_reader_version = 1;
  int64_t min_writer_version = 2;
  std::optional<std::vector<std::string>> reader_features, writer_features;
};

struct Transaction {
  std::string app_id;
  int64_t version = 0;
  std::optional<int64_t> last_updated_ms;
};

/// Free-form: who made the commit, when and how.
struct CommitInfo {
  json::object fields;
};

/// What some feature keeps about the table, under a name of its own.
struct DomainMetadata {
  std::string domain;
  std::string configuration;  ///< text of any kind
  bool removed = false;
};

/// An action that we don't know and may pass over (`sidecar` …): what must not be passed over is
/// named by a protocol feature.
struct OtherAction {
  std::string name;
};

using Action = std::variant<CommitInfo, Protocol, Metadata, Transaction, AddFile, RemoveFile,
                            ChangeFile, DomainMetadata, OtherAction>;

/// Reads one line of a commit file. Invalid when it is malformed; never trusts sizes or paths.
Result<Action> ParseAction(std::string_view line);

/// Reads a whole commit file; blank lines are passed over. Invalid names the line.
Result<std::vector<Action>> ParseActions(std::string_view text);

/// One line, without the line's end.
std::string ToLine(const Action& action);

/// A log path as a path relative to the table: percent-decoded. Invalid when it is absolute, a
/// URI, or would leave the table's folder.
Result<std::string> DecodeLogPath(std::string_view path);

}  // namespace tercet
