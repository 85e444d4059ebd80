#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"

namespace tercet {

/// The local disk, of which a test overrides what is to go wrong.
class TestDisk : public FileSystem {
 public:
  Status MakeDirectory(const std::string& path) override { return disk_->MakeDirectory(path); }
  Result<std::vector<FileInfo>> List(const std::string& path) override { return disk_->List(path); }
  Result<FileInfo> Stat(const std::string& path) override { return disk_->Stat(path); }
  Result<bool> Exists(const std::string& path) override { return disk_->Exists(path); }
  Result<std::string> ReadFile(const std::string& path) override { return disk_->ReadFile(path); }
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenMapped(
      const std::string& path) override {
    return disk_->OpenMapped(path);
  }
  Result<std::shared_ptr<arrow::io::OutputStream>> Create(const std::string& path) override {
    return disk_->Create(path);
  }
  Status SyncFile(const std::string& path) override { return disk_->SyncFile(path); }
  Status SyncDirectory(const std::string& path) override { return disk_->SyncDirectory(path); }
  Status PutIfAbsent(const std::string& path, std::string_view bytes,
                     int64_t modified_us) override {
    return disk_->PutIfAbsent(path, bytes, modified_us);
  }
  Status Replace(const std::string& path, std::string_view bytes) override {
    return disk_->Replace(path, bytes);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return disk_->Rename(from, to);
  }
  Status Remove(const std::string& path) override { return disk_->Remove(path); }
  Status RemoveTree(const std::string& path) override { return disk_->RemoveTree(path); }

 protected:
  const std::shared_ptr<FileSystem> disk_ = LocalFileSystem();
};

}  // namespace tercet
