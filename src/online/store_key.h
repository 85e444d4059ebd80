#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "catalog/noun.h"

namespace tercet {

/// The keys of the online store's one column family:
///
///     G weather@1                              a group's state (group_state.h)
///     N                                        the next group id, decimal
///     P id generation key                      a key to refill: the bytes of its key columns
///     R id generation key                      the rows of a key (key_rows.h)
///
/// id and generation are four bytes, big-endian; key is SortKeys' byte form.
inline constexpr char kGroupRecord = 'G';
inline constexpr char kNextIdRecord = 'N';
inline constexpr char kRefillRecord = 'P';
inline constexpr char kRowsRecord = 'R';
inline constexpr size_t kStorePrefixBytes = 9;

inline void AppendStorePrefix(char record, uint32_t id, uint32_t generation, std::string* out) {
  const auto byte = [](uint32_t number, int shift) { return static_cast<char>(number >> shift); };
  const char prefix[kStorePrefixBytes] = {record,
                                          byte(id, 24),
                                          byte(id, 16),
                                          byte(id, 8),
                                          byte(id, 0),
                                          byte(generation, 24),
                                          byte(generation, 16),
                                          byte(generation, 8),
                                          byte(generation, 0)};
  out->append(prefix, kStorePrefixBytes);
}

inline std::string StorePrefix(char record, uint32_t id, uint32_t generation) {
  std::string prefix;
  AppendStorePrefix(record, id, generation, &prefix);
  return prefix;
}

inline std::string GroupKey(const Ref& group) { return kGroupRecord + group.ToText(); }

}  // namespace tercet
