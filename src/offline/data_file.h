#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "offline/action.h"
#include "offline/table.h"

namespace tercet {

/// What we keep about a data file in `add.tags`, beside what Delta says. A file without these tags,
/// or with those of another layout, is foreign: unsorted, and may hold any key.
struct RunTags {
  bool unique = false;     ///< no (primary key, event time) comes twice in the file
  int64_t row_count = 0;   ///< physical rows
  std::string low, high;   ///< positions (offline/row_keys.h) of the first and last row; long ones
                           ///< are cut to bounds at or beyond them
  int64_t time_min_us = std::numeric_limits<int64_t>::min();
  int64_t time_max_us = std::numeric_limits<int64_t>::max();
};

/// A live file of a table.
struct DataFile {
  AddFile add;
  std::string path;            ///< relative to the table, decoded
  int64_t version = 0;         ///< of the commit that brought its rows: later rows win
  int64_t position = 0;        ///< among the files of that commit
  std::optional<RunTags> run;  ///< nullopt: foreign
  bool keyless = false;        ///< no row has a position in the table (offline/keyless_rows.h)

  /// Rows less deleted ones; nullopt when the log has no count.
  std::optional<int64_t> RowCount() const;
  /// Whether this file's rows win over the other's at equal keys.
  bool After(const DataFile& other) const {
    return std::pair(version, position) > std::pair(other.version, other.position);
  }
};

using DataFilePtr = std::shared_ptr<const DataFile>;

/// The text that tells sorted runs of one layout from those of another.
std::string LayoutText(const TableOptions& options);

/// Reads our tags one by one, wherever they are kept. The texts that it was given must live until
/// the last call.
class RunTagReader {
 public:
  enum class Tag : uint8_t {
    kOther, kLayout, kUnique, kVersion, kRows, kLow, kHigh, kTimeMin, kTimeMax
  };
  static Tag TagOf(std::string_view name);

  explicit RunTagReader(const TableOptions& options);

  void Clear();
  void Take(Tag tag, std::string_view text);
  void Take(std::string_view name, std::string_view text) { Take(TagOf(name), text); }
  /// The commit that brought the file's rows, or nullopt.
  std::optional<int64_t> version() const { return version_; }
  /// Whether the file is a sorted run of the table's layout, and the tags of it are whole.
  bool IsRun() const {
    return is_layout_ && low_ && high_ && rows_ && time_min_us_ && time_max_us_;
  }
  int64_t row_count() const { return *rows_; }
  int64_t time_min_us() const { return *time_min_us_; }
  int64_t time_max_us() const { return *time_max_us_; }
  /// All of a run's tags, in memory that is used again; false when they are damaged, and then the
  /// file counts as foreign.
  bool Finish(RunTags* run) const;

 private:
  std::shared_ptr<const std::string> layout_text_;
  bool is_layout_ = false, unique_ = false;
  std::optional<std::string_view> low_, high_;
  std::optional<int64_t> version_, rows_, time_min_us_, time_max_us_;
};

/// Adds a run's tags to the action.
void PutRunTags(const RunTags& run, const TableOptions& options, AddFile* add);

/// Says of a foreign file that none of its rows has a position of this layout.
void PutKeylessTag(const TableOptions& options, AddFile* add);

/// Notes the commit that brought the file's rows, so that it is known from checkpoints too.
void PutVersionTag(int64_t version, AddFile* add);

/// Reads a file's tags. `version` is that of the commit that added it, or -1 when a checkpoint
/// did; then it comes from the tag, and stays -1 when there is none. Invalid for a path outside of
/// the table.
Result<DataFilePtr> MakeDataFile(AddFile add, const TableOptions& options, int64_t version,
                                 int64_t position);

/// The number of rows that a file's statistics say it has.
std::optional<int64_t> RecordCountOf(std::string_view stats);

std::string ToHex(std::string_view bytes);
/// Invalid when the text is no hexadecimal.
Result<std::string> FromHex(std::string_view text);

}  // namespace tercet
