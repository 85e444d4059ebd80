#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "offline/action.h"
#include "offline/data_file.h"
#include "offline/delta_schema.h"
#include "offline/live_files.h"
#include "offline/table.h"

namespace tercet {

/// What the log says of a table as of one version. Published as shared_ptr<const TableState>;
/// nobody changes it then.
struct TableState {
  int64_t version = -1;
  int64_t commit_time_us = 0;
  Protocol protocol{.min_reader_version = 0, .min_writer_version = 0};  ///< zero: none was seen
  Metadata metadata;
  TableColumns columns;  ///< empty until the state is settled
  TableOptions options;
  ColumnDefaults defaults;
  LiveFiles files;
  std::unordered_map<std::string, Transaction> transactions;
  std::map<std::string, std::string> domains;  ///< configurations of features, by domain
  std::unordered_map<std::string, RemoveFile> tombstones;  ///< what vacuum must still keep

  /// The files, older rows first.
  std::vector<DataFilePtr> OrderedFiles() const { return files.Ordered(); }
  /// A configuration entry, or nullptr.
  const std::string* Property(std::string_view name) const;
  bool BooleanProperty(std::string_view name) const;
};

using TableStatePtr = std::shared_ptr<const TableState>;

/// Applies a commit's actions (removals before additions, whatever their order in the file) and
/// moves the state to `version`. Whether the outcome can be read is for SettleState to say: a later
/// commit may add a column that the key names, or drop a feature.
Status ApplyCommit(const std::vector<Action>& actions, int64_t version, const TableOptions& given,
                   TableState* state);

/// Sets the metadata and the keys. `given` says the keys where the table's own configuration does
/// not.
Status ApplyMetadata(const Metadata& metadata, const TableOptions& given, TableState* state);

/// Makes a state that commits were applied to ready for readers: the columns. IOError when the log
/// has no protocol or no metadata, NotImplemented for features that we don't read, Invalid when the
/// key names a column that the table does not have then.
Status SettleState(TableState* state);

/// The time of a commit: our own exact one, else its `inCommitTimestamp`, else its `timestamp`,
/// else `modified_us`.
int64_t CommitTimeOf(const json::object& commit_info, int64_t modified_us);
/// Whether the commit is one of ours.
bool IsOurCommit(const json::object& commit_info);
/// Whether the time needs no correction: the commit is ours, or has a time in itself.
bool HasExactTime(const json::object& commit_info);

}  // namespace tercet
