#include <algorithm>
#include <bit>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "numpy_row.h"
#include "project.h"
#include "rows.h"

namespace tercet::python {
namespace {

/// A schema as Python fills dicts by it. Made and used with the interpreter's lock held.
struct DictShape {
  explicit DictShape(const arrow::Schema& schema) {
    for (const auto& field : schema.fields()) {
      PyObject* name = nb::str(field->name().data(), field->name().size()).release().ptr();
      PyUnicode_InternInPlace(&name);
      names.push_back(nb::steal<nb::str>(name));
      plain &= HasValueOfCell(*field->type());
      empty[names.back()] = nb::none();
    }
  }

  std::vector<nb::str> names;
  bool plain = true;  ///< every column has a plain value (HasValueOfCell)
  nb::dict empty;     ///< name → None: a dict that takes its keys over at once has no need to grow
};

/// Puts a cell for each column of a schema into a dict.
void FillDict(const arrow::Schema& schema, const DictShape& shape, const std::vector<Cell>& cells,
              nb::handle dict) {
  if (PyDict_Update(dict.ptr(), shape.empty.ptr()) != 0) nb::raise_python_error();
  for (size_t i = 0; i < shape.names.size(); ++i) {
    const nb::object value = ValueOfCell(*schema.field(static_cast<int>(i))->type(), cells[i]);
    if (PyDict_SetItem(dict.ptr(), shape.names[i].ptr(), value.ptr()) != 0) {
      nb::raise_python_error();
    }
  }
}

nb::dict StatusDict(const DictShape& shape, const std::vector<RowStatus>& status) {
  static auto* const texts = [] {
    auto* names = new std::vector<nb::str>();
    for (const RowStatus one : {RowStatus::kPresent, RowStatus::kMissing, RowStatus::kExpired,
                                RowStatus::kUnavailable, RowStatus::kStale}) {
      const std::string_view name = RowStatusName(one);
      names->push_back(nb::str(name.data(), name.size()));
    }
    return names;
  }();
  nb::dict dict;
  for (size_t f = 0; f < status.size(); ++f) {
    dict[shape.names[f]] = (*texts)[static_cast<size_t>(status[f])];
  }
  return dict;
}

bool IsNumber(const arrow::DataType& type) {
  return type.id() == arrow::Type::BOOL || type.id() == arrow::Type::DOUBLE ||
         type.id() == arrow::Type::FLOAT || arrow::is_integer(type.id());
}

/// A cell of such a type; NaN where there is no value.
double NumberOfCell(arrow::Type::type type, const Cell& cell) {
  if (cell.null()) return std::numeric_limits<double>::quiet_NaN();
  switch (type) {
    case arrow::Type::BOOL: return cell.As<uint8_t>() != 0 ? 1 : 0;
    case arrow::Type::FLOAT: return cell.As<float>();
    case arrow::Type::INT64: return static_cast<double>(cell.As<int64_t>());
    case arrow::Type::INT32: return cell.As<int32_t>();
    case arrow::Type::INT16: return cell.As<int16_t>();
    case arrow::Type::INT8: return cell.As<int8_t>();
    case arrow::Type::UINT64: return static_cast<double>(cell.As<uint64_t>());
    case arrow::Type::UINT32: return cell.As<uint32_t>();
    case arrow::Type::UINT16: return cell.As<uint16_t>();
    case arrow::Type::UINT8: return cell.As<uint8_t>();
    default: return cell.As<double>();
  }
}

/// Asks one view for single vectors, straight from Python's values to cells and back.
class VectorAsker {
 public:
  VectorAsker(nb::object project, Ref view)
      : project_(std::move(project)),
        core_(nb::cast<const CoreProject*>(project_)),
        view_(std::move(view)) {}
  VectorAsker(const VectorAsker&) = delete;
  VectorAsker& operator=(const VectorAsker&) = delete;

  /// Fills an empty Vector with one entity's features, and sets its `status` where one is not
  /// present and its `helpers` where the view has some. False, and nothing is filled, where the
  /// short way (Platform::Reader) can't be gone.
  bool Fill(nb::dict vector, nb::handle entity, std::optional<int64_t> event_time_us) {
    VectorCells& found = Found();
    const auto known = Read(entity, [](const Known& view) { return view.features.plain; },
                            [&](const VectorReader& reader, const std::vector<Cell>& cells) {
                              return reader.Read(cells, event_time_us, &found);
                            });
    if (known == nullptr) return false;
    FillDict(*known->features_schema, known->features, found.features, vector);
    const bool present =
        std::all_of(found.status.begin(), found.status.end(),
                    [](RowStatus status) { return status == RowStatus::kPresent; });
    if (!present) nb::setattr(vector, "status", StatusDict(known->features, found.status));
    if (!known->helpers.names.empty()) {
      nb::dict values;
      FillDict(*known->helpers_schema, known->helpers, found.helpers, values);
      nb::setattr(vector, "helpers", values);
    }
    return true;
  }

