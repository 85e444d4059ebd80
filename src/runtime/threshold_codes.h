#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace tercet {

/// What a split makes of values that are not there.
enum class Missing : uint8_t {
  kLeft,       ///< NaN goes left
  kRight,      ///< NaN goes right
  kAsZero,     ///< NaN counts as 0
  kZeroLeft,   ///< NaN and what LightGBM takes for 0 go left
  kZeroRight,  ///< they go right
};
inline constexpr size_t kMissingKinds = 5;

/// LightGBM's kZeroThreshold, a float there: as far as this from 0 counts as 0.
inline constexpr double kZeroDistance = 1e-35f;

/// A split of numbers: a row goes right where value >= threshold.
template <typename Number>
struct NumberSplit {
  size_t feature = 0;
  Number threshold = 0;
  Missing missing = Missing::kRight;
};

/// The columns of a block of rows as bytes that decide an ensemble's splits just as the numbers do.
/// Of a split only the order of value and threshold matters, and an ensemble has few thresholds for
/// a feature: a value's code is how many of them it is not below, and the split asks whether that
/// is at least its own threshold's number. What is missing gets the code that goes its way. A
/// feature of more thresholds than a byte can count has several columns, each for 255 of them.
template <typename Number>
class ThresholdCodes {
 public:
  static constexpr size_t kBlockRows = 256;
  /// Values of a feature: rows of the block that is asked for.
  using Values = std::function<void(size_t feature, Number* values)>;

  /// nullopt when there are too many columns for a cache, or a threshold is NaN.
  static std::optional<ThresholdCodes> Make(const std::vector<NumberSplit<Number>>& splits);

  /// Where a split finds its codes: right where the row's byte of `column` is ≥ `code`, which is
  /// never 0. One of those that it was made of.
  struct Place {
    uint32_t column;
    uint8_t code;
  };
  Place PlaceOf(const NumberSplit<Number>& split) const;

  size_t column_count() const { return columns_.size(); }

  /// Writes each column's codes, kBlockRows apart. `rows` ≤ kBlockRows; codes of rows behind them
  /// are any. Only where HasAvx512().
  void Encode(const Values& values_of, size_t rows, uint8_t* codes) const;

  /// The same of one row, which has all features: a byte a column, side by side.
  void EncodeRow(const Number* row, uint8_t* codes) const;

 private:
  static constexpr size_t kGroup = 16;
  static constexpr size_t kTableSize = 255;
  static constexpr size_t kMostWithoutIndex = 4 * kGroup;
  static constexpr size_t kMostColumns = 4096;

  /// Thresholds that a value is compared with at once, ascending, with NaN behind them, so that no
  /// value counts those.
  struct alignas(64) Group {
    Number thresholds[kGroup];
  };
  /// Up to kTableSize thresholds of a feature. So many lie as close together as they can: of a wide
  /// row each feature's are looked at once.
  struct Table {
    uint32_t first_group;
    uint32_t group_count;
    /// The first group has the last threshold of each that follows; NaN for the last one of these.
    bool has_index;
  };
  struct Feature {
    size_t index;
    std::vector<Number> thresholds;
    size_t first_table;
  };
  struct Column {
    uint32_t feature;  ///< into features_
    uint32_t index;    ///< of the feature, in a row
    uint32_t table;
    Missing missing;
  };

  Table MakeTable(const Number* thresholds, size_t count);
  /// Corrects the codes of what is missing, or may be.
  void PlaceMissing(const Column& column, const Number* values, size_t rows, uint8_t* codes) const;
  const Feature& FeatureOf(size_t index) const;

  std::vector<Feature> features_;  ///< that some split looks at, ascending
  std::vector<Table> tables_;
  std::vector<Group> groups_;
  std::vector<Column> columns_;  ///< by feature, table and kind
  bool looks_for_zeros_ = false;  ///< in some column 0 may be missing
};

extern template class ThresholdCodes<float>;
extern template class ThresholdCodes<double>;

}  // namespace tercet
