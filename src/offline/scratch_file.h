#pragma once

#include <memory>
#include <string>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include "base/result.h"

namespace tercet {

/// Room on disk for what doesn't fit into memory. The file has no name, so that the system takes it
/// back when its last user is gone, however that ended: nothing is left of it after an error or a
/// kill -9. What was written is mapped, so its pages are the system's to keep or to drop and don't
/// count as this process's own memory.
class ScratchFile {
 public:
  /// In an existing folder of a local disk; IOError when no file can be made there.
  static Result<std::unique_ptr<ScratchFile>> Make(const std::string& folder);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  /// Where to write. IOErrors name the folder: the disk is full.
  arrow::io::OutputStream* sink() { return sink_.get(); }
  /// Ends the writing; all that was written, which stays readable for as long as somebody holds it.
  Result<std::shared_ptr<arrow::Buffer>> Map();

 private:
  ScratchFile(std::string folder, int descriptor);

  const std::string folder_;
  const int descriptor_;
  std::unique_ptr<arrow::io::OutputStream> sink_;
};

}  // namespace tercet