  /// The features as a NumPy array of float64, NaN where there is no value; None where the short
  /// way can't be gone, or a feature is no number.
  nb::object Row(nb::handle entity, std::optional<int64_t> event_time_us) {
    nb::object row;
    double* numbers = nullptr;
    std::span<const ColumnTarget> targets;  // none where not all features are doubles
    VectorCells& found = Found();
    bool in_place = false;
    const auto known = Read(
        entity,
        [&](const Known& view) {
          if (!view.numbers) return false;
          row = NewNumpyRow(view.features.names.size(), &numbers);
          targets = {};
          if (view.doubles) targets = TargetsOf(numbers, view.features.names.size());
          return true;
        },
        [&](const VectorReader& reader, const std::vector<Cell>& cells) -> Result<bool> {
          // Doubles go from the rows' bytes into the array.
          if (!targets.empty()) {
            ARROW_ASSIGN_OR_RAISE(const ColumnsRead read,
                                  reader.ReadColumns(cells, event_time_us, targets));
            in_place = read != ColumnsRead::kElsewhere;
            if (in_place) return true;
          }
          return reader.Read(cells, event_time_us, &found);
        });
    if (known == nullptr) return nb::none();
    for (size_t f = 0; !in_place && f < found.features.size(); ++f) {
      const auto type = known->features_schema->field(static_cast<int>(f))->type()->id();
      numbers[f] = NumberOfCell(type, found.features[f]);
    }
    return row;
  }

 private:
  /// What was known of the view when it was asked last.
  struct Known {
    explicit Known(const VectorReader& reader)
        : entities(reader.entities()),
          features_schema(reader.features()),
          helpers_schema(reader.helpers()),
          features(*features_schema),
          helpers(*helpers_schema) {
      features.plain &= helpers.plain;
      for (const auto& field : features_schema->fields()) {
        numbers &= IsNumber(*field->type());
        doubles &= field->type()->id() == arrow::Type::DOUBLE;
      }
    }

    std::shared_ptr<arrow::Schema> entities, features_schema, helpers_schema;
    DictShape features, helpers;
    bool numbers = true;  ///< all features are
    bool doubles = true;
  };

  static VectorCells& Found() {
    thread_local VectorCells found;
    return found;
  }

  /// Targets for one row of doubles.
  static std::span<const ColumnTarget> TargetsOf(double* numbers, size_t count) {
    thread_local std::vector<ColumnTarget> targets;
    thread_local std::vector<uint8_t> status;
    targets.resize(count);
    status.assign(count, 0);
    for (size_t i = 0; i < count; ++i) {
      targets[i] = {.values = reinterpret_cast<char*>(numbers + i),
                    .status = &status[i],
                    .width = sizeof(double),
                    .null_bits = std::bit_cast<uint64_t>(
                        std::numeric_limits<double>::quiet_NaN())};
    }
    return targets;
  }

  /// Has an entity read by `read`, without the interpreter's lock, if `wanted` says so. Returns by
  /// what it was read; null where it was not.
  template <typename Wanted, typename ReadBy>
  std::shared_ptr<const Known> Read(nb::handle entity, const Wanted& wanted, const ReadBy& read) {
    if (!PyDict_CheckExact(entity.ptr())) return nullptr;
    const ValuesOfRow row(entity);
    thread_local std::vector<Cell> cells;
    thread_local std::vector<uint64_t> numbers;
    // The view is mostly as it was: what it is and its rows are had without giving the
    // interpreter's lock back in between.
    std::shared_ptr<const Known> known = known_;
    while (true) {
      if (known != nullptr &&
          (!wanted(*known) || !row.Cells(*known->entities, &cells, &numbers))) {
        return nullptr;
      }
      std::shared_ptr<const VectorReader> changed;
      const bool done = Unlocked([&]() -> Result<bool> {
        ARROW_ASSIGN_OR_RAISE(auto reader, (*core_)->Reader(view_));
        if (reader == nullptr) return false;
        if (known == nullptr || known->entities != reader->entities() ||
            known->features_schema != reader->features() ||
            known->helpers_schema != reader->helpers()) {
          changed = std::move(reader);
          return false;
        }
        return read(*reader, cells);
      });
      if (changed == nullptr) return done ? known : nullptr;
      known_ = known = std::make_shared<const Known>(*changed);
    }
  }

  nb::object project_;  // kept alive; closed, it says so
  const CoreProject* core_;
  const Ref view_;
  std::shared_ptr<const Known> known_;  // guarded by the interpreter's lock
};

}  // namespace

void BindVectorAskers(nb::module_& module, ProjectClass& project) {
  nb::class_<VectorAsker>(module, "VectorAsker")
      .def("fill", &VectorAsker::Fill, nb::arg(), nb::arg(), nb::arg().none())
      .def("row", &VectorAsker::Row, nb::arg(), nb::arg().none());
  project.def("vector_asker", [](nb::handle self, const std::string& name, int64_t version) {
    return new VectorAsker(nb::borrow(self), {name, version});
  });
}

}  // namespace tercet::python
