#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "source/record_sink.h"

namespace tercet {

inline constexpr int64_t kSinkFileBytes = 64 << 20;

/// JSON lines in `folder`, which is made: NAME-000001.jsonl, NAME-000002.jsonl and so on. A sink
/// writes files of its own, made anew with the next free number, so several processes share a
/// folder; the next one is begun when `file_bytes` are reached, or `age` has passed since its first
/// line (0: never). A line is whole once it has its
/// newline: what a failed write left is cut off, and what is kept is on the disk.
Result<std::unique_ptr<RecordSink>> OpenFileSink(const std::string& folder,
                                                 const std::string& name,
                                                 int64_t file_bytes = kSinkFileBytes,
                                                 std::chrono::seconds age = {});

}  // namespace tercet
