#pragma once

#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

/// How many types may lie in each other: lists, structs and maps, the innermost value not counted.
inline constexpr int kMaxTypeDepth = 16;

/// Whether a column of this type can be a feature: a scalar, or a list, struct or map of features.
/// External groups may have others beside, which are read and asked in SQL but are in no view.
bool IsFeatureType(const arrow::DataType& type);

/// TypeError for what is no feature: names the part of the type that isn't, and what to make of it.
/// A struct has at least one member, and members have names that are told apart without regard to
/// case; the keys of a map are of types that a primary key may have.
Status CheckFeatureType(const arrow::DataType& type);

/// Whether a primary key, or the keys of a map, can be of this type.
bool IsKeyType(const arrow::DataType& type);

}  // namespace tercet
