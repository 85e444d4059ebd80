#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "offline/checkpoint_files.h"
#include "offline/data_file.h"

namespace tercet {

/// Which files are wanted.
struct FileFilter {
  /// Those with event times in [start, end), and of the sorted runs among them those that
  /// `may_hold`. Foreign files may hold any key; their times are those that their statistics have
  /// of `time_column` (its name in files), if they have any.
  std::optional<int64_t> start_us, end_us;
  std::string time_column = {};
  std::function<bool(const RunTags&)> may_hold = nullptr;
};

/// The files of a table as of one version: those of the checkpoint that it was read from, less
/// those that are gone since, and those that came since. A copy shares the checkpoint.
class LiveFiles {
 public:
  LiveFiles() = default;
  explicit LiveFiles(std::shared_ptr<const CheckpointFiles> base);

  int64_t size() const;
  int64_t total_bytes() const;
  /// Rows less deleted ones; nullopt when the log has no count of some file.
  std::optional<int64_t> row_count() const;
  /// The number of sorted runs with less rows than this.
  int64_t CountRunsBelow(int64_t rows) const;

  bool Contains(const AddFile& file) const;
  /// Adds a file, or replaces the entry of the same logical file.
  void Put(DataFilePtr file);
  /// Takes the logical file out, if it is there.
  void Erase(const std::string& path, const std::optional<VectorPointer>& vector);

  /// The wanted files, older rows first.
  std::vector<DataFilePtr> Ordered(const FileFilter& filter = {}) const;

 private:
  bool IsGone(size_t row) const { return !gone_.empty() && gone_[row]; }
  void EraseBase(const std::string& path, const std::optional<VectorPointer>& vector);

  std::shared_ptr<const CheckpointFiles> base_;  ///< may be null
  std::vector<bool> gone_;                       ///< by row of the base; empty: none is
  int64_t gone_count_ = 0;
  std::unordered_map<std::string, DataFilePtr> added_;  ///< by AddFile::Key()
};

}  // namespace tercet
