#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"

namespace tercet {

/// Something done to a Hudi table, or under way.
struct HudiInstant {
  std::string time;        ///< when it was asked for, as "yyyyMMddHHmmssSSS": its name
  std::string action;      ///< as its file says: "commit", "deltacommit", "replacecommit", "clean"…
  std::string completion;  ///< when it was done, where the file's name says so (version 8 on)
  std::string file;        ///< that says what was done

  int64_t version() const;  ///< the name as a number
};

/// A file group: its partition's path below the table, and its id.
using HudiGroup = std::pair<std::string, std::string>;

/// What a completed write says of itself.
struct HudiWrite {
  std::string operation;  ///< "upsert", "cluster", …; empty: not told
  std::string schema;     ///< the table's from then on, as Avro's JSON; empty: not told
  int64_t rows_inserted = 0, rows_updated = 0, rows_deleted = 0;
  std::set<HudiGroup> replaced;  ///< file groups that count no more
  bool evolved_by_id = false;    ///< columns are told apart by ids that only Hudi keeps
};

/// The properties and the active timeline of a Hudi table
/// (https://hudi.apache.org/learn/tech-specs-1point0): of versions 1 to 6, in `.hoodie`, and of 8
/// and 9, in `.hoodie/timeline`.
class HudiTimeline {
 public:
  /// KeyError when there is no Hudi table in the folder, NotImplemented for one that can't be read
  /// right (base files of another format than Parquet, bootstrapped from other files, partition
  /// columns in paths alone, a newer version), IOError for a file that can't be read.
  static Result<HudiTimeline> Read(FileSystem* file_system, const std::string& folder);

  const std::string& folder() const { return folder_; }
  /// Whether log files are named after the write that made them (version 8 on) rather than after
  /// the base file that they change.
  bool logs_name_their_write() const { return version_ >= 8; }

  /// Completed writes and cleanings that are not archived yet, oldest first.
  const std::vector<HudiInstant>& writes() const { return writes_; }
  const std::vector<HudiInstant>& cleans() const { return cleans_; }

  /// Whether the write of this name was completed: it is on the timeline as such, or older than
  /// all that is. Else its files are those of a writer that failed or is at work.
  bool IsCommitted(const std::string& time) const;
  /// When a write of this name was done, as far as is known: "" for an archived one.
  std::string CompletionOf(const std::string& time) const;

  /// When a write was done, in microseconds since the epoch. A timeline whose zone is LOCAL is
  /// taken to be of this process's zone, as Hudi does.
  Result<int64_t> TimeOf(const HudiInstant& write) const;

  /// Errors name the file.
  Result<HudiWrite> Describe(FileSystem* file_system, const HudiInstant& write) const;
  /// Paths below the table of the files that a cleaning removed.
  Result<std::vector<std::string>> Cleaned(FileSystem* file_system, const HudiInstant& clean) const;

  /// A property of the table; "" when it is not set.
  std::string PropertyOf(const std::string& name) const;

  /// The schema that the table was created with, where its properties have it; else "".
  const std::string& create_schema() const { return create_schema_; }

 private:
  Status ReadProperties(FileSystem* file_system);
  Status List(FileSystem* file_system, const std::string& folder);

  std::string folder_;
  std::map<std::string, std::string> properties_;
  std::string create_schema_;
  int64_t version_ = 0;
  std::vector<HudiInstant> writes_, cleans_;
  std::map<std::string, std::string> completed_;  // of writes: name to completion
  std::set<std::string> pending_;                 // names of writes under way
  std::string first_;                             // of writes without a savepoint; "": none
};

}  // namespace tercet
