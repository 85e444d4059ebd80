#pragma once

#include <string>

#include "offline/nested_array.h"

namespace tercet {

/// Maps as libraries write them: dicts come as structs from pandas and Polars, as maps from rows of
/// Python, and some have maps as lists of structs. Values are widened as by Widen (column_fit.h).

/// A map of texts as a struct: entries are members, those without an entry null. Whole numbers
/// among doubles become integers where the member is one. Invalid for a key that is no member.
Result<ArrayPtr> StructOfMap(const ArrayPtr& array, const TypePtr& to);

/// A struct as a map of texts: an entry for each member that is not null. TypeError where `to` has
/// other keys.
Result<ArrayPtr> MapOfStruct(const ArrayPtr& array, const TypePtr& to);

/// A list of structs of "key" and "value" as a map. TypeError for other lists, Invalid for an entry
/// that is null.
Result<ArrayPtr> MapOfList(const ArrayPtr& array, const TypePtr& to);

/// "there is no member 'x'", with a suggestion.
Status NoMember(const std::string& name, const arrow::DataType& type);

/// Invalid where a map, at any depth, has a key twice or a null as a key: engines that read it
/// differ in what they make of that.
Status CheckMapKeys(const arrow::Array& array);

}  // namespace tercet
