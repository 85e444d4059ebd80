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
  Protocol protocol;
  Metadata metadata;
  TableColumns columns;
  TableOptions options;
  ColumnDefaults defaults;
  LiveFiles files;
  std::unordered_map<std::string, Transaction> transactions;
  std::unordered_map<std::string, RemoveFile> tombstones;  ///< what vacuum must still keep

  /// The files, older rows first.
  std::vector<DataFilePtr> OrderedFiles() const { return files.Ordered(); }
  /// A configuration entry, or nullptr.
  const std::string* Property(std::string_view name) const;
  bool BooleanProperty(std::string_view name) const;
};

using TableStatePtr = std::shared_ptr<const TableState>;

/// Applies a commit's actions (removals before additions, whatever their order in the file) and
/// moves the state to `version`. Refuses unknown reader features.
Status ApplyCommit(const std::vector<Action>& actions, int64_t version, const TableOptions& given,
                   TableState* state);

/// Sets the metadata and what follows from it: columns, keys. `given` says the keys where the
/// table's own configuration does not.
Status ApplyMetadata(const Metadata& metadata, const TableOptions& given, TableState* state);

/// NotImplemented when the protocol asks of readers what we don't do, naming the feature.
Status CheckReadable(const Protocol& protocol, const Metadata& metadata);

/// NotImplemented when the table asks of writers what we don't do: unknown features, partitions,
/// constraints, generated or identity columns, column mapping, row tracking.
Status CheckWritable(const TableState& state);

/// The time of a commit: our own exact one, else the commit's `timestamp`, else `modified_us`.
int64_t CommitTimeOf(const json::object& commit_info, int64_t modified_us);
/// Whether the commit is one of ours, whose time needs no correction.
bool HasExactTime(const json::object& commit_info);

}  // namespace tercet
