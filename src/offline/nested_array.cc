#include "offline/nested_array.h"

#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/util/bitmap_ops.h>

namespace tercet {

using arrow::Type;

Result<ArrayPtr> CastSafely(const ArrayPtr& array, const TypePtr& to) {
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum cast, arrow::compute::Cast(array, to));
  return cast.make_array();
}

Result<ArrayPtr> ConvertList(const ArrayPtr& array, const TypePtr& to,
                             const ConvertArray& convert) {
  const TypePtr& element = to->field(0)->type();
  // The elements first, within the list kind that the array has; then Arrow changes the kind.
  TypePtr same_kind;
  ArrayPtr values;
  ArrayPtr rebuilt;
  if (array->type_id() == Type::FIXED_SIZE_LIST) {
    const auto& list = static_cast<const arrow::FixedSizeListArray&>(*array);
    ARROW_ASSIGN_OR_RAISE(values, convert(list.values()->Slice(list.value_offset(0),
                                                               list.length() * list.value_length()),
                                          element));
    same_kind = arrow::fixed_size_list(arrow::field("element", element), list.value_length());
    auto data = array->data()->Copy();
    if (array->offset() != 0) {
      ARROW_ASSIGN_OR_RAISE(rebuilt, arrow::Concatenate({array}));
      data = rebuilt->data()->Copy();
    }
    data->type = same_kind;
    data->child_data = {values->data()};
    rebuilt = arrow::MakeArray(data);
  } else {
    auto data = array->data()->Copy();
    ARROW_ASSIGN_OR_RAISE(values, convert(arrow::MakeArray(data->child_data[0]), element));
    same_kind = array->type_id() == Type::LIST
                    ? arrow::list(arrow::field("element", element))
                    : arrow::large_list(arrow::field("element", element));
    data->type = same_kind;
    data->child_data = {values->data()};
    rebuilt = arrow::MakeArray(data);
  }
  if (rebuilt->type()->Equals(*to)) {
    auto data = rebuilt->data()->Copy();
    data->type = to;  // also the element field's name and nullability
    return arrow::MakeArray(data);
  }
  return CastSafely(rebuilt, to);
}

Result<ArrayPtr> ConvertMap(const ArrayPtr& array, const TypePtr& to, const ConvertArray& convert) {
  // The entries' own rows, which those of a slice are among.
  const arrow::StructArray entries(array->data()->child_data[0]);
  const TypePtr& entry = to->field(0)->type();
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr keys, convert(entries.field(0), entry->field(0)->type()));
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr items, convert(entries.field(1), entry->field(1)->type()));
  auto data = array->data()->Copy();
  data->type = to;
  data->child_data = {arrow::ArrayData::Make(entry, entries.length(), {nullptr},
                                             {keys->data(), items->data()}, 0)};
  return arrow::MakeArray(std::move(data));
}

Result<ArrayPtr> WithMembers(const ArrayPtr& array, const TypePtr& to,
                             const arrow::ArrayVector& members) {
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (const ArrayPtr& member : members) children.push_back(member->data());
  // The members were cut to the array's rows, so its validity is, too.
  std::shared_ptr<arrow::Buffer> validity;
  if (array->null_count() > 0) {
    ARROW_ASSIGN_OR_RAISE(validity, arrow::internal::CopyBitmap(
                                        arrow::default_memory_pool(), array->null_bitmap_data(),
                                        array->offset(), array->length()));
  }
  return arrow::MakeArray(arrow::ArrayData::Make(to, array->length(), {std::move(validity)},
                                                 std::move(children), array->null_count()));
}

}  // namespace tercet
